//! `tidegate reload`: other plugins in a running gateway.

use clap::Args;
use serde_json::{Value, json};

use super::remote::{Remote, exit_status, print_json, table, text};
use super::terminal::Failure;

/// The arguments of `reload`.
#[derive(Args, Clone, Debug)]
#[command(after_help = RELOAD_HELP)]
pub struct ReloadArgs {
    /// Where the gateway is, and who asks.
    #[command(flatten)]
    pub remote: Remote,
}

const RELOAD_HELP: &str = exit_status!(
    "  tidegate reload --token-file ops.token
  tidegate reload --json --token-file ops.token
  kill -HUP $(pidof tidegate)                   # the same; what came of it is in the log"
);

/// What became of plugins, in the order in which it is shown.
const CHANGES: [&str; 4] = ["added", "changed", "removed", "kept"];

/// Carries out `reload`; returns the exit status.
pub async fn reload(args: ReloadArgs) -> u8 {
    let done = async {
        let gateway = args.remote.gateway()?;
        let reloaded = gateway.post("/api/v1/plugins/reload", &json!({})).await?;
        if gateway.json {
            return print_json(&reloaded);
        }
        let plugins = |change: &&'static str| {
            let names = reloaded[*change].as_array().map_or(&[][..], Vec::as_slice);
            let row = |name: &Value| vec![text(name), (*change).to_owned()];
            names.iter().map(row).collect::<Vec<_>>()
        };
        let rows: Vec<Vec<String>> = CHANGES.iter().flat_map(plugins).collect();
        table(&["plugin", "now"], &rows, "no plugin is configured")
    };
    done.await.map_or_else(|failure: Failure| failure.say(), |()| 0)
}
