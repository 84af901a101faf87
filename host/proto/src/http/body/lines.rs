//! Texts whose lines are units: plain, CSV, XML, HTML.
//!
//! A value that is broken over two lines is not seen.

use std::fmt;
use std::sync::Arc;

use memchr::memchr;

use super::{BodyMaskError, BodyMasks};
use crate::mask::outlet::{Cell, FieldCells, Outlet, Plain};
use crate::mask::{CELL_BYTES_MAX, Leaf, Work};

/// A text, line by line. A line that is not whole is held until it is.
pub(super) struct Lines {
    masks: Arc<BodyMasks>,
    outlet: Outlet<Plain>,
    field: usize,
    /// The line at hand, without its end.
    held: Vec<u8>,
    /// How many bytes come before the line at hand.
    before: u64,
}

impl Lines {
    pub(super) fn new(masks: Arc<BodyMasks>) -> Self {
        Self {
            outlet: Outlet::new(masks.fields()),
            field: masks.whole(),
            masks,
            held: Vec::new(),
            before: 0,
        }
    }

    pub(super) fn masked(&self) -> u64 {
        self.outlet.changed()
    }

    pub(super) fn feed(
        &mut self,
        piece: &[u8],
        out: &mut Vec<u8>,
        cells: &mut dyn FieldCells,
    ) -> Result<(), BodyMaskError> {
        if let Work::Keep = self.masks.work(self.field) {
            out.extend_from_slice(piece);
            return Ok(());
        }
        // Nearly always; then no line is looked at once more.
        let is_ascii = piece.is_ascii() && self.held.is_ascii();
        let mut rest = piece;
        while let Some(end) = memchr(b'\n', rest) {
            self.line(&rest[..end], is_ascii, out, cells)?;
            out.push(b'\n');
            self.before += 1;
            rest = &rest[end + 1..];
        }
        self.check_length(rest)?;
        self.held.extend_from_slice(rest);
        Ok(self.outlet.flush(out, cells)?)
    }

    pub(super) fn finish(
        &mut self,
        out: &mut Vec<u8>,
        cells: &mut dyn FieldCells,
    ) -> Result<(), BodyMaskError> {
        self.line(&[], false, out, cells)?;
        Ok(self.outlet.flush(out, cells)?)
    }

    /// Masks what is held, and `rest`, as one line.
    fn line(
        &mut self,
        rest: &[u8],
        is_ascii: bool,
        out: &mut Vec<u8>,
        cells: &mut dyn FieldCells,
    ) -> Result<(), BodyMaskError> {
        self.check_length(rest)?;
        let line = if self.held.is_empty() {
            rest
        } else {
            self.held.extend_from_slice(rest);
            &self.held
        };
        let text = line.strip_suffix(b"\r").unwrap_or(line);
        if !is_ascii && let Err(error) = std::str::from_utf8(text) {
            return Err(BodyMaskError::Malformed {
                at: self.before + error.valid_up_to() as u64,
                reason: "a text that is not UTF-8",
            });
        }
        if !text.is_empty() {
            let start = out.len();
            out.extend_from_slice(text);
            let cell = Cell {
                field: self.field,
                form: Plain,
                leaf: Leaf::Text,
                text,
            };
            self.outlet.settle(cell, start, out, cells)?;
        }
        out.extend_from_slice(&line[text.len()..]);
        self.before += line.len() as u64;
        self.held.clear();
        Ok(())
    }

    fn check_length(&self, rest: &[u8]) -> Result<(), BodyMaskError> {
        if self.held.len() + rest.len() > CELL_BYTES_MAX {
            return Err(BodyMaskError::TooLong {
                at: self.before,
                what: "a line",
            });
        }
        Ok(())
    }
}

impl fmt::Debug for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Never what is held.
        f.debug_struct("Lines")
            .field("held", &self.held.len())
            .finish_non_exhaustive()
    }
}
