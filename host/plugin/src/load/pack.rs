//! Packing: a plugin is asked once what it is, and the answer becomes part of its file.

use std::path::Path;
use std::sync::Arc;

use model::PluginName;
use sha2::{Digest as _, Sha256};
use tokio::task::spawn_blocking;

use super::{LoadProblem, compile, introduce, profile};
use crate::component::{self, Binary, ComponentError};
use crate::config::PluginConfig;
use crate::engine::Engines;
use crate::kv::{MemoryStore, Store as KvStore};
use crate::manifest::{Manifest, section};

/// Asks the component in `source` what it is; returns the component with the answer in it, and
/// the answer. A manifest that is there already is made anew.
///
/// # Errors
/// When the component fits no kind, or can't say what it is.
pub async fn pack(source: &Path) -> Result<(Vec<u8>, Manifest), LoadProblem> {
    let unpackable = |problem| ComponentError::Manifest {
        path: source.display().to_string(),
        problem,
    };
    let binary = component::read(source, None)?;
    let wasm = section::strip(&binary.wasm).map_err(unpackable)?;
    let kind = component::kind(wasm, source)?;
    let engines = Engines::shared().map_err(|error| LoadProblem::Engine(format!("{error:#}")))?;
    let engine = engines.of(kind).clone();
    let name = source.file_stem().unwrap_or_default().to_string_lossy();
    let config = PluginConfig::new(PluginName::new(&*name), kind, source.to_owned());
    let kv: Arc<dyn KvStore> = Arc::new(MemoryStore::default());
    let profile = profile(&config, &kv).map_err(|mut problems| problems.remove(0))?;
    let bare = Binary {
        digest: Sha256::digest(wasm).into(),
        wasm: wasm.to_vec(),
    };
    let compiled = spawn_blocking(move || compile(&config, bare, &engine, None)).await;
    let compiled = compiled.map_err(|_| LoadProblem::Unfit("compiling it failed".to_owned()))??;
    let manifest = introduce::describe(&Arc::new(profile), &compiled.pre).await?;
    let packed = section::freeze(&binary.wasm, &manifest).map_err(unpackable)?;
    Ok((packed, manifest))
}
