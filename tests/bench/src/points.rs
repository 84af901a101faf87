//! Point selects: three modes, three numbers of clients, four ways.

use anyhow::Result;
use serde::Serialize;

use crate::Effort;
use crate::field::{DIRECT, Field, ON_DISK, ON_TMPFS, PGBOUNCER};
use crate::pgbench;
use crate::report::median;

/// The medians of one mode, number of clients and way.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Point {
    pub(crate) mode: &'static str,
    pub(crate) clients: u32,
    pub(crate) way: &'static str,
    pub(crate) tps: f64,
    pub(crate) latency_ms: f64,
    /// Throughput as a share of the direct way's.
    pub(crate) of_direct: f64,
    /// Throughput as a share of pgbouncer's.
    pub(crate) of_pgbouncer: f64,
    /// The mean latency above the direct way's.
    pub(crate) added_latency_ms: f64,
    /// The added latency as a multiple of pgbouncer's.
    pub(crate) added_of_pgbouncer: Option<f64>,
}

/// Measures all of them, or those with `only` so many clients, each round passing over every way.
pub(crate) fn measure(field: &Field, effort: Effort, only: Option<u32>) -> Result<Vec<Point>> {
    let ways = [
        field.direct(),
        field.pgbouncer(),
        field.through(ON_TMPFS, &field.on_tmpfs),
        field.through(ON_DISK, &field.on_disk),
    ];
    let mut points = Vec::new();
    for mode in MODES {
        for clients in CLIENTS
            .into_iter()
            .filter(|clients| only.is_none_or(|only| only == *clients))
        {
            eprintln!("pgbench -S -M {mode} -c {clients}");
            let mut runs = vec![(Vec::new(), Vec::new()); ways.len()];
            for _ in 0..effort.rounds {
                for (way, (tps, latency)) in ways.iter().zip(&mut runs) {
                    let run = pgbench::points(&way.target, mode, clients, effort.seconds)?;
                    tps.push(run.tps);
                    latency.push(run.latency_ms);
                }
            }
            let medians = ways
                .iter()
                .zip(&runs)
                .map(|(way, runs)| (way.name, median(&runs.0), median(&runs.1)));
            points.extend(compare(mode, clients, &medians.collect::<Vec<_>>()));
        }
    }
    Ok(points)
}

/// Sets each way beside the direct one and pgbouncer.
fn compare(mode: &'static str, clients: u32, medians: &[(&'static str, f64, f64)]) -> Vec<Point> {
    let of = |name: &str| {
        medians
            .iter()
            .find(|(way, ..)| *way == name)
            .map_or((0.0, 0.0), |(_, t, l)| (*t, *l))
    };
    let (direct_tps, direct_latency) = of(DIRECT);
    let (relay_tps, relay_latency) = of(PGBOUNCER);
    let relay_added = relay_latency - direct_latency;
    let point = |(way, tps, latency_ms): &(&'static str, f64, f64)| Point {
        mode,
        clients,
        way,
        tps: *tps,
        latency_ms: *latency_ms,
        of_direct: tps / direct_tps,
        of_pgbouncer: tps / relay_tps,
        added_latency_ms: latency_ms - direct_latency,
        added_of_pgbouncer: (relay_added > 0.0).then(|| (latency_ms - direct_latency) / relay_added),
    };
    medians.iter().map(point).collect()
}

/// How pgbench sends its statements.
const MODES: [&str; 3] = ["simple", "extended", "prepared"];

/// How many clients send them.
const CLIENTS: [u32; 3] = [1, 16, 64];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_is_set_beside_the_direct_one_and_the_relay() {
        let points = compare(
            "prepared",
            16,
            &[
                (DIRECT, 100.0, 1.0),
                (PGBOUNCER, 50.0, 2.0),
                (ON_TMPFS, 40.0, 2.5),
            ],
        );
        let gateway = &points[2];
        assert_eq!((gateway.of_direct, gateway.of_pgbouncer), (0.4, 0.8));
        assert_eq!(
            (gateway.added_latency_ms, gateway.added_of_pgbouncer),
            (1.5, Some(1.5))
        );
    }
}
