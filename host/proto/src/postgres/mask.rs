//! Masks the rows of a result, and strips error messages of data.
//!
//! [`ResultMask`] turns runs of whole `DataRow` frames into runs of masked ones, under a plan
//! made for the result's shape. It must never let out a cell that it doesn't understand: where
//! type, format and mask don't fit, the cell becomes NULL; where a row isn't well-formed or a
//! guest fails, nothing of the run is let out.
//!
//! What a mask does is a matter of the cell alone, so the output does not depend on how rows
//! are grouped into runs.

mod call;
mod constant;
mod date;
mod fields;
mod native;
mod number;
mod plan;
mod pseudonym;
mod report;
mod rows;
mod types;

pub use crate::mask::{CONSTANT_BYTES_MAX, PlanFault, PseudonymKey};
pub(super) use date::day_text;
pub use fields::{
    FieldDescription, Format, FormatFault, MalformedFrame, parse_row_description, with_formats,
    write_row_description,
};
pub use report::{ErrorFields, build_error, build_notice, error_fields, scrub_error};
pub(in crate::postgres) use report::{Fields, is_severity};

use std::fmt;

use model::Fault;
use model::mask::{CellMasker, Column, MaskFault};

use call::{Answer, Call};
use plan::{Step, Work};
use rows::{Cursor, Rewriter};

/// The longest row, in bytes of its frame, that is masked: such a row must be held whole, once
/// as it came and once as it goes. Longer ones are refused with 54000.
pub const ROW_BYTES_MAX: usize = 64 << 20;

/// The most rows that go to a guest in one call: enough to make the call's own cost vanish
/// (0.13 µs against some 6 µs of work), few enough for a deadline in milliseconds.
pub const CALL_ROWS_MAX: usize = 1_024;

/// The most bytes of cells that go to a guest in one call, unless a single row has more: a
/// small part of a guest's usual 64 MiB, which holds them, its answer and its own state.
pub const CALL_BYTES_MAX: usize = 1 << 20;

/// By how many bytes a guest may make one batch longer: 64 KiB for each of 1,024 rows, which
/// no mask needs, and an output buffer survives.
const GROWTH_BYTES_MAX: usize = 64 << 20;

/// The masks of one result, ready to run over its rows.
pub struct ResultMask {
    /// How many columns each row must have.
    width: usize,
    /// The masked columns, ascending.
    steps: Vec<Step>,
    /// The columns of [`Work::Call`], ascending.
    calls: Vec<Call>,
    /// Whether masks usually leave the length of a cell alone.
    in_place: bool,
    /// Per call column: the cells of the batch at hand. Kept for its memory.
    gathered: Vec<Column>,
    /// Per call column: how far a sparse answer was read. Kept for its memory.
    next: Vec<usize>,
}

/// What was masked.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Masked {
    /// The rows that were written.
    pub rows: u64,
    /// The cells among them that differ from the upstream's: NULLs that stay NULL and cells a
    /// guest left alone don't count, cells that a mask maps to themselves do.
    pub cells: u64,
}

/// Why rows could not be masked. Nothing of them has been let out.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum MaskError {
    /// The upstream sent a row that is not what the description says, or no row at all.
    #[error("malformed row: {0}")]
    MalformedRow(&'static str),
    /// The plugin failed, or its answer breaks the contract.
    #[error(transparent)]
    Masker(#[from] MaskFault),
    /// The plan has call fields and no masker was handed in.
    #[error("the plan calls a masker, and there is none")]
    NoMasker,
    /// A row is longer than [`ROW_BYTES_MAX`].
    #[error("a row of {bytes} bytes is longer than {ROW_BYTES_MAX} and can't be masked")]
    RowTooLong {
        /// The length of its frame.
        bytes: usize,
    },
}

impl MaskError {
    /// Returns who must act.
    #[must_use]
    pub const fn fault(&self) -> Fault {
        match self {
            Self::MalformedRow(_) => Fault::Upstream,
            Self::Masker(fault) => fault.fault(),
            Self::NoMasker => Fault::Gateway,
            Self::RowTooLong { .. } => Fault::Client,
        }
    }
}

impl ResultMask {
    /// Returns whether every row passes unchanged; then rows need not be handed in at all.
    #[must_use]
    pub fn is_identity(&self) -> bool {
        self.steps.is_empty()
    }

    /// Returns whether [`ResultMask::mask_rows`] needs a masker.
    #[must_use]
    pub fn needs_masker(&self) -> bool {
        !self.calls.is_empty()
    }

    /// Masks `frames`, whole `DataRow` frames back to back, and appends the outcome to `out`.
    ///
    /// Call fields go to `cells` in batches of at most [`CALL_ROWS_MAX`] rows and
    /// [`CALL_BYTES_MAX`] bytes. A row can grow by [`CONSTANT_BYTES_MAX`] per native mask, and a
    /// batch by 64 MiB through its masker.
    ///
    /// # Errors
    /// [`MaskError`], with `out` as it was.
    pub fn mask_rows(
        &mut self,
        frames: &[u8],
        cells: Option<&mut dyn CellMasker>,
        out: &mut Vec<u8>,
    ) -> Result<Masked, MaskError> {
        let start = out.len();
        let masked = match cells {
            _ if self.calls.is_empty() => self.rewrite(frames, None, out),
            Some(cells) => self.mask_batches(frames, cells, out),
            None => Err(MaskError::NoMasker),
        };
        if masked.is_err() {
            out.truncate(start);
        }
        masked
    }

    fn mask_batches(
        &mut self,
        frames: &[u8],
        cells: &mut dyn CellMasker,
        out: &mut Vec<u8>,
    ) -> Result<Masked, MaskError> {
        let mut total = Masked::default();
        let mut rest = frames;
        while !rest.is_empty() {
            let (length, rows) = self.gather(rest)?;
            let count = u32::try_from(rows).expect("a batch has at most CALL_ROWS_MAX rows");
            let changes = cells.mask(count, &self.gathered)?;
            let mut next = std::mem::take(&mut self.next);
            let masked = Answer::check(&self.calls, rows, &changes, &mut next)
                .map_err(MaskError::from)
                .and_then(|answer| self.rewrite(&rest[..length], Some(answer), out));
            self.next = next;
            let masked = masked?;
            total.rows += masked.rows;
            total.cells += masked.cells;
            rest = &rest[length..];
        }
        Ok(total)
    }

    /// Gathers the call cells of the next batch; returns its length in bytes and in rows.
    fn gather(&mut self, frames: &[u8]) -> Result<(usize, usize), MaskError> {
        self.gathered.iter_mut().for_each(Column::clear);
        let (mut at, mut rows, mut bytes) = (0, 0, 0);
        while at < frames.len() && rows < CALL_ROWS_MAX {
            let mut cursor = Cursor::open(frames, at, self.width)?;
            let row_bytes = cursor.end() - at;
            // Counted by whole rows, which the cells can't exceed, so that no row is walked twice.
            if rows > 0 && bytes + row_bytes > CALL_BYTES_MAX {
                break;
            }
            for step in &self.steps {
                let Work::Call(index) = step.work else { continue };
                let cell = cursor.cell(step.column)?;
                let view = cell.value(frames).and_then(|cell| self.calls[index].view(cell));
                self.gathered[index].push(view);
            }
            cursor.close()?;
            at = cursor.end();
            rows += 1;
            bytes += row_bytes;
        }
        Ok((at, rows))
    }

    fn rewrite(
        &self,
        frames: &[u8],
        mut answer: Option<Answer<'_>>,
        out: &mut Vec<u8>,
    ) -> Result<Masked, MaskError> {
        let mut masked = Masked::default();
        let mut rewriter = Rewriter::start(frames, self.in_place, out);
        let mut at = 0;
        let mut row = 0;
        while at < frames.len() {
            let mut cursor = Cursor::open(frames, at, self.width)?;
            for step in &self.steps {
                let cell = cursor.cell(step.column)?;
                let changed = match (&step.work, &mut answer) {
                    (Work::Native(native), _) => rewriter.apply(native, cell),
                    (Work::Call(index), Some(answer)) => {
                        let shown = self.gathered[*index].cell(row);
                        rewriter.settle(&self.calls[*index], cell, shown, answer.verdict(*index, row))
                    }
                    (Work::Call(_), None) => return Err(MaskError::NoMasker),
                };
                masked.cells += u64::from(changed);
            }
            cursor.close()?;
            rewriter.close_row(at, cursor.end())?;
            if answer.is_some() && rewriter.growth() > GROWTH_BYTES_MAX {
                return Err(call::fault(&self.calls, 0, "answer too long").into());
            }
            at = cursor.end();
            row += 1;
        }
        rewriter.finish();
        masked.rows = row as u64;
        Ok(masked)
    }
}

impl fmt::Debug for ResultMask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Neither constants nor keys nor the cells of the last batch.
        f.debug_struct("ResultMask")
            .field("width", &self.width)
            .field("masked", &self.steps.len())
            .field("called", &self.calls.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
