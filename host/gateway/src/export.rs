//! Carries the journal out: every entry, in order, at least once, to each exporter plugin.
//!
//! One task per exporter follows the journal with a cursor of its own. The cursor moves only
//! over what the plugin acknowledged, without gaps; it is on the disk before the next delivery
//! begins. Whatever fails is tried again, for ever; an entry that can never be delivered is
//! passed over only after the journal says so. An exporter that lags stops nothing else.

mod lag;
mod pump;
mod read;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;

use journal::Journal;
use model::PluginName;
use plugin::{Ack, Batch, PluginFault};
use tokio_util::sync::CancellationToken;

use self::lag::Lag;
use self::pump::{Cursor, Deliver, Pump};
use crate::plugins::ActivePlugins;
use crate::running::Running;
use crate::state::{State, StateError, keep_anchor};

/// What is carried out, and by whom it is remembered.
#[derive(Clone, Debug)]
pub struct Export {
    /// The journal.
    pub journal: Journal,
    /// Its name.
    pub origin: String,
    /// Where the cursors and the journal's checkpoint are kept.
    pub state: State,
    /// Ends everything after one last attempt, within five seconds.
    pub stop: CancellationToken,
}

impl Export {
    /// Carries the journal out by every exporter in use, and keeps the journal's latest checkpoint
    /// in the state database, until `stop` is cancelled. Needs a metrics recorder that is installed.
    pub async fn run(self, plugins: Arc<ActivePlugins>) {
        let keeping = keep_anchor(self.journal.checkpoints(), self.state.clone(), self.stop.clone());
        let keeping = tokio::spawn(keeping);
        let mut changes = plugins.changes();
        let mut running: HashMap<PluginName, Running> = HashMap::new();
        loop {
            changes.mark_unchanged();
            let set = plugins.current();
            for (_, old) in running.extract_if(|name, _| !set.exporters.contains(name)) {
                old.end().await;
            }
            for name in &set.exporters {
                running
                    .entry(name.clone())
                    .or_insert_with(|| self.begin(name, &plugins));
            }
            drop(set);
            tokio::select! {
                () = self.stop.cancelled() => break,
                // The sender lives as long as this does.
                _ = changes.changed() => {}
            }
        }
        for (_, old) in running {
            old.end().await;
        }
        // It ends with `stop`; if it panicked, it said so.
        let _ = keeping.await;
    }

    /// Begins to carry the journal to one exporter.
    fn begin(&self, plugin: &PluginName, plugins: &Arc<ActivePlugins>) -> Running {
        let lag = Arc::new(Lag::new(plugin));
        let cursor = StateCursor {
            state: self.state.clone(),
            plugin: plugin.clone(),
            log: self.origin.clone(),
        };
        let exporter = Current {
            plugins: Arc::clone(plugins),
            name: plugin.clone(),
        };
        let (own, journal, plugin) = (self.clone(), self.journal.clone(), plugin.clone());
        Running::begin(&self.stop, |stop| {
            let own = Self { stop, ..own };
            let pump = Pump::new(&own, plugin, exporter, cursor, Arc::clone(&lag));
            async move {
                tokio::select! {
                    () = pump.run() => {}
                    () = lag.observe(&journal) => {}
                }
            }
        })
    }
}

/// The exporter that has a name now, whichever was loaded last under it.
struct Current {
    plugins: Arc<ActivePlugins>,
    name: PluginName,
}

impl Deliver for Current {
    async fn deliver(&mut self, batch: &Batch) -> Result<Ack, PluginFault> {
        let exporter = self.plugins.exporter(&self.name)?;
        exporter.deliver(batch).await
    }
}

/// An exporter's cursor in the state database.
#[derive(Debug)]
struct StateCursor {
    state: State,
    plugin: PluginName,
    log: String,
}

impl Cursor for StateCursor {
    async fn load(&mut self) -> Result<u64, StateError> {
        self.state.cursor(&self.plugin, &self.log).await
    }

    async fn save(&mut self, next: u64) -> Result<(), StateError> {
        self.state.save_cursor(&self.plugin, &self.log, next).await
    }
}
