//! Large transfers and small requests over HTTP and SSH, each by several ways.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Result, ensure};
use serde::Serialize;

use crate::memory;
use crate::report::median;

/// The median of one thing by one way.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Flow {
    pub(crate) what: String,
    pub(crate) way: &'static str,
    /// What is counted: `MiB` or `requests`.
    pub(crate) unit: &'static str,
    pub(crate) per_second: f64,
    /// The way that the gateway is held to, and the throughput as a share of that one's.
    pub(crate) measure: &'static str,
    pub(crate) of_measure: f64,
    /// How far the gateway's resident memory rose above where it stood before, in MiB.
    pub(crate) memory_rise_mib: Option<f64>,
}

/// One way of doing the same.
pub(crate) struct Way<'a> {
    pub(crate) name: &'static str,
    /// The gateway's process, where it is one.
    pub(crate) pid: Option<u32>,
    /// Does it once, and returns how much was done in a second.
    pub(crate) run: Box<dyn Fn() -> Result<f64> + 'a>,
}

impl<'a> Way<'a> {
    pub(crate) fn new(name: &'static str, run: impl Fn() -> Result<f64> + 'a) -> Self {
        Self {
            name,
            pid: None,
            run: Box::new(run),
        }
    }

    /// Returns the way with the gateway's process, whose memory is watched.
    pub(crate) fn of(mut self, pid: u32) -> Self {
        self.pid = Some(pid);
        self
    }
}

/// Measures something by every way, each round passing over all; the second way is the measure.
pub(crate) fn measure(what: &str, unit: &'static str, ways: &[Way<'_>], rounds: usize) -> Result<Vec<Flow>> {
    eprintln!("{what}");
    let mut runs = vec![(Vec::new(), Vec::new()); ways.len()];
    // The first run of each fills caches and pools, and counts for nothing.
    for round in 0..=rounds {
        for (way, (rates, rises)) in ways.iter().zip(&mut runs) {
            let (rate, rise) = memory::rise_while(way.pid, || (way.run)())?;
            if round > 0 {
                rates.push(rate);
                rises.extend(rise);
            }
        }
    }
    let measure = median(&runs[1].0);
    let all = ways.iter().zip(&runs).map(|(way, (rates, rises))| Flow {
        what: what.to_owned(),
        way: way.name,
        unit,
        per_second: median(rates),
        measure: ways[1].name,
        of_measure: median(rates) / measure,
        memory_rise_mib: rises.iter().copied().reduce(f64::max),
    });
    Ok(all.collect())
}

/// Runs a command to its end, with nothing to read and nobody to read it; returns how many MiB it
/// carried in a second.
pub(crate) fn carry(command: &mut Command, mib: u32) -> Result<f64> {
    let began = Instant::now();
    let done = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .output()?;
    let seconds = began.elapsed().as_secs_f64();
    ensure!(
        done.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&done.stderr)
    );
    Ok(f64::from(mib) / seconds)
}

/// Writes a text of so many MiB, in which now and then something is to be masked.
pub(crate) fn write_text(file: &Path, mib: u32) -> Result<()> {
    use std::io::Write as _;

    let mut block = String::new();
    let mut number = 0;
    while block.len() < 1 << 20 {
        number += 1;
        block.push_str(&match number % 50 {
            0 => format!(
                "{number} a customer left the number 536-90-{:04} for a call\n",
                number % 10_000
            ),
            _ => format!(
                "{number} a line as logs have them, with a path /var/lib/app/{number} and a state ok\n"
            ),
        });
    }
    block.truncate(1 << 20);
    block.replace_range(block.len() - 1.., "\n");
    let mut file = std::fs::File::create(file)?;
    for _ in 0..mib {
        file.write_all(block.as_bytes())?;
    }
    Ok(())
}
