//! Plugins from registries: one component each, in the layout of the CNCF's Wasm OCI artifact,
//! which `wkg` writes and reads as well.
//!
//! A gateway names a manifest by its digest. That digest stands for the manifest, the manifest for
//! the component, and both are checked wherever they come from: a registry, an archive, or the
//! gateway's own store on disk.

mod archive;
mod artifact;
mod registry;
mod store;

use std::fmt;
use std::str::FromStr;

pub(crate) use archive::{load, save};
pub(crate) use artifact::Artifact;
pub(crate) use registry::Registry;
pub(crate) use store::Store;

/// What a reference in the configuration and on the command line begins with.
pub(crate) const SCHEME: &str = "oci://";

/// Where a component is in a registry.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Reference(oci_client::Reference);

impl Reference {
    /// Returns the digest of its manifest, in hexadecimal; `None` where it has a tag alone.
    #[must_use]
    pub fn digest(&self) -> Option<&str> {
        self.0.digest()?.strip_prefix("sha256:")
    }

    /// Returns the same repository under a tag.
    pub(crate) fn tagged(&self, tag: &str) -> Self {
        let (registry, repository) = (self.0.registry(), self.0.repository());
        Self(oci_client::Reference::with_tag(
            registry.to_owned(),
            repository.to_owned(),
            tag.to_owned(),
        ))
    }

    /// Returns the same place by the digest of a manifest.
    pub(crate) fn at(&self, digest: &str) -> Self {
        Self(self.0.clone_with_digest(format!("sha256:{digest}")))
    }
}

impl FromStr for Reference {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let shape = "write oci://REGISTRY/REPOSITORY@sha256:DIGEST";
        let bare = text.strip_prefix(SCHEME).ok_or(shape)?;
        // What has no registry would be looked for at Docker's own.
        let registry = bare.split_once('/').map_or("", |(registry, _)| registry);
        if !registry.contains(['.', ':']) && registry != "localhost" {
            return Err(format!("it names no registry: {shape}"));
        }
        let reference: oci_client::Reference = bare.parse().map_err(|error| format!("{error}: {shape}"))?;
        if reference
            .digest()
            .is_some_and(|digest| !digest.starts_with("sha256:"))
        {
            return Err(format!("its digest is no SHA-256: {shape}"));
        }
        Ok(Self(reference))
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}", self.0.whole())
    }
}

/// Why a component could not be had from a registry, or brought there.
#[derive(Debug, thiserror::Error)]
pub enum OciError {
    /// The registry does not answer, or refuses.
    #[error("{reference}: {problem}")]
    Registry {
        /// What was asked for.
        reference: String,
        /// What went wrong.
        problem: String,
    },
    /// It took too long.
    #[error("{reference}: no answer within {seconds} s")]
    Late {
        /// What was asked for.
        reference: String,
        /// The limit.
        seconds: u64,
    },
    /// What came is not what was named, or no component.
    #[error("{0}")]
    Unfit(String),
    /// A file could not be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
}

impl OciError {
    fn file(path: &std::path::Path) -> impl Fn(std::io::Error) -> Self + '_ {
        |source| Self::File {
            path: path.display().to_string(),
            source,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_name_a_registry_and_are_told_when_they_do_not() {
        let digest = "a".repeat(64);
        let text = format!("oci://registry.corp:5000/gate/pii@sha256:{digest}");
        let reference: Reference = text.parse().expect("a reference");
        assert_eq!(reference.digest(), Some(digest.as_str()));
        assert_eq!(reference.to_string(), text);
        let tagged: Reference = "oci://localhost/pii:1.0".parse().expect("a reference");
        assert_eq!(tagged.digest(), None);
        assert_eq!(tagged.at(&digest).digest(), Some(digest.as_str()));
        for wrong in [
            "registry.corp/pii",
            "oci://pii",
            "oci://gate/pii:1",
            "oci://a.b/PII",
            "oci://",
        ] {
            assert!(wrong.parse::<Reference>().is_err(), "{wrong}");
        }
    }
}
