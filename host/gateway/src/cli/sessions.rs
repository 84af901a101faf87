//! `tidegate sessions`: who is connected.

use clap::Args;
use serde_json::Value;

use super::remote::{Remote, exit_status, part, print_json, table, text, when};
use super::terminal::Failure;

/// The arguments of `sessions`.
#[derive(Args, Clone, Debug)]
#[command(after_help = SESSIONS_HELP)]
pub struct SessionsArgs {
    /// One of them, whether it lives or not.
    #[arg(value_name = "ID")]
    pub id: Option<String>,
    /// Where the gateway is, and who asks.
    #[command(flatten)]
    pub remote: Remote,
}

const SESSIONS_HELP: &str = exit_status!(
    "  tidegate sessions --token-file sec.token
  tidegate sessions 0192f0c1-2345-7abc-8def-0123456789ab --json --token-file sec.token"
);

/// Carries out the command; returns the exit status.
pub async fn list(args: SessionsArgs) -> u8 {
    let done = async {
        let gateway = args.remote.gateway()?;
        let answer = match &args.id {
            Some(id) => gateway.get(&format!("/api/v1/sessions/{}", part(id))).await?,
            None => gateway.get("/api/v1/sessions").await?,
        };
        if gateway.json {
            return print_json(&answer);
        }
        let rows: Vec<Vec<String>> = match answer["sessions"].as_array() {
            Some(sessions) => sessions.iter().map(row).collect(),
            None => vec![row(&answer)],
        };
        table(
            &[
                "id",
                "doing",
                "resource",
                "who",
                "client",
                "started",
                "operations",
            ],
            &rows,
            "nobody is connected, as far as you may see",
        )
    };
    done.await.map_or_else(|failure: Failure| failure.say(), |()| 0)
}

fn row(session: &Value) -> Vec<String> {
    vec![
        text(&session["id"]),
        text(&session["doing"]),
        text(&session["resource"]),
        text(&session["principal"]),
        text(&session["client"]),
        when(&session["started"]),
        text(&session["operations"]),
    ]
}
