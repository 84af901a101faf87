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

use std::sync::Arc;

use journal::Journal;
use model::PluginName;
use plugin::{Ack, Batch, Exporter, PluginFault, Plugins};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use self::lag::Lag;
use self::pump::{Cursor, Deliver, Pump};
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
    /// Starts a task for each of these exporters, and one that keeps the journal's latest
    /// checkpoint in the state database. They end after `stop` is cancelled. Needs a runtime
    /// with timers and a metrics recorder that is installed.
    #[must_use]
    pub fn spawn(&self, plugins: &Plugins, names: Vec<PluginName>) -> Vec<JoinHandle<()>> {
        let keeping = keep_anchor(self.journal.checkpoints(), self.state.clone(), self.stop.clone());
        let mut tasks = vec![tokio::spawn(keeping)];
        for plugin in names {
            let Some(exporter) = plugins.exporter(&plugin) else {
                tracing::error!(
                    plugin = plugin.as_str(),
                    "there is no exporter of this name; nothing is exported by it"
                );
                continue;
            };
            let lag = Arc::new(Lag::new(&plugin));
            let cursor = StateCursor {
                state: self.state.clone(),
                plugin: plugin.clone(),
                log: self.origin.clone(),
            };
            let pump = Pump::new(self, plugin, Arc::clone(exporter), cursor, Arc::clone(&lag));
            let journal = self.journal.clone();
            tasks.push(tokio::spawn(async move {
                tokio::select! {
                    () = pump.run() => {}
                    () = lag.observe(&journal) => {}
                }
            }));
        }
        tasks
    }
}

impl Deliver for Arc<Exporter> {
    async fn deliver(&mut self, batch: &Batch) -> Result<Ack, PluginFault> {
        Exporter::deliver(self, batch).await
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
