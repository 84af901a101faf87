//! What authors do with a component before anyone loads it: pack it, hold it to vectors.

use std::path::Path;
use std::sync::Arc;

use model::PluginName;
use sha2::{Digest as _, Sha256};
use tokio::task::spawn_blocking;
use wasmtime::component::InstancePre;

use super::{LoadProblem, introduce, link, profile, rehearse, timely};
use crate::component::{self, Binary, ComponentError};
use crate::config::{COMPILE, Kind, PluginConfig};
use crate::engine::Engines;
use crate::kv::{MemoryStore, Store as KvStore};
use crate::manifest::section::{self, Frozen};
use crate::manifest::{Manifest, schema};
use crate::store::State;
use crate::vector::Vector;

/// Asks the component in `source` what it is; returns the component with the answer and these
/// self-test vectors (a JSON array) in it, and the answer. What was frozen before is made anew.
///
/// # Errors
/// When the component fits no kind, can't say what it is, or does not do what the vectors say.
pub async fn pack(source: &Path, vectors: &[u8]) -> Result<(Vec<u8>, Manifest), LoadProblem> {
    let bare = Bare::open(source).await?;
    let vectors = Vector::parse(vectors, bare.kind).map_err(LoadProblem::Vectors)?;
    let manifest = bare.describe(source).await?;
    // A schema that can't be used would refuse every load.
    schema::check(&manifest.config_schema, &serde_json::Value::Null).map_err(LoadProblem::Schema)?;
    rehearse::rehearse(&bare.name, &manifest, &bare.pre, &vectors).await?;
    let frozen = Frozen { manifest, vectors };
    let packed = section::freeze(&bare.wasm, &frozen).map_err(unpackable(source))?;
    Ok((packed, frozen.manifest))
}

/// Holds the component in `source` to vectors (a JSON array); returns how many there are.
///
/// # Errors
/// The first that it does not do.
pub async fn rehearse(source: &Path, vectors: &[u8]) -> Result<usize, LoadProblem> {
    let bare = Bare::open(source).await?;
    let vectors = Vector::parse(vectors, bare.kind).map_err(LoadProblem::Vectors)?;
    let manifest = bare.describe(source).await?;
    rehearse::rehearse(&bare.name, &manifest, &bare.pre, &vectors).await?;
    Ok(vectors.len())
}

fn unpackable(source: &Path) -> impl Fn(section::SectionError) -> ComponentError + '_ {
    |problem| ComponentError::Manifest {
        path: source.display().to_string(),
        problem,
    }
}

/// A component without what was frozen into it, compiled.
struct Bare {
    name: PluginName,
    kind: Kind,
    wasm: Vec<u8>,
    pre: InstancePre<State>,
}

impl Bare {
    async fn open(source: &Path) -> Result<Self, LoadProblem> {
        let source = source.to_owned();
        let opening = spawn_blocking(move || {
            let wasm = component::read(&source, None)?.wasm;
            let wasm = section::strip(&wasm).map_err(unpackable(&source))?.to_vec();
            let kind = component::kind(&wasm, &source)?;
            let name = source.file_stem().unwrap_or_default().to_string_lossy();
            component::check(&name, kind, &wasm, &source)?;
            let engines = Engines::shared().map_err(|error| LoadProblem::Engine(format!("{error:#}")))?;
            let binary = Binary {
                digest: Sha256::digest(&wasm).into(),
                wasm,
            };
            let (pre, _) = link(kind, &binary, engines.of(kind), None)?;
            Ok(Self {
                name: PluginName::new(&*name),
                kind,
                wasm: binary.wasm,
                pre,
            })
        });
        timely(opening, COMPILE).await
    }

    /// Asks the component what it is.
    async fn describe(&self, source: &Path) -> Result<Manifest, LoadProblem> {
        let config = PluginConfig::new(self.name.clone(), self.kind, source.to_owned());
        let kv: Arc<dyn KvStore> = Arc::new(MemoryStore::default());
        let profile = profile(&config, &kv).map_err(|mut problems| problems.remove(0))?;
        introduce::describe(&Arc::new(profile), &self.pre).await
    }
}
