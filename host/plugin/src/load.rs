//! From the operator's configuration to plugins that are ready: read, pinned, checked, compiled,
//! described, configured.
//!
//! All faults of all plugins are reported at once, and one is enough to load nothing: a gateway
//! without its masker is not a gateway.

mod introduce;
pub(crate) mod pack;
mod prepare;
mod problem;
mod rehearse;
mod set;

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use model::PluginName;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::timeout;
use wasmtime::component::{InstancePre, Linker};

use crate::approver::{Approver, ApproverWorld};
use crate::cache::{self, Cache};
use crate::classifier::{ClassifierWorld, Classifiers};
use crate::component::{self, Binary};
use crate::config::{Kind, PluginConfig};
use crate::engine::Engines;
use crate::exporter::{Exporter, ExporterWorld};
use crate::host;
use crate::kv::{MemoryStore, Store as KvStore};
use crate::manifest::section::Frozen;
use crate::manifest::{Manifest, Want, schema};
use crate::masker::{Masker, MaskerWorld, Maskers};
use crate::pool::{Pool, World};
use crate::profile::Profile;
use crate::signature;
use crate::store::State;
use crate::vector::Vector;

pub use problem::{LoadError, LoadProblem};

use prepare::profile;
use set::Set;

/// All loaded plugins: one set, which never changes. Reloading makes another.
pub struct Plugins {
    maskers: Arc<Maskers>,
    classifiers: Arc<Classifiers>,
    set: Set,
    kv: Arc<dyn KvStore>,
    _engines: Arc<Engines>,
}

/// One loaded plugin, for those who list them.
#[derive(Clone)]
pub struct Loaded {
    /// The configured name.
    pub name: PluginName,
    /// The component's SHA-256.
    pub sha256: [u8; 32],
    /// Whether its compiled form came from the cache.
    pub cached: bool,
    /// What it says of itself.
    pub manifest: Manifest,
    /// What its author wrote down that it gives for what; held at this load.
    pub vectors: Vec<Vector>,
    /// Whether it is the very plugin of the set that was reloaded, instances and all.
    pub kept: bool,
    config: Arc<PluginConfig>,
    profile: Arc<Profile>,
    pre: InstancePre<State>,
}

impl Loaded {
    /// Returns what it wants, each with whether it is granted.
    pub fn wants(&self) -> impl Iterator<Item = (&Want, bool)> {
        let grants = &self.config.grants;
        self.manifest
            .wants
            .iter()
            .map(|want| (want, want.is_granted(grants)))
    }

    /// Returns the most memory that an instance was seen with after a call, in bytes.
    #[must_use]
    pub fn memory_max(&self) -> usize {
        self.profile.meter.memory_max()
    }
}

impl fmt::Debug for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loaded")
            .field("name", &self.name)
            .field("manifest", &self.manifest)
            .finish_non_exhaustive()
    }
}

impl Plugins {
    /// Loads plugins and makes each ready with one configured instance. Compiled forms are kept
    /// in `cache_dir`, if there is one. Takes milliseconds for a plugin that is in the cache, else
    /// about a second.
    ///
    /// Meters are made here: a metrics recorder must be installed before.
    ///
    /// # Errors
    /// All faults of all plugins.
    pub async fn load(configs: Vec<PluginConfig>, cache_dir: Option<&Path>) -> Result<Self, Vec<LoadError>> {
        Self::after(None, configs, cache_dir).await
    }

    /// Loads another set in the place of this one, which stays as it is: whoever uses it goes on
    /// until done. A plugin whose file and configuration are the same is taken over with its
    /// instances, unless it is in quarantine: then it gets a new start. Storage of plugins of the
    /// same name stays.
    ///
    /// # Errors
    /// All faults of all plugins.
    pub async fn reload(
        &self,
        configs: Vec<PluginConfig>,
        cache_dir: Option<&Path>,
    ) -> Result<Self, Vec<LoadError>> {
        Self::after(Some(self), configs, cache_dir).await
    }

    async fn after(
        before: Option<&Self>,
        configs: Vec<PluginConfig>,
        cache_dir: Option<&Path>,
    ) -> Result<Self, Vec<LoadError>> {
        let engines = Engines::shared().map_err(|error| {
            let plugin = configs
                .first()
                .map_or_else(|| PluginName::new("plugin"), |config| config.name.clone());
            vec![LoadError {
                plugin,
                problem: LoadProblem::Engine(format!("{error:#}")),
            }]
        })?;
        let mut loading = Loading {
            before: before.map(|plugins| &plugins.set),
            cache: cache_dir.and_then(Cache::open).map(Arc::new),
            kv: before.map_or_else(
                || Arc::new(MemoryStore::default()) as _,
                |before| Arc::clone(&before.kv),
            ),
            set: Set::default(),
            engines,
        };
        let mut errors = Vec::new();
        let mut seen = BTreeSet::new();
        for config in configs {
            let name = config.name.clone();
            let result = if seen.insert(name.clone()) {
                loading.one(config).await
            } else {
                Err(vec![key("name", "another plugin has this name")])
            };
            if let Err(problems) = result {
                errors.extend(problems.into_iter().map(|problem| LoadError {
                    plugin: name.clone(),
                    problem,
                }));
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        Ok(loading.done())
    }

    /// Returns the maskers.
    #[must_use]
    pub fn maskers(&self) -> &Arc<Maskers> {
        &self.maskers
    }

    /// Returns the classifiers.
    #[must_use]
    pub fn classifiers(&self) -> &Arc<Classifiers> {
        &self.classifiers
    }

    /// Returns an exporter.
    #[must_use]
    pub fn exporter(&self, name: &PluginName) -> Option<&Arc<Exporter>> {
        self.set.exporters.get(name)
    }

    /// Returns an approver.
    #[must_use]
    pub fn approver(&self, name: &PluginName) -> Option<&Arc<Approver>> {
        self.set.approvers.get(name)
    }

    /// Returns what is loaded, in configured order.
    #[must_use]
    pub fn loaded(&self) -> &[Loaded] {
        &self.set.loaded
    }
}

/// A set in the making.
struct Loading<'b> {
    /// The set in whose place it comes.
    before: Option<&'b Set>,
    engines: Arc<Engines>,
    cache: Option<Arc<Cache>>,
    kv: Arc<dyn KvStore>,
    set: Set,
}

impl Loading<'_> {
    async fn one(&mut self, config: PluginConfig) -> Result<(), Vec<LoadProblem>> {
        let config = Arc::new(config);
        let mut profile = profile(&config, &self.kv)?;
        let binary = self.read(&config).await.map_err(|problem| vec![problem])?;
        if self
            .before
            .is_some_and(|before| self.set.take_over(before, &config, &binary.digest))
        {
            return Ok(());
        }
        let compiled = self.compiled(&config, binary).await;
        let compiled = compiled.map_err(|problem| vec![problem])?;
        let Frozen { manifest, vectors } = compiled.frozen;
        profile.narrow(&config.grants, &manifest.wants)?;
        let profile = Arc::new(profile);
        check_config(&manifest, &profile, &compiled.pre).await?;
        rehearse::rehearse(&config.name, &manifest, &compiled.pre, &vectors)
            .await
            .map_err(|problem| vec![problem])?;
        let declared = manifest
            .metrics
            .iter()
            .map(|metric| (metric.clone(), profile.meter.declared(metric)));
        let _ = profile.declared.set(declared.collect());
        self.put(&config, Arc::clone(&profile), compiled.pre.clone())?;
        let Compiled {
            pre, sha256, origin, ..
        } = compiled;
        tracing::info!(plugin = config.name.as_str(), kind = %config.kind, sha256 = hex::encode(sha256), version = manifest.version, ?origin, "plugin loaded");
        self.set.loaded.push(Loaded {
            name: config.name.clone(),
            sha256,
            cached: origin == cache::Origin::Cache,
            manifest,
            vectors,
            kept: false,
            config,
            profile,
            pre,
        });
        Ok(())
    }

    /// Reads the component, and who vouches for it.
    async fn read(&self, config: &Arc<PluginConfig>) -> Result<Binary, LoadProblem> {
        let config = Arc::clone(config);
        let reading = spawn_blocking(move || {
            let binary = component::read(&config.source, config.sha256.as_ref())?;
            signature::check(&config.trust, &config.source, &binary.digest)?;
            Ok(binary)
        });
        let unread = |_| LoadProblem::Unfit("reading it failed".to_owned());
        reading.await.map_err(unread)?
    }

    /// Compiles the component, unless the set before has it under whichever configuration.
    async fn compiled(&self, config: &Arc<PluginConfig>, binary: Binary) -> Result<Compiled, LoadProblem> {
        let loaded = self.before.map_or(&[][..], |before| &before.loaded);
        let same = |loaded: &&Loaded| loaded.sha256 == binary.digest && loaded.config.kind == config.kind;
        if let Some(loaded) = loaded.iter().find(same) {
            return Ok(Compiled {
                pre: loaded.pre.clone(),
                sha256: loaded.sha256,
                origin: cache::Origin::Cache,
                frozen: Frozen {
                    manifest: loaded.manifest.clone(),
                    vectors: loaded.vectors.clone(),
                },
            });
        }
        let (engine, cache) = (self.engines.of(config.kind).clone(), self.cache.clone());
        let (config, limit) = (Arc::clone(config), config.limits.compile);
        let compiling = spawn_blocking(move || compile(&config, binary, &engine, cache.as_deref()));
        timely(compiling, limit).await
    }

    /// Makes the plugin's instances ready.
    fn put(
        &mut self,
        config: &PluginConfig,
        profile: Arc<Profile>,
        pre: InstancePre<State>,
    ) -> Result<(), Vec<LoadProblem>> {
        let (name, on_failure) = (config.name.clone(), config.on_failure);
        match config.kind {
            Kind::Masker => {
                let pool = pool::<MaskerWorld>(profile, pre)?;
                let masker = Masker { pool, on_failure };
                self.set.maskers.insert(name, Arc::new(masker));
            }
            Kind::Classifier => {
                let pool = pool::<ClassifierWorld>(profile, pre)?;
                self.set.classifiers.insert(name, Arc::new(pool));
            }
            Kind::Exporter => {
                let pool = pool::<ExporterWorld>(profile, pre)?;
                self.set.exporters.insert(name, Arc::new(Exporter::new(pool)));
            }
            Kind::Approver => {
                let pool = pool::<ApproverWorld>(profile, pre)?;
                self.set.approvers.insert(name, Arc::new(Approver::new(pool)));
            }
        }
        Ok(())
    }

    fn done(self) -> Plugins {
        Plugins {
            maskers: Arc::new(Maskers::new(self.set.maskers.clone())),
            classifiers: Arc::new(Classifiers::new(self.set.classifiers.clone())),
            set: self.set,
            kv: self.kv,
            _engines: self.engines,
        }
    }
}

/// Waits for a compilation that may take too long. It can't be stopped: its thread goes on to the
/// end, but nobody waits for it any more, and what it makes is not used.
async fn timely<T>(compiling: JoinHandle<Result<T, LoadProblem>>, limit: Duration) -> Result<T, LoadProblem> {
    match timeout(limit, compiling).await {
        Ok(Ok(compiled)) => compiled,
        Ok(Err(_)) => Err(LoadProblem::Unfit("compiling it failed".to_owned())),
        Err(_) => {
            let what = format!("compiling it takes longer than {limit:?}");
            Err(LoadProblem::Unfit(what))
        }
    }
}

fn pool<W: World>(profile: Arc<Profile>, pre: InstancePre<State>) -> Result<Pool<W>, Vec<LoadProblem>> {
    Pool::new(profile, pre).map_err(|error| vec![LoadProblem::Unfit(format!("{error:#}"))])
}

/// A component that is ready to be instantiated.
struct Compiled {
    pre: InstancePre<State>,
    sha256: [u8; 32],
    origin: cache::Origin,
    frozen: Frozen,
}

/// Checks and compiles the component and links it. Blocks for up to seconds.
fn compile(
    config: &PluginConfig,
    binary: Binary,
    engine: &wasmtime::Engine,
    cache: Option<&Cache>,
) -> Result<Compiled, LoadProblem> {
    let frozen = component::check(config.name.as_str(), config.kind, &binary.wasm, &config.source)?;
    let frozen = frozen.ok_or_else(|| LoadProblem::Unpacked {
        path: config.source.display().to_string(),
    })?;
    let (pre, origin) = link(config.kind, &binary, engine, cache)?;
    Ok(Compiled {
        pre,
        sha256: binary.digest,
        origin,
        frozen,
    })
}

/// Compiles a component and gives it what its kind may use. Blocks for up to seconds.
fn link(
    kind: Kind,
    binary: &Binary,
    engine: &wasmtime::Engine,
    cache: Option<&Cache>,
) -> Result<(InstancePre<State>, cache::Origin), LoadProblem> {
    let unfit = |error: wasmtime::Error| LoadProblem::Unfit(format!("{error:#}"));
    let (component, origin) = cache::compile(cache, engine, &binary.digest, &binary.wasm).map_err(unfit)?;
    let mut linker = Linker::new(engine);
    host::link(kind, &mut linker).map_err(unfit)?;
    Ok((linker.instantiate_pre(&component).map_err(unfit)?, origin))
}

/// Has a configuration checked by the schema and by the plugin. Both are asked always: where they
/// speak of the same place, the plugin's own words are the better ones.
async fn check_config(
    manifest: &Manifest,
    profile: &Arc<Profile>,
    pre: &InstancePre<State>,
) -> Result<(), Vec<LoadProblem>> {
    let unusable = |why| vec![LoadProblem::Schema(why)];
    let config = serde_json::from_str(&profile.config).unwrap_or_default();
    let found = schema::check(&manifest.config_schema, &config).map_err(unusable)?;
    let mut problems = introduce::configure(profile, pre).await.err().unwrap_or_default();
    for issue in found {
        let told = problems
            .iter()
            .any(|problem| matches!(problem, LoadProblem::Config(told) if told.pointer == issue.pointer));
        if !told {
            problems.push(LoadProblem::Config(issue));
        }
    }
    if problems.is_empty() {
        return Ok(());
    }
    Err(problems)
}

fn key(key: &'static str, message: &str) -> LoadProblem {
    LoadProblem::Key {
        key,
        message: message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::COMPILE;

    #[tokio::test]
    async fn a_component_that_compiles_for_minutes_is_not_waited_for() {
        let forever = tokio::spawn(async {
            std::future::pending::<()>().await;
            Ok(())
        });
        let refused = timely(forever, Duration::from_secs(1))
            .await
            .expect_err("too long");
        assert_eq!(
            refused.to_string(),
            "the component does not fit: compiling it takes longer than 1s"
        );
        let prompt = tokio::spawn(async { Ok(7) });
        assert!(matches!(timely(prompt, COMPILE).await, Ok(7)));
    }
}
