//! The `tidegate` command.

use std::process::ExitCode;

use clap::Parser as _;
use gateway::cli::{Cli, EXIT_USAGE};

fn main() -> ExitCode {
    match Cli::try_parse() {
        Ok(cli) => ExitCode::from(gateway::cli::run::command(cli.command)),
        Err(error) => {
            // Help and version are no errors, and go to standard output.
            let status = if error.use_stderr() { EXIT_USAGE } else { 0 };
            let _ = error.print();
            ExitCode::from(status)
        }
    }
}
