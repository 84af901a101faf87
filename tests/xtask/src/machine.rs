//! What is on this machine, and where things go on it.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::step;

/// Returns the root of the repository.
pub(crate) fn repository() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_owned()
}

/// Returns the folder where set-up keeps what it fetched.
pub(crate) fn cache() -> Result<PathBuf> {
    Ok(PathBuf::from(env::var_os("HOME").context("HOME is not set")?).join(".cache/tidegate"))
}

/// Returns cargo's target folder: the one this program was built into.
pub(crate) fn target() -> Result<PathBuf> {
    let program = env::current_exe()?;
    let tagged = program
        .ancestors()
        .find(|folder| folder.join("CACHEDIR.TAG").is_file());
    Ok(tagged
        .context("this program does not stand in cargo's target folder")?
        .to_owned())
}

/// Returns the first of a name on `PATH` or among the folders of system programs.
pub(crate) fn program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin"), PathBuf::from("/usr/local/sbin")])
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}

/// Tells whether the machine has a PostgreSQL server of its own, where its packages put it.
pub(crate) fn has_packaged_postgres() -> bool {
    let versions = Path::new("/usr/lib/postgresql").read_dir();
    versions
        .is_ok_and(|mut found| found.any(|entry| entry.is_ok_and(|e| e.path().join("bin/initdb").is_file())))
}

/// Returns the folder `path` of the cached Python's packages, if it is there.
pub(crate) fn python_package(path: &str) -> Option<PathBuf> {
    let libraries = cache().ok()?.join("python/lib").read_dir().ok()?;
    libraries
        .filter_map(|entry| Some(entry.ok()?.path().join("site-packages").join(path)))
        .find(|path| path.exists())
}

/// Returns the folder with libclang, if the machine has one of its own.
fn packaged_libclang() -> Option<PathBuf> {
    if let Some(folder) = env::var_os("LIBCLANG_PATH") {
        return Some(PathBuf::from(folder));
    }
    let is_libclang =
        |name: &str| name.starts_with("libclang") && name.contains(".so") && !name.contains("cpp");
    let holds = |folder: &Path| {
        let files = folder.read_dir().ok();
        files.is_some_and(|mut found| {
            found.any(|e| e.is_ok_and(|e| e.file_name().to_str().is_some_and(is_libclang)))
        })
    };
    let below = |folder: &str, path: &str| {
        let entries = Path::new(folder).read_dir().into_iter().flatten().flatten();
        entries.map(|entry| entry.path().join(path)).collect::<Vec<_>>()
    };
    let mut folders = below("/usr/lib", "lib");
    folders.extend(below("/usr/lib", ""));
    folders.push(PathBuf::from("/usr/lib64"));
    folders.into_iter().find(|folder| holds(folder))
}

/// What the build of `pg_query` needs in its environment; `None` while there is no libclang.
pub(crate) fn libclang() -> Option<Vec<(&'static str, OsString)>> {
    if packaged_libclang().is_some() {
        return Some(Vec::new());
    }
    let folder = python_package("clang/native")?;
    let mut variables = vec![("LIBCLANG_PATH", folder.into_os_string())];
    // The wheel brings the library without the compiler's own headers; gcc has the same ones.
    if let Some(headers) = step::line(Command::new("cc").arg("-print-file-name=include")) {
        variables.push(("BINDGEN_EXTRA_CLANG_ARGS", format!("-I{headers}").into()));
    }
    Some(variables)
}

/// How packages of the distribution can be installed here.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Apt {
    /// By root.
    Root,
    /// Through sudo, without a password.
    Sudo,
    /// Not at all.
    None,
}

impl Apt {
    /// Finds out.
    pub(crate) fn here() -> Self {
        let has_apt = program("apt-get").is_some();
        let is_root = step::line(Command::new("id").arg("-u")).is_some_and(|id| id == "0");
        match (has_apt, is_root) {
            (true, true) => Self::Root,
            (true, false) if step::holds(Command::new("sudo").args(["-n", "true"])) => Self::Sudo,
            _ => Self::None,
        }
    }

    /// Returns a command that runs apt-get without questions.
    pub(crate) fn command(self) -> Command {
        let mut command = match self {
            Self::Sudo => {
                let mut sudo = Command::new("sudo");
                sudo.args(["-n", "DEBIAN_FRONTEND=noninteractive", "apt-get"]);
                sudo
            }
            Self::Root | Self::None => Command::new("apt-get"),
        };
        command.env("DEBIAN_FRONTEND", "noninteractive");
        command
    }
}
