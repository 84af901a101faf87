//! The benchmarks: sets up and builds what they need, then hands over to the package `bench`.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::setup::{self, Purpose};
use crate::{machine, plugins, step};

/// Measures, prints a table, and writes the figures to `json` if that is given.
///
/// # Errors
/// When set-up, a build or a measurement fails.
pub(crate) fn run(json: Option<PathBuf>, quick: bool, only: Option<&str>) -> Result<()> {
    let tools = setup::run(Purpose::Bench)?;
    eprintln!("Building with optimisation. The first time that takes 15 to 20 minutes on 2 cores.");
    let mut build = tools.cargo()?;
    build.args(["build", "--locked", "--release", "-p", "gateway", "-p", "bench"]);
    step::run("building the gateway and the benchmarks", &mut build)?;
    plugins::run(&tools, true)?;
    let release = machine::target()?.join("release");
    let mut bench = Command::new(release.join("bench"));
    bench.env("TIDEGATE_BIN", release.join("tidegate"));
    if let Some(file) = json {
        bench.arg("--json").arg(file);
    }
    if quick {
        bench.arg("--quick");
    }
    if let Some(protocol) = only {
        bench.args(["--only", protocol]);
    }
    eprintln!();
    let status = bench.status()?;
    anyhow::ensure!(status.success(), "the benchmarks: {status}");
    Ok(())
}
