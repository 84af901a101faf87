//! The demo: sets up and builds what it needs, then hands over to the stage.

use std::process::Command;

use anyhow::Result;

use crate::setup::{self, Purpose};
use crate::{machine, plugins, step};

/// Plays the demo; leaves it running unless `once`.
///
/// # Errors
/// When set-up or a build fails, or a step of the story did not do what it claims.
pub(crate) fn run(once: bool) -> Result<()> {
    let tools = setup::run(Purpose::Demo)?;
    eprintln!("Building. The first time that takes 10 to 15 minutes on 2 cores; later, seconds.");
    let mut build = tools.cargo()?;
    step::run(
        "building the gateway",
        build.args(["build", "--locked", "-p", "gateway", "-p", "e2e", "--bins"]),
    )?;
    plugins::run(&tools, false)?;
    // The stage's own program takes over the terminal, and Ctrl-C with it.
    let mut demo = Command::new(machine::target()?.join("debug/demo"));
    if once {
        demo.arg("--once");
    }
    eprintln!();
    let status = demo.status()?;
    anyhow::ensure!(status.success(), "the demo: {status}");
    Ok(())
}
