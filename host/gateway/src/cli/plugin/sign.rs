//! `tidegate plugin sign` and `verify`: who vouches for a component.

use std::path::Path;

use plugin::signature::{self, signatures_of};
use plugin::{Trust, TrustedKey, inspect};

use super::pack::write;
use super::{SignArgs, VerifyArgs, print};
use crate::cli::terminal::{Failure, escape};
use crate::cli::{EXIT_FAILED, EXIT_USAGE};

pub(super) fn sign(args: &SignArgs) -> Result<(), Failure> {
    let found = inspect(&args.file).map_err(|error| Failure::of(EXIT_FAILED, &error))?;
    let key = zeroize::Zeroizing::new(read(&args.key)?);
    let place = signatures_of(&args.file);
    let before = match std::fs::read(&place) {
        Ok(text) => Some(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(Failure::of_file(&place, &error)),
    };
    let text = signature::sign(&key, &found.sha256, before.as_deref())
        .map_err(|error| Failure::of(EXIT_FAILED, &error))?;
    write(&place, text.as_bytes())?;
    print(&format!(
        "{}: signed, sha256 {}\n",
        escape(&place.display().to_string()),
        hex::encode(found.sha256)
    ))
}

pub(super) fn verify(args: &VerifyArgs) -> Result<(), Failure> {
    let mut keys = Vec::with_capacity(args.key.len());
    for file in &args.key {
        let key = TrustedKey::from_pem(&read(file)?);
        keys.push(key.map_err(|error| Failure::new(EXIT_USAGE, format!("{}: {error}", file.display())))?);
    }
    let found = inspect(&args.file).map_err(|error| Failure::of(EXIT_FAILED, &error))?;
    let trust = Trust { keys, required: true };
    let vouching = signature::check(&trust, &args.file, &found.sha256)
        .map_err(|error| Failure::of(EXIT_FAILED, &error))?;
    print(&format!(
        "ok: key {} vouches for sha256 {}\n",
        vouching.unwrap_or_default(),
        hex::encode(found.sha256)
    ))
}

fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(file).map_err(|error| Failure::of_file(file, &error))
}
