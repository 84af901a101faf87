//! `text/event-stream`: events of lines, each masked once it is whole.
//!
//! The data of an event is what its `data` lines say, joined; it is masked as JSON where it is
//! some, else as a text. Every other line is looked through: what `event`, `id`, `retry` and
//! comments say, and unknown lines whole. A value that is spread over several events, as the
//! deltas of language models are, is not seen.

use std::fmt;
use std::sync::Arc;

use super::{BodyMaskError, BodyMasks, ValueMask};
use crate::mask::CELL_BYTES_MAX;
use crate::mask::outlet::FieldCells;

/// The longest event, in bytes with its line ends: that of any other unit.
pub const EVENT_BYTES_MAX: usize = CELL_BYTES_MAX;

/// The only place where a byte order mark may be is the beginning.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// What an event's lines may be named, apart from `data`.
const NAMES: [&[u8]; 4] = [b"", b"event", b"id", b"retry"];

/// A stream of events. An event that is not whole is held until it is.
pub(super) struct EventStream {
    masks: Arc<BodyMasks>,
    value: ValueMask,
    /// The event at hand.
    held: Vec<u8>,
    /// Where the line at hand begins in it.
    line: usize,
    /// Whether a CR came last, to whose line end a LF would belong.
    after_cr: bool,
    /// How many bytes come before the event at hand.
    before: u64,
    /// Kept for their memory.
    data: Vec<u8>,
    masked_data: Vec<u8>,
}

impl EventStream {
    pub(super) fn new(masks: Arc<BodyMasks>) -> Self {
        Self {
            value: ValueMask::new(Arc::clone(&masks)),
            masks,
            held: Vec::new(),
            line: 0,
            after_cr: false,
            before: 0,
            data: Vec::new(),
            masked_data: Vec::new(),
        }
    }

    pub(super) fn masked(&self) -> u64 {
        self.value.masked()
    }

    pub(super) fn feed(
        &mut self,
        piece: &[u8],
        out: &mut Vec<u8>,
        cells: &mut dyn FieldCells,
    ) -> Result<(), BodyMaskError> {
        if self.masks.is_identity() {
            out.extend_from_slice(piece);
            return Ok(());
        }
        let mut rest = piece;
        while let Some(&first) = rest.first() {
            if std::mem::take(&mut self.after_cr) && first == b'\n' {
                self.end_after_cr(out)?;
                rest = &rest[1..];
                continue;
            }
            let Some(end) = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')) else {
                return self.hold(rest);
            };
            self.hold(&rest[..=end])?;
            self.after_cr = rest[end] == b'\r';
            if self.line + 1 == self.held.len() {
                self.event(out, cells)?;
            }
            self.line = self.held.len();
            rest = &rest[end + 1..];
        }
        Ok(())
    }

    pub(super) fn finish(
        &mut self,
        out: &mut Vec<u8>,
        cells: &mut dyn FieldCells,
    ) -> Result<(), BodyMaskError> {
        self.event(out, cells)
    }

    /// Takes the LF of a CRLF, whose line is over, and perhaps its event.
    fn end_after_cr(&mut self, out: &mut Vec<u8>) -> Result<(), BodyMaskError> {
        if self.held.is_empty() {
            out.push(b'\n');
            self.before += 1;
            return Ok(());
        }
        self.hold(b"\n")?;
        self.line = self.held.len();
        Ok(())
    }

    fn hold(&mut self, rest: &[u8]) -> Result<(), BodyMaskError> {
        if self.held.len() + rest.len() > EVENT_BYTES_MAX {
            return Err(BodyMaskError::TooLong {
                at: self.before,
                what: "an event",
            });
        }
        self.held.extend_from_slice(rest);
        Ok(())
    }

    /// Masks what is held as one event, with its blank line or without.
    fn event(&mut self, out: &mut Vec<u8>, cells: &mut dyn FieldCells) -> Result<(), BodyMaskError> {
        let held = std::mem::take(&mut self.held);
        if let Err(error) = std::str::from_utf8(&held) {
            return Err(BodyMaskError::Malformed {
                at: self.before + error.valid_up_to() as u64,
                reason: "an event that is not UTF-8",
            });
        }
        let mut event = &held[..];
        if self.before == 0
            && let Some(rest) = event.strip_prefix(BYTE_ORDER_MARK)
        {
            out.extend_from_slice(BYTE_ORDER_MARK);
            event = rest;
        }
        let data_changed = self.mask_data(event, cells)?;
        let mut data_written = false;
        for line in lines(event) {
            match line.name {
                b"data" if !data_changed => line.write(out),
                b"data" if data_written => {}
                b"data" => {
                    write_data(&self.masked_data, line.end, out);
                    data_written = true;
                }
                name if NAMES.contains(&name) => {
                    out.extend_from_slice(&line.whole[..line.whole.len() - line.value.len()]);
                    self.mask_line(line.value, out, cells)?;
                    out.extend_from_slice(line.end);
                }
                _ => {
                    self.mask_line(line.whole, out, cells)?;
                    out.extend_from_slice(line.end);
                }
            }
        }
        self.before += held.len() as u64;
        self.held = held;
        self.held.clear();
        self.line = 0;
        Ok(())
    }

    /// Masks the data of an event; returns whether it has changed.
    fn mask_data(&mut self, event: &[u8], cells: &mut dyn FieldCells) -> Result<bool, BodyMaskError> {
        self.data.clear();
        self.masked_data.clear();
        let mut lines = lines(event).filter(|line| line.name == b"data");
        let Some(first) = lines.next() else {
            return Ok(false);
        };
        self.data.extend_from_slice(first.value);
        for line in lines {
            self.data.push(b'\n');
            self.data.extend_from_slice(line.value);
        }
        if self.data.trim_ascii().is_empty() {
            return Ok(false);
        }
        self.value
            .mask_message(&self.data, &mut self.masked_data, cells)
            .map_err(|error| self.in_stream(error))?;
        Ok(self.masked_data != self.data)
    }

    /// Masks a text that must stay within its line.
    fn mask_line(
        &mut self,
        text: &[u8],
        out: &mut Vec<u8>,
        cells: &mut dyn FieldCells,
    ) -> Result<(), BodyMaskError> {
        let start = out.len();
        self.value
            .mask_text(text, out, cells)
            .map_err(|error| self.in_stream(error))?;
        for byte in &mut out[start..] {
            if matches!(byte, b'\n' | b'\r') {
                *byte = b' ';
            }
        }
        Ok(())
    }

    /// Says of an error where its event begins: within it, data is joined from several places.
    fn in_stream(&self, error: BodyMaskError) -> BodyMaskError {
        let before = self.before;
        match error {
            BodyMaskError::Malformed { reason, .. } => BodyMaskError::Malformed { at: before, reason },
            BodyMaskError::TooLong { what, .. } => BodyMaskError::TooLong { at: before, what },
            cell @ BodyMaskError::Cell(_) => cell,
        }
    }
}

impl fmt::Debug for EventStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Never what is held.
        f.debug_struct("EventStream")
            .field("held", &self.held.len())
            .finish_non_exhaustive()
    }
}

/// One line of an event.
#[derive(Clone, Copy)]
struct Line<'a> {
    /// Without its end.
    whole: &'a [u8],
    /// Before the first colon; empty for a comment.
    name: &'a [u8],
    /// After the first colon and one blank.
    value: &'a [u8],
    /// LF, CR, CRLF or, at the end of the stream, nothing.
    end: &'a [u8],
}

impl Line<'_> {
    fn write(self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.whole);
        out.extend_from_slice(self.end);
    }
}

/// Splits an event.
fn lines(event: &[u8]) -> impl Iterator<Item = Line<'_>> {
    let mut rest = event;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let length = rest
            .iter()
            .position(|byte| matches!(byte, b'\n' | b'\r'))
            .unwrap_or(rest.len());
        let (whole, after) = rest.split_at(length);
        let end = if after.starts_with(b"\r\n") {
            2
        } else {
            after.len().min(1)
        };
        let (end, after) = after.split_at(end);
        rest = after;
        // A line without a colon is a name without a value, and an empty one ends the event.
        let colon = whole.iter().position(|byte| *byte == b':').unwrap_or(length);
        let value = whole.get(colon + 1..).unwrap_or_default();
        Some(Line {
            whole,
            name: &whole[..colon],
            value: value.strip_prefix(b" ").unwrap_or(value),
            end,
        })
    })
}

/// Writes data, each of its lines after a name.
fn write_data(data: &[u8], end: &[u8], out: &mut Vec<u8>) {
    let mut rest = data;
    loop {
        let length = rest
            .iter()
            .position(|byte| matches!(byte, b'\n' | b'\r'))
            .unwrap_or(rest.len());
        out.extend_from_slice(b"data: ");
        out.extend_from_slice(&rest[..length]);
        out.extend_from_slice(if end.is_empty() { b"\n" } else { end });
        let after = &rest[length..];
        let Some(after) = after.strip_prefix(b"\r\n").or(after.get(1..)) else {
            break;
        };
        rest = after;
    }
}
