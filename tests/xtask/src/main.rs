//! `cargo xtask`: what a developer and CI run. Sets up, builds plugins, tests, demonstrates, measures.
//!
//! It must build on a machine that has nothing but Rust and a C compiler: it depends on no
//! other crate of the workspace and runs the stage's programs through cargo.

mod bench;
mod demo;
mod machine;
mod plugins;
mod setup;
mod step;
mod test;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Sets up, builds, tests, demonstrates and measures Tidegate.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Installs what the tests, the demo and the benchmarks need, and says what and where first.
    SetUp,
    /// Builds every first-party plugin into target/plugins.
    Plugins {
        /// Builds the broken components of the tests into target/guests as well.
        #[arg(long)]
        guests: bool,
    },
    /// Runs everything CI runs.
    Test,
    /// The same as test.
    Ci,
    /// Plays an agent's day against a gateway, then leaves it running to try by hand.
    Demo {
        /// Ends after the story.
        #[arg(long)]
        once: bool,
    },
    /// Measures the gateway beside pgbouncer, nginx, OpenSSH's ProxyJump and direct connections.
    Bench {
        /// Writes the figures to this file as JSON.
        #[arg(long, value_name = "FILE")]
        json: Option<PathBuf>,
        /// Measures shortly: shows that it works, not how fast it is.
        #[arg(long)]
        quick: bool,
        /// Measures one of these only: postgres, http, ssh, plugins.
        #[arg(long, value_parser = ["postgres", "http", "ssh", "plugins"])]
        only: Option<String>,
    },
}

fn main() -> ExitCode {
    let done = match Arguments::parse().task {
        Task::SetUp => setup::run(setup::Purpose::Everything).map(drop),
        Task::Plugins { guests } => {
            setup::run(setup::Purpose::Build).and_then(|tools| plugins::run(&tools, guests))
        }
        Task::Test | Task::Ci => test::run(),
        Task::Demo { once } => demo::run(once),
        Task::Bench { json, quick, only } => bench::run(json, quick, only.as_deref()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
