//! From the operator's configuration to plugins that are ready: read, pinned, checked, compiled,
//! described, configured.
//!
//! All faults of all plugins are reported at once, and one is enough to load nothing: a gateway
//! without its masker is not a gateway.

mod introduce;
pub(crate) mod pack;

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use model::PluginName;
use tokio::task::spawn_blocking;
use wasmtime::component::{InstancePre, Linker};

use crate::approver::{Approver, ApproverWorld};
use crate::cache::{self, Cache};
use crate::classifier::{ClassifierWorld, Classifiers};
use crate::component::{self, Binary, ComponentError};
use crate::config::{DEADLINE_MAX, INSTANCES_MAX, Kind, MEMORY_BYTES_MAX, PluginConfig};
use crate::egress::{self, Origin, Policy};
use crate::engine::Engines;
use crate::exporter::{Exporter, ExporterWorld};
use crate::fault::FaultKind;
use crate::host;
use crate::kv::{MemoryStore, Store as KvStore};
use crate::manifest::{Issue, Manifest};
use crate::masker::{Masker, MaskerWorld, Maskers};
use crate::meter::Meter;
use crate::pool::{Pool, World};
use crate::profile::{Profile, Voice};
use crate::signature::{self, SignatureError};
use crate::store::{self, State};

/// The largest configuration. The contract says so.
const CONFIG_BYTES_MAX: usize = 1 << 20;

/// The least memory that makes sense: a Rust guest starts with about 1 MiB.
const MEMORY_BYTES_MIN: usize = 1 << 20;

/// All loaded plugins.
pub struct Plugins {
    maskers: Arc<Maskers>,
    classifiers: Arc<Classifiers>,
    exporters: HashMap<PluginName, Arc<Exporter>>,
    approvers: HashMap<PluginName, Arc<Approver>>,
    loaded: Vec<Loaded>,
    _engines: Arc<Engines>,
}

/// One loaded plugin, for those who list them.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The configured name.
    pub name: PluginName,
    /// The component's SHA-256.
    pub sha256: [u8; 32],
    /// Whether its compiled form came from the cache.
    pub cached: bool,
    /// What it says of itself.
    pub manifest: Manifest,
}

/// Why a plugin could not be loaded.
#[derive(Debug)]
pub struct LoadError {
    /// The configured name.
    pub plugin: PluginName,
    /// Why.
    pub problem: LoadProblem,
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "plugin \"{}\": {}", self.plugin, self.problem)?;
        let mut source = std::error::Error::source(&self.problem);
        while let Some(cause) = source {
            write!(f, ": {cause}")?;
            source = cause.source();
        }
        Ok(())
    }
}

impl std::error::Error for LoadError {}

/// What is wrong with a plugin or its configuration.
#[derive(Debug, thiserror::Error)]
pub enum LoadProblem {
    /// The file is not what it should be.
    #[error(transparent)]
    Component(#[from] ComponentError),
    /// Nobody whom the operator trusts vouches for the file.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// The component does not compile or does not fit the contract's types.
    #[error("the component does not fit: {0}")]
    Unfit(String),
    /// The plugin failed while it was described or configured.
    #[error("{function} failed: {kind}")]
    Failed {
        /// `describe` or `configure`.
        function: &'static str,
        /// How.
        kind: FaultKind,
    },
    /// The plugin finds something wrong with its configuration.
    #[error("config{}: {}", .0.pointer, .0.message)]
    Config(Issue),
    /// A key of the plugin's table is wrong.
    #[error("{key}: {message}")]
    Key {
        /// The key, e.g. `limits.memory`.
        key: &'static str,
        /// What is wrong and what would be right.
        message: String,
    },
    /// The engines could not be made.
    #[error("the sandbox can't be set up: {0}")]
    Engine(String),
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
        let engines = Engines::shared().map_err(|error| {
            let plugin = configs
                .first()
                .map_or_else(|| PluginName::new("plugin"), |config| config.name.clone());
            vec![LoadError {
                plugin,
                problem: LoadProblem::Engine(format!("{error:#}")),
            }]
        })?;
        let cache = cache_dir.and_then(Cache::open).map(Arc::new);
        let kv: Arc<dyn KvStore> = Arc::new(MemoryStore::default());
        let mut set = Set::default();
        let mut errors = Vec::new();
        let mut seen = BTreeSet::new();
        for config in configs {
            let name = config.name.clone();
            let result = if seen.insert(name.clone()) {
                load_one(config, &engines, cache.clone(), &kv, &mut set).await
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
        Ok(Self {
            maskers: Arc::new(Maskers::new(set.maskers)),
            classifiers: Arc::new(Classifiers::new(set.classifiers)),
            exporters: set.exporters,
            approvers: set.approvers,
            loaded: set.loaded,
            _engines: engines,
        })
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
        self.exporters.get(name)
    }

    /// Returns an approver.
    #[must_use]
    pub fn approver(&self, name: &PluginName) -> Option<&Arc<Approver>> {
        self.approvers.get(name)
    }

    /// Returns what is loaded, in configured order.
    #[must_use]
    pub fn loaded(&self) -> &[Loaded] {
        &self.loaded
    }
}

#[derive(Default)]
struct Set {
    maskers: HashMap<PluginName, Arc<Masker>>,
    classifiers: HashMap<PluginName, Arc<Pool<ClassifierWorld>>>,
    exporters: HashMap<PluginName, Arc<Exporter>>,
    approvers: HashMap<PluginName, Arc<Approver>>,
    loaded: Vec<Loaded>,
}

async fn load_one(
    config: PluginConfig,
    engines: &Arc<Engines>,
    cache: Option<Arc<Cache>>,
    kv: &Arc<dyn KvStore>,
    set: &mut Set,
) -> Result<(), Vec<LoadProblem>> {
    let (name, kind, on_failure) = (config.name.clone(), config.kind, config.on_failure);
    let profile = Arc::new(profile(&config, kv)?);
    let engine = engines.of(kind).clone();
    let compiling = spawn_blocking(move || {
        let binary = component::read(&config.source, config.sha256.as_ref())?;
        signature::check(&config.trust, &config.source, &binary.digest)?;
        compile(&config, binary, &engine, cache.as_deref())
    });
    let compiled = compiling
        .await
        .map_err(|_| vec![LoadProblem::Unfit("compiling it failed".to_owned())])?;
    let Compiled {
        pre,
        sha256,
        origin,
        manifest,
    } = compiled.map_err(|problem| vec![problem])?;
    let manifest = match manifest {
        Some(frozen) => frozen,
        None => introduce::describe(&profile, &pre)
            .await
            .map_err(|problem| vec![problem])?,
    };
    introduce::configure(&profile, &pre).await?;
    let declared = manifest
        .metrics
        .iter()
        .map(|metric| (metric.clone(), profile.meter.declared(metric)));
    let _ = profile.declared.set(declared.collect());
    match kind {
        Kind::Masker => {
            let pool = pool::<MaskerWorld>(profile, pre)?;
            set.maskers
                .insert(name.clone(), Arc::new(Masker { pool, on_failure }));
        }
        Kind::Classifier => {
            set.classifiers
                .insert(name.clone(), Arc::new(pool::<ClassifierWorld>(profile, pre)?));
        }
        Kind::Exporter => {
            let pool = pool::<ExporterWorld>(profile, pre)?;
            set.exporters.insert(name.clone(), Arc::new(Exporter::new(pool)));
        }
        Kind::Approver => {
            let pool = pool::<ApproverWorld>(profile, pre)?;
            set.approvers.insert(name.clone(), Arc::new(Approver::new(pool)));
        }
    }
    tracing::info!(plugin = name.as_str(), %kind, sha256 = hex::encode(sha256), version = manifest.version, ?origin, "plugin loaded");
    set.loaded.push(Loaded {
        name,
        sha256,
        cached: origin == cache::Origin::Cache,
        manifest,
    });
    Ok(())
}

fn pool<W: World>(profile: Arc<Profile>, pre: InstancePre<State>) -> Result<Pool<W>, Vec<LoadProblem>> {
    Pool::new(profile, pre).map_err(|error| vec![LoadProblem::Unfit(format!("{error:#}"))])
}

/// Checks everything that can be checked without the component.
fn profile(config: &PluginConfig, kv: &Arc<dyn KvStore>) -> Result<Profile, Vec<LoadProblem>> {
    let mut problems = Vec::new();
    let limits = config.limits;
    if !(MEMORY_BYTES_MIN..=MEMORY_BYTES_MAX).contains(&limits.memory_bytes) {
        problems.push(key("limits.memory", "from 1 MiB to 256 MiB"));
    }
    if !(Duration::from_millis(1)..=DEADLINE_MAX).contains(&limits.deadline) {
        problems.push(key("limits.deadline", "from 1 ms to 5 minutes"));
    }
    if !(1..=INSTANCES_MAX).contains(&limits.instances) {
        problems.push(key("limits.instances", "from 1 to 64"));
    }
    if limits.faults == 0 {
        problems.push(key("limits.faults", "at least 1"));
    }
    let json = match &config.config {
        serde_json::Value::Null => "{}".to_owned(),
        object @ serde_json::Value::Object(_) => object.to_string(),
        _ => {
            problems.push(key("config", "an object is expected"));
            String::new()
        }
    };
    if json.len() > CONFIG_BYTES_MAX {
        problems.push(key("config", "at most 1 MiB"));
    }
    let grants = &config.grants;
    let reaches = !grants.egress.is_empty() || !grants.secrets.is_empty() || grants.kv_bytes.is_some();
    if reaches && !store::waits(config.kind) {
        problems.push(key(
            "grant",
            &format!("a {} reaches nothing: no egress, secrets or kv", config.kind),
        ));
    }
    let mut origins = Vec::new();
    for origin in &grants.egress {
        match Origin::parse(origin) {
            Ok(origin) => origins.push(origin),
            Err(error) => problems.push(key("grant.egress", &format!("{origin}: {error}"))),
        }
    }
    let tls = egress::tls_config(grants.ca_file.as_deref())
        .map_err(|error| problems.push(key("grant.ca_file", &error.to_string())));
    let Ok(tls) = tls else { return Err(problems) };
    if !problems.is_empty() {
        return Err(problems);
    }
    Ok(Profile {
        name: config.name.clone(),
        kind: config.kind,
        limits,
        config: json,
        policy: Arc::new(Policy {
            origins,
            allow_private: grants.allow_private.clone(),
            secrets: grants.secrets.clone(),
            tls,
        }),
        kv: Arc::clone(kv),
        kv_bytes: grants.kv_bytes,
        meter: Meter::new(&config.name, config.kind),
        declared: OnceLock::new(),
        words: grants.log || store::waits(config.kind),
        voice: Voice::default(),
    })
}

/// A component that is ready to be instantiated.
struct Compiled {
    pre: InstancePre<State>,
    sha256: [u8; 32],
    origin: cache::Origin,
    /// What it says of itself, if it was packed.
    manifest: Option<Manifest>,
}

/// Checks and compiles the component and links it. Blocks for up to seconds.
fn compile(
    config: &PluginConfig,
    binary: Binary,
    engine: &wasmtime::Engine,
    cache: Option<&Cache>,
) -> Result<Compiled, LoadProblem> {
    let unfit = |error: wasmtime::Error| LoadProblem::Unfit(format!("{error:#}"));
    let manifest = component::check(config.name.as_str(), config.kind, &binary.wasm, &config.source)?;
    let (component, origin) = cache::compile(cache, engine, &binary.digest, &binary.wasm).map_err(unfit)?;
    let mut linker = Linker::new(engine);
    host::link(config.kind, &mut linker).map_err(unfit)?;
    Ok(Compiled {
        pre: linker.instantiate_pre(&component).map_err(unfit)?,
        sha256: binary.digest,
        origin,
        manifest,
    })
}

fn key(key: &'static str, message: &str) -> LoadProblem {
    LoadProblem::Key {
        key,
        message: message.to_owned(),
    }
}
