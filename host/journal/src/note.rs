//! Signed checkpoints (C2SP signed-note and tlog-checkpoint) and the keys for them.
//!
//! The private key never leaves this module.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::SigningKey;
use signed_note::{Note, NoteError, Signer as _, StandardSigner, StandardVerifier, Verifier, VerifierList};
use tlog_tiles::tlog;

use crate::layout::sync_dir;
use crate::tree::Hash;

/// What a checkpoint says: the log with this origin had this root at this size.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Checkpoint {
    /// The log's name.
    pub origin: String,
    /// Number of entries.
    pub size: u64,
    /// Root of the Merkle tree over them.
    pub root: Hash,
}

/// A checkpoint with the exact bytes that were signed and the signature.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SignedCheckpoint {
    /// What it says.
    pub checkpoint: Checkpoint,
    /// The signed note, to be kept or shown as it stands.
    pub note: Vec<u8>,
}

/// Why a note is no checkpoint of this log.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NoteFault {
    /// Not a signed note, or its text is no checkpoint.
    #[error("it is not a signed checkpoint")]
    Malformed,
    /// No signature by a known key.
    #[error("it carries no signature by a known key")]
    UnknownKey,
    /// A known key, but the signature does not fit the text.
    #[error("its signature does not fit")]
    WrongSignature,
}

/// Why the signing key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The origin cannot be a key's name.
    #[error("the origin must be 1 to {ORIGIN_BYTES_MAX} bytes without spaces, control characters and `+`")]
    Origin,
    /// It could not be read or written.
    #[error("the signing key {path} could not be {attempted}")]
    Io {
        /// The key's path.
        path: PathBuf,
        /// `read` or `written`.
        attempted: &'static str,
        /// The system's error.
        source: io::Error,
    },
    /// Others may read it.
    #[error("the signing key {path} may be read by others; set its mode to 0600")]
    Exposed {
        /// The key's path.
        path: PathBuf,
    },
    /// Not a key of the expected form or name.
    #[error("the signing key {path} is not a note key for the origin {origin}")]
    Malformed {
        /// The key's path.
        path: PathBuf,
        /// The log's name.
        origin: String,
    },
    /// The log has been signed before, so its key must be somewhere.
    #[error("the signing key {path} is missing, but the log has been signed; restore the key")]
    Missing {
        /// The key's path.
        path: PathBuf,
    },
}

/// The key that signs a log's checkpoints.
pub(crate) struct SigningNoteKey {
    signer: StandardSigner,
    vkey: String,
}

impl fmt::Debug for SigningNoteKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SigningNoteKey").field(&self.vkey).finish()
    }
}

impl SigningNoteKey {
    /// Reads the key for `origin`; `None` if there is no such file.
    pub(crate) fn read(path: &Path, origin: &str) -> Result<Option<Self>, KeyError> {
        check_origin(origin)?;
        match fs::metadata(path) {
            Ok(metadata) if metadata.permissions().mode() & 0o077 != 0 => {
                return Err(KeyError::Exposed {
                    path: path.to_path_buf(),
                });
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io_error(path, "read")(error)),
        }
        let text = fs::read_to_string(path).map_err(io_error(path, "read"))?;
        let key = Self::parse(text.trim_end(), origin).ok_or_else(|| KeyError::Malformed {
            path: path.to_path_buf(),
            origin: origin.to_owned(),
        })?;
        Ok(Some(key))
    }

    /// The verification key that goes with it.
    pub(crate) fn vkey(&self) -> &str {
        &self.vkey
    }

    /// Signs what the log is now.
    pub(crate) fn sign(&self, size: u64, root: Hash) -> Result<SignedCheckpoint, NoteFault> {
        let origin = self.signer.name();
        let text = tlog_tiles::Checkpoint::new(origin, size, tlog::Hash(root), "")
            .map_err(|_| NoteFault::Malformed)?
            .to_bytes();
        let mut note = Note::new(&text, &[]).map_err(|_| NoteFault::Malformed)?;
        note.add_sigs(&[&self.signer]).map_err(|_| NoteFault::Malformed)?;
        Ok(SignedCheckpoint {
            checkpoint: Checkpoint {
                origin: origin.to_owned(),
                size,
                root,
            },
            note: note.to_bytes(),
        })
    }

    fn parse(text: &str, origin: &str) -> Option<Self> {
        let signer = StandardSigner::new(text).ok()?;
        if signer.name() != origin {
            return None;
        }
        let secret = STANDARD.decode(text.splitn(5, '+').nth(4)?).ok()?;
        let key = SigningKey::from_bytes(secret.get(1..)?.try_into().ok()?);
        let vkey = signed_note::new_ed25519_verifier_key(origin, &key.verifying_key());
        Some(Self { signer, vkey })
    }
}

/// A key that is kept nowhere yet.
pub(crate) struct NewKey {
    key: SigningNoteKey,
    text: String,
}

impl NewKey {
    /// Makes a key for `origin`, to be kept in `path`.
    pub(crate) fn draw(path: &Path, origin: &str) -> Result<Self, KeyError> {
        check_origin(origin)?;
        let mut seed = [0; 32];
        getrandom::fill(&mut seed)
            .map_err(|error| io_error(path, "written")(io::Error::other(error.to_string())))?;
        let key = SigningKey::from_bytes(&seed);
        let public = [&[ALGORITHM_ED25519], key.verifying_key().as_bytes().as_slice()].concat();
        let id = signed_note::key_id(origin, &public);
        let secret = STANDARD.encode([&[ALGORITHM_ED25519], seed.as_slice()].concat());
        let text = format!("PRIVATE+KEY+{origin}+{id:08x}+{secret}");
        let key = SigningNoteKey::parse(&text, origin).ok_or(KeyError::Origin)?;
        Ok(Self { key, text })
    }

    /// The key.
    pub(crate) fn key(&self) -> &SigningNoteKey {
        &self.key
    }

    /// Writes the key to `path`, durably. What is there is never replaced.
    pub(crate) fn keep(self, path: &Path) -> Result<SigningNoteKey, KeyError> {
        write_key(path, &self.text).map_err(io_error(path, "written"))?;
        Ok(self.key)
    }
}

fn write_key(path: &Path, text: &str) -> io::Result<()> {
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new("."));
    fs::create_dir_all(parent)?;
    // Written whole under another name first: a crash must not leave half a key behind.
    let mut draft = path.as_os_str().to_owned();
    draft.push(".new");
    let draft = PathBuf::from(draft);
    match fs::remove_file(&draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&draft)?;
    writeln!(file, "{text}")?;
    file.sync_all()?;
    // A hard link, unlike a rename, never replaces a key.
    fs::hard_link(&draft, path)?;
    fs::remove_file(&draft)?;
    sync_dir(parent)
}

fn check_origin(origin: &str) -> Result<(), KeyError> {
    let plain = |c: char| !c.is_whitespace() && !c.is_control() && c != '+';
    if origin.is_empty() || origin.len() > ORIGIN_BYTES_MAX || !origin.chars().all(plain) {
        return Err(KeyError::Origin);
    }
    Ok(())
}

fn io_error(path: &Path, attempted: &'static str) -> impl FnOnce(io::Error) -> KeyError {
    let path = path.to_path_buf();
    move |source| KeyError::Io {
        path,
        attempted,
        source,
    }
}

/// Keys by which notes are checked.
pub(crate) struct Keys(VerifierList);

impl Keys {
    /// Reads verification keys; `None` if one is not of the form `name+id+key`.
    pub(crate) fn parse<'a>(vkeys: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        let mut list: Vec<Box<dyn Verifier>> = Vec::new();
        for vkey in vkeys {
            list.push(Box::new(StandardVerifier::new(vkey).ok()?));
        }
        Some(Self(VerifierList::new(list)))
    }

    /// Checks a signed note and reads the checkpoint in it.
    pub(crate) fn open(&self, note: &[u8]) -> Result<SignedCheckpoint, NoteFault> {
        let parsed = Note::from_bytes(note).map_err(|_| NoteFault::Malformed)?;
        // Reading is lenient about base64; what is kept must be the one canonical form.
        if parsed.to_bytes() != note {
            return Err(NoteFault::Malformed);
        }
        parsed.verify(&self.0).map_err(|error| match error {
            NoteError::UnverifiedNote | NoteError::VerificationError(_) => NoteFault::UnknownKey,
            NoteError::InvalidSignature { .. } => NoteFault::WrongSignature,
            _ => NoteFault::Malformed,
        })?;
        let text = tlog_tiles::Checkpoint::from_bytes(parsed.text()).map_err(|_| NoteFault::Malformed)?;
        Ok(SignedCheckpoint {
            checkpoint: Checkpoint {
                origin: text.origin().to_owned(),
                size: text.size(),
                root: text.hash().0,
            },
            note: note.to_vec(),
        })
    }
}

/// The size that a note states, whoever signed it.
pub(crate) fn stated_size(note: &[u8]) -> Option<u64> {
    let line = note.split(|byte| *byte == b'\n').nth(1)?;
    std::str::from_utf8(line).ok()?.parse().ok()
}

/// Splits `checkpoints.log` into notes. Each is followed by an empty line; what remains after
/// the last whole one is returned beside them.
pub(crate) fn split_notes(log: &[u8]) -> (Vec<&[u8]>, &[u8]) {
    let mut notes = Vec::new();
    let mut rest = log;
    while let Some(end) = note_end(rest) {
        notes.push(&rest[..end]);
        rest = &rest[end + 1..];
    }
    (notes, rest)
}

/// Where the first note ends: after its signatures, before the empty line.
fn note_end(bytes: &[u8]) -> Option<usize> {
    let blank = |from: usize| {
        bytes[from..]
            .windows(2)
            .position(|pair| pair == b"\n\n")
            .map(|at| from + at + 2)
    };
    let signatures = blank(0)?;
    blank(signatures).map(|after| after - 1)
}

/// Keeps a checkpoint, and with it each note, far below a kilobyte.
const ORIGIN_BYTES_MAX: usize = 255;

/// The signature type of C2SP signed-note for Ed25519.
const ALGORITHM_ED25519: u8 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    const ORIGIN: &str = "bank/gateway-1";

    fn key(dir: &Path) -> SigningNoteKey {
        let path = dir.join("key");
        let new = NewKey::draw(&path, ORIGIN).expect("a key");
        new.keep(&path).expect("kept")
    }

    #[test]
    fn a_signed_checkpoint_opens_with_the_public_key_only() {
        let dir = tempfile::tempdir().expect("folder");
        let key = key(dir.path());
        let signed = key.sign(5, [7; 32]).expect("signs");
        let keys = Keys::parse([key.vkey()]).expect("key");
        assert_eq!(keys.open(&signed.note), Ok(signed.clone()));

        let other = tempfile::tempdir().expect("folder");
        let stranger = Keys::parse([super::tests::key(other.path()).vkey()]).expect("key");
        assert_eq!(stranger.open(&signed.note), Err(NoteFault::UnknownKey));
        for at in 0..signed.note.len() {
            let mut changed = signed.note.clone();
            changed[at] ^= 1;
            assert!(keys.open(&changed).is_err(), "byte {at}");
        }
    }

    #[test]
    fn the_key_file_is_for_its_owner_only() {
        let dir = tempfile::tempdir().expect("folder");
        let path = dir.path().join("key");
        key(dir.path());
        let mode = fs::metadata(&path).expect("file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("mode");
        let opened = SigningNoteKey::read(&path, ORIGIN);
        assert!(matches!(opened, Err(KeyError::Exposed { .. })));
    }

    #[test]
    fn a_key_is_there_whole_or_not_at_all_and_never_replaced() {
        let dir = tempfile::tempdir().expect("folder");
        let path = dir.path().join("key");
        // What a crash while it was written leaves.
        fs::write(dir.path().join("key.new"), "PRIVATE+KEY+ba").expect("written");
        assert!(SigningNoteKey::read(&path, ORIGIN).expect("reads").is_none());
        let kept = key(dir.path());
        let read = SigningNoteKey::read(&path, ORIGIN)
            .expect("reads")
            .expect("a key");
        assert_eq!(read.vkey(), kept.vkey());
        assert_eq!(fs::read_dir(dir.path()).expect("reads").count(), 1);
        let another = NewKey::draw(&path, ORIGIN).expect("a key");
        assert!(another.keep(&path).is_err());
        let read = SigningNoteKey::read(&path, ORIGIN)
            .expect("reads")
            .expect("a key");
        assert_eq!(read.vkey(), kept.vkey());
    }

    #[test]
    fn notes_split_and_a_torn_one_is_left_over() {
        let dir = tempfile::tempdir().expect("folder");
        let key = key(dir.path());
        let (a, b) = (key.sign(1, [1; 32]), key.sign(2, [2; 32]));
        let (a, b) = (a.expect("signs").note, b.expect("signs").note);
        let log = [&a[..], b"\n", &b[..], b"\n"].concat();
        assert_eq!(split_notes(&log), (vec![&a[..], &b[..]], &b""[..]));
        for cut in a.len() + 1..log.len() {
            let (notes, rest) = split_notes(&log[..cut]);
            assert_eq!((notes, rest.len()), (vec![&a[..]], cut - a.len() - 1));
        }
    }
}
