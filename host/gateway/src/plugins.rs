//! The configured plugins: loaded into the sandbox, in use, exchanged while sessions run.

mod active;
mod compose;
pub mod oci;
mod reload;
mod watch;

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context as _, Result, anyhow, bail};
use plugin::{Grants, Kind, Limits, PluginConfig, Plugins, Secret, Trust, TrustedKey};

pub use active::{ActivePlugins, PluginSet};
pub(crate) use compose::compose;
pub use compose::{Composition, Mask};
pub(crate) use reload::{Reload, Reloaded, on_hangup};
pub(crate) use watch::watch;

use crate::config::{self, Config, OnFailure, PluginKind, PluginsConfig, Source};
use oci::Store;

/// Loads every configured plugin; compiled forms are kept beside the state database.
///
/// # Errors
/// Every fault of every plugin at once.
pub async fn load(config: &Config) -> Result<Plugins> {
    prepare(config, None)
        .await
        .map_err(|faults| anyhow!("{}", faults.join("\n")))
}

/// Loads the configured plugins, in the place of those before; returns every fault of every plugin
/// at once.
async fn prepare(config: &Config, before: Option<&Plugins>) -> Result<Plugins, Vec<String>> {
    let mut wanted = Vec::new();
    let mut faults = Vec::new();
    let trust = trust(&config.vouching).map_err(|error| vec![format!("{error:#}")])?;
    let store = Store::beside(&config.state.database);
    for plugin in &config.plugins {
        match translate(plugin, &store).await {
            Ok(plugin) => wanted.push(PluginConfig {
                trust: trust.clone(),
                ..plugin
            }),
            Err(error) => faults.push(format!("plugin \"{}\": {error:#}", plugin.name)),
        }
    }
    let cache = config.state.database.with_file_name("compiled");
    let loaded = match before {
        Some(before) => before.reload(wanted, Some(&cache)).await,
        None => Plugins::load(wanted, Some(&cache)).await,
    };
    match loaded {
        Ok(plugins) if faults.is_empty() => Ok(plugins),
        Ok(_) => Err(faults),
        Err(errors) => {
            faults.extend(errors.iter().map(ToString::to_string));
            Err(faults)
        }
    }
}

/// Reads the keys whose signatures count.
///
/// # Errors
/// A file that can't be read or holds no such key.
pub(crate) fn trust(config: &PluginsConfig) -> Result<Trust> {
    let read = |file: &PathBuf| {
        let key = std::fs::read(file).map_err(anyhow::Error::from);
        key.and_then(|pem| Ok(TrustedKey::from_pem(&pem)?))
            .with_context(|| format!("plugins.trusted_keys: {}", file.display()))
    };
    Ok(Trust {
        keys: config.trusted_keys.iter().map(read).collect::<Result<_>>()?,
        required: config.require_signature,
    })
}

/// Returns what one of a gateway's plugins is loaded with.
///
/// # Errors
/// When a secret, a key or the component itself can't be had.
pub(crate) async fn wanted(config: &Config, plugin: &config::PluginConfig) -> Result<PluginConfig> {
    let translated = translate(plugin, &Store::beside(&config.state.database)).await?;
    Ok(PluginConfig {
        trust: trust(&config.vouching)?,
        ..translated
    })
}

/// Puts a plugin's configuration into the host's words; a component in a registry is fetched.
async fn translate(plugin: &config::PluginConfig, store: &Store) -> Result<PluginConfig> {
    let kind = match plugin.kind {
        PluginKind::Approver => Kind::Approver,
        PluginKind::Classifier => Kind::Classifier,
        PluginKind::Exporter => Kind::Exporter,
        PluginKind::Masker => Kind::Masker,
    };
    let (source, sha256) = match &plugin.source {
        Source::File(path) => (path.clone(), plugin.sha256),
        Source::Registry(reference) => {
            let stored = store.have(reference).await?;
            // A pin of the operator's own is held as well.
            if plugin.sha256.is_some_and(|pinned| pinned != stored.sha256) {
                let found = hex::encode(stored.sha256);
                bail!("{reference}: the component has another digest than sha256 says: {found}");
            }
            (stored.path, Some(stored.sha256))
        }
    };
    let limits = &plugin.limits;
    Ok(PluginConfig {
        sha256,
        config: plugin.config.clone(),
        limits: Limits {
            memory_bytes: usize::try_from(limits.memory)?,
            deadline: limits.deadline,
            instances: limits.instances,
            invocations: limits.calls,
            faults: limits.faults,
            faults_within: limits.faults_within,
            log_lines: limits.log_lines,
            compile: limits.compile,
        },
        on_failure: match plugin.on_failure {
            OnFailure::Close => plugin::OnFailure::Close,
            OnFailure::Redact => plugin::OnFailure::Redact,
        },
        grants: grants(plugin)?,
        ..PluginConfig::new(plugin.name.clone(), kind, source)
    })
}

fn grants(plugin: &config::PluginConfig) -> Result<Grants> {
    let mut secrets = BTreeMap::new();
    for (name, reference) in &plugin.secrets {
        let mut secret = Secret::new(reference.resolve()?.expose());
        secret.reveal = plugin.reveal.contains(name);
        secrets.insert(name.clone(), secret);
    }
    let ranges = plugin.allow_private.iter().map(|range| range.parse());
    Ok(Grants {
        egress: plugin.egress.clone(),
        allow_private: ranges.collect::<Result<_, _>>()?,
        ca_file: plugin.ca_file.clone(),
        secrets,
        kv_bytes: plugin.kv.map(usize::try_from).transpose()?,
        log: plugin.log,
    })
}
