//! Measures what masking costs per row, without sockets: `cargo run --release -p proto --example
//! mask_rows`. A million rows of six columns go through in runs of 64 KiB, as the relay reads
//! them; each line is the best of five rounds.

#![expect(clippy::print_stdout, reason = "printing figures is what this program is for")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use model::PluginName;
use model::mask::{Action, CellMasker, Change, Column, DatePart, MaskFault, NativeMask, Plan, Planned};
use proto::postgres::mask::{FieldDescription, Format, MaskError, PseudonymKey, ResultMask};

const ROWS: u32 = 1_000_000;
const ROUNDS: u32 = 5;
const RUN_BYTES: usize = 64 << 10;

/// The types of `id, name, ssn, email, born, balance`.
const TYPES: [u32; 6] = [23, 25, 25, 25, 1082, 1700];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let runs = runs();
    let bytes: usize = runs.iter().map(Vec::len).sum();
    println!(
        "{ROWS} rows, {} bytes each, {} runs",
        bytes / ROWS as usize,
        runs.len()
    );
    let keep_last = || Action::Native(NativeMask::KeepLast(4));
    let constant = || Action::Native(NativeMask::Constant("redacted".to_owned()));
    let null = || Action::Native(NativeMask::Null);
    let pseudonym = || {
        Action::Native(NativeMask::Pseudonym {
            domain: "pii.ssn".to_owned(),
        })
    };
    let year = || Action::Native(NativeMask::GeneraliseDate(DatePart::Year));
    for (name, masked) in [
        ("walk and copy only", vec![]),
        (
            "keep-last-4 on ssn and email",
            vec![(2, keep_last()), (3, keep_last())],
        ),
        ("null on ssn and email", vec![(2, null()), (3, null())]),
        (
            "keep-last-4 on ssn, null on email",
            vec![(2, keep_last()), (3, null())],
        ),
        (
            "constant on ssn and email",
            vec![(2, constant()), (3, constant())],
        ),
        ("year of birth", vec![(4, year())]),
        ("pseudonym of ssn", vec![(2, pseudonym())]),
        (
            "guest that changes nothing, on ssn and email",
            vec![(2, Action::Call), (3, Action::Call)],
        ),
    ] {
        let best = best(&runs, &masked)?;
        println!(
            "{:>7.1} ns/row  {name}",
            best.as_secs_f64() * 1e9 / f64::from(ROWS)
        );
    }
    Ok(())
}

/// Returns the shortest time in which all runs were masked.
fn best(runs: &[Vec<u8>], masked: &[(usize, Action)]) -> Result<Duration, Box<dyn std::error::Error>> {
    let mut actions = vec![
        Planned {
            plugin: None,
            action: Action::Keep
        };
        TYPES.len()
    ];
    for (column, action) in masked {
        actions[*column] = Planned {
            plugin: Some(PluginName::new("redact")),
            action: action.clone(),
        };
    }
    let mut mask = ResultMask::compile(&Plan { actions }, &fields(), &PseudonymKey::new([7; 32]))?;
    let mut out = Vec::new();
    let mut best = Duration::MAX;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        for run in runs {
            out.clear();
            run_through(&mut mask, run, &mut out)?;
            black_box(&out);
        }
        best = best.min(start.elapsed());
    }
    Ok(best)
}

fn run_through(mask: &mut ResultMask, run: &[u8], out: &mut Vec<u8>) -> Result<(), MaskError> {
    mask.mask_rows(black_box(run), Some(&mut Idle), out).map(|_| ())
}

/// A guest without its sandbox.
struct Idle;

impl CellMasker for Idle {
    fn mask(&mut self, _rows: u32, columns: &[Column]) -> Result<Vec<Change>, MaskFault> {
        Ok(columns.iter().map(|_| Change::None).collect())
    }
}

fn fields() -> Vec<FieldDescription> {
    let field = |type_oid| FieldDescription {
        name: b"column".to_vec(),
        table_oid: 16_385,
        attnum: 1,
        type_oid,
        type_size: -1,
        type_modifier: -1,
        format: Format::Text,
    };
    TYPES.map(field).to_vec()
}

fn runs() -> Vec<Vec<u8>> {
    let mut runs = Vec::new();
    let mut run = Vec::with_capacity(RUN_BYTES);
    for id in 0..ROWS {
        let row = row(&[
            id.to_string(),
            format!("Customer {id}"),
            format!("{:03}-{:02}-{:04}", id % 899, id % 97, id % 9_973),
            format!("customer{id}@example.com"),
            format!("19{:02}-{:02}-{:02}", id % 100, id % 12 + 1, id % 28 + 1),
            format!("{}.{:02}", id % 100_000, id % 100),
        ]);
        if run.len() + row.len() > RUN_BYTES {
            runs.push(std::mem::replace(&mut run, Vec::with_capacity(RUN_BYTES)));
        }
        run.extend_from_slice(&row);
    }
    runs.push(run);
    runs
}

fn row(cells: &[String; 6]) -> Vec<u8> {
    let mut body = vec![0, 6];
    for cell in cells {
        body.extend_from_slice(&u32::try_from(cell.len()).expect("short").to_be_bytes());
        body.extend_from_slice(cell.as_bytes());
    }
    let length = u32::try_from(body.len() + 4).expect("short").to_be_bytes();
    [b"D", &length[..], &body].concat()
}
