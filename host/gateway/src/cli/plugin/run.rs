//! `tidegate plugin run`: what a plugin makes of rows or statements, before and after.

use std::fmt::Write as _;
use std::io::IsTerminal as _;

use model::Assessment;
use model::mask::{BATCH_ROWS_MAX, Column};
use plugin::{ActivePlan, Kind, vector::action_text};
use serde_json::{Value, json};

use super::table::Table;
use super::trial::{Cells, Masking, Trial, configuration, input};
use super::{Colour, RunArgs, print};
use crate::cli::remote::print_json;
use crate::cli::terminal::{Failure, escape};
use crate::cli::{EXIT_FAILED, EXIT_USAGE};

const RED: &str = "\u{1b}[31m";
const GREEN: &str = "\u{1b}[32m";
const PLAIN: &str = "\u{1b}[0m";

/// Rows sent to the plugin at once: less than the contract's most, so that a wide row fits.
const BATCH_ROWS: usize = BATCH_ROWS_MAX as usize / 8;

pub(super) async fn run(args: &RunArgs) -> Result<(), Failure> {
    let trial = Trial::load(&args.file, configuration(&args.config)?).await?;
    let input = input(&args.input)?;
    // Calls of a guest block.
    let args = args.clone();
    let running = tokio::task::spawn_blocking(move || match trial.kind {
        Kind::Masker => mask(&trial, &args, &input),
        Kind::Classifier => classify(&trial, &args, &input),
        kind => Err(Failure::new(
            EXIT_USAGE,
            format!(
                "{kind}s act on systems outside: try it in a gateway; `plugin check` checks what can be checked here"
            ),
        )),
    });
    running
        .await
        .map_err(|error| Failure::new(EXIT_FAILED, error.to_string()))?
}

fn mask(trial: &Trial, args: &RunArgs, input: &[u8]) -> Result<(), Failure> {
    let unread = |what: String| Failure::new(EXIT_USAGE, format!("{}: {what}", args.input.display()));
    let table = Table::parse(input).map_err(unread)?;
    let plan = trial.plan(&table.shape(&args.tag).map_err(unread)?)?;
    let mut masking = Masking::new(std::sync::Arc::clone(&plan))?;
    let mut shown = Shown::new(&table, args);
    let mut start = 0;
    while start < table.rows.len() {
        let end = table.rows.len().min(start + BATCH_ROWS);
        let columns: Vec<Column> = (0..table.names.len())
            .map(|field| table.column(field, start..end))
            .collect();
        let masked = masking.mask(end - start, &columns)?;
        shown.batch(start, &masked);
        start = end;
    }
    if args.json {
        return print_json(&json!({
            "plan": planned(&table, &plan),
            "rows": shown.rows,
            "changed_cells": shown.cells,
        }));
    }
    for (name, action) in planned(&table, &plan) {
        let _ = writeln!(shown.text, "{}: {}", escape(&name), escape(&action));
    }
    let (rows, cells) = (table.rows.len(), shown.cells);
    let _ = writeln!(
        shown.text,
        "{} of {rows} rows and {cells} cells changed",
        shown.changed
    );
    print(&shown.text)
}

fn planned(table: &Table, plan: &ActivePlan) -> Vec<(String, String)> {
    let actions = plan.plan.actions.iter();
    let action =
        |(name, planned): (&String, &model::mask::Planned)| (name.clone(), action_text(&planned.action));
    table.names.iter().zip(actions).map(action).collect()
}

/// What is shown of a table: the rows that changed, or as JSON all of them.
struct Shown<'t> {
    table: &'t Table,
    json: bool,
    colour: bool,
    text: String,
    rows: Vec<Value>,
    changed: usize,
    cells: usize,
}

impl<'t> Shown<'t> {
    fn new(table: &'t Table, args: &RunArgs) -> Self {
        Self {
            table,
            json: args.json,
            colour: match args.color {
                Colour::Always => true,
                Colour::Never => false,
                Colour::Auto => std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none(),
            },
            text: String::new(),
            rows: Vec::new(),
            changed: 0,
            cells: 0,
        }
    }

    fn batch(&mut self, start: usize, masked: &[Cells]) {
        let rows = masked.first().map_or(0, Vec::len);
        for row in 0..rows {
            let before = &self.table.rows[start + row];
            let after: Vec<Option<&[u8]>> = masked.iter().map(|cells| cells[row].as_deref()).collect();
            let differs = |field: usize| before[field].as_deref().map(str::as_bytes) != after[field];
            let changed: Vec<usize> = (0..after.len()).filter(|field| differs(*field)).collect();
            self.cells += changed.len();
            self.changed += usize::from(!changed.is_empty());
            if self.json {
                let cell = |cell: &Option<&[u8]>| cell.map(|cell| String::from_utf8_lossy(cell).into_owned());
                let cells = self
                    .table
                    .names
                    .iter()
                    .cloned()
                    .zip(after.iter().map(|c| json!(cell(c))));
                self.rows.push(Value::Object(cells.collect()));
            } else if !changed.is_empty() {
                self.difference(start + row, &changed, &after);
            }
        }
    }

    fn difference(&mut self, row: usize, changed: &[usize], after: &[Option<&[u8]>]) {
        let name = |field: usize| escape(&self.table.names[field]);
        let cell = |cell: Option<&[u8]>| {
            cell.map_or_else(
                || "NULL".to_owned(),
                |cell| escape(&String::from_utf8_lossy(cell)),
            )
        };
        let before = |field: usize| cell(self.table.rows[row][field].as_deref().map(str::as_bytes));
        let line = |sign: char, colour: &str, value: &dyn Fn(usize) -> String| {
            let cells: Vec<String> = changed
                .iter()
                .map(|f| format!("{}={}", name(*f), value(*f)))
                .collect();
            let (on, off) = if self.colour { (colour, PLAIN) } else { ("", "") };
            format!("{on}{sign} {}{off}\n", cells.join("  "))
        };
        let removed = line('-', RED, &before);
        let added = line('+', GREEN, &|field| cell(after[field]));
        let _ = write!(self.text, "row {}\n{removed}{added}", row + 1);
    }
}

/// One statement of PostgreSQL a line.
fn classify(trial: &Trial, args: &RunArgs, input: &[u8]) -> Result<(), Failure> {
    let text = std::str::from_utf8(input)
        .map_err(|_| Failure::new(EXIT_USAGE, format!("{}: it is not UTF-8", args.input.display())))?;
    let mut text_out = String::new();
    let mut json_out = Vec::new();
    for statement in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let assessment = trial.classify(statement)?;
        if args.json {
            json_out.push(json!({"statement": statement, "assessment": assessment}));
        } else {
            text_out.push_str(&judged(statement, &assessment));
        }
    }
    if args.json {
        return print_json(&Value::Array(json_out));
    }
    print(&text_out)
}

fn judged(statement: &str, assessment: &Assessment) -> String {
    let mut text = format!("{:>3}  {}\n", assessment.score, escape(statement));
    if !assessment.labels.is_empty() {
        let _ = writeln!(text, "     labels: {}", escape(&assessment.labels.join(", ")));
    }
    for finding in &assessment.findings {
        let line = format!("{} ({}): {}", finding.id, finding.score, finding.message);
        let _ = writeln!(text, "     {}", escape(&line));
    }
    text
}
