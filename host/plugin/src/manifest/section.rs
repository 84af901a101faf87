//! The manifest as data: a custom section at the very end of a packed component.
//!
//! It is written once, when a component is packed, so that nobody runs a guest to learn what it
//! is. The section names the digest of all bytes before it: a manifest that was cut off one
//! component and put on another is refused.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use wasmparser::Payload;

use super::{MANIFEST_BYTES_MAX, Manifest};
use crate::component::sections;
use crate::config::Kind;
use crate::vector::{self, Vector};

/// The section's name.
pub(crate) const SECTION: &str = "tidegate:manifest";

/// The form of the section that this host reads and writes.
const FORMAT: u32 = 1;

/// The identifier of a custom section, in modules and components alike.
const CUSTOM_SECTION: u8 = 0;

/// What is wrong with the section of a component.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SectionError {
    /// Something follows it, or there are two.
    #[error("its manifest is not the last section; pack the component anew")]
    Place,
    /// It is larger than the contract allows.
    #[error("its manifest is larger than 256 KiB")]
    TooLarge,
    /// It can't be read.
    #[error("its manifest can't be read; pack the component anew with this version of tidegate")]
    Malformed,
    /// It is of another component.
    #[error("its manifest was made for another component; pack the component anew")]
    Foreign,
    /// It breaks a rule of the contract.
    #[error("its manifest breaks the contract: {0}")]
    Rule(&'static str),
    /// Its self-test vectors can't be run.
    #[error("its self-test vectors can't be run: {0}")]
    Vectors(String),
    /// It claims another kind than the component's exports show.
    #[error("its manifest says {claimed}, but the component exports what a {found} does")]
    Kind {
        /// What the manifest says.
        claimed: Kind,
        /// What the component is.
        found: Kind,
    },
}

/// The section's content.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Content {
    format: u32,
    /// SHA-256 of the component without this section, in hexadecimal.
    component: String,
    manifest: Manifest,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    vectors: Vec<Vector>,
}

/// What is frozen into a component.
#[derive(Clone, Debug, PartialEq)]
pub struct Frozen {
    /// What it says of itself.
    pub manifest: Manifest,
    /// What it must give for what.
    pub vectors: Vec<Vector>,
}

/// Returns a component without its manifest.
///
/// # Errors
/// When the component can't be read, or the manifest is not where it belongs.
pub(crate) fn strip(wasm: &[u8]) -> Result<&[u8], SectionError> {
    match find(wasm)? {
        Some((start, _)) => wasm.get(..start).ok_or(SectionError::Malformed),
        None => Ok(wasm),
    }
}

/// Appends the manifest to a component, in the place of one that is there.
///
/// # Errors
/// When the component can't be read, or the manifest is too large.
pub(crate) fn freeze(wasm: &[u8], frozen: &Frozen) -> Result<Vec<u8>, SectionError> {
    let bare = strip(wasm)?;
    let content = serde_json::to_vec(&Content {
        format: FORMAT,
        component: hex::encode(Sha256::digest(bare)),
        manifest: frozen.manifest.clone(),
        vectors: frozen.vectors.clone(),
    })
    .map_err(|_| SectionError::Malformed)?;
    if content.len() > MANIFEST_BYTES_MAX {
        return Err(SectionError::TooLarge);
    }
    let mut packed = bare.to_vec();
    packed.push(CUSTOM_SECTION);
    push_length(&mut packed, 1 + SECTION.len() + content.len());
    push_length(&mut packed, SECTION.len());
    packed.extend_from_slice(SECTION.as_bytes());
    packed.extend_from_slice(&content);
    Ok(packed)
}

/// Reads the manifest of a packed component that is, by its exports, a `kind`. `None`: it was
/// never packed.
///
/// # Errors
/// When the section is not what [`freeze`] wrote for this very component.
pub(crate) fn read(wasm: &[u8], kind: Kind) -> Result<Option<Frozen>, SectionError> {
    let Some((start, content)) = find(wasm)? else {
        return Ok(None);
    };
    if content.len() > MANIFEST_BYTES_MAX {
        return Err(SectionError::TooLarge);
    }
    let content: Content = serde_json::from_slice(content).map_err(|_| SectionError::Malformed)?;
    if content.format != FORMAT {
        return Err(SectionError::Malformed);
    }
    let bare = wasm.get(..start).ok_or(SectionError::Malformed)?;
    if content.component != hex::encode(Sha256::digest(bare)) {
        return Err(SectionError::Foreign);
    }
    let manifest = content.manifest.tidied();
    manifest.check().map_err(SectionError::Rule)?;
    if manifest.kind != kind {
        return Err(SectionError::Kind {
            claimed: manifest.kind,
            found: kind,
        });
    }
    vector::check(&content.vectors, kind).map_err(SectionError::Vectors)?;
    Ok(Some(Frozen {
        manifest,
        vectors: content.vectors,
    }))
}

/// Finds the section: where it starts, header included, and its content.
fn find(wasm: &[u8]) -> Result<Option<(usize, &[u8])>, SectionError> {
    let (mut before, mut found) = (0, None);
    for payload in sections(wasm) {
        let payload = payload.map_err(|_| SectionError::Malformed)?;
        if let Payload::CustomSection(section) = &payload
            && section.name() == SECTION
        {
            if found.is_some() || section.range().end != wasm.len() {
                return Err(SectionError::Place);
            }
            found = Some((before, section.data()));
        }
        before = payload_end(&payload, before);
    }
    Ok(found)
}

/// Returns where a section of the component itself ends: the next one begins there.
fn payload_end(payload: &Payload<'_>, before: usize) -> usize {
    if let Payload::Version { range, .. } = payload {
        return range.end;
    }
    payload.as_section().map_or(before, |(_, range)| range.end)
}

/// Appends a length as unsigned LEB128.
fn push_length(bytes: &mut Vec<u8>, mut length: usize) {
    loop {
        let low = u8::try_from(length & 0x7F).unwrap_or(0);
        length >>= 7;
        if length == 0 {
            bytes.push(low);
            return;
        }
        bytes.push(low | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::Want;

    /// The smallest component there is.
    const EMPTY: &[u8] = b"\0asm\x0d\0\x01\0";

    fn frozen() -> Frozen {
        Frozen {
            manifest: manifest(),
            vectors: Vector::parse(
                br#"[{"config": {"keep": 1}, "refuses": ["/keep"]}]"#,
                Kind::Masker,
            )
            .expect("vectors"),
        }
    }

    fn manifest() -> Manifest {
        Manifest {
            kind: Kind::Masker,
            name: "account".to_owned(),
            version: "1.2.3".to_owned(),
            summary: "Hides account numbers.".to_owned(),
            config_schema: String::new(),
            wants: vec![Want {
                kind: "log".to_owned(),
                value: String::new(),
                reason: "To tell what it hid.".to_owned(),
            }],
            metrics: vec!["hidden".to_owned()],
        }
    }

    #[test]
    fn what_is_frozen_is_read_back_and_freezing_again_replaces_it() {
        let packed = freeze(EMPTY, &frozen()).expect("packed");
        assert_eq!(read(&packed, Kind::Masker), Ok(Some(frozen())));
        assert_eq!(read(EMPTY, Kind::Masker), Ok(None));
        assert_eq!(freeze(&packed, &frozen()).as_ref(), Ok(&packed));
    }

    #[test]
    fn a_manifest_that_lies_about_its_world_is_refused() {
        let packed = freeze(EMPTY, &frozen()).expect("packed");
        let error = read(&packed, Kind::Exporter).expect_err("refused");
        assert_eq!(
            error.to_string(),
            "its manifest says masker, but the component exports what a exporter does"
        );
    }

    #[test]
    fn a_manifest_of_another_component_and_one_that_is_not_last_are_refused() {
        let packed = freeze(EMPTY, &frozen()).expect("packed");
        let custom = b"\0\x02\x01x";
        let mut other = [EMPTY, custom].concat();
        other.extend_from_slice(&packed[EMPTY.len()..]);
        assert_eq!(read(&other, Kind::Masker), Err(SectionError::Foreign));
        let followed = [&packed[..], custom].concat();
        assert_eq!(read(&followed, Kind::Masker), Err(SectionError::Place));
        let twice = [&packed[..], &packed[EMPTY.len()..]].concat();
        assert_eq!(read(&twice, Kind::Masker), Err(SectionError::Place));
    }

    #[test]
    fn no_byte_of_a_packed_component_can_change_unnoticed() {
        let packed = freeze(&[EMPTY, b"\0\x02\x01x"].concat(), &frozen()).expect("packed");
        let good = read(&packed, Kind::Masker).expect("a manifest");
        // Inside the manifest a change may be a change of words: the digest of the whole file,
        // pinned or signed, is what holds those.
        let section = EMPTY.len() + 4;
        for at in 0..section {
            let mut bytes = packed.clone();
            bytes[at] ^= 1;
            assert_ne!(read(&bytes, Kind::Masker).ok(), Some(good.clone()), "byte {at}");
        }
    }
}
