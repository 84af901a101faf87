//! Measures what masking costs per byte of JSON, without sockets: `cargo run --release -p proto
//! --example mask_bodies`. An array of 30 MB of objects goes through in pieces of 64 KiB, as the
//! gateway reads them; each line is the best of five rounds.

#![expect(clippy::print_stdout, reason = "printing figures is what this program is for")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use model::PluginName;
use model::mask::{Action, Change, Column, MaskFault, NativeMask, Plan, Planned};
use proto::http::body::{BodyKind, BodyMask, BodyMasks};
use proto::http::json::Paths;
use proto::mask::{FieldCells, PseudonymKey};

const BODY_BYTES: usize = 30_000_000;
const ROUNDS: u32 = 5;
const PIECE_BYTES: usize = 64 << 10;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let body = body();
    println!("{} bytes in pieces of {PIECE_BYTES}", body.len());
    let keep_last = || Action::Native(NativeMask::KeepLast(4));
    let two = ["$[*].ssn", "$..email"];
    let many: Vec<String> = (0..100).map(|index| format!("$..secret_{index}")).collect();
    let mut hundred: Vec<&str> = many.iter().map(String::as_str).collect();
    hundred.extend(two);
    for (name, paths, action, content) in [
        ("no paths", &[][..], Action::Keep, Action::Keep),
        ("two paths, keep-last-4", &two[..], keep_last(), Action::Keep),
        ("two paths, null", &two[..], Action::Suppress, Action::Keep),
        (
            "two paths, a guest that changes nothing",
            &two[..],
            Action::Call,
            Action::Keep,
        ),
        (
            "a hundred paths more, keep-last-4",
            &hundred[..],
            keep_last(),
            Action::Keep,
        ),
        (
            "all content, a guest that changes nothing",
            &[][..],
            Action::Keep,
            Action::Call,
        ),
    ] {
        let masks = masks(paths, &action, content)?;
        let best = best(&body, &masks)?;
        let rate = body.len() as f64 / best.as_secs_f64() / 1e6;
        println!("{name:<45} {rate:>7.0} MB/s");
    }
    Ok(())
}

fn body() -> Vec<u8> {
    let mut body = b"[".to_vec();
    let mut index = 0;
    while body.len() < BODY_BYTES {
        let person = serde_json::json!({
            "id": index,
            "name": "Anna \"Ann\" Nováková",
            "ssn": format!("123-45-{:04}", index % 10_000),
            "email": format!("anna{index}@mail.example"),
            "active": index % 3 == 0,
            "balance": f64::from(index) * 1.25,
            "address": {"street": "12 Long Street Name", "city": "Springfield", "zip": "12345"},
            "notes": ["called twice about the invoice of last month", null, "prefers mail"],
        });
        if index > 0 {
            body.push(b',');
        }
        body.extend_from_slice(person.to_string().as_bytes());
        index += 1;
    }
    body.push(b']');
    body
}

fn masks(
    paths: &[&str],
    action: &Action,
    content: Action,
) -> Result<Arc<BodyMasks>, Box<dyn std::error::Error>> {
    let actions = paths.iter().map(|_| action.clone()).chain([content]);
    let planned = actions.map(|action| Planned {
        plugin: Some(PluginName::new("example")),
        action,
    });
    let plan = Plan {
        actions: planned.collect(),
    };
    let paths = Paths::compile(paths.len(), paths.iter().copied().enumerate())?;
    let key = PseudonymKey::new([7; 32]);
    Ok(Arc::new(BodyMasks::compile(Arc::new(paths), &plan, &key)?))
}

fn best(body: &[u8], masks: &Arc<BodyMasks>) -> Result<Duration, Box<dyn std::error::Error>> {
    let mut best = Duration::MAX;
    let mut out = Vec::new();
    for _ in 0..ROUNDS {
        let start = Instant::now();
        let mut mask = BodyMask::new(BodyKind::Json, Arc::clone(masks));
        for piece in body.chunks(PIECE_BYTES) {
            out.clear();
            mask.feed(piece, &mut out, &mut Unchanging)?;
            black_box(&out);
        }
        mask.finish(&mut out, &mut Unchanging)?;
        best = best.min(start.elapsed());
    }
    Ok(best)
}

/// A guest that changes nothing, so that only our own side is measured.
struct Unchanging;

impl FieldCells for Unchanging {
    fn mask(&mut self, _: usize, cells: &Column) -> Result<Change, MaskFault> {
        black_box(cells);
        Ok(Change::None)
    }
}
