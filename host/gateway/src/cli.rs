//! The command line. Text for people by default, `--json` for machines.
//!
//! Exit status: 0 when what was asked holds, 1 when it does not, 64 for a bad command line or
//! configuration, 75 when nobody has answered yet, 77 when policy or a person says no.

pub mod access;
pub mod approvals;
pub mod check;
pub mod explain;
pub mod grants;
mod head;
pub(crate) use head::Head;
pub mod journal;
pub mod login;
pub mod plugin;
pub mod reload;
pub mod remote;
pub mod replay;
pub mod revoke;
pub mod run;
pub mod sessions;
pub mod terminal;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// The exit status when what was asked does not hold.
pub const EXIT_FAILED: u8 = 1;

/// The exit status of a bad command line or configuration (`EX_USAGE` of sysexits.h).
pub const EXIT_USAGE: u8 = 64;

/// The exit status when something could not be read or written (`EX_IOERR` of sysexits.h).
pub const EXIT_IO: u8 = 74;

/// The whole command line.
#[derive(Debug, Parser)]
#[command(
    name = "tidegate",
    version,
    about = "Stands between agents and the systems they work on: knows, judges, records and masks.",
    after_help = "Exit status: 0 when what was asked holds, 1 when it does not, 64 for a bad command line or \
configuration, 75 when nobody has answered yet, 77 when policy or a person says no.\n\nExamples:\n  tidegate serve --config tidegate.toml\n  tidegate check --config tidegate.toml\n  tidegate check --schema > tidegate.cedarschema\n  \
tidegate explain --config tidegate.toml --as '{\"sub\":\"agent-7\",\"groups\":[\"analysts\"]}' \\\n    --resource \
customers --sql \"select name from customers\""
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the gateway until SIGTERM or SIGINT; sessions may then end by themselves for a while.
    #[command(after_help = SERVE_HELP)]
    Serve(ServeArgs),
    /// Check the configuration, the policies, the secrets and the plugins' files; say "ok" or
    /// every fault.
    #[command(after_help = CHECK_HELP)]
    Check(CheckArgs),
    /// Tell what would happen to a statement, and why, without running it.
    #[command(after_help = EXPLAIN_HELP)]
    Explain(ExplainArgs),
    /// Look at the journal, and check it.
    #[command(subcommand)]
    Journal(journal::JournalCommand),
    /// Show what a session sent and saw.
    Replay(replay::ReplayArgs),
    /// List what waits for people to answer.
    Approvals(approvals::ApprovalsArgs),
    /// Agree to what waits.
    Approve(approvals::ApproveArgs),
    /// Say no to what waits.
    Deny(approvals::DenyArgs),
    /// Ask for access for a time.
    Request(grants::RequestArgs),
    /// List who has access for a time.
    Grants(grants::GrantsArgs),
    /// Shut somebody or something out, or end a session, at once.
    Revoke(revoke::RevokeArgs),
    /// List who and what is shut out.
    Locks(revoke::LocksArgs),
    /// Lift a lock.
    Lift(revoke::LiftArgs),
    /// List who is connected.
    Sessions(sessions::SessionsArgs),
    /// Get what logs in over SSH in the place of a token: a certificate, or a ticket.
    Login(login::LoginArgs),
    /// Take the configuration's plugins into use, in a running gateway.
    Reload(reload::ReloadArgs),
    /// Look into plugins, pack and check them.
    #[command(subcommand)]
    Plugin(plugin::PluginCommand),
    /// Review who has access.
    #[command(subcommand)]
    Access(access::AccessCommand),
}

const SERVE_HELP: &str = "\
Exit status: 0 after an orderly stop, 64 for a bad command line or configuration, or when what it names is of no use.

Examples:
  tidegate serve --config tidegate.toml
  kill -HUP \"$(pidof tidegate)\"      # takes the plugins of the configuration into use
  kill -TERM \"$(pidof tidegate)\"     # takes nobody new, lets what runs come to its end";

const CHECK_HELP: &str = "\
Exit status: 0 if it holds, 64 if it does not.

Examples:
  tidegate check --config tidegate.toml
  tidegate check --config tidegate.toml --json
  tidegate check --schema > tidegate.cedarschema";

const EXPLAIN_HELP: &str = "\
Exit status: 0 once there is an explanation, whatever the verdict; 64 for a bad command line or configuration.

Examples:
  tidegate explain --config tidegate.toml --as '{\"sub\":\"agent-7\",\"groups\":[\"analysts\"]}' \\
    --resource customers --sql 'select name from customers'
  tidegate explain --config tidegate.toml --as @agent.token --resource customers --sql 'delete from orders' --json";

/// The arguments of `serve`.
#[derive(Args, Debug)]
pub struct ServeArgs {
    /// The configuration file.
    #[arg(long, default_value = "tidegate.toml", value_name = "FILE")]
    pub config: PathBuf,
}

/// The arguments of `check`.
#[derive(Args, Debug)]
pub struct CheckArgs {
    /// The configuration file.
    #[arg(long, default_value = "tidegate.toml", value_name = "FILE")]
    pub config: PathBuf,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// Print the schema that policies are checked against, and nothing else.
    #[arg(long)]
    pub schema: bool,
}

/// The arguments of `explain`.
#[derive(Args, Debug)]
pub struct ExplainArgs {
    /// The configuration file.
    #[arg(long, default_value = "tidegate.toml", value_name = "FILE")]
    pub config: PathBuf,
    /// Who asks: a token, its claims as JSON (believed as they stand), or @FILE with either.
    #[arg(long = "as", value_name = "TOKEN_OR_CLAIMS")]
    pub principal: String,
    /// The resource.
    #[arg(long, value_name = "NAME")]
    pub resource: String,
    /// The statement.
    #[arg(long)]
    pub sql: String,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_sound_and_shows_examples() {
        Cli::command().debug_assert();
        let help = Cli::command().render_long_help().to_string();
        assert!(help.contains("Examples:"));
        assert!(help.contains("tidegate explain --config"));
        assert_shown(Cli::command());
    }

    fn assert_shown(mut command: clap::Command) {
        let below: Vec<_> = command.get_subcommands().cloned().collect();
        let help = command.render_long_help().to_string();
        assert!(
            !below.is_empty() || help.contains("Examples:"),
            "{} shows no examples",
            command.get_name()
        );
        below.into_iter().for_each(assert_shown);
    }
}
