//! Secrets: held in memory that is wiped, named by reference in the configuration, never printed.
//!
//! Nothing here may put a secret's value into an error, a log or a debug line.

use std::fmt;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

/// The largest secret read from a file, in bytes; real ones are keys, passwords and tokens.
pub const SECRET_BYTES_MAX: u64 = 64 * 1024;

/// A secret value. Prints as `***` and is wiped from memory when dropped.
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes over `value`.
    #[must_use]
    pub fn new(value: impl Into<Vec<u8>>) -> Self {
        Self(Zeroizing::new(value.into()))
    }

    /// Returns the value itself. Call it where the value is used and nowhere else.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Where a secret is to be found: all that the configuration may say of it.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum SecretRef {
    /// The value of an environment variable.
    Env(String),
    /// The content of a file, without its final line break.
    File(PathBuf),
}

impl SecretRef {
    /// Reads `env:NAME` or `file:PATH`; a relative path starts at `folder`.
    ///
    /// # Errors
    /// Anything else, above all a literal secret. The text is never repeated in the error.
    pub fn parse(text: &str, folder: &Path) -> Result<Self, SecretRefError> {
        match text.split_once(':') {
            Some(("env", name)) => {
                let valid = !name.is_empty()
                    && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
                    && !name.starts_with(|c: char| c.is_ascii_digit());
                if valid {
                    Ok(Self::Env(name.to_owned()))
                } else {
                    Err(SecretRefError::VariableName)
                }
            }
            Some(("file", "")) => Err(SecretRefError::NoPath),
            Some(("file", path)) => Ok(Self::File(folder.join(path))),
            Some(("vault", _)) => Err(SecretRefError::VaultNotBuilt),
            _ => Err(SecretRefError::Literal),
        }
    }

    /// Fetches the secret.
    ///
    /// # Errors
    /// The variable is unset or empty; the file cannot be read, is empty or larger than
    /// [`SECRET_BYTES_MAX`].
    pub fn resolve(&self) -> Result<Secret, SecretError> {
        let secret = match self {
            Self::Env(name) => {
                let value = std::env::var_os(name).ok_or_else(|| SecretError::Unset(name.clone()))?;
                Secret::new(value.into_encoded_bytes())
            }
            Self::File(path) => read_file(path)?,
        };
        if secret.expose().is_empty() {
            return Err(SecretError::Empty(self.to_string()));
        }
        Ok(secret)
    }
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "env:{name}"),
            Self::File(path) => write!(f, "file:{}", path.display()),
        }
    }
}

fn read_file(path: &Path) -> Result<Secret, SecretError> {
    let unreadable = |source| SecretError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let mut value = Zeroizing::new(Vec::new());
    file.take(SECRET_BYTES_MAX + 1)
        .read_to_end(&mut value)
        .map_err(unreadable)?;
    if value.len() as u64 > SECRET_BYTES_MAX {
        return Err(SecretError::TooLarge(path.to_owned()));
    }
    // Editors and `echo` end a file with a line break that is not part of the secret.
    for ending in [b'\n', b'\r'] {
        if value.last() == Some(&ending) {
            value.pop();
        }
    }
    Ok(Secret(value))
}

/// The length of a key the gateway makes for itself, in bytes: HMAC-SHA-256's own.
pub const KEY_BYTES: usize = 32;

/// Returns the key in `path`, as hex; makes it, readable by its owner only, if there is none.
///
/// # Errors
/// The file cannot be read or created, or does not hold [`KEY_BYTES`] bytes in hex.
pub fn own_key(path: &Path) -> Result<Secret, SecretError> {
    let text = own_file(path, || {
        let mut key = Zeroizing::new([0_u8; KEY_BYTES]);
        getrandom::fill(&mut *key).map_err(std::io::Error::other)?;
        let mut text = Zeroizing::new(vec![0; 2 * KEY_BYTES + 1]);
        text[2 * KEY_BYTES] = b'\n';
        hex::encode_to_slice(*key, &mut text[..2 * KEY_BYTES]).map_err(std::io::Error::other)?;
        Ok(text)
    })?;
    let mut key = Zeroizing::new(vec![0; KEY_BYTES]);
    hex::decode_to_slice(text.expose(), &mut key).map_err(|_| SecretError::NotAKey(path.to_owned()))?;
    Ok(Secret(key))
}

/// Returns what stands in `path`; puts there, readable by its owner only, what `make` makes if
/// there is no such file.
///
/// # Errors
/// The file cannot be read or created.
pub fn own_file(
    path: &Path,
    make: impl FnOnce() -> std::io::Result<Zeroizing<Vec<u8>>>,
) -> Result<Secret, SecretError> {
    match std::fs::exists(path) {
        Ok(false) => create(path, make).map_err(|source| SecretError::Uncreatable {
            path: path.to_owned(),
            source,
        })?,
        Ok(true) => {}
        Err(source) => {
            return Err(SecretError::Unreadable {
                path: path.to_owned(),
                source,
            });
        }
    }
    read_file(path)
}

fn create(path: &Path, make: impl FnOnce() -> std::io::Result<Zeroizing<Vec<u8>>>) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;

    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let text = make()?;
    // Written whole under another name first: a crash must not leave half a key behind.
    let draft = path.with_extension("new");
    let _ = std::fs::remove_file(&draft);
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&draft)?;
    file.write_all(&text)?;
    file.sync_all()?;
    // A hard link, unlike a rename, never replaces a key another process just made.
    match std::fs::hard_link(&draft, path) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
        linked => linked?,
    }
    std::fs::remove_file(&draft)
}

/// Why a text is no reference to a secret.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SecretRefError {
    /// The text is neither `env:` nor `file:`.
    #[error("a secret must be a reference, not the secret itself")]
    Literal,
    /// `file:` without a path.
    #[error("file: needs a path")]
    NoPath,
    /// `env:` with something that is no variable name.
    #[error("env: needs the name of a variable: letters, digits and _")]
    VariableName,
    /// A reference into Vault.
    #[error("vault: references are not built yet")]
    VaultNotBuilt,
}

/// Why a secret could not be fetched. Never carries its value.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The secret is there but empty.
    #[error("the secret {0} is empty")]
    Empty(String),
    /// The file holds something else than a key.
    #[error("{} does not hold {KEY_BYTES} bytes in hex", .0.display())]
    NotAKey(PathBuf),
    /// The file is larger than any secret.
    #[error("{} is larger than {SECRET_BYTES_MAX} bytes", .0.display())]
    TooLarge(PathBuf),
    /// The key file could not be made.
    #[error("could not create {}", path.display())]
    Uncreatable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file could not be read.
    #[error("could not read {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The environment variable does not exist.
    #[error("the environment variable {0} is not set")]
    Unset(String),
}

impl SecretError {
    /// Returns who must act: whoever runs the gateway.
    #[must_use]
    pub const fn fault(&self) -> model::Fault {
        model::Fault::Operator
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_never_prints_itself() {
        let secret = Secret::new("hunter2");
        assert_eq!(format!("{secret} {secret:?}"), "*** ***");
        assert_eq!(secret.expose(), b"hunter2");
    }

    #[test]
    fn only_references_are_taken() {
        let folder = Path::new("/etc/tidegate");
        let parse = |text| SecretRef::parse(text, folder);
        assert_eq!(parse("env:DB_PASSWORD"), Ok(SecretRef::Env("DB_PASSWORD".into())));
        assert_eq!(
            parse("file:db.txt"),
            Ok(SecretRef::File("/etc/tidegate/db.txt".into()))
        );
        assert_eq!(parse("file:/run/db"), Ok(SecretRef::File("/run/db".into())));
        assert_eq!(parse("hunter2"), Err(SecretRefError::Literal));
        assert_eq!(parse("pass:word"), Err(SecretRefError::Literal));
        assert_eq!(parse("env:"), Err(SecretRefError::VariableName));
        assert_eq!(parse("env:A B"), Err(SecretRefError::VariableName));
        assert_eq!(parse("file:"), Err(SecretRefError::NoPath));
        assert_eq!(parse("vault:db#password"), Err(SecretRefError::VaultNotBuilt));
    }

    #[test]
    fn a_file_secret_loses_its_final_line_break_only() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("secret");
        std::fs::write(&path, " two words \r\n").expect("written");
        let secret = SecretRef::File(path.clone()).resolve().expect("a secret");
        assert_eq!(secret.expose(), b" two words ");

        std::fs::write(&path, "\n").expect("written");
        assert!(matches!(
            SecretRef::File(path).resolve(),
            Err(SecretError::Empty(_))
        ));
    }

    #[test]
    fn a_missing_or_oversized_secret_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("secret");
        let reference = SecretRef::File(path.clone());
        assert!(matches!(reference.resolve(), Err(SecretError::Unreadable { .. })));
        std::fs::write(&path, vec![b'x'; 65_537]).expect("written");
        assert!(matches!(reference.resolve(), Err(SecretError::TooLarge(_))));
        let unset = SecretRef::Env("TIDEGATE_TEST_NEVER_SET".into()).resolve();
        assert!(matches!(unset, Err(SecretError::Unset(_))));
    }

    #[test]
    fn an_own_key_is_made_once_and_only_its_owner_reads_it() {
        use std::os::unix::fs::PermissionsExt as _;

        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("state/masking.key");
        let first = own_key(&path).expect("made");
        let second = own_key(&path).expect("read");
        assert_eq!(first.expose(), second.expose());
        assert_eq!(first.expose().len(), KEY_BYTES);
        let mode = std::fs::metadata(&path).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);

        std::fs::write(&path, "short").expect("written");
        assert!(matches!(own_key(&path), Err(SecretError::NotAKey(_))));
    }
}
