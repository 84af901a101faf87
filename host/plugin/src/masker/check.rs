//! What a guest says it did to a column, before anyone believes it.

use model::mask::{Change, Column};

use super::{WireCells, WireChange};

/// What a guest may return beyond four times what it got. The contract says so.
pub(super) const ANSWER_BYTES_SPARE: usize = 64 << 10;

/// Takes the changes of a batch; an error names the rule they break.
pub(super) fn changes(
    changes: Vec<WireChange>,
    rows: u32,
    texts: impl ExactSizeIterator<Item = bool>,
    bytes_in: usize,
) -> Result<Vec<Change>, &'static str> {
    if changes.len() != texts.len() {
        return Err("one change per column");
    }
    let mut left = bytes_in.saturating_mul(4).saturating_add(ANSWER_BYTES_SPARE);
    let mut checked = Vec::with_capacity(changes.len());
    for (change, text) in changes.into_iter().zip(texts) {
        let size = match &change {
            WireChange::None | WireChange::AllNull => 0,
            WireChange::Dense(cells) => cells.data.len(),
            WireChange::Sparse(patch) => patch.values.data.len(),
            WireChange::All(bytes) => bytes.len(),
        };
        left = left
            .checked_sub(size)
            .ok_or("at most four times the bytes plus 64 KiB")?;
        checked.push(self::change(change, rows, text)?);
    }
    Ok(checked)
}

fn change(change: WireChange, rows: u32, text: bool) -> Result<Change, &'static str> {
    Ok(match change {
        WireChange::None => Change::None,
        WireChange::AllNull => Change::AllNull,
        WireChange::All(bytes) => {
            if text && std::str::from_utf8(&bytes).is_err() {
                return Err(NOT_UTF8);
            }
            Change::All(bytes)
        }
        WireChange::Dense(cells) => Change::Dense(column(cells, rows as usize, text)?),
        WireChange::Sparse(patch) => {
            if !patch.rows.is_sorted_by(|a, b| a < b) {
                return Err("rows strictly ascending");
            }
            if patch.rows.last().is_some_and(|last| *last >= rows) {
                return Err("rows within the batch");
            }
            Change::Sparse {
                values: column(patch.values, patch.rows.len(), text)?,
                rows: patch.rows,
            }
        }
    })
}

const NOT_UTF8: &str = "cells of text fields are UTF-8";

fn column(cells: WireCells, rows: usize, text: bool) -> Result<Column, &'static str> {
    if cells.ends.len() != rows {
        return Err("one cell per row");
    }
    if !cells.ends.is_sorted() {
        return Err("ends never fall");
    }
    if cells.ends.last().copied().unwrap_or(0) as usize != cells.data.len() {
        return Err("ends end with the data");
    }
    if !cells.nulls.is_empty() && cells.nulls.len() < rows.div_ceil(8) {
        return Err("a bit per cell in nulls");
    }
    let column = Column {
        data: cells.data,
        ends: cells.ends,
        nulls: cells.nulls,
    };
    if text {
        check_text(&column)?;
    }
    if !column.nulls.is_empty() {
        check_nulls(&column)?;
    }
    Ok(column)
}

fn check_text(column: &Column) -> Result<(), &'static str> {
    let text = std::str::from_utf8(&column.data).map_err(|_| NOT_UTF8)?;
    // All of it is UTF-8; each cell is, where no cell begins within a character.
    if !text.is_ascii() && !column.ends.iter().all(|end| text.is_char_boundary(*end as usize)) {
        return Err(NOT_UTF8);
    }
    Ok(())
}

/// A NULL that has bytes would be a value to one reader and none to another.
fn check_nulls(column: &Column) -> Result<(), &'static str> {
    let mut start = 0;
    for (index, end) in column.ends.iter().enumerate() {
        if *end != start && column.is_null(index) {
            return Err("the bytes of a NULL cell are empty");
        }
        start = *end;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
