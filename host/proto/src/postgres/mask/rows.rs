//! Walks `DataRow` frames strictly, and writes them anew by ranges.

use super::call::Call;
use super::native::Native;
use super::{MaskError, ROW_BYTES_MAX};
use crate::mask::answer::Verdict;

/// Type, length and column count.
const HEADER_BYTES: usize = 7;
/// A cell's length, before its bytes.
const LENGTH_BYTES: usize = 4;
const NULL: [u8; LENGTH_BYTES] = (-1_i32).to_be_bytes();

/// Where a cell lies: `start` of its length, and the `end` of its bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cell {
    start: usize,
    end: usize,
    null: bool,
}

impl Cell {
    /// Returns the cell's bytes; `None` for NULL.
    #[inline]
    pub(super) fn value(self, frames: &[u8]) -> Option<&[u8]> {
        if self.null {
            None
        } else {
            frames.get(self.start + LENGTH_BYTES..self.end)
        }
    }

    /// Returns the length of the cell's bytes; 0 for NULL.
    #[inline]
    fn length(self) -> usize {
        self.end - self.start - LENGTH_BYTES
    }
}

/// Walks the cells of one row. A row is believed only after [`Cursor::close`].
pub(super) struct Cursor<'a> {
    /// Everything up to the end of the row.
    row: &'a [u8],
    /// Where the next cell begins.
    at: usize,
    /// The next cell's column.
    column: usize,
    width: usize,
}

impl<'a> Cursor<'a> {
    /// Opens the row whose frame begins at `start`.
    #[inline]
    pub(super) fn open(frames: &'a [u8], start: usize, width: usize) -> Result<Self, MaskError> {
        let header = frames.get(start..).and_then(<[u8]>::first_chunk::<HEADER_BYTES>);
        let Some(&[kind, l0, l1, l2, l3, c0, c1]) = header else {
            return Err(MaskError::MalformedRow("frame cut short"));
        };
        if kind != b'D' {
            return Err(MaskError::MalformedRow("not a row"));
        }
        let bytes = (u32::from_be_bytes([l0, l1, l2, l3]) as usize).saturating_add(1);
        if bytes < HEADER_BYTES {
            return Err(MaskError::MalformedRow("frame length"));
        }
        if bytes > ROW_BYTES_MAX {
            return Err(MaskError::RowTooLong { bytes });
        }
        if usize::from(u16::from_be_bytes([c0, c1])) != width {
            return Err(MaskError::MalformedRow("column count"));
        }
        let row = frames
            .get(..start + bytes)
            .ok_or(MaskError::MalformedRow("frame cut short"))?;
        Ok(Self {
            row,
            at: start + HEADER_BYTES,
            column: 0,
            width,
        })
    }

    /// Returns where the row's frame ends.
    #[inline]
    pub(super) fn end(&self) -> usize {
        self.row.len()
    }

    /// Goes to the cell of `column`, which lies ahead, and past it.
    #[inline]
    pub(super) fn cell(&mut self, column: usize) -> Result<Cell, MaskError> {
        self.skip(column)?;
        self.next()
    }

    /// Walks the cells left and checks that nothing follows them.
    #[inline]
    pub(super) fn close(&mut self) -> Result<(), MaskError> {
        self.skip(self.width)?;
        if self.at == self.row.len() {
            Ok(())
        } else {
            Err(MaskError::MalformedRow("bytes left over"))
        }
    }

    #[inline]
    fn skip(&mut self, column: usize) -> Result<(), MaskError> {
        while self.column < column {
            self.next()?;
        }
        Ok(())
    }

    #[inline]
    fn next(&mut self) -> Result<Cell, MaskError> {
        let start = self.at;
        let rest = self
            .row
            .get(start..)
            .and_then(<[u8]>::split_first_chunk::<LENGTH_BYTES>);
        let Some((length, rest)) = rest else {
            return Err(MaskError::MalformedRow("fewer cells than columns"));
        };
        let null = *length == NULL;
        // A negative length is far beyond what a row can hold.
        let length = if null {
            0
        } else {
            u32::from_be_bytes(*length) as usize
        };
        if length > rest.len() {
            return Err(MaskError::MalformedRow("cell length"));
        }
        self.at = start + LENGTH_BYTES + length;
        self.column += 1;
        Ok(Cell {
            start,
            end: self.at,
            null,
        })
    }
}

/// Writes rows anew: ranges that nothing changes are copied at once.
///
/// Invariant: `out` ends with the outcome of `frames[..copied]`, and since the last change of a
/// length, byte for byte. Masks that keep lengths run with all of `frames` copied at once and
/// patched in place, until one of them does change a length.
pub(super) struct Rewriter<'a> {
    frames: &'a [u8],
    out: &'a mut Vec<u8>,
    copied: usize,
    /// By how much the closed rows are longer than they came.
    grown: i64,
    /// By how much the row at hand is.
    grown_in_row: i64,
}

impl<'a> Rewriter<'a> {
    /// Starts over `frames`; `in_place` copies them at once, for masks that keep lengths.
    pub(super) fn start(frames: &'a [u8], in_place: bool, out: &'a mut Vec<u8>) -> Self {
        out.reserve(frames.len());
        let copied = if in_place { frames.len() } else { 0 };
        out.extend_from_slice(&frames[..copied]);
        Self {
            frames,
            out,
            copied,
            grown: 0,
            grown_in_row: 0,
        }
    }

    /// Masks a cell; returns whether it was not NULL to begin with.
    #[inline]
    pub(super) fn apply(&mut self, native: &Native, cell: Cell) -> bool {
        if cell.null {
            return false;
        }
        match native {
            Native::Null => self.null(cell),
            Native::Keep(keep) => {
                self.copy_through(cell.end);
                let end = self.out.len() - (self.copied - cell.end);
                if !keep.cover_ascii(&mut self.out[end - cell.length()..end]) {
                    self.replace(cell, |bytes, out| native.write(bytes, out));
                }
            }
            _ => self.replace(cell, |bytes, out| native.write(bytes, out)),
        }
        true
    }

    /// Carries out a guest's verdict on a cell of which it saw `shown`; returns whether that
    /// changed the cell.
    #[inline]
    pub(super) fn settle(
        &mut self,
        call: &Call,
        cell: Cell,
        shown: Option<&[u8]>,
        verdict: Verdict<'_>,
    ) -> bool {
        match verdict.settle(cell.null, shown) {
            Verdict::Keep => return false,
            Verdict::Null => self.null(cell),
            Verdict::Value(value) => self.replace(cell, |_, out| call.write(value, out)),
        }
        true
    }

    /// Ends the row of `frames[start..end]` and writes its new length.
    #[inline]
    pub(super) fn close_row(&mut self, start: usize, end: usize) -> Result<(), MaskError> {
        if self.grown_in_row == 0 {
            return Ok(());
        }
        let grown = std::mem::take(&mut self.grown_in_row);
        self.grown += grown;
        // Whatever follows the type byte counts.
        let length = (end - start) as i64 + grown - 1;
        let Ok(length) = i32::try_from(length) else {
            return Err(MaskError::RowTooLong {
                bytes: usize::try_from(length).unwrap_or(usize::MAX),
            });
        };
        let written = (self.copied - start) as i64 + grown;
        let header = self.out.len() - usize::try_from(written).expect("a row is at least its header");
        self.out[header + 1..header + 1 + LENGTH_BYTES].copy_from_slice(&length.to_be_bytes());
        Ok(())
    }

    /// Returns by how many bytes the closed rows are longer than they came; 0 if shorter.
    pub(super) fn growth(&self) -> usize {
        usize::try_from(self.grown).unwrap_or(0)
    }

    /// Copies what is left.
    pub(super) fn finish(self) {
        self.out.extend_from_slice(&self.frames[self.copied..]);
    }

    #[inline]
    fn copy_through(&mut self, end: usize) {
        if self.copied < end {
            self.out.extend_from_slice(&self.frames[self.copied..end]);
            self.copied = end;
        }
    }

    /// Makes `out` end with the cell's length, which is to be replaced.
    #[inline]
    fn open_cell(&mut self, cell: Cell) {
        let values = cell.start + LENGTH_BYTES;
        if values < self.copied {
            self.out.truncate(self.out.len() - (self.copied - values));
        } else {
            self.copy_through(values);
        }
        self.copied = cell.end;
    }

    #[inline]
    fn null(&mut self, cell: Cell) {
        self.open_cell(cell);
        let at = self.out.len();
        self.out[at - LENGTH_BYTES..].copy_from_slice(&NULL);
        self.grown_in_row -= cell.length() as i64;
    }

    /// Replaces a cell by what `write` appends, and by NULL where it returns false.
    #[inline]
    fn replace(&mut self, cell: Cell, write: impl FnOnce(&[u8], &mut Vec<u8>) -> bool) {
        self.open_cell(cell);
        let at = self.out.len();
        let bytes = &self.frames[cell.end - cell.length()..cell.end];
        let written = write(bytes, self.out)
            .then(|| i32::try_from(self.out.len() - at).ok())
            .flatten();
        if written.is_none() {
            self.out.truncate(at);
        }
        self.out[at - LENGTH_BYTES..at].copy_from_slice(&written.unwrap_or(-1).to_be_bytes());
        self.grown_in_row += i64::from(written.unwrap_or(0)) - cell.length() as i64;
    }
}
