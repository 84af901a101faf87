//! One component as an artifact: manifest, configuration, and the component itself as its layer.

use std::collections::BTreeMap;

use oci_client::manifest::{OciDescriptor, OciImageManifest};
use plugin::COMPONENT_BYTES_MAX;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::OciError;

/// The media types of the CNCF's Wasm OCI artifact layout.
pub(super) const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG_TYPE: &str = "application/vnd.wasm.config.v0+json";
const LAYER_TYPE: &str = "application/wasm";

/// Where the signatures of a component stand in its manifest: they go where it goes.
const SIGNATURES: &str = "dev.tidegate.signatures";

/// The largest manifest and the largest configuration read: both are a list of names.
pub(super) const MANIFEST_BYTES_MAX: usize = 1 << 20;

/// A component with what a registry keeps of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Artifact {
    pub(super) manifest: Vec<u8>,
    pub(super) config: Vec<u8>,
    /// The component.
    pub(crate) wasm: Vec<u8>,
}

/// What a manifest says.
#[derive(Debug)]
pub(super) struct Outline {
    pub(super) config: OciDescriptor,
    pub(super) layer: OciDescriptor,
    signatures: Option<String>,
}

impl Artifact {
    /// Makes the artifact of a component that imports and exports this.
    pub(crate) fn new(
        wasm: Vec<u8>,
        found: &plugin::Inspection,
        signatures: Option<String>,
        created: &str,
    ) -> Self {
        let layer = digest(&wasm);
        let config = json!({
            "created": created,
            "architecture": "wasm",
            "os": "wasip2",
            "layerDigests": [layer],
            "component": {"exports": found.exports, "imports": found.imports},
        });
        let config = config.to_string().into_bytes();
        let mut annotations =
            BTreeMap::from([("org.opencontainers.image.created".to_owned(), created.to_owned())]);
        if let Some(frozen) = &found.frozen {
            let manifest = &frozen.manifest;
            for (name, value) in [
                ("title", &manifest.name),
                ("version", &manifest.version),
                ("description", &manifest.summary),
            ] {
                annotations.insert(format!("org.opencontainers.image.{name}"), value.clone());
            }
        }
        if let Some(signatures) = signatures {
            annotations.insert(SIGNATURES.to_owned(), signatures);
        }
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": {"mediaType": CONFIG_TYPE, "digest": digest(&config), "size": config.len()},
            "layers": [{"mediaType": LAYER_TYPE, "digest": layer, "size": wasm.len()}],
            "annotations": annotations,
        });
        Self {
            manifest: manifest.to_string().into_bytes(),
            config,
            wasm,
        }
    }

    /// Puts an artifact together from parts that came from outside, and holds each to its digest.
    ///
    /// # Errors
    /// When a part is not what the one before it names, or the whole is no component.
    pub(super) fn of(manifest: Vec<u8>, config: Vec<u8>, wasm: Vec<u8>) -> Result<Self, OciError> {
        let outline = Outline::of(&manifest)?;
        for (what, bytes, descriptor) in [
            ("configuration", &config, &outline.config),
            ("component", &wasm, &outline.layer),
        ] {
            if digest(bytes) != descriptor.digest {
                let problem = format!("the {what} has another digest than the manifest says");
                return Err(OciError::Unfit(problem));
            }
        }
        Ok(Self {
            manifest,
            config,
            wasm,
        })
    }

    /// Returns the digest of the manifest, in hexadecimal: the name of the whole.
    pub(crate) fn digest(&self) -> String {
        hex::encode(Sha256::digest(&self.manifest))
    }

    /// Returns the component's signatures as they stand in a file beside it.
    pub(crate) fn signatures(&self) -> Result<Option<String>, OciError> {
        Ok(Outline::of(&self.manifest)?.signatures)
    }
}

impl Outline {
    /// Reads a manifest.
    ///
    /// # Errors
    /// When it is none of a single component.
    pub(super) fn of(manifest: &[u8]) -> Result<Self, OciError> {
        let unfit = |problem: String| OciError::Unfit(problem);
        if manifest.len() > MANIFEST_BYTES_MAX {
            return Err(unfit("the manifest is larger than 1 MiB".to_owned()));
        }
        let read: OciImageManifest = serde_json::from_slice(manifest)
            .map_err(|error| unfit(format!("the manifest is none of one artifact: {error}")))?;
        if read.config.media_type != CONFIG_TYPE {
            let found = plugin_text(&read.config.media_type);
            return Err(unfit(format!("it is no WebAssembly component but {found}")));
        }
        let Ok([layer]) = <[OciDescriptor; 1]>::try_from(read.layers) else {
            return Err(unfit("it is not of exactly one layer".to_owned()));
        };
        let size = u64::try_from(layer.size).unwrap_or(u64::MAX);
        if size > COMPONENT_BYTES_MAX {
            let mib = COMPONENT_BYTES_MAX >> 20;
            return Err(unfit(format!("the component is larger than {mib} MiB")));
        }
        let mut annotations = read.annotations.unwrap_or_default();
        Ok(Self {
            config: read.config,
            layer,
            signatures: annotations.remove(SIGNATURES),
        })
    }

    /// Returns the component's SHA-256.
    pub(super) fn component(&self) -> Result<[u8; 32], OciError> {
        let mut sha256 = [0; 32];
        let digest = self.layer.digest.strip_prefix("sha256:").unwrap_or_default();
        hex::decode_to_slice(digest, &mut sha256)
            .map_err(|_| OciError::Unfit("the component's digest is no SHA-256".to_owned()))?;
        Ok(sha256)
    }
}

/// A word of outside, fit for an error.
fn plugin_text(text: &str) -> String {
    crate::cli::terminal::escape(text).chars().take(100).collect()
}

fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// An artifact of some bytes.
    pub(in super::super) fn artifact() -> Artifact {
        let found = plugin::Inspection {
            sha256: [0; 32],
            bytes: 8,
            kind: plugin::Kind::Masker,
            imports: vec!["tidegate:host/log@0.1.0".to_owned()],
            exports: vec!["tidegate:masker/masker@0.1.0".to_owned()],
            refused: Vec::new(),
            frozen: None,
        };
        let signatures = Some("[]".to_owned());
        Artifact::new(
            b"\0asm\x0d\0\x01\0".to_vec(),
            &found,
            signatures,
            "2026-01-01T00:00:00Z",
        )
    }

    #[test]
    fn an_artifact_is_what_its_manifest_names() {
        let made = artifact();
        let parts = || (made.manifest.clone(), made.config.clone(), made.wasm.clone());
        let (manifest, config, wasm) = parts();
        let read = Artifact::of(manifest, config, wasm).expect("whole");
        assert_eq!(read, made);
        assert_eq!(read.signatures().expect("read").as_deref(), Some("[]"));
        let (manifest, config, mut wasm) = parts();
        wasm[7] ^= 1;
        assert!(Artifact::of(manifest, config, wasm).is_err());
        let (manifest, mut config, wasm) = parts();
        config[0] ^= 1;
        assert!(Artifact::of(manifest, config, wasm).is_err());
    }

    #[test]
    fn an_image_of_a_container_and_what_has_no_layer_are_no_component() {
        let text = String::from_utf8(artifact().manifest).expect("text");
        let image = text.replace(CONFIG_TYPE, "application/vnd.oci.image.config.v1+json");
        let error = Outline::of(image.as_bytes()).expect_err("an image");
        assert!(
            error
                .to_string()
                .starts_with("it is no WebAssembly component but "),
            "{error}"
        );
        for wrong in ["", "{}", "[]"] {
            assert!(Outline::of(wrong.as_bytes()).is_err(), "{wrong}");
        }
        let mut none: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        none["layers"] = json!([]);
        assert!(Outline::of(none.to_string().as_bytes()).is_err());
        none = serde_json::from_str(&text).expect("JSON");
        none["layers"][0]["size"] = json!(-1);
        assert!(Outline::of(none.to_string().as_bytes()).is_err());
    }
}
