//! Masks text that people watch as it comes: the output of commands and shells.
//!
//! A line is a unit, up to its LF or CR. A line that is not whole is held back until it is, or
//! until the driver says with [`StreamMask::flush`] that nobody will wait any longer. What is
//! held is then masked as it stands, and the rest of the line later together with what was sent
//! of it.
//!
//! What that cannot see: where a flush falls within a value, its first part may already have
//! been let out as it was. Once the rest shows that it belongs to something to be masked, every
//! letter and digit of the rest is covered; the first part can't be called back. A value that is
//! spread over two lines is not seen at all.
//!
//! What is looked at is a line as it is seen on a terminal, so that colours within a value hide
//! nothing; a line of which something is masked loses them.

use std::fmt;
use std::sync::Arc;

use memchr::{memchr, memchr2};

use super::keep::Keep;
use super::outlet::{Cell, CellError, FieldCells, Outlet, Plain};
use super::visible::visible;
use super::{CELL_BYTES_MAX, FieldMask, Leaf};

/// The place of a stream's only field.
const FIELD: usize = 0;

/// Masks one stream of text.
pub struct StreamMask {
    /// Of whole lines.
    lines: Outlet<Plain>,
    /// Of lines in parts.
    parts: Outlet<Plain>,
    /// Whether there is anything to mask.
    keeps: bool,
    /// The line at hand, as far as it has not been let out.
    held: Vec<u8>,
    /// How many bytes come before what is held.
    before: u64,
    /// What of the line at hand was let out: as it came, and as it went.
    seen: Vec<u8>,
    sent: Vec<u8>,
}

/// Why a stream can't be let through masked. It says where and why, and never what.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum StreamError {
    /// The stream is no text: it has a NUL or is not UTF-8.
    #[error("the stream is not text at byte {at}")]
    Binary {
        /// How many bytes come before.
        at: u64,
    },
    /// A cell is denied, or its masker failed.
    #[error(transparent)]
    Cell(#[from] CellError),
    /// A line is longer than is looked at.
    #[error("the line that goes on at byte {at} is longer than {CELL_BYTES_MAX} bytes")]
    TooLong {
        /// How many bytes come before what was not let out of it.
        at: u64,
    },
}

impl StreamMask {
    /// Makes ready for a stream. Guests are called for field 0.
    #[must_use]
    pub fn new(masks: Arc<[FieldMask; 1]>) -> Self {
        let keeps = masks[FIELD].keeps();
        let masks: Arc<[FieldMask]> = masks;
        Self {
            lines: Outlet::new(Arc::clone(&masks)),
            parts: Outlet::new(masks),
            keeps,
            held: Vec::new(),
            before: 0,
            seen: Vec::new(),
            sent: Vec::new(),
        }
    }

    /// Returns whether anything is held back, so that [`StreamMask::flush`] is due some time.
    #[must_use]
    pub fn holds(&self) -> bool {
        !self.held.is_empty()
    }

    /// Returns how many lines, or parts of some, came out otherwise than they came in.
    #[must_use]
    pub const fn masked(&self) -> u64 {
        self.lines.changed() + self.parts.changed()
    }

    /// Returns what was not let out, for a driver that may let binary streams through.
    #[must_use]
    pub fn into_held(self) -> Vec<u8> {
        self.held
    }

    /// Reads a piece and appends to `out` what can be let out.
    ///
    /// # Errors
    /// With [`StreamError::Binary`], the lines before are in `out`, and everything from the line
    /// on that is no text is held; with any other, `out` is as it was. The stream can't be gone
    /// on with.
    pub fn feed(
        &mut self,
        piece: &[u8],
        out: &mut Vec<u8>,
        cells: &mut dyn FieldCells,
    ) -> Result<(), StreamError> {
        if self.keeps {
            out.extend_from_slice(piece);
            return Ok(());
        }
        let start = out.len();
        self.held.extend_from_slice(piece);
        let held = std::mem::take(&mut self.held);
        let mut done = 0;
        let outcome = self.read(&held, &mut done, out, cells);
        self.held = held;
        self.held.drain(..done);
        self.before += done as u64;
        let flushed = self.lines.flush(out, cells).map_err(StreamError::from);
        let outcome = flushed.and(outcome);
        if !matches!(outcome, Ok(()) | Err(StreamError::Binary { .. })) {
            out.truncate(start);
        }
        outcome
    }

    /// Lets out what is held of an unfinished line, masked as it stands.
    ///
    /// # Errors
    /// As [`StreamMask::feed`].
    pub fn flush(&mut self, out: &mut Vec<u8>, cells: &mut dyn FieldCells) -> Result<(), StreamError> {
        // A character that is not whole still waits.
        let whole = match std::str::from_utf8(&self.held) {
            Ok(held) => held.len(),
            Err(error) => error.valid_up_to(),
        };
        self.let_out(whole, out, cells)
    }

    /// Ends the stream and lets out what is held.
    ///
    /// # Errors
    /// As [`StreamMask::feed`].
    pub fn finish(&mut self, out: &mut Vec<u8>, cells: &mut dyn FieldCells) -> Result<(), StreamError> {
        self.check_text(&self.held, 0, true)?;
        self.let_out(self.held.len(), out, cells)
    }

    fn let_out(
        &mut self,
        length: usize,
        out: &mut Vec<u8>,
        cells: &mut dyn FieldCells,
    ) -> Result<(), StreamError> {
        if length == 0 {
            return Ok(());
        }
        let held = std::mem::take(&mut self.held);
        let outcome = self.part(&held[..length], out, cells);
        self.held = held;
        outcome?;
        self.held.drain(..length);
        self.before += length as u64;
        Ok(())
    }

    /// Masks the whole lines of `held`; `done` is where the first begins that is none.
    fn read(
        &mut self,
        held: &[u8],
        done: &mut usize,
        out: &mut Vec<u8>,
        cells: &mut dyn FieldCells,
    ) -> Result<(), StreamError> {
        // Nearly always; then no line is looked at once more.
        let is_plain = held.is_ascii() && memchr(0, held).is_none();
        loop {
            let rest = &held[*done..];
            let end = memchr2(b'\n', b'\r', rest);
            let line = &rest[..end.unwrap_or(rest.len())];
            if self.seen.len() + line.len() > CELL_BYTES_MAX {
                let at = self.before + *done as u64;
                return Err(StreamError::TooLong { at });
            }
            if !is_plain {
                self.check_text(line, *done, end.is_some())?;
            }
            let Some(end) = end else {
                return Ok(());
            };
            self.line(line, out, cells)?;
            out.push(rest[end]);
            *done += end + 1;
        }
    }

    /// Masks a line to its end, or the rest of one.
    fn line(
        &mut self,
        line: &[u8],
        out: &mut Vec<u8>,
        cells: &mut dyn FieldCells,
    ) -> Result<(), StreamError> {
        if !self.seen.is_empty() {
            self.part(line, out, cells)?;
            self.seen.clear();
            self.sent.clear();
            return Ok(());
        }
        if line.is_empty() {
            return Ok(());
        }
        let start = out.len();
        out.extend_from_slice(line);
        Ok(self.lines.settle(cell(&visible(line)), start, out, cells)?)
    }

    /// Masks a part of a line together with what was sent of it.
    fn part(
        &mut self,
        text: &[u8],
        out: &mut Vec<u8>,
        cells: &mut dyn FieldCells,
    ) -> Result<(), StreamError> {
        self.seen.extend_from_slice(text);
        let mut masked = self.seen.clone();
        self.parts
            .settle(cell(&visible(&self.seen)), 0, &mut masked, cells)?;
        self.parts.flush(&mut masked, cells)?;
        let start = out.len();
        match masked.strip_prefix(&self.sent[..]) {
            Some(rest) => out.extend_from_slice(rest),
            // What was sent is not how the whole would begin: the rest is part of a value.
            None => {
                Keep::Last(0).cover(&visible(text), out);
            }
        }
        self.sent.extend_from_slice(&out[start..]);
        Ok(())
    }

    /// Checks a line, or the beginning of one, which may break a character off.
    fn check_text(&self, line: &[u8], offset: usize, whole: bool) -> Result<(), StreamError> {
        let broken = match std::str::from_utf8(line) {
            Err(error) if whole || error.error_len().is_some() => Some(error.valid_up_to()),
            Ok(_) | Err(_) => None,
        };
        let nul = line.iter().position(|byte| *byte == 0);
        match nul.into_iter().chain(broken).min() {
            Some(at) => Err(StreamError::Binary {
                at: self.before + (offset + at) as u64,
            }),
            None => Ok(()),
        }
    }
}

fn cell(text: &[u8]) -> Cell<'_, Plain> {
    Cell {
        field: FIELD,
        form: Plain,
        leaf: Leaf::Text,
        text,
    }
}

impl fmt::Debug for StreamMask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Never the text.
        f.debug_struct("StreamMask")
            .field("held", &self.held.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
