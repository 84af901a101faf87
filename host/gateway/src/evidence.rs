//! Opens the journal, and closes what a crash left open.

use std::path::Path;

use anyhow::{Context as _, Result};
use journal::{AppendError, Journal, Options};
use model::event::Event;
use plugin::Plugins;

use crate::clock;
use crate::config::Config;
use crate::services::random;
use crate::state::State;

/// The name of the file with the journal's signing key, beside the state database: whoever
/// copies the journal must not get the key with it.
const SIGNING_KEY: &str = "journal-signing.key";

/// Opens the journal against the last checkpoint that the state database remembers, and writes
/// down which operations have no outcome because the gateway died.
///
/// # Errors
/// Everything that keeps the journal from being trusted: nothing may run then.
pub async fn open_journal(config: &Config, state: &State) -> Result<(Journal, String)> {
    let dir = config.state.journal.clone();
    let origin = origin(&dir);
    let mut options = Options::new(origin.clone(), config.state.database.with_file_name(SIGNING_KEY));
    options.anchors.extend(state.anchor(&origin).await?);
    let (journal, recovery) = tokio::task::spawn_blocking(move || Journal::open(&dir, options))
        .await?
        .context("the journal cannot be opened, so nothing may run")?;
    tracing::info!(
        size = recovery.size,
        clean = recovery.clean,
        open_operations = recovery.open_operations.len(),
        "journal opened"
    );
    for open in &recovery.open_operations {
        let event = Event::OutcomeUnknown {
            operation: &open.operation,
        };
        journal.append(|out| event.encode(clock::unix_us(), out))?;
    }
    Ok((journal, origin))
}

/// Writes down that the gateway started, and with what.
///
/// # Errors
/// The journal cannot be written.
pub async fn write_start(journal: &Journal, plugins: &Plugins, policy: &str) -> Result<()> {
    let digests = digests(plugins);
    let event = Event::GatewayStart {
        version: env!("CARGO_PKG_VERSION"),
        policy,
        plugins: borrowed(&digests),
    };
    let ticket = journal.append(|out| event.encode(clock::unix_us(), out))?;
    journal
        .durable(ticket)
        .await
        .context("the journal cannot be written, so nothing may run")
}

/// Writes down which plugins are in use from now on.
///
/// # Errors
/// The journal cannot be written.
pub(crate) async fn write_reload(journal: &Journal, plugins: &Plugins) -> Result<(), AppendError> {
    let digests = digests(plugins);
    let plugins = borrowed(&digests);
    write_down(journal, &Event::PluginsReload { plugins }).await
}

/// Returns name and SHA-256 of each plugin.
fn digests(plugins: &Plugins) -> Vec<(String, String)> {
    let loaded = plugins.loaded().iter();
    loaded
        .map(|plugin| (plugin.name.to_string(), hex::encode(plugin.sha256)))
        .collect()
}

fn borrowed(pairs: &[(String, String)]) -> Vec<(&str, &str)> {
    pairs
        .iter()
        .map(|(name, digest)| (name.as_str(), digest.as_str()))
        .collect()
}

/// Writes one event down. Durable when it returns: only then may happen what it announces.
///
/// # Errors
/// The journal cannot be written.
pub(crate) async fn write_down(journal: &Journal, event: &Event<'_>) -> Result<(), AppendError> {
    let ticket = journal.append(|out| event.encode(clock::unix_us(), out))?;
    journal.durable(ticket).await?;
    Ok(())
}

/// Returns the name of the log in `dir`, or makes one for a new log: random, so that no two
/// replicas ever share it.
fn origin(dir: &Path) -> String {
    let known = std::fs::read_to_string(dir.join("keys/vkeys.txt")).unwrap_or_default();
    match known.lines().next().and_then(|line| line.split('+').next()) {
        Some(name) if !name.is_empty() => name.to_owned(),
        _ => format!("tidegate/{}", hex::encode(random::<8>())),
    }
}
