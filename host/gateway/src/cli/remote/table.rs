//! Shows what the API gave: columns for people, JSON for programs.

use std::io::{self, IsTerminal as _, Write as _};

use serde_json::Value;

use super::super::terminal::{Failure, cut, escape, safe_json};

/// The widest a column gets, in characters; the last one is not cut.
const WIDTH_MAX: usize = 60;

/// Prints a value as JSON. On a terminal, control characters are escaped.
pub(crate) fn print_json(value: &Value) -> Result<(), Failure> {
    let bytes = serde_json::to_vec(value).unwrap_or_default();
    let mut out = io::stdout().lock();
    let written = if out.is_terminal() {
        out.write_all(safe_json(&bytes).as_bytes())
    } else {
        out.write_all(&bytes)
    };
    let written = written
        .and_then(|()| out.write_all(b"\n"))
        .and_then(|()| out.flush());
    written.map_err(|error| Failure::of_output(&error))
}

/// Prints rows below their headings, or `nothing` where there are none.
pub(crate) fn table(headings: &[&str], rows: &[Vec<String>], nothing: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let written = out.write_all(render(headings, rows, nothing).as_bytes());
    written
        .and_then(|()| out.flush())
        .map_err(|error| Failure::of_output(&error))
}

pub(super) fn render(headings: &[&str], rows: &[Vec<String>], nothing: &str) -> String {
    if rows.is_empty() {
        return format!("{nothing}\n");
    }
    let shown: Vec<Vec<String>> = rows
        .iter()
        .map(|row| row.iter().map(|cell| escape(cell)).collect())
        .collect();
    let widths: Vec<usize> = headings
        .iter()
        .enumerate()
        .map(|(column, heading)| {
            let cells = shown.iter().filter_map(|row| row.get(column));
            let widest = cells.map(|cell| cell.chars().count()).max().unwrap_or(0);
            widest.max(heading.len()).min(WIDTH_MAX)
        })
        .collect();
    let headings: Vec<String> = headings.iter().map(|heading| heading.to_uppercase()).collect();
    let mut text = String::new();
    for row in std::iter::once(&headings).chain(&shown) {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let last = column + 1 == row.len();
            let width = widths.get(column).copied().unwrap_or(0);
            let (cell, left) = if last {
                (cell.as_str(), 0)
            } else {
                cut(cell, width)
            };
            let mark = if left > 0 { "…" } else { " " };
            line.push_str(cell);
            let pad = width.saturating_sub(cell.chars().count());
            line.extend(std::iter::repeat_n(' ', pad));
            line.push_str(mark);
            line.push(' ');
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Returns a member as text; empty where there is none.
pub(crate) fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(text_of).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

fn text_of(value: &Value) -> String {
    text(value)
}

/// Returns a moment to the second.
pub(crate) fn when(value: &Value) -> String {
    let text = value.as_str().unwrap_or_default();
    match text.split_once('.') {
        Some((whole, _)) => format!("{whole}Z"),
        None => text.to_owned(),
    }
}
