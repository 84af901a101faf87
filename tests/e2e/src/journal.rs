//! The journal as an auditor reads it: through the command line, from outside.

use std::path::Path;
use std::process::{Command, Output};

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::tools;

/// Returns every entry of the journal behind a configuration file, oldest first.
///
/// # Errors
/// When the journal cannot be read or an entry is not JSON.
pub fn entries(binary: &Path, config: &Path) -> Result<Vec<Value>> {
    let mut command = Command::new(binary);
    command
        .args(["journal", "tail", "--json", "--config"])
        .arg(config);
    let text = tools::output(&mut command)?;
    let parse = |line: &str| serde_json::from_str(line).with_context(|| format!("not an entry: {line}"));
    text.lines()
        .filter(|line| !line.trim().is_empty())
        .map(parse)
        .collect()
}

/// Returns the entry within a line of `journal tail`: the line itself, or its `entry`.
#[must_use]
pub fn entry(line: &Value) -> &Value {
    line.get("entry").unwrap_or(line)
}

/// Returns the entries of one kind.
#[must_use]
pub fn of_kind<'a>(entries: &'a [Value], kind: &str) -> Vec<&'a Value> {
    entries
        .iter()
        .map(entry)
        .filter(|entry| entry["kind"] == kind)
        .collect()
}

/// Verifies the journal in a folder, offline.
///
/// # Errors
/// When the program cannot be started; a journal that does not hold is in the status.
pub fn verify(binary: &Path, folder: &Path) -> Result<Output> {
    let mut command = Command::new(binary);
    Ok(command
        .args(["journal", "verify", "--dir"])
        .arg(folder)
        .output()?)
}
