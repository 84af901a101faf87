//! What maskers cost: a cell inside the sandbox, and the same code without it.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow};
use e2e::tools;
use pii_scan::PiiScan;
use serde::Serialize;
use serde_json::Value;
use tidegate_sdk::masker::{CellFormat, Column, Field, Instance, Shape};

use crate::Effort;
use crate::report::median;

/// Cells of one call, as `tidegate plugin bench` makes it.
const CELLS: usize = 1_000;

/// What hides in text, and what does not.
const TEXT: [&str; 8] = [
    "the invoice of 12 March went to ada@example.com and was paid the same day",
    "card 4111 1111 1111 1111 was declined twice, then accepted",
    "a line of prose with nothing in it that anyone would want to hide from anyone else",
    "please call back, the customer asked for order 4711 of 12 items",
    "078-05-1120",
    "DE89 3704 0044 0532 0130 00",
    "2026-11-27T08:03:59Z level=info msg=\"done\" took=12ms",
    "gruen",
];

/// A masker's figures, in nanoseconds a cell.
#[derive(Debug, Serialize)]
pub(crate) struct Masked {
    pub(crate) name: &'static str,
    /// In the sandbox, all checks included.
    pub(crate) sandbox: f64,
    /// The same code in the same run without it, where that was measured.
    pub(crate) native: Option<f64>,
    /// Calls in the sandbox, the slowest of a hundred: microseconds.
    pub(crate) p99_us: f64,
}

/// Measures both maskers.
pub(crate) fn measure(effort: Effort) -> Result<Vec<Masked>> {
    let folder = tempfile::tempdir()?;
    let text = folder.path().join("text.csv");
    let quoted = |line: &&str| format!("\"{}\"\n", line.replace('"', "\"\""));
    let lines: String = TEXT.iter().map(quoted).collect();
    fs::write(&text, format!("text\n{lines}"))?;
    let numbers = folder.path().join("numbers.csv");
    fs::write(&numbers, "text\n078-05-1120\n")?;

    let (mut keep, mut scan, mut native) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..effort.rounds {
        keep.push(sandboxed(
            &tools::guest("keep_last")?,
            r#"{"keep": 4}"#,
            &numbers,
            effort,
        )?);
        scan.push(sandboxed(&tools::component("pii-scan")?, "{}", &text, effort)?);
        native.push(natively(effort)?);
    }
    let middle = |figures: &[(f64, f64)]| {
        let cells: Vec<f64> = figures.iter().map(|figure| figure.0).collect();
        let calls: Vec<f64> = figures.iter().map(|figure| figure.1).collect();
        (median(&cells), median(&calls))
    };
    let (kept, kept_p99) = middle(&keep);
    let (scanned, scanned_p99) = middle(&scan);
    Ok(vec![
        Masked {
            name: "keep-last-4 in a guest",
            sandbox: kept,
            native: None,
            p99_us: kept_p99,
        },
        Masked {
            name: "pii-scan of text",
            sandbox: scanned,
            native: Some(median(&native)),
            p99_us: scanned_p99,
        },
    ])
}

/// Returns nanoseconds a cell and microseconds of the slowest of a hundred calls.
fn sandboxed(component: &Path, config: &str, input: &Path, effort: Effort) -> Result<(f64, f64)> {
    let mut bench = Command::new(tools::gateway()?);
    bench.args(["plugin", "bench", "--json", "--config", config]);
    bench.arg("--input").arg(input).arg(component);
    bench.args(["--seconds", &effort.seconds.to_string()]);
    let figures: Value = serde_json::from_str(&tools::output(&mut bench)?)?;
    let figure = |name: &str| {
        figures[name]
            .as_f64()
            .with_context(|| format!("{name} in {figures}"))
    };
    Ok((figure("ns_per_cell")?, figure("p99_us")?))
}

/// The same loops, compiled for this machine; returns nanoseconds a cell.
fn natively(effort: Effort) -> Result<f64> {
    let failed = |error| anyhow!("pii-scan: {error:?}");
    let instance: Instance<PiiScan> = Instance::new();
    instance
        .configure("{}")
        .map_err(|issues| anyhow!("pii-scan: {issues:?}"))?;
    let field = Field {
        format: CellFormat::Utf8,
        ..Field::text("text")
    };
    let shape = Shape {
        kind: "table".to_owned(),
        fields: vec![field],
        attrs: Vec::new(),
    };
    let plan = instance.make_plan(&shape).map_err(failed)?;
    instance.load_plan(1, &plan.state).map_err(failed)?;
    let mut cells = Column {
        data: Vec::new(),
        ends: Vec::new(),
        nulls: Vec::new(),
    };
    for text in TEXT.iter().cycle().take(CELLS) {
        cells.data.extend_from_slice(text.as_bytes());
        cells.ends.push(u32::try_from(cells.data.len())?);
    }
    let cells = [cells];
    let rows = u32::try_from(CELLS)?;
    let mut times = Vec::new();
    let until = Instant::now() + Duration::from_secs(u64::from(effort.seconds));
    while Instant::now() < until {
        let began = Instant::now();
        let changes = instance.mask(1, rows, &cells).map_err(failed)?;
        std::hint::black_box(changes);
        times.push(began.elapsed().as_secs_f64());
    }
    #[expect(clippy::cast_precision_loss, reason = "a thousand")]
    let cells = CELLS as f64;
    Ok(median(&times) * 1e9 / cells)
}
