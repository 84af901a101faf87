//! The configured plugins: loaded into the sandbox, in use, exchanged while sessions run.

mod active;
mod reload;
mod watch;

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context as _, Result, anyhow};
use plugin::{Grants, Kind, Limits, PluginConfig, Plugins, Secret, Trust, TrustedKey};

pub use active::{ActivePlugins, PluginSet};
pub(crate) use reload::{Reload, Reloaded, on_hangup};
pub(crate) use watch::watch;

use crate::config::{self, Config, OnFailure, PluginKind, PluginsConfig};

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
    for plugin in &config.plugins {
        match translate(plugin) {
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

fn translate(plugin: &config::PluginConfig) -> Result<PluginConfig> {
    let kind = match plugin.kind {
        PluginKind::Approver => Kind::Approver,
        PluginKind::Classifier => Kind::Classifier,
        PluginKind::Exporter => Kind::Exporter,
        PluginKind::Masker => Kind::Masker,
    };
    let mut secrets = BTreeMap::new();
    for (name, reference) in &plugin.secrets {
        secrets.insert(name.clone(), Secret::new(reference.resolve()?.expose()));
    }
    let everywhere = ["0.0.0.0/0", "::/0"];
    let private = if plugin.allow_private {
        &everywhere[..]
    } else {
        &[]
    };
    Ok(PluginConfig {
        source: plugin.source.clone(),
        sha256: plugin.sha256,
        config: plugin.config.clone(),
        limits: Limits {
            memory_bytes: usize::try_from(plugin.limits.memory)?,
            deadline: plugin.limits.deadline,
            faults: plugin.limits.faults,
            faults_within: plugin.limits.faults_within,
            ..Limits::for_kind(kind)
        },
        on_failure: match plugin.on_failure {
            OnFailure::Close => plugin::OnFailure::Close,
            OnFailure::Redact => plugin::OnFailure::Redact,
        },
        grants: Grants {
            egress: plugin.egress.clone(),
            allow_private: private
                .iter()
                .map(|range| range.parse())
                .collect::<Result<_, _>>()?,
            secrets,
            ..Grants::default()
        },
        ..PluginConfig::new(plugin.name.clone(), kind, plugin.source.clone())
    })
}
