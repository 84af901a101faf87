//! The figures as a table for people and as JSON for machines, beside the goals they are held to.

use std::fmt::Write as _;

use serde::Serialize;

use crate::bulk::{Bulk, MASKED};
use crate::field::{ON_DISK, ON_TMPFS};
use crate::flow::Flow;
use crate::plugins::Masked;
use crate::points::Point;

/// Everything measured in one run.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// Whether it was measured shortly: then the figures show only that it works.
    quick: bool,
    cores: usize,
    pub(crate) points: Vec<Point>,
    pub(crate) bulk: Vec<Bulk>,
    pub(crate) flows: Vec<Flow>,
    pub(crate) maskers: Vec<Masked>,
    goals: Vec<Goal>,
}

/// What a figure should be, and what it is.
#[derive(Debug, Serialize)]
struct Goal {
    what: String,
    wanted: String,
    measured: f64,
    holds: bool,
}

impl Report {
    /// Begins without figures.
    pub(crate) fn new(quick: bool) -> Self {
        Self {
            quick,
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            points: Vec::new(),
            bulk: Vec::new(),
            flows: Vec::new(),
            maskers: Vec::new(),
            goals: Vec::new(),
        }
    }

    /// Sets the figures beside the goals.
    pub(crate) fn compare(&mut self) {
        self.goals = goals(&self.points, &self.bulk);
        self.goals.extend(self.flows.iter().flat_map(goals_of));
        self.goals.extend(self.maskers.iter().map(goal_of));
    }

    /// Returns the table.
    pub(crate) fn table(&self) -> String {
        let mut out = String::new();
        // Writing to a String cannot fail.
        let _ = self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        if self.quick {
            writeln!(
                out,
                "Measured shortly: these figures show that it works, not how fast it is.\n"
            )?;
        }
        if !self.points.is_empty() {
            self.write_points(out)?;
        }
        if !self.flows.is_empty() {
            self.write_flows(out)?;
        }
        for masker in &self.maskers {
            write!(out, "{}: {:.1} ns a cell, ", masker.name, masker.sandbox)?;
            if let Some(native) = masker.native {
                write!(out, "natively {native:.1} ns, ")?;
            }
            writeln!(out, "p99 of 1,000 cells {:.1} us", masker.p99_us)?;
        }
        writeln!(out, "\nGoals\n")?;
        for goal in &self.goals {
            let mark = if goal.holds { "holds " } else { "misses" };
            writeln!(
                out,
                "{mark} {}: wanted {}, measured {:.2}",
                goal.what, goal.wanted, goal.measured
            )?;
        }
        Ok(())
    }

    fn write_points(&self, out: &mut String) -> std::fmt::Result {
        writeln!(out, "Point selects (pgbench -S), medians, {} cores\n", self.cores)?;
        let head = [
            "mode",
            "clients",
            "way",
            "tps",
            "of direct",
            "of pgbouncer",
            "ms",
            "added ms",
        ];
        writeln!(
            out,
            "{:<9} {:>7} {:<26} {:>9} {:>9} {:>12} {:>8} {:>8}",
            head[0], head[1], head[2], head[3], head[4], head[5], head[6], head[7]
        )?;
        for p in &self.points {
            writeln!(
                out,
                "{:<9} {:>7} {:<26} {:>9.0} {:>9.2} {:>12.2} {:>8.3} {:>8.3}",
                p.mode,
                p.clients,
                p.way,
                p.tps,
                p.of_direct,
                p.of_pgbouncer,
                p.latency_ms,
                p.added_latency_ms
            )?;
        }
        writeln!(out, "\nLarge selects, medians\n")?;
        for b in &self.bulk {
            let rise = b
                .memory_rise_mib
                .map(|rise| format!(", memory rose {rise:.1} MiB"))
                .unwrap_or_default();
            writeln!(
                out,
                "{:<28} {:<26} {:>8} rows in {:>6.2} s, {:.2} of direct{rise}",
                b.what, b.way, b.rows, b.seconds, b.of_direct
            )?;
        }
        Ok(())
    }

    fn write_flows(&self, out: &mut String) -> std::fmt::Result {
        writeln!(out, "\nTransfers and requests, medians\n")?;
        for f in &self.flows {
            let rise = f
                .memory_rise_mib
                .map(|rise| format!(", memory rose {rise:.1} MiB"))
                .unwrap_or_default();
            writeln!(
                out,
                "{:<44} {:<16} {:>9.0} {}/s, {:.2} of {}{rise}",
                f.what, f.way, f.per_second, f.unit, f.of_measure, f.measure
            )?;
        }
        Ok(())
    }
}

fn goals(points: &[Point], bulk: &[Bulk]) -> Vec<Goal> {
    let point = |mode: &str, clients: u32, way: &str| {
        points
            .iter()
            .find(|p| p.mode == mode && p.clients == clients && p.way == way)
    };
    let at_least = |what: &str, least: f64, measured: Option<f64>| {
        measured.map(|m| Goal {
            what: what.to_owned(),
            wanted: format!("at least {least}"),
            measured: m,
            holds: m >= least,
        })
    };
    let at_most = |what: &str, most: f64, measured: Option<f64>| {
        measured.map(|m| Goal {
            what: what.to_owned(),
            wanted: format!("at most {most}"),
            measured: m,
            holds: m <= most,
        })
    };
    let masked = bulk.iter().find(|b| b.what == MASKED && b.way == ON_TMPFS);
    let rise = bulk.iter().filter_map(|b| b.memory_rise_mib).reduce(f64::max);
    let one = |way| point("prepared", 1, way);
    [
        at_least(
            "prepared, 16 clients, journal on tmpfs, throughput of pgbouncer's",
            0.7,
            point("prepared", 16, ON_TMPFS).map(|p| p.of_pgbouncer),
        ),
        at_least(
            "prepared, 64 clients, journal on disk, throughput of pgbouncer's",
            0.7,
            point("prepared", 64, ON_DISK).map(|p| p.of_pgbouncer),
        ),
        at_most(
            "prepared, 1 client, journal on tmpfs, added latency in pgbouncer's",
            2.0,
            one(ON_TMPFS).and_then(|p| p.added_of_pgbouncer),
        ),
        at_least(
            "large select with two masked columns, throughput of direct",
            0.8,
            masked.map(|b| b.of_direct),
        ),
        at_most("memory rise while streaming, MiB", 16.0, rise),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// By how much memory may rise in a large transfer, in MiB: windows, buffers, and what the
/// allocator keeps.
const FLOW_RISE_MAX: f64 = 48.0;

/// The goals of one figure over HTTP or SSH.
fn goals_of(flow: &Flow) -> Vec<Goal> {
    let Some(rise) = flow.memory_rise_mib else {
        return Vec::new();
    };
    let share = Goal {
        what: format!("{} ({}), of {}", flow.what, flow.way, flow.measure),
        wanted: "at least 0.7".to_owned(),
        measured: flow.of_measure,
        holds: flow.of_measure >= 0.7,
    };
    let memory = Goal {
        what: format!("{} ({}), memory rise, MiB", flow.what, flow.way),
        wanted: format!("at most {FLOW_RISE_MAX}"),
        measured: rise,
        holds: rise <= FLOW_RISE_MAX,
    };
    vec![share, memory]
}

/// A masker that is measured beside its native self is held to that, the other to a time.
fn goal_of(masker: &Masked) -> Goal {
    match masker.native {
        Some(native) => {
            let measured = native / masker.sandbox;
            Goal {
                what: format!("{}: speed beside the same code natively", masker.name),
                wanted: "at least 0.80".to_owned(),
                measured,
                holds: measured >= 0.8,
            }
        }
        None => Goal {
            what: format!("{}: nanoseconds a cell", masker.name),
            wanted: "at most 10".to_owned(),
            measured: masker.sandbox,
            holds: masker.sandbox <= 10.0,
        },
    }
}

/// Returns the median; of an even number, the mean of the middle two.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match (sorted.get(sorted.len() / 2), sorted.len() % 2) {
        (None, _) => f64::NAN,
        (Some(middle), 1) => *middle,
        (Some(upper), _) => f64::midpoint(sorted[sorted.len() / 2 - 1], *upper),
    }
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median(&[]).is_nan());
    }
}
