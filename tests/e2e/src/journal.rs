//! The journal as an auditor reads it: through the command line, from outside.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context as _, Result};
use serde_json::Value;
use tempfile::TempDir;

use crate::gateway::Home;
use crate::service::{START_WAIT_MAX, until};
use crate::tools;

/// Returns every entry of a gateway's journal, oldest first.
///
/// # Errors
/// When the journal cannot be read or an entry is not JSON.
pub fn entries(home: &Home) -> Result<Vec<Value>> {
    let text = tools::output(&mut home.command(&["journal", "tail", "--json", "--config", "tidegate.toml"]))?;
    let parse = |line: &str| serde_json::from_str(line).with_context(|| format!("not an entry: {line}"));
    text.lines()
        .filter(|line| !line.trim().is_empty())
        .map(parse)
        .collect()
}

/// Returns the ids of all sessions in a gateway's journal, oldest first.
///
/// # Errors
/// As [`entries`].
pub fn sessions(home: &Home) -> Result<Vec<String>> {
    let entries = entries(home)?;
    let started = of_kind(&entries, "session.start");
    Ok(started
        .iter()
        .filter_map(|entry| entry["session"].as_str().map(str::to_owned))
        .collect())
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

/// Waits until everything that is in a running gateway's journal by now is signed.
///
/// # Errors
/// When that does not happen in time.
pub fn wait_until_signed(home: &Home) -> Result<()> {
    let size = entries(home)?.len();
    until(START_WAIT_MAX, "a checkpoint over all entries", || {
        // The second line of a checkpoint is the number of entries under it (C2SP tlog-checkpoint).
        let checkpoint = fs::read_to_string(home.journal().join("checkpoint"))?;
        let signed: usize = checkpoint
            .lines()
            .nth(1)
            .context("a checkpoint's size")?
            .parse()?;
        Ok((signed >= size).then_some(()))
    })
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

/// Returns a copy of a gateway's journal.
///
/// # Errors
/// When it cannot be copied.
pub fn copy(home: &Home) -> Result<TempDir> {
    let copy = tempfile::tempdir()?;
    let from = home.journal().join(".");
    tools::output(Command::new("cp").arg("-r").arg(from).arg(copy.path()))?;
    Ok(copy)
}

/// Returns the largest file of entries below a journal.
///
/// # Errors
/// When there is none.
pub fn largest_of_entries(journal: &Path) -> Result<PathBuf> {
    let mut left = vec![journal.to_owned()];
    let mut largest: Option<(u64, PathBuf)> = None;
    while let Some(folder) = left.pop() {
        for entry in folder.read_dir()? {
            let path = entry?.path();
            if path.is_dir() {
                left.push(path);
                continue;
            }
            let size = path.metadata()?.len();
            let is_larger = largest.as_ref().is_none_or(|(most, _)| size > *most);
            if path.to_string_lossy().contains("entries") && is_larger {
                largest = Some((size, path));
            }
        }
    }
    Ok(largest.context("the journal has no file of entries")?.1)
}
