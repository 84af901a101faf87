//! Measures the gateway beside pgbouncer and a direct connection, in one run and interleaved,
//! so that whatever else the machine does falls on all of them alike.
//!
//! Run through `cargo xtask bench`, which builds everything with optimisation. All clients are
//! pgbench over plaintext loopback: one and the same C client, whose own cost is in every figure.
#![expect(clippy::print_stdout, reason = "the table is what this program is for")]

mod bulk;
mod field;
mod memory;
mod pgbench;
mod points;
mod report;

use std::fs;
use std::path::PathBuf;

use anyhow::Result;
use clap::Parser;

use field::Field;
use report::Report;

/// Measures the gateway beside pgbouncer and a direct connection.
#[derive(Debug, Parser)]
struct Arguments {
    /// Writes the figures to this file as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Measures shortly: shows that it works, not how fast it is.
    #[arg(long)]
    quick: bool,
}

/// How long and how often is measured.
#[derive(Clone, Copy, Debug)]
struct Effort {
    /// Rounds; the median of each figure counts.
    rounds: usize,
    /// Seconds of one pgbench run of point selects.
    seconds: u32,
    /// Rows of the large select.
    rows: u32,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let effort = match arguments.quick {
        true => Effort {
            rounds: 1,
            seconds: 1,
            rows: 100_000,
        },
        false => Effort {
            rounds: 5,
            seconds: 3,
            rows: 1_000_000,
        },
    };
    eprintln!(
        "Starting PostgreSQL, pgbouncer and three gateways, and filling {} rows.",
        effort.rows
    );
    let field = Field::start(effort)?;
    let points = points::measure(&field, effort)?;
    let bulk = bulk::measure(&field, effort)?;
    let report = Report::new(arguments.quick, points, bulk);
    println!("{}", report.table());
    if let Some(file) = arguments.json {
        fs::write(&file, serde_json::to_vec_pretty(&report)?)?;
        eprintln!("The figures are in {}.", file.display());
    }
    Ok(())
}
