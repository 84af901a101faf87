//! `tidegate plugin inspect`: what a file is, learnt without running it.

use std::fmt::Write as _;

use plugin::{Frozen, Inspection, inspect};
use serde_json::{Value, json};

use super::{InspectArgs, print};
use crate::cli::EXIT_FAILED;
use crate::cli::remote::print_json;
use crate::cli::terminal::{Failure, escape};

pub(super) fn run(args: &InspectArgs) -> Result<(), Failure> {
    let found = inspect(&args.file).map_err(|error| Failure::of(EXIT_FAILED, &error))?;
    if args.json {
        return print_json(&as_json(&found));
    }
    print(&as_text(&found))
}

pub(super) fn as_json(found: &Inspection) -> Value {
    json!({
        "kind": found.kind.label(),
        "sha256": hex::encode(found.sha256),
        "bytes": found.bytes,
        "imports": found.imports,
        "refused_imports": found.refused,
        "packed": found.frozen.is_some(),
        "manifest": found.frozen.as_ref().map(|frozen| &frozen.manifest),
        "vectors": found.frozen.as_ref().map(|frozen| &frozen.vectors),
    })
}

pub(super) fn as_text(found: &Inspection) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: &str| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{name:<9}{}", escape(value));
    };
    line("kind", found.kind.label());
    line("sha256", &hex::encode(found.sha256));
    line("size", &format!("{} bytes", found.bytes));
    match &found.frozen {
        Some(frozen) => describe(frozen, &mut line),
        None => line("manifest", "none: it was not packed; run `tidegate plugin pack`"),
    }
    for import in &found.imports {
        let refused = found.refused.contains(import);
        let note = if refused {
            " (refused: beyond its kind)"
        } else {
            ""
        };
        line("imports", &format!("{import}{note}"));
    }
    text
}

fn describe(frozen: &Frozen, line: &mut impl FnMut(&str, &str)) {
    let manifest = &frozen.manifest;
    line("name", &format!("{} {}", manifest.name, manifest.version));
    line("about", &manifest.summary);
    for want in &manifest.wants {
        line("wants", &format!("{} {}: {}", want.kind, want.value, want.reason));
    }
    for metric in &manifest.metrics {
        line("metric", metric);
    }
    if !manifest.config_schema.is_empty() {
        line("config", "described by a JSON Schema: see --json");
    }
    if !frozen.vectors.is_empty() {
        line("vectors", &format!("{}, run at each load", frozen.vectors.len()));
    }
}
