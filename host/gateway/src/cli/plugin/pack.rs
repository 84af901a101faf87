//! `tidegate plugin pack`: the manifest becomes part of the file.

use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::trial::read;
use super::{PackArgs, print};
use crate::cli::EXIT_FAILED;
use crate::cli::terminal::{Failure, escape};
use crate::files;

/// The largest file of vectors: they must fit into the manifest.
const VECTORS_BYTES_MAX: u64 = 1 << 20;

pub(super) async fn run(args: &PackArgs) -> Result<(), Failure> {
    pack(
        &args.file,
        args.output.as_ref().unwrap_or(&args.file),
        args.vectors.as_deref(),
    )
    .await
}

/// Reads self-test vectors; without a file there are none.
pub(super) fn vectors(file: Option<&Path>) -> Result<Vec<u8>, Failure> {
    file.map_or_else(|| Ok(b"[]".to_vec()), |file| read(file, VECTORS_BYTES_MAX))
}

/// Packs a component and says what became of it.
pub(super) async fn pack(file: &Path, output: &Path, from: Option<&Path>) -> Result<(), Failure> {
    let (packed, manifest) = plugin::pack(file, &vectors(from)?)
        .await
        .map_err(|error| Failure::of(EXIT_FAILED, &error))?;
    write(output, &packed)?;
    print(&format!(
        "{}: {} {} {}, {} bytes, sha256 {}\n",
        escape(&output.display().to_string()),
        manifest.kind,
        escape(&manifest.name),
        escape(&manifest.version),
        packed.len(),
        hex::encode(Sha256::digest(&packed)),
    ))
}

/// Writes a file whole or not at all: a gateway may load it at any moment.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    files::write_whole(path, bytes).map_err(|error| Failure::of_file(path, &error))
}
