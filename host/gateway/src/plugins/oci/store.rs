//! The gateway's own store of what came from registries: beside its database, one component a
//! manifest. What is there is not fetched again, so a gateway starts without its registry.

use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::artifact::{Artifact, Outline};
use super::{OciError, Reference, Registry};
use crate::files::write_whole;

/// The store of one gateway.
pub(crate) struct Store {
    folder: PathBuf,
}

/// A component in the store.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Stored {
    /// Its file.
    pub(crate) path: PathBuf,
    /// What the file's SHA-256 must be.
    pub(crate) sha256: [u8; 32],
}

impl Store {
    /// The store of the gateway with this database.
    pub(crate) fn beside(database: &Path) -> Self {
        Self {
            folder: database.with_file_name("plugins"),
        }
    }

    /// Returns where the component of a manifest is, or will be.
    pub(crate) fn place(&self, digest: &str) -> PathBuf {
        self.folder.join(format!("{digest}.wasm"))
    }

    /// Returns a component, fetched if it is not there.
    ///
    /// # Errors
    /// When it can't be fetched, or what is there is not what its manifest names.
    pub(crate) async fn have(&self, reference: &Reference) -> Result<Stored, OciError> {
        let digest = reference
            .digest()
            .ok_or_else(|| OciError::Unfit(format!("{reference}: it has no digest")))?;
        if let Some(stored) = self.find(digest)? {
            return Ok(stored);
        }
        tracing::info!(%reference, "fetching a plugin from its registry");
        let artifact = Registry::of(reference).pull().await?;
        self.put(&artifact)
    }

    /// Puts an artifact into the store.
    ///
    /// # Errors
    /// When a file can't be written.
    pub(crate) fn put(&self, artifact: &Artifact) -> Result<Stored, OciError> {
        std::fs::create_dir_all(&self.folder).map_err(OciError::file(&self.folder))?;
        let digest = artifact.digest();
        let path = self.place(&digest);
        let write = |path: &Path, bytes: &[u8]| write_whole(path, bytes).map_err(OciError::file(path));
        write(&path, &artifact.wasm)?;
        if let Some(signatures) = artifact.signatures()? {
            write(&plugin::signature::signatures_of(&path), signatures.as_bytes())?;
        }
        // The last: with it the component counts as there.
        write(&path.with_extension("json"), &artifact.manifest)?;
        let sha256 = Outline::of(&artifact.manifest)?.component()?;
        Ok(Stored { path, sha256 })
    }

    fn find(&self, digest: &str) -> Result<Option<Stored>, OciError> {
        let path = self.place(digest);
        let place = path.with_extension("json");
        let manifest = match std::fs::read(&place) {
            Ok(manifest) => manifest,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(OciError::file(&place)(error)),
        };
        if hex::encode(Sha256::digest(&manifest)) != digest {
            let problem = format!("{}: it was changed; remove it to fetch it again", place.display());
            return Err(OciError::Unfit(problem));
        }
        let sha256 = Outline::of(&manifest)?.component()?;
        Ok(Some(Stored { path, sha256 }))
    }
}

#[cfg(test)]
mod tests {
    use super::super::artifact::tests::artifact;
    use super::*;

    #[tokio::test]
    async fn what_is_stored_is_found_by_its_digest_and_not_if_it_was_changed() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::beside(&folder.path().join("tidegate.db"));
        let artifact = artifact();
        let stored = store.put(&artifact).expect("stored");
        let text = format!("oci://registry.invalid/a@sha256:{}", artifact.digest());
        let reference = text.parse().expect("a reference");
        assert_eq!(store.have(&reference).await.expect("there"), stored);
        let place = stored.path.with_extension("json");
        let mut manifest = std::fs::read(&place).expect("read");
        manifest.push(b' ');
        std::fs::write(&place, manifest).expect("written");
        let error = store.have(&reference).await.expect_err("changed");
        assert!(error.to_string().contains("it was changed"), "{error}");
    }
}
