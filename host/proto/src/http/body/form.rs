//! Forms: names and values between `&` and `=`, percent-encoded.
//!
//! A form is read as an object is: the path `$.name` covers every value of that name. Values
//! that no path covers, and names, are looked through decoded.

use std::fmt;
use std::sync::Arc;

use super::{BodyMaskError, BodyMasks, KEY_SUPPRESSED};
use crate::http::json::ROOT;
use crate::mask::outlet::{self, Cell, FieldCells, Outlet};
use crate::mask::{CELL_BYTES_MAX, Leaf, New};

/// The longest pair of name and value, in bytes as they come: that of any other unit.
pub const PAIR_BYTES_MAX: usize = CELL_BYTES_MAX;

/// How a cell is written in a form.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Part {
    Name,
    Value,
}

impl outlet::Form for Part {
    fn write(self, new: New<'_>, out: &mut Vec<u8>) {
        match (self, new) {
            (Self::Name, New::Null) => encode(KEY_SUPPRESSED, out),
            (Self::Value, New::Null) => {}
            (_, New::Number(text) | New::Text(text)) => encode(text, out),
        }
    }
}

/// A form, pair by pair. A pair that is not whole is held until it is.
pub(super) struct Form {
    masks: Arc<BodyMasks>,
    outlet: Outlet<Part>,
    /// The pair at hand.
    held: Vec<u8>,
    /// How many bytes come before the pair at hand.
    before: u64,
    /// Kept for its memory.
    decoded: Vec<u8>,
}

impl Form {
    pub(super) fn new(masks: Arc<BodyMasks>) -> Self {
        Self {
            outlet: Outlet::new(masks.fields()),
            masks,
            held: Vec::new(),
            before: 0,
            decoded: Vec::new(),
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
        let mut rest = piece;
        while let Some(end) = rest.iter().position(|byte| *byte == b'&') {
            self.hold(&rest[..end])?;
            self.pair(out, cells)?;
            out.push(b'&');
            self.before += 1;
            rest = &rest[end + 1..];
        }
        self.hold(rest)?;
        Ok(self.outlet.flush(out, cells)?)
    }

    pub(super) fn finish(
        &mut self,
        out: &mut Vec<u8>,
        cells: &mut dyn FieldCells,
    ) -> Result<(), BodyMaskError> {
        self.pair(out, cells)?;
        Ok(self.outlet.flush(out, cells)?)
    }

    fn hold(&mut self, rest: &[u8]) -> Result<(), BodyMaskError> {
        if self.held.len() + rest.len() > PAIR_BYTES_MAX {
            return Err(BodyMaskError::TooLong {
                at: self.before,
                what: "a pair of a form",
            });
        }
        self.held.extend_from_slice(rest);
        Ok(())
    }

    fn pair(&mut self, out: &mut Vec<u8>, cells: &mut dyn FieldCells) -> Result<(), BodyMaskError> {
        let pair = std::mem::take(&mut self.held);
        let equals = pair.iter().position(|byte| *byte == b'=');
        let name = &pair[..equals.unwrap_or(pair.len())];
        self.decode(name, 0)?;
        let state = self.masks.paths().member(ROOT, &self.decoded);
        let cover = self.masks.cover(ROOT).max(self.masks.cover(state));
        let content = self.masks.content();
        self.settle(Part::Name, content, name, out, cells)?;
        if let Some(equals) = equals {
            let value = &pair[equals + 1..];
            out.push(b'=');
            self.decode(value, equals + 1)?;
            let field = self.masks.field(cover).unwrap_or(content);
            self.settle(Part::Value, field, value, out, cells)?;
        }
        self.before += pair.len() as u64;
        self.held = pair;
        self.held.clear();
        Ok(())
    }

    /// Writes a part as it came, and masks it as it was decoded.
    fn settle(
        &mut self,
        form: Part,
        field: usize,
        raw: &[u8],
        out: &mut Vec<u8>,
        cells: &mut dyn FieldCells,
    ) -> Result<(), BodyMaskError> {
        let start = out.len();
        out.extend_from_slice(raw);
        if raw.is_empty() {
            return Ok(());
        }
        let cell = Cell {
            field,
            form,
            leaf: Leaf::Text,
            text: &self.decoded,
        };
        Ok(self.outlet.settle(cell, start, out, cells)?)
    }

    fn decode(&mut self, raw: &[u8], offset: usize) -> Result<(), BodyMaskError> {
        let malformed = |at: usize, reason| BodyMaskError::Malformed {
            at: self.before + (offset + at) as u64,
            reason,
        };
        self.decoded.clear();
        let mut at = 0;
        while let Some(&byte) = raw.get(at) {
            let (decoded, length) = match byte {
                b'+' => (b' ', 1),
                b'%' => {
                    let digits = raw.get(at + 1..).and_then(<[u8]>::first_chunk);
                    let byte = digits
                        .and_then(hexadecimal)
                        .ok_or_else(|| malformed(at, "a percent sign without two digits"))?;
                    (byte, 3)
                }
                byte => (byte, 1),
            };
            self.decoded.push(decoded);
            at += length;
        }
        match std::str::from_utf8(&self.decoded) {
            Ok(_) => Ok(()),
            Err(_) => Err(malformed(0, "a name or value that is not UTF-8")),
        }
    }
}

impl fmt::Debug for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Never what is held.
        f.debug_struct("Form")
            .field("held", &self.held.len())
            .finish_non_exhaustive()
    }
}

fn hexadecimal(digits: &[u8; 2]) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    u8::try_from(digit(digits[0])? << 4 | digit(digits[1])?).ok()
}

/// Appends a text as browsers encode it.
fn encode(text: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for &byte in text {
        match byte {
            b' ' => out.push(b'+'),
            b'*' | b'-' | b'.' | b'_' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => out.push(byte),
            _ => out.extend_from_slice(&[
                b'%',
                DIGITS[usize::from(byte >> 4)],
                DIGITS[usize::from(byte & 15)],
            ]),
        }
    }
}
