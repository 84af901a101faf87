//! A large select: two masked columns, a searched text column, and the gateway's memory meanwhile.

use std::fs;

use anyhow::Result;
use serde::Serialize;

use crate::Effort;
use crate::field::{Field, ON_TMPFS, Way};
use crate::memory;
use crate::pgbench;
use crate::report::median;

/// The median of one large select on one way.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Bulk {
    pub(crate) what: &'static str,
    pub(crate) way: &'static str,
    pub(crate) rows: u32,
    pub(crate) seconds: f64,
    pub(crate) rows_per_second: f64,
    /// Throughput as a share of the direct way's.
    pub(crate) of_direct: f64,
    /// How far the gateway's resident memory rose above where it stood before, in MiB.
    pub(crate) memory_rise_mib: Option<f64>,
}

/// Two masked columns among five.
pub(crate) const MASKED: &str = "two masked columns";
/// A text column that pii-scan searches.
pub(crate) const SCANNED: &str = "pii-scan over a text column";

/// Measures both selects, each round passing over every way.
pub(crate) fn measure(field: &Field, effort: Effort) -> Result<Vec<Bulk>> {
    let masked = [
        (field.direct(), None),
        (field.pgbouncer(), None),
        (
            field.through(ON_TMPFS, &field.on_tmpfs),
            Some(field.on_tmpfs.pid()),
        ),
    ];
    let scanned = [
        (field.direct(), None),
        (field.pgbouncer(), None),
        (
            field.through(ON_TMPFS, &field.scanning),
            Some(field.scanning.pid()),
        ),
    ];
    let mut all = select(
        MASKED,
        "select id, name, ssn, card, amount from bulk;\n",
        &masked,
        effort,
    )?;
    all.extend(select(
        SCANNED,
        "select id, notes from bulk;\n",
        &scanned,
        effort,
    )?);
    Ok(all)
}

fn select(what: &'static str, sql: &str, ways: &[(Way, Option<u32>)], effort: Effort) -> Result<Vec<Bulk>> {
    eprintln!("{} rows: {what}", effort.rows);
    let folder = tempfile::tempdir()?;
    let script = folder.path().join("select.pgbench");
    fs::write(&script, sql)?;
    // The first run of each fills caches and pools; memory is measured from there.
    for (way, _) in ways {
        pgbench::script(&way.target, &script)?;
    }
    let mut runs = vec![(Vec::new(), Vec::new()); ways.len()];
    for _ in 0..effort.rounds {
        for ((way, pid), (seconds, rises)) in ways.iter().zip(&mut runs) {
            let (run, rise) = memory::rise_while(*pid, || pgbench::script(&way.target, &script))?;
            seconds.push(run.latency_ms / 1_000.0);
            rises.extend(rise);
        }
    }
    let direct = median(&runs[0].0);
    let all = ways.iter().zip(&runs).map(|((way, _), (seconds, rises))| Bulk {
        what,
        way: way.name,
        rows: effort.rows,
        seconds: median(seconds),
        rows_per_second: f64::from(effort.rows) / median(seconds),
        of_direct: direct / median(seconds),
        memory_rise_mib: rises.iter().copied().reduce(f64::max),
    });
    Ok(all.collect())
}
