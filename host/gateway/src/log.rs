//! The gateway's own log, on standard error: what happened to the gateway, never what was in
//! a statement or a row.

use tracing_subscriber::EnvFilter;

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
        .with_writer(std::io::stderr);
    // Fails only where a subscriber is there already, as in tests.
    let _ = match config.format {
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
        LogFormat::Text => builder.try_init(),
    };
}
