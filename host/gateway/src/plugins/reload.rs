//! Other plugins while sessions run: the configuration is read again, the new set is loaded, tried
//! and written down, then it takes the place of the old one, which ends with whoever still uses it.
//!
//! Whatever fails before the exchange changes nothing.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use metrics::{Counter, counter};
use plugin::Plugins;
use serde::Serialize;
use tokio::sync::Mutex;
use utoipa::ToSchema;

use super::prepare;
use crate::approvals::channels::Channel;
use crate::config::Config;
use crate::evidence::write_reload;
use crate::services::Services;

/// Reloads plugins, one time after the other.
pub(crate) struct Reload {
    /// The configuration that was read last and is in use, as far as plugins go.
    config: Mutex<Config>,
    done: Counter,
    failed: Counter,
}

/// What a reload changed, by the names of plugins.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, ToSchema)]
pub(crate) struct Reloaded {
    /// New ones.
    pub(crate) added: Vec<String>,
    /// Those with another file, configuration or limit, and those that were in quarantine.
    pub(crate) changed: Vec<String>,
    /// Those that are in use no more.
    pub(crate) removed: Vec<String>,
    /// Those that go on as they are.
    pub(crate) kept: Vec<String>,
}

impl Reload {
    pub(crate) fn new(config: &Config) -> Self {
        let count = |result: &'static str| counter!("tidegate_plugin_reloads_total", "result" => result);
        Self {
            config: Mutex::new(config.clone()),
            done: count("done"),
            failed: count("failed"),
        }
    }

    /// Returns the files whose change calls for a reload: the configuration's, and those of the
    /// components in use. `None` where the operator does not want them watched.
    pub(super) async fn watched(&self) -> Option<Vec<PathBuf>> {
        let config = self.config.lock().await;
        let components = config.plugins.iter().filter_map(|plugin| plugin.source.file());
        let components = components.map(Path::to_owned);
        let files = std::iter::once(config.file.clone()).chain(components);
        config.vouching.watch.then(|| files.collect())
    }

    /// Reads the configuration again and takes its plugins into use.
    ///
    /// # Errors
    /// All that is wrong, a line each. The plugins in use stay.
    pub(crate) async fn reload(&self, services: &Services) -> Result<Reloaded, Vec<String>> {
        let mut current = self.config.lock().await;
        let exchanged = self.exchange(services, &mut current).await;
        match &exchanged {
            Ok(reloaded) => {
                self.done.increment(1);
                tracing::info!(
                    added = reloaded.added.join(", "),
                    changed = reloaded.changed.join(", "),
                    removed = reloaded.removed.join(", "),
                    kept = reloaded.kept.join(", "),
                    "plugins reloaded"
                );
            }
            Err(faults) => {
                self.failed.increment(1);
                for fault in faults {
                    tracing::error!(error = fault, "plugins not reloaded: those in use stay");
                }
            }
        }
        exchanged
    }

    async fn exchange(&self, services: &Services, current: &mut Config) -> Result<Reloaded, Vec<String>> {
        let read = Config::load(&current.file)
            .map_err(|faults| faults.0.iter().map(ToString::to_string).collect::<Vec<_>>())?;
        // Only what has to do with plugins is taken over: everything else is as it was at the start.
        let mut config = current.clone();
        config.vouching = read.vouching;
        config.plugins = read.plugins;
        config.channels = read.channels;
        for resource in &mut config.resources {
            let Some(read) = read.resources.iter().find(|read| read.name == resource.name) else {
                continue;
            };
            resource.maskers.clone_from(&read.maskers);
            resource.classifiers.clone_from(&read.classifiers);
            resource.channels.clone_from(&read.channels);
        }
        missing(&config)?;
        let plugins = &services.gate.plugins;
        let before = plugins.current();
        let fresh = prepare(&config, Some(&before.plugins)).await?;
        let unwritten = |error| vec![format!("the journal cannot be written: {error}")];
        write_reload(&services.journal, &fresh).await.map_err(unwritten)?;
        let reloaded = compare(&before.plugins, &fresh);
        plugins.exchange(fresh, &config);
        services.gate.forget();
        services.channels.renew(Channel::all(&config, plugins));
        *current = config;
        Ok(reloaded)
    }
}

/// Refuses a resource that is gone from the file and whose plugins are gone as well: until the next
/// start it is still there.
fn missing(config: &Config) -> Result<(), Vec<String>> {
    let mut faults = Vec::new();
    for resource in &config.resources {
        for name in resource.maskers.iter().chain(&resource.classifiers) {
            if config.plugin(name.as_str()).is_none() {
                faults.push(format!(
                    "resource \"{}\" is still served and needs plugin \"{name}\": restart to take it out",
                    resource.name
                ));
            }
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}

fn compare(before: &Plugins, after: &Plugins) -> Reloaded {
    let names = before.loaded().iter();
    let mut gone: BTreeSet<String> = names.map(|plugin| plugin.name.to_string()).collect();
    let mut reloaded = Reloaded::default();
    for plugin in after.loaded() {
        let name = plugin.name.to_string();
        let was_there = gone.remove(&name);
        match (was_there, plugin.kept) {
            (true, true) => reloaded.kept.push(name),
            (true, false) => reloaded.changed.push(name),
            (false, _) => reloaded.added.push(name),
        }
    }
    reloaded.removed = gone.into_iter().collect();
    reloaded
}

/// Reloads at each SIGHUP, until the gateway ends.
pub(crate) async fn on_hangup(services: Arc<Services>) -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut hangup = signal(SignalKind::hangup())?;
    while hangup.recv().await.is_some() {
        tracing::info!("SIGHUP: reloading the plugins");
        // What went wrong is in the log: nobody else is there to be told.
        let _ = services.reload.reload(&services).await;
    }
    Ok(())
}
