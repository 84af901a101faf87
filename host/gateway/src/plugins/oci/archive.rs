//! Components in a file, for sites without a way to a registry: a tar of the OCI image layout, as
//! other tools write and read it.

use std::collections::HashMap;
use std::io::{Read, Write};

use serde::Deserialize;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::OciError;
use super::artifact::{Artifact, MANIFEST_BYTES_MAX, MANIFEST_TYPE, Outline};

/// What a whole archive may hold: some dozens of components.
const ARCHIVE_BYTES_MAX: u64 = 1 << 30;

/// Its entries: three for each component, and two.
const ENTRIES_MAX: usize = 1_000;

#[derive(Deserialize)]
struct Index {
    manifests: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    digest: String,
}

/// Writes artifacts into an archive.
///
/// # Errors
/// When it can't be written.
pub(crate) fn save(artifacts: &[Artifact], to: impl Write) -> std::io::Result<()> {
    let mut archive = tar::Builder::new(to);
    let entries: Vec<_> = artifacts
        .iter()
        .map(|artifact| {
            json!({
                "mediaType": MANIFEST_TYPE,
                "digest": format!("sha256:{}", artifact.digest()),
                "size": artifact.manifest.len(),
            })
        })
        .collect();
    let index = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": entries,
    });
    append(&mut archive, "oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#)?;
    append(&mut archive, "index.json", index.to_string().as_bytes())?;
    for artifact in artifacts {
        for blob in [&artifact.manifest, &artifact.config, &artifact.wasm] {
            let path = format!("blobs/sha256/{}", hex::encode(Sha256::digest(blob)));
            append(&mut archive, &path, blob)?;
        }
    }
    archive.into_inner()?.flush()
}

fn append(archive: &mut tar::Builder<impl Write>, path: &str, bytes: &[u8]) -> std::io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes.len() as u64);
    header.set_mode(0o644);
    archive.append_data(&mut header, path, bytes)
}

/// Reads all artifacts of an archive, each held to its digests.
///
/// # Errors
/// When it is no archive, or something in it is not what it is named.
pub(crate) fn load(from: impl Read) -> Result<Vec<Artifact>, OciError> {
    let unreadable = |error: std::io::Error| OciError::Unfit(format!("the archive can't be read: {error}"));
    let mut archive = tar::Archive::new(from.take(ARCHIVE_BYTES_MAX));
    let mut files: HashMap<String, Vec<u8>> = HashMap::new();
    for (at, entry) in archive.entries().map_err(unreadable)?.enumerate() {
        if at >= ENTRIES_MAX {
            return Err(OciError::Unfit(
                "the archive has more than 1,000 entries".to_owned(),
            ));
        }
        let mut entry = entry.map_err(unreadable)?;
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let path = entry.path().map_err(unreadable)?.to_string_lossy().into_owned();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).map_err(unreadable)?;
        files.insert(path.trim_start_matches("./").to_owned(), bytes);
    }
    let missing = |what: &str| OciError::Unfit(format!("the archive has no {what}"));
    let index = files.get("index.json").ok_or_else(|| missing("index.json"))?;
    let index: Index = serde_json::from_slice(index)
        .map_err(|error| OciError::Unfit(format!("the archive's index can't be read: {error}")))?;
    let blob = |digest: &str| {
        let path = digest.replacen("sha256:", "blobs/sha256/", 1);
        files.get(&path).cloned().ok_or_else(|| missing(&path))
    };
    let artifact = |entry: &Entry| {
        let manifest = blob(&entry.digest)?;
        if manifest.len() > MANIFEST_BYTES_MAX
            || format!("sha256:{}", hex::encode(Sha256::digest(&manifest))) != entry.digest
        {
            return Err(OciError::Unfit(format!(
                "{}: this is not its manifest",
                entry.digest
            )));
        }
        let outline = Outline::of(&manifest)?;
        let (config, wasm) = (blob(&outline.config.digest)?, blob(&outline.layer.digest)?);
        Artifact::of(manifest, config, wasm)
    };
    index.manifests.iter().map(artifact).collect()
}

#[cfg(test)]
mod tests {
    use super::super::artifact::tests::artifact;
    use super::*;

    #[test]
    fn what_is_saved_is_loaded_and_a_changed_byte_is_noticed() {
        let mut bytes = Vec::new();
        save(&[artifact()], &mut bytes).expect("saved");
        assert_eq!(load(&bytes[..]).expect("loaded"), [artifact()]);
        let at = bytes
            .windows(4)
            .rposition(|window| window == b"\0asm")
            .expect("the component");
        bytes[at + 7] ^= 1;
        assert!(load(&bytes[..]).is_err());
        assert!(load(&b"no archive"[..]).is_err());
        assert!(load(&b""[..]).is_err());
    }
}
