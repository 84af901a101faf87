//! Loads the configured plugins into the sandbox.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context as _, Result, anyhow};
use plugin::{Grants, Kind, Limits, PluginConfig, Plugins, Secret, Trust, TrustedKey};

use crate::config::{self, Config, OnFailure, PluginKind, PluginsConfig};

/// Loads every configured plugin; compiled forms are kept beside the state database.
///
/// # Errors
/// Every fault of every plugin at once.
pub async fn load(config: &Config) -> Result<Plugins> {
    let mut wanted = Vec::new();
    let mut faults = Vec::new();
    let trust = trust(&config.vouching)?;
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
    match Plugins::load(wanted, Some(&cache)).await {
        Ok(plugins) if faults.is_empty() => Ok(plugins),
        Ok(_) => Err(anyhow!("{}", faults.join("\n"))),
        Err(errors) => {
            faults.extend(errors.iter().map(ToString::to_string));
            Err(anyhow!("{}", faults.join("\n")))
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
