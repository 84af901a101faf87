use std::sync::Arc;

use model::PluginName;
use model::mask::{Action, Change, Column, MaskFault, NativeMask, Plan, Planned};

use super::*;
use crate::http::json::Paths;
use crate::mask::PseudonymKey;

mod events;
mod forms;
mod json;
mod limits;
mod properties;
mod texts;

/// What the tests' guest looks for, and what it makes of it.
const SECRET: &str = "4111-1111";
const FOUND: &str = "[card]";

/// Finds [`SECRET`] in cells of any field, and counts what it is asked.
#[derive(Debug, Default)]
struct Finder {
    calls: usize,
    cells: Vec<(usize, String)>,
}

impl FieldCells for Finder {
    fn mask(&mut self, field: usize, cells: &Column) -> Result<Change, MaskFault> {
        self.calls += 1;
        let mut rows = Vec::new();
        let mut values = Column::default();
        for row in 0..cells.len() {
            let cell = std::str::from_utf8(cells.cell(row).expect("no cell is NULL")).expect("UTF-8");
            self.cells.push((field, cell.to_owned()));
            if cell == "null me" {
                rows.push(u32::try_from(row).expect("few cells"));
                values.push(None);
            } else if cell.contains(SECRET) {
                rows.push(u32::try_from(row).expect("few cells"));
                values.push(Some(cell.replace(SECRET, FOUND).as_bytes()));
            }
        }
        Ok(if rows.is_empty() {
            Change::None
        } else {
            Change::Sparse { rows, values }
        })
    }
}

fn keep_last(count: u32) -> Action {
    Action::Native(NativeMask::KeepLast(count))
}

fn constant(value: &str) -> Action {
    Action::Native(NativeMask::Constant(value.to_owned()))
}

/// Masks paths, and all other content by `content`.
fn masks(paths: &[(&str, Action)], content: Action) -> Arc<BodyMasks> {
    let numbered = paths.iter().map(|(path, _)| *path).enumerate();
    let compiled = Paths::compile(paths.len(), numbered).expect("paths that compile");
    let actions = paths.iter().map(|(_, action)| action).chain([&content]);
    let planned = actions.map(|action| Planned {
        plugin: Some(PluginName::new("finder")),
        action: action.clone(),
    });
    let plan = Plan {
        actions: planned.collect(),
    };
    let key = PseudonymKey::new([7; 32]);
    Arc::new(BodyMasks::compile(Arc::new(compiled), &plan, &key).expect("a plan that compiles"))
}

fn in_pieces(kind: BodyKind, masks: &Arc<BodyMasks>, pieces: &[&[u8]]) -> Result<Vec<u8>, BodyMaskError> {
    let mut body = BodyMask::new(kind, Arc::clone(masks));
    let mut finder = Finder::default();
    let mut out = Vec::new();
    for piece in pieces {
        let before = out.clone();
        let outcome = body.feed(piece, &mut out, &mut finder);
        assert!(out.starts_with(&before) && (outcome.is_ok() || out == before));
        outcome?;
    }
    body.finish(&mut out, &mut finder)?;
    Ok(out)
}

/// Masks whole, in two pieces of every length, and byte by byte; all must be the same.
fn every_way(kind: BodyKind, masks: &Arc<BodyMasks>, body: &[u8]) -> Result<String, BodyMaskError> {
    let whole = in_pieces(kind, masks, &[body]);
    for at in 0..=body.len() {
        let (before, after) = body.split_at(at);
        let split = in_pieces(kind, masks, &[before, after]);
        assert_eq!(split, whole, "{kind:?} {} at {at}", body.escape_ascii());
    }
    let bytes: Vec<&[u8]> = body.chunks(1).collect();
    assert_eq!(
        in_pieces(kind, masks, &bytes),
        whole,
        "{kind:?} {}",
        body.escape_ascii()
    );
    whole.map(|out| String::from_utf8(out).expect("UTF-8"))
}

fn masked(kind: BodyKind, masks: &Arc<BodyMasks>, body: &str) -> String {
    every_way(kind, masks, body.as_bytes()).expect("a body that can be masked")
}
