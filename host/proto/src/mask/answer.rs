//! What a guest answered for the cells of one field: checked before a byte of it is used, then
//! read cell by cell. The plugin host has checked it too; what leaves hangs on it, so nothing is
//! taken on trust here.

use model::mask::{Change, Column};

/// What becomes of one cell.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Verdict<'a> {
    /// The cell stays as it is.
    Keep,
    /// The cell becomes NULL.
    Null,
    /// The cell gets this value, once it has been checked to fit.
    Value(&'a [u8]),
}

impl Verdict<'_> {
    /// Returns what becomes of a cell that is NULL or not, and of which the guest saw `shown`.
    pub(crate) fn settle(self, null: bool, shown: Option<&[u8]>) -> Self {
        match self {
            _ if !null && shown.is_none() => Self::Null,
            Self::Null if null => Self::Keep,
            Self::Value(value) if shown == Some(value) => Self::Keep,
            verdict => verdict,
        }
    }
}

/// Reads the verdict on cell `row` of a batch from a change that has been checked. Cells are
/// asked for in ascending order; `next` is the next entry of a sparse change, 0 at first.
pub(crate) fn verdict<'a>(change: &'a Change, row: usize, next: &mut usize) -> Verdict<'a> {
    let of_cell = |values: &'a Column, index| values.cell(index).map_or(Verdict::Null, Verdict::Value);
    match change {
        Change::All(value) => Verdict::Value(value),
        Change::AllNull => Verdict::Null,
        Change::Dense(values) => of_cell(values, row),
        Change::None => Verdict::Keep,
        Change::Sparse { rows, values } => {
            if rows.get(*next).is_none_or(|&changed| changed as usize != row) {
                return Verdict::Keep;
            }
            *next += 1;
            of_cell(values, *next - 1)
        }
    }
}

/// Checks a change for a batch of `rows` cells, whose values may hold `bytes_max` bytes.
///
/// # Errors
/// The rule it breaks.
pub(crate) fn check(change: &Change, rows: usize, bytes_max: usize) -> Result<(), &'static str> {
    match change {
        Change::All(value) if value.len() > bytes_max => Err("value length"),
        Change::All(_) | Change::AllNull | Change::None => Ok(()),
        Change::Dense(values) => check_column(values, rows, bytes_max),
        Change::Sparse {
            rows: changed,
            values,
        } => {
            if !changed.is_sorted_by(|a, b| a < b) {
                return Err("row order");
            }
            if changed.last().is_some_and(|&last| last as usize >= rows) {
                return Err("row out of range");
            }
            check_column(values, changed.len(), bytes_max)
        }
    }
}

fn check_column(column: &Column, cells: usize, bytes_max: usize) -> Result<(), &'static str> {
    if column.len() != cells {
        return Err("cell count");
    }
    if column.data.len() > bytes_max {
        return Err("value length");
    }
    if !column.ends.is_sorted() || column.ends.last().map_or(0, |&end| end as usize) != column.data.len() {
        return Err("cell ends");
    }
    if !column.nulls.is_empty() && column.nulls.len() < cells.div_ceil(8) {
        return Err("null bits");
    }
    Ok(())
}
