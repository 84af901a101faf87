//! One run of pgbench and the two figures taken from its report.

use std::path::Path;

use anyhow::{Context as _, Result};
use e2e::client::Target;
use e2e::tools;

/// What one run of pgbench measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    /// Transactions a second, connecting not counted.
    pub(crate) tps: f64,
    /// The mean time of a transaction, in milliseconds.
    pub(crate) latency_ms: f64,
}

/// Runs point selects (`pgbench -S`) for `seconds`.
pub(crate) fn points(target: &Target, mode: &str, clients: u32, seconds: u32) -> Result<Run> {
    let (clients, seconds) = (clients.to_string(), seconds.to_string());
    let threads = if clients == "1" { "1" } else { "2" };
    run(
        target,
        &["-S", "-M", mode, "-c", &clients, "-j", threads, "-T", &seconds],
    )
}

/// Runs a script once.
pub(crate) fn script(target: &Target, script: &Path) -> Result<Run> {
    let script = script.to_str().context("a path in UTF-8")?;
    run(target, &["-M", "extended", "-c", "1", "-t", "1", "-f", script])
}

fn run(target: &Target, arguments: &[&str]) -> Result<Run> {
    let mut command = target.command(&tools::postgres_client("pgbench")?);
    let report = tools::output(command.arg("-n").args(arguments))?;
    read(&report).with_context(|| format!("pgbench reported:\n{report}"))
}

fn read(report: &str) -> Option<Run> {
    let number = |prefix: &str| {
        let line = report.lines().find_map(|line| line.strip_prefix(prefix))?;
        line.split(' ').next()?.parse().ok()
    };
    Some(Run {
        tps: number("tps = ")?,
        latency_ms: number("latency average = ")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_gives_its_two_figures() {
        let report = "number of transactions actually processed: 10\nlatency average = 0.123 ms\n\
                      initial connection time = 2.5 ms\ntps = 8130.1 (without initial connection time)\n";
        let run = read(report).expect("a report");
        assert!((run.tps - 8_130.1).abs() < 1e-9 && (run.latency_ms - 0.123).abs() < 1e-9);
    }

    #[test]
    fn a_report_without_figures_is_no_run() {
        assert!(read("pgbench: error: client 0 aborted").is_none());
    }
}
