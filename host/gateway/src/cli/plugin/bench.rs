//! `tidegate plugin bench`: what calls of a plugin cost, sandbox and checks included.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use model::mask::Column;
use plugin::Kind;
use serde_json::{Value, json};

use super::table::Table;
use super::trial::{Masking, Trial, configuration, input};
use super::{BenchArgs, print};
use crate::cli::remote::print_json;
use crate::cli::terminal::Failure;
use crate::cli::{EXIT_FAILED, EXIT_USAGE};

/// Calls before it counts: plans, caches and branch predictors are warm after them.
const WARM_UP: u32 = 20;

/// Samples kept; what is measured longer keeps the first of them.
const SAMPLES_MAX: usize = 1_000_000;

/// Rows where no input is given: what hides in real ones, and what does not.
const ROWS: &str = "text\n\
    078-05-1120\n\
    4111 1111 1111 1111\n\
    DE89 3704 0044 0532 0130 00\n\
    ada@example.com\n\
    a line of prose with nothing in it that anyone would want to hide from anyone else\n\
    2026-11-27T08:03:59Z\n\
    order 4711 of 12 items\n\
    grün\n";

/// The same for statements.
const STATEMENTS: &str = "SELECT name, total FROM orders WHERE id = 7\n\
    DELETE FROM orders\n\
    UPDATE customers SET name = 'x' WHERE id = 7\n";

pub(super) async fn run(args: &BenchArgs) -> Result<(), Failure> {
    let trial = Trial::load(&args.file, configuration(&args.config)?).await?;
    let input = args.input.as_deref().map(input).transpose()?;
    let args = args.clone();
    let measuring = tokio::task::spawn_blocking(move || match trial.kind {
        Kind::Masker => mask(&trial, &args, input.as_deref().unwrap_or(ROWS.as_bytes())),
        Kind::Classifier => classify(&trial, &args, input.as_deref().unwrap_or(STATEMENTS.as_bytes())),
        kind => Err(Failure::new(
            EXIT_USAGE,
            format!("{kind}s wait for systems outside: what one costs is told by /metrics of a gateway"),
        )),
    });
    measuring
        .await
        .map_err(|error| Failure::new(EXIT_FAILED, error.to_string()))?
}

fn mask(trial: &Trial, args: &BenchArgs, input: &[u8]) -> Result<(), Failure> {
    let unread = |what: String| Failure::new(EXIT_USAGE, format!("--input: {what}"));
    let mut table = Table::parse(input).map_err(unread)?;
    if table.rows.is_empty() {
        return Err(unread("it has no rows".to_owned()));
    }
    let rows = usize::try_from(args.batch_rows).unwrap_or(1);
    table.rows = table.rows.iter().cycle().take(rows).cloned().collect();
    let plan = trial.plan(&table.shape(&args.tag).map_err(unread)?)?;
    let columns: Vec<Column> = (0..table.names.len())
        .map(|field| table.column(field, 0..rows))
        .collect();
    let called: Vec<Column> = Masking::new(Arc::clone(&plan))?
        .called(&columns)
        .into_iter()
        .cloned()
        .collect();
    if called.is_empty() {
        let what = "no cell enters the plugin under this plan: the host does all of it; see `plugin run`";
        return Err(Failure::new(EXIT_FAILED, what));
    }
    let mut cells = plan.cells();
    let mut call = || -> Result<(), Failure> {
        let masked = cells.mask(args.batch_rows, &called);
        masked.map(drop).map_err(|fault| Failure::of(EXIT_FAILED, &fault))
    };
    let times = measure(args.seconds, &mut call)?;
    report(trial, args, &times, rows, called.len())
}

fn classify(trial: &Trial, args: &BenchArgs, input: &[u8]) -> Result<(), Failure> {
    let text = String::from_utf8_lossy(input);
    let statements: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    if statements.is_empty() {
        return Err(Failure::new(EXIT_USAGE, "--input: it has no statements"));
    }
    let mut at = 0;
    let mut call = || {
        at = (at + 1) % statements.len();
        trial.classify(statements[at]).map(drop)
    };
    let times = measure(args.seconds, &mut call)?;
    report(trial, args, &times, 1, 1)
}

/// Calls again and again; returns how long each call took, ascending.
fn measure(seconds: u64, call: &mut dyn FnMut() -> Result<(), Failure>) -> Result<Vec<Duration>, Failure> {
    for _ in 0..WARM_UP {
        call()?;
    }
    let mut times = Vec::new();
    let until = Instant::now() + Duration::from_secs(seconds);
    while times.len() < SAMPLES_MAX && (Instant::now() < until || times.is_empty()) {
        let began = Instant::now();
        call()?;
        times.push(began.elapsed());
    }
    times.sort_unstable();
    Ok(times)
}

fn report(
    trial: &Trial,
    args: &BenchArgs,
    times: &[Duration],
    rows: usize,
    columns: usize,
) -> Result<(), Failure> {
    let figures = Figures::of(times, rows, columns);
    let memory = trial.loaded().map_or(0, plugin::Loaded::memory_max);
    if args.json {
        return print_json(&figures.json(trial.kind, memory));
    }
    print(&figures.text(trial.kind, memory))
}

#[derive(Debug, PartialEq)]
struct Figures {
    calls: usize,
    rows_a_second: f64,
    ns_a_cell: f64,
    median_us: f64,
    p99_us: f64,
}

impl Figures {
    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    fn of(times: &[Duration], rows: usize, columns: usize) -> Self {
        let total: Duration = times.iter().sum();
        let at = |share: usize| {
            let at = (times.len() * share / 100).min(times.len().saturating_sub(1));
            times.get(at).map_or(0.0, |time| time.as_secs_f64() * 1e6)
        };
        let done = (times.len() * rows) as f64;
        Self {
            calls: times.len(),
            rows_a_second: done / total.as_secs_f64(),
            ns_a_cell: at(50) * 1e3 / (rows * columns) as f64,
            median_us: at(50),
            p99_us: at(99),
        }
    }

    fn json(&self, kind: Kind, memory: usize) -> Value {
        let mut json = json!({
            "calls": self.calls, "median_us": self.median_us, "p99_us": self.p99_us, "memory_max_bytes": memory,
        });
        if kind == Kind::Masker {
            json["rows_per_second"] = self.rows_a_second.into();
            json["ns_per_cell"] = self.ns_a_cell.into();
        }
        json
    }

    fn text(&self, kind: Kind, memory: usize) -> String {
        let mut text = String::new();
        if kind == Kind::Masker {
            let _ = writeln!(text, "rows/s      {:.0}", self.rows_a_second);
            let _ = writeln!(text, "per cell    {:.1} ns", self.ns_a_cell);
        }
        let _ = writeln!(
            text,
            "per call    {:.1} us (p99 {:.1} us, {} calls)",
            self.median_us, self.p99_us, self.calls
        );
        let _ = writeln!(
            text,
            "memory      {:.1} MiB at most",
            f64::from(u32::try_from(memory).unwrap_or(u32::MAX)) / 1_048_576.0
        );
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_of_the_calls_that_were_made() {
        let times: Vec<Duration> = (1..=100).map(Duration::from_micros).collect();
        let figures = Figures::of(&times, 10, 2);
        assert_eq!(figures.calls, 100);
        assert!((figures.p99_us - 100.0).abs() < 1e-6, "{figures:?}");
        assert!(
            (figures.ns_a_cell - 51.0 * 1e3 / 20.0).abs() < 1e-6,
            "{figures:?}"
        );
        assert!(
            (figures.rows_a_second - 1000.0 / 5050e-6).abs() < 1.0,
            "{figures:?}"
        );
    }
}
