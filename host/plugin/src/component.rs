//! Reads a component before anything of it is compiled: is it one, what does it want, what does
//! it offer.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use sha2::{Digest, Sha256};
use wasmparser::{Parser, Payload};

use crate::config::Kind;
use crate::host;
use crate::manifest::section::{self, Frozen, SectionError};

/// The largest component. Python guests have 18 MB, the largest JavaScript ones 15.
pub const COMPONENT_BYTES_MAX: u64 = 64 << 20;

/// Why a file can't be a plugin of its kind.
#[derive(Debug, thiserror::Error)]
pub enum ComponentError {
    /// The file can't be read.
    #[error("can't read {path}")]
    Read {
        /// The file.
        path: String,
        /// Why not.
        source: io::Error,
    },
    /// The file is too large.
    #[error("{path} is larger than 64 MiB")]
    TooLarge {
        /// The file.
        path: String,
    },
    /// The file is not the one that was pinned.
    #[error("{path} has SHA-256 {found}, but {pinned} is pinned")]
    Digest {
        /// The file.
        path: String,
        /// The file's digest.
        found: String,
        /// The configured digest.
        pinned: String,
    },
    /// The file holds compiled code.
    #[error("{path} is compiled code; give the component itself")]
    Precompiled {
        /// The file.
        path: String,
    },
    /// The file holds a core module.
    #[error("{path} is a core WebAssembly module; build for wasm32-wasip2 to get a component")]
    Module {
        /// The file.
        path: String,
    },
    /// The file holds something else.
    #[error("{path} is not a WebAssembly component")]
    NotAComponent {
        /// The file.
        path: String,
    },
    /// The component wants what its kind may not have.
    #[error("{kind} \"{plugin}\" imports {import}, which {kind}s may not have")]
    Import {
        /// The kind.
        kind: Kind,
        /// The configured name.
        plugin: String,
        /// The import, as the component names it.
        import: String,
    },
    /// The component is of no kind.
    #[error("{path} exports no interface of a masker, classifier, approver or exporter")]
    NoKind {
        /// The file.
        path: String,
    },
    /// The component's manifest can't be believed.
    #[error("{path}: {problem}")]
    Manifest {
        /// The file.
        path: String,
        /// What is wrong with it.
        problem: SectionError,
    },
    /// The component lacks what its kind must have.
    #[error("{kind} \"{plugin}\" does not export {export}")]
    Export {
        /// The kind.
        kind: Kind,
        /// The configured name.
        plugin: String,
        /// The missing export.
        export: &'static str,
    },
}

/// A component's bytes and their digest.
pub(crate) struct Binary {
    pub(crate) wasm: Vec<u8>,
    pub(crate) digest: [u8; 32],
}

/// Reads a file and holds it against its pin before anything looks into it.
pub(crate) fn read(path: &Path, pinned: Option<&[u8; 32]>) -> Result<Binary, ComponentError> {
    let name = || path.display().to_string();
    let unreadable = |source| ComponentError::Read { path: name(), source };
    let mut wasm = Vec::new();
    let mut file = File::open(path)
        .map_err(unreadable)?
        .take(COMPONENT_BYTES_MAX + 1);
    file.read_to_end(&mut wasm).map_err(unreadable)?;
    if wasm.len() as u64 > COMPONENT_BYTES_MAX {
        return Err(ComponentError::TooLarge { path: name() });
    }
    let digest: [u8; 32] = Sha256::digest(&wasm).into();
    if let Some(pinned) = pinned.filter(|pinned| **pinned != digest) {
        return Err(ComponentError::Digest {
            path: name(),
            found: hex::encode(digest),
            pinned: hex::encode(pinned),
        });
    }
    if wasmtime::Engine::detect_precompiled(&wasm).is_some() {
        return Err(ComponentError::Precompiled { path: name() });
    }
    if Parser::is_core_wasm(&wasm) {
        return Err(ComponentError::Module { path: name() });
    }
    if !Parser::is_component(&wasm) {
        return Err(ComponentError::NotAComponent { path: name() });
    }
    Ok(Binary { wasm, digest })
}

/// Holds what a component imports and exports against its kind's world; returns what is
/// frozen into it, if it was packed.
pub(crate) fn check(
    plugin: &str,
    kind: Kind,
    wasm: &[u8],
    path: &Path,
) -> Result<Option<Frozen>, ComponentError> {
    let outline = outline(wasm, path)?;
    if let Some(import) = outline.beyond(kind).next() {
        return Err(ComponentError::Import {
            kind,
            plugin: plugin.to_owned(),
            import: import.to_owned(),
        });
    }
    let offered = |export: &&str| {
        outline
            .exports
            .iter()
            .any(|offered| bare(offered) == bare(export))
    };
    if let Some(export) = exports(kind).iter().find(|export| !offered(export)) {
        return Err(ComponentError::Export {
            kind,
            plugin: plugin.to_owned(),
            export,
        });
    }
    frozen(wasm, kind, path)
}

fn frozen(wasm: &[u8], kind: Kind, path: &Path) -> Result<Option<Frozen>, ComponentError> {
    section::read(wasm, kind).map_err(|problem| ComponentError::Manifest {
        path: path.display().to_string(),
        problem,
    })
}

/// Returns what a component is, by its exports.
pub(crate) fn kind(wasm: &[u8], path: &Path) -> Result<Kind, ComponentError> {
    outline(wasm, path)?.kind(path)
}

/// What a file is, learnt without running anything of it.
#[derive(Debug)]
pub struct Inspection {
    /// The file's SHA-256.
    pub sha256: [u8; 32],
    /// Its size.
    pub bytes: usize,
    /// What it is, by its exports.
    pub kind: Kind,
    /// Everything it imports.
    pub imports: Vec<String>,
    /// Everything it exports.
    pub exports: Vec<String>,
    /// The imports that keep it from being loaded.
    pub refused: Vec<String>,
    /// What it says of itself, and what it must give for what; `None` before it is packed.
    pub frozen: Option<Frozen>,
}

/// Looks into a component without running anything of it.
///
/// # Errors
/// When the file can't be a plugin of any kind.
pub fn inspect(path: &Path) -> Result<Inspection, ComponentError> {
    let binary = read(path, None)?;
    let outline = outline(&binary.wasm, path)?;
    let kind = outline.kind(path)?;
    Ok(Inspection {
        sha256: binary.digest,
        bytes: binary.wasm.len(),
        kind,
        refused: outline.beyond(kind).map(str::to_owned).collect(),
        imports: outline.imports.into_iter().collect(),
        exports: outline.exports.into_iter().collect(),
        frozen: frozen(&binary.wasm, kind, path)?,
    })
}

/// Returns what a component of this kind must export.
const fn exports(kind: Kind) -> [&'static str; 2] {
    let own = match kind {
        Kind::Approver => "tidegate:approver/approver@0.1.0",
        Kind::Classifier => "tidegate:classifier/classifier@0.1.0",
        Kind::Exporter => "tidegate:exporter/exporter@0.1.0",
        Kind::Masker => "tidegate:masker/masker@0.1.0",
    };
    ["tidegate:base/plugin@0.1.0", own]
}

/// Returns an interface's name without its version.
fn bare(name: &str) -> &str {
    name.split_once('@').map_or(name, |(bare, _)| bare)
}

/// Returns what a component consists of itself, without what is inside the parts it is made of.
pub(crate) fn sections(wasm: &[u8]) -> impl Iterator<Item = wasmparser::Result<Payload<'_>>> {
    let mut depth = 0_u32;
    Parser::new(0).parse_all(wasm).filter(move |payload| {
        let own = depth == 0;
        match payload {
            Ok(Payload::ModuleSection { .. } | Payload::ComponentSection { .. }) => depth += 1,
            Ok(Payload::End(_)) => depth = depth.saturating_sub(1),
            _ => {}
        }
        own || payload.is_err()
    })
}

/// What a component imports and exports itself, not what the parts it is made of do.
#[derive(Debug, Default)]
struct Outline {
    imports: BTreeSet<String>,
    exports: BTreeSet<String>,
}

impl Outline {
    /// Returns the kind whose own interface is exported; of several the first.
    fn kind(&self, path: &Path) -> Result<Kind, ComponentError> {
        let is = |kind: &Kind| {
            let own = bare(exports(*kind)[1]);
            self.exports.iter().any(|export| bare(export) == own)
        };
        [Kind::Masker, Kind::Classifier, Kind::Approver, Kind::Exporter]
            .into_iter()
            .find(is)
            .ok_or_else(|| ComponentError::NoKind {
                path: path.display().to_string(),
            })
    }

    /// Returns the imports that a component of this kind may not have.
    fn beyond(&self, kind: Kind) -> impl Iterator<Item = &str> {
        self.imports
            .iter()
            .map(String::as_str)
            .filter(move |import| !host::may_import(kind, bare(import)))
    }
}

fn outline(wasm: &[u8], path: &Path) -> Result<Outline, ComponentError> {
    read_outline(wasm).map_err(|_| ComponentError::NotAComponent {
        path: path.display().to_string(),
    })
}

fn read_outline(wasm: &[u8]) -> wasmparser::Result<Outline> {
    let mut outline = Outline::default();
    for payload in sections(wasm) {
        match payload? {
            Payload::ComponentImportSection(section) => {
                for import in section {
                    outline.imports.insert(import?.name.name.to_owned());
                }
            }
            Payload::ComponentExportSection(section) => {
                for export in section {
                    outline.exports.insert(export?.name.name.to_owned());
                }
            }
            _ => {}
        }
    }
    Ok(outline)
}
