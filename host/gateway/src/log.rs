//! The gateway's own log, on standard error: what happened to the gateway, never what was in
//! a statement or a row.

use std::fs::File;
use std::sync::Mutex;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::writer::BoxMakeWriter;

use crate::config::{LogConfig, LogFormat};

/// Libraries speak up only when something is wrong.
const LIBRARIES: &str = "warn";

/// Starts logging. A second call does nothing.
pub fn start(config: LogConfig) {
    let level = config.level.label();
    let ours = ["gateway", "journal", "plugin", "proto"]
        .map(|name| format!("{name}={level}"))
        .join(",");
    let filter = EnvFilter::new(format!("{LIBRARIES},{ours}"));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(own_stderr());
    // Fails only where a subscriber is there already, as in tests.
    let _ = match config.format {
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
        LogFormat::Text => builder.try_init(),
    };
}

/// Returns a standard error of our own: the parser's library points the process's elsewhere
/// for as long as a parse takes, and what is written there meanwhile is lost.
fn own_stderr() -> BoxMakeWriter {
    match rustix::io::dup(std::io::stderr()) {
        Ok(copy) => BoxMakeWriter::new(Mutex::new(File::from(copy))),
        Err(_) => BoxMakeWriter::new(std::io::stderr),
    }
}
