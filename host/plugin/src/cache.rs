//! Keeps compiled components on disk: loading one takes a millisecond, compiling half a second.
//!
//! Compiled code runs outside the sandbox, so nothing is loaded that this cache did not write:
//! each entry ends with a keyed digest of its name and content, under a random key that lies
//! beside the entries and is readable to the owner alone. A wrong entry is compiled anew. A
//! cache that can't be used costs time, never correctness, so its faults are logged and no more.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::hash::{Hash, Hasher};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;
use zeroize::Zeroizing;

/// Entries kept. Each is a few megabytes; a configuration has a handful of plugins in two or
/// three versions.
const ENTRIES_MAX: usize = 64;

const KEY_BYTES: usize = 32;
const DIGEST_BYTES: usize = 32;

/// A folder of compiled components.
pub(crate) struct Cache {
    folder: PathBuf,
    key: Zeroizing<[u8; KEY_BYTES]>,
}

/// Where a component came from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Origin {
    /// It was compiled before.
    Cache,
    /// It was compiled now.
    Compiler,
}

impl Cache {
    /// Opens the folder, making it and its key where they are not there. `None`, with a line in
    /// the log, when it can't be used.
    pub(crate) fn open(folder: &Path) -> Option<Self> {
        match Self::try_open(folder) {
            Ok(cache) => Some(cache),
            Err(error) => {
                tracing::warn!(folder = %folder.display(), %error, "plugins are compiled at each start: their cache can't be used");
                None
            }
        }
    }

    fn try_open(folder: &Path) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
        Ok(Self {
            folder: folder.to_owned(),
            key: key(folder)?,
        })
    }

    fn path(&self, engine: &Engine, digest: &[u8; 32]) -> PathBuf {
        let mut hasher = DigestHasher(Sha256::new());
        engine.precompile_compatibility_hash().hash(&mut hasher);
        let engine = hasher.0.finalize();
        self.folder.join(format!(
            "{}-{}.cwasm",
            hex::encode(digest),
            hex::encode(&engine[..16])
        ))
    }

    /// Returns the entry's digest: over its name, so that entries can't be swapped, and content.
    fn seal(&self, path: &Path, code: &[u8]) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&*self.key).expect("HMAC takes keys of any length");
        let name = path.file_name().unwrap_or_default().as_encoded_bytes();
        mac.update(&(name.len() as u64).to_le_bytes());
        mac.update(name);
        mac.update(code);
        mac
    }

    fn read(&self, engine: &Engine, path: &Path) -> Option<Component> {
        let entry = fs::read(path).ok()?;
        let (code, digest) = entry.split_at_checked(entry.len().checked_sub(DIGEST_BYTES)?)?;
        if self.seal(path, code).verify_slice(digest).is_err() {
            tracing::warn!(entry = %path.display(), "a compiled plugin was damaged and is compiled anew");
            return None;
        }
        match deserialize(engine, code) {
            Ok(component) => {
                touch(path);
                Some(component)
            }
            Err(error) => {
                tracing::warn!(entry = %path.display(), %error, "a compiled plugin can't be used and is compiled anew");
                None
            }
        }
    }

    fn write(&self, path: &Path, code: &[u8]) -> io::Result<()> {
        let digest = self.seal(path, code).finalize().into_bytes();
        let partial = self
            .folder
            .join(format!("{}.partial", hex::encode(random::<8>()?)));
        let written = owner_only(&partial)
            .and_then(|mut file| {
                file.write_all(code)?;
                file.write_all(&digest)
            })
            .and_then(|()| fs::rename(&partial, path));
        if written.is_err() {
            let _ = fs::remove_file(&partial);
        }
        written?;
        self.evict()
    }

    /// Removes what was not used for longest, and what a crash left half written.
    fn evict(&self) -> io::Result<()> {
        let mut entries: Vec<(SystemTime, PathBuf)> = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            let path = entry.path();
            if path.extension().is_some_and(|extension| extension == "cwasm") {
                entries.push((entry.metadata()?.modified()?, path));
            }
        }
        entries.sort_unstable();
        let surplus = entries.len().saturating_sub(ENTRIES_MAX);
        for (_, path) in entries.drain(..surplus) {
            fs::remove_file(path)?;
        }
        Ok(())
    }
}

/// Compiles `wasm`, whose SHA-256 is `digest`, or takes it from the cache. Takes up to seconds
/// and can't be interrupted.
///
/// # Errors
/// When `wasm` is no valid component.
pub(crate) fn compile(
    cache: Option<&Cache>,
    engine: &Engine,
    digest: &[u8; 32],
    wasm: &[u8],
) -> wasmtime::Result<(Component, Origin)> {
    let Some(cache) = cache else {
        return Ok((Component::from_binary(engine, wasm)?, Origin::Compiler));
    };
    let path = cache.path(engine, digest);
    if let Some(component) = cache.read(engine, &path) {
        return Ok((component, Origin::Cache));
    }
    let code = engine.precompile_component(wasm)?;
    if let Err(error) = cache.write(&path, &code) {
        tracing::warn!(entry = %path.display(), %error, "a compiled plugin could not be kept");
    }
    Ok((deserialize(engine, &code)?, Origin::Compiler))
}

#[allow(unsafe_code, reason = "compiled code can only be loaded by trusting it")]
fn deserialize(engine: &Engine, code: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: both callers hand in what `precompile_component` of this very version returned:
    // one straight from it, the other after its keyed digest proved that this cache wrote it.
    // The bytes are in our memory, so no one changes them between check and use.
    unsafe { Component::deserialize(engine, code) }
}

/// Reads the folder's key, or makes one. Two processes may do so at once; one of them wins.
fn key(folder: &Path) -> io::Result<Zeroizing<[u8; KEY_BYTES]>> {
    let path = folder.join("key");
    if let Some(key) = read_key(&path)? {
        return Ok(key);
    }
    let fresh = Zeroizing::new(random::<KEY_BYTES>()?);
    let partial = folder.join(format!("{}.partial", hex::encode(random::<8>()?)));
    owner_only(&partial)?.write_all(&*fresh)?;
    let linked = fs::hard_link(&partial, &path);
    fs::remove_file(&partial)?;
    match linked {
        Ok(()) => Ok(fresh),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            read_key(&path)?.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the key is damaged"))
        }
        Err(error) => Err(error),
    }
}

/// Returns the key; `None` when there is none. A key that others could read or that has another
/// length is removed: what it sealed is worth nothing.
fn read_key(path: &Path) -> io::Result<Option<Zeroizing<[u8; KEY_BYTES]>>> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let metadata = file.metadata()?;
    if metadata.permissions().mode() & 0o077 != 0 || metadata.len() != KEY_BYTES as u64 {
        fs::remove_file(path)?;
        return Ok(None);
    }
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    file.read_exact(&mut *key)?;
    Ok(Some(key))
}

fn owner_only(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}

fn touch(path: &Path) {
    // Eviction goes by this time; an entry that can't be touched only goes earlier.
    if let Ok(file) = File::options().append(true).open(path) {
        let _ = file.set_modified(SystemTime::now());
    }
}

fn random<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(bytes)
}

/// Lets a `Hash` feed a digest that is the same in each run.
struct DigestHasher(Sha256);

impl Hasher for DigestHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The smallest component there is.
    const EMPTY: &[u8] = b"\0asm\x0d\0\x01\0";

    fn engine() -> Engine {
        let mut config = wasmtime::Config::new();
        config.concurrency_support(false);
        Engine::new(&config).expect("an engine")
    }

    fn compiled(folder: &Path, engine: &Engine) -> Origin {
        let cache = Cache::open(folder).expect("a cache");
        compile(Some(&cache), engine, &[7; 32], EMPTY)
            .expect("a component")
            .1
    }

    #[test]
    fn a_second_load_comes_from_the_cache_and_only_the_owner_can_read_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("cache");
        let engine = engine();
        assert_eq!(compiled(&path, &engine), Origin::Compiler);
        assert_eq!(compiled(&path, &engine), Origin::Cache);
        let mode = |path: &Path| fs::metadata(path).expect("metadata").permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o700);
        for entry in fs::read_dir(&path).expect("entries") {
            assert_eq!(mode(&entry.expect("an entry").path()), 0o600);
        }
    }

    #[test]
    fn a_damaged_swapped_or_foreign_entry_is_compiled_anew() {
        let folder = tempfile::tempdir().expect("a folder");
        let engine = engine();
        assert_eq!(compiled(folder.path(), &engine), Origin::Compiler);
        let cache = Cache::open(folder.path()).expect("a cache");
        let entry = cache.path(&engine, &[7; 32]);
        let good = fs::read(&entry).expect("an entry");
        let other = cache.path(&engine, &[8; 32]);

        let mut flipped = good.clone();
        flipped[good.len() / 2] ^= 1;
        for bad in [&flipped[..], &good[..good.len() - 1], &good[..10], b""] {
            fs::write(&entry, bad).expect("written");
            assert_eq!(
                compiled(folder.path(), &engine),
                Origin::Compiler,
                "{}",
                bad.len()
            );
            assert_eq!(compiled(folder.path(), &engine), Origin::Cache);
        }
        fs::write(&other, &good).expect("written");
        assert_eq!(
            compile(Some(&cache), &engine, &[8; 32], EMPTY)
                .expect("a component")
                .1,
            Origin::Compiler
        );

        fs::set_permissions(folder.path().join("key"), fs::Permissions::from_mode(0o644)).expect("set");
        assert_eq!(
            compiled(folder.path(), &engine),
            Origin::Compiler,
            "sealed with a key that others could read"
        );
    }

    #[test]
    fn only_so_many_entries_are_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        let cache = Cache::open(folder.path()).expect("a cache");
        for i in 0..ENTRIES_MAX + 3 {
            cache
                .write(&folder.path().join(format!("{i}.cwasm")), b"code")
                .expect("written");
        }
        let entries = fs::read_dir(folder.path()).expect("entries").count();
        assert_eq!(entries, ENTRIES_MAX + 1, "the entries and the key");
    }
}
