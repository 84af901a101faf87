//! `tidegate access`: who has access and does not use it.

use clap::{Args, Subcommand};
use serde_json::Value;

use super::grants;
use super::remote::{Remote, exit_status, print_json, table, text, when, with_parameters};
use super::terminal::Failure;

/// What to do about access.
#[derive(Clone, Debug, Subcommand)]
pub enum AccessCommand {
    /// List identities that have not come for long, and grants that nobody has used.
    Review(ReviewArgs),
}

/// The arguments of `access review`.
#[derive(Args, Clone, Debug)]
#[command(after_help = REVIEW_HELP)]
pub struct ReviewArgs {
    /// How many days without a login make an identity dormant.
    #[arg(long, default_value_t = 90, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=400))]
    pub days: u16,
    /// Where the gateway is, and who asks.
    #[command(flatten)]
    pub remote: Remote,
}

const REVIEW_HELP: &str = exit_status!(
    "  tidegate access review --token-file sec.token
  tidegate access review --days 30 --json --token-file sec.token"
);

/// Carries out an `access` command; returns the exit status.
pub async fn command(command: AccessCommand) -> u8 {
    let AccessCommand::Review(args) = command;
    let done = async {
        let gateway = args.remote.gateway()?;
        let days = args.days.to_string();
        let path = with_parameters("/api/v1/review", &[("days", Some(&days))]);
        let review = gateway.get(&path).await?;
        if gateway.json {
            return print_json(&review);
        }
        let dormant = review["dormant"].as_array().map_or(&[][..], Vec::as_slice);
        let row = |who: &Value| {
            vec![
                text(&who["principal"]),
                text(&who["resource"]),
                when(&who["last_seen"]),
            ]
        };
        let rows: Vec<Vec<String>> = dormant.iter().map(row).collect();
        table(
            &["dormant", "resource", "last seen"],
            &rows,
            "no identity is dormant",
        )?;
        table(
            grants::HEADINGS,
            &grants::rows(&review["unused_grants"]),
            "no grant is unused",
        )
    };
    done.await.map_or_else(|failure: Failure| failure.say(), |()| 0)
}
