//! `tidegate journal`: look at the evidence, and check it. Reads only; the gateway may run
//! beside it or not.

mod line;
mod tail;
#[cfg(test)]
mod tests;
mod verify;

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::terminal::Failure;
use super::{EXIT_IO, EXIT_USAGE};
use crate::config::Config;

/// What to do with the journal.
#[derive(Debug, Subcommand)]
pub enum JournalCommand {
    /// Check that every entry is the one that was signed, in its place, and name the first
    /// that is not.
    #[command(after_help = VERIFY_HELP)]
    Verify(VerifyArgs),
    /// Show the journal's last entries.
    #[command(after_help = TAIL_HELP)]
    Tail(TailArgs),
}

const VERIFY_HELP: &str = "\
Exit status: 0 if it holds, 1 if it does not or there is none, 64 for a bad command line or configuration, 74 if \
something could not be read.

Examples:
  tidegate journal verify --config tidegate.toml
  tidegate journal verify --dir var/journal --anchor checkpoint-of-last-month
  tidegate journal verify --dir copy --vkey 'tidegate/0123abcd+89abcdef+AY…' --json";

const TAIL_HELP: &str = "\
Exit status: 0, or 1 if there is no journal or an entry in it is not one, 64 for a bad command line or \
configuration, 74 if something could not be read.

Examples:
  tidegate journal tail --config tidegate.toml
  tidegate journal tail --follow --kind op
  tidegate journal tail -n 100 --session 0192f0c1-2345 --json";

/// Where the journal is.
#[derive(Args, Clone, Debug, Default)]
pub struct Place {
    /// The configuration file; `tidegate.toml` if neither this nor --dir is given.
    #[arg(long, value_name = "FILE", conflicts_with = "dir")]
    pub config: Option<PathBuf>,
    /// The journal's folder, or a copy of it.
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

/// The arguments of `journal verify`.
#[derive(Args, Debug, Default)]
pub struct VerifyArgs {
    /// Where the journal is.
    #[command(flatten)]
    pub place: Place,
    /// A signed checkpoint kept elsewhere, from which the journal must go on: only so is an
    /// older copy of the whole folder recognised. With --config, the one in the state database
    /// is used too.
    #[arg(long, visible_alias = "checkpoint", value_name = "FILE")]
    pub anchor: Vec<PathBuf>,
    /// A verification key (name+id+key) kept elsewhere, instead of those in the journal's own
    /// folder.
    #[arg(long, value_name = "KEY")]
    pub vkey: Vec<String>,
    /// The folder of the recordings, each of which must then be there unchanged. With --config
    /// it is known.
    #[arg(long, value_name = "DIR")]
    pub recordings: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// The arguments of `journal tail`.
#[derive(Args, Debug, Default)]
pub struct TailArgs {
    /// Where the journal is.
    #[command(flatten)]
    pub place: Place,
    /// How many entries; 20 if not given, all of them with --json.
    #[arg(short = 'n', long = "lines", value_name = "N")]
    pub lines: Option<usize>,
    /// Go on showing entries as they come.
    #[arg(short, long)]
    pub follow: bool,
    /// Print the entries as they stand, one JSON object a line. On a terminal, control
    /// characters are escaped.
    #[arg(long)]
    pub json: bool,
    /// Only entries of sessions whose id begins like this.
    #[arg(long, value_name = "ID")]
    pub session: Option<String>,
    /// Only entries of this kind, or whose kind begins with this and a dot: op, op.intent,
    /// session, … May be given several times.
    #[arg(long, value_name = "KIND")]
    pub kind: Vec<String>,
}

/// Carries out a `journal` command; returns the exit status.
pub async fn command(command: JournalCommand) -> u8 {
    let done = match command {
        JournalCommand::Verify(args) => verify::run(args).await,
        JournalCommand::Tail(args) => tail::run(args).await,
    };
    done.unwrap_or_else(|failure| failure.say())
}

impl Place {
    /// Returns the journal's folder, and the configuration if it came from there.
    pub(super) fn find(&self) -> Result<(PathBuf, Option<Config>), Failure> {
        if let Some(dir) = &self.dir {
            return Ok((dir.clone(), None));
        }
        let file = self
            .config
            .clone()
            .unwrap_or_else(|| PathBuf::from("tidegate.toml"));
        let config = Config::load(&file).map_err(|faults| Failure::of(EXIT_USAGE, &faults))?;
        Ok((config.state.journal.clone(), Some(config)))
    }
}

/// The work of a command ended without an answer.
fn lost(error: tokio::task::JoinError) -> Failure {
    Failure::of(EXIT_IO, &error)
}
