//! Measures the gateway beside pgbouncer, nginx, OpenSSH's ProxyJump and direct connections, in one
//! run and interleaved, so that whatever else the machine does falls on all of them alike.
//!
//! Run through `cargo xtask bench`, which builds everything with optimisation. Clients are pgbench,
//! curl and wrk over plaintext loopback, and OpenSSH's: programs in C, whose own cost is in every
//! figure.
#![expect(clippy::print_stdout, reason = "the table is what this program is for")]

mod bulk;
mod field;
mod flow;
mod hosts;
mod memory;
mod pgbench;
mod plugins;
mod points;
mod report;
mod web;

use std::fs;
use std::path::PathBuf;

use anyhow::Result;
use clap::{Parser, ValueEnum};

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
    /// Measures one of these only.
    #[arg(long, value_enum)]
    only: Option<Protocol>,
    /// Measures point selects with so many clients only, and no large selects.
    #[arg(long, value_name = "COUNT")]
    clients: Option<u32>,
}

/// What is measured: what clients speak, or what plugins cost.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum Protocol {
    Postgres,
    Http,
    Ssh,
    Plugins,
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
    /// MiB of the large transfers over HTTP and SSH, and how often each is made.
    mib: u32,
    transfers: usize,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let effort = match arguments.quick {
        true => Effort {
            rounds: 1,
            seconds: 1,
            rows: 100_000,
            mib: 64,
            transfers: 1,
        },
        false => Effort {
            rounds: 5,
            seconds: 3,
            rows: 1_000_000,
            mib: 1_024,
            transfers: 3,
        },
    };
    let measures = |protocol| arguments.only.is_none_or(|only| only == protocol);
    let mut report = Report::new(arguments.quick);
    if measures(Protocol::Postgres) {
        eprintln!(
            "Starting PostgreSQL, pgbouncer and three gateways, and filling {} rows.",
            effort.rows
        );
        let field = Field::start(effort)?;
        report.points = points::measure(&field, effort, arguments.clients)?;
        if arguments.clients.is_none() {
            report.bulk = bulk::measure(&field, effort)?;
        }
    }
    if measures(Protocol::Http) {
        report.flows.extend(web::measure_all(effort)?);
    }
    if measures(Protocol::Ssh) {
        report.flows.extend(hosts::measure_all(effort)?);
    }
    if measures(Protocol::Plugins) {
        report.maskers = plugins::measure(effort)?;
    }
    report.compare();
    println!("{}", report.table());
    if let Some(file) = arguments.json {
        fs::write(&file, serde_json::to_vec_pretty(&report)?)?;
        eprintln!("The figures are in {}.", file.display());
    }
    Ok(())
}
