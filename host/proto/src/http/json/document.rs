//! Masks one JSON document as it streams by.

use std::fmt;

use super::lexer::{Events, Lexer};
use super::walk::Walk;
use super::write;
use crate::http::body::{BodyMaskError, BodyMasks, KEY_SUPPRESSED};
use crate::mask::outlet::{Cell, FieldCells, Form, Outlet};
use crate::mask::{CELL_BYTES_MAX, Leaf, New, Work};

/// How a cell is written in JSON.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::http) enum JsonForm {
    Key,
    Value,
}

impl Form for JsonForm {
    fn write(self, new: New<'_>, out: &mut Vec<u8>) {
        match (self, new) {
            (Self::Key, New::Null) => write::string(KEY_SUPPRESSED, out),
            (Self::Value, New::Null) => out.extend_from_slice(b"null"),
            (_, New::Number(number)) => out.extend_from_slice(number),
            (_, New::Text(text)) => write::string(text, out),
        }
    }
}

/// One document, or one after the other.
pub(in crate::http) struct Document {
    lexer: Lexer,
    walk: Walk,
    token: Token,
}

/// The key or leaf at hand.
#[derive(Default)]
struct Token {
    is_key: bool,
    treatment: Treatment,
    /// Where it begins in the whole input.
    begins: u64,
    /// What it says so far, decoded.
    text: Vec<u8>,
    /// What of it came in earlier pieces, as it came. An escape has six bytes for one at most,
    /// so this is at most six times as long as a cell.
    held: Vec<u8>,
}

/// What happens to a key or leaf.
#[derive(Clone, Copy, Default)]
enum Treatment {
    /// It passes.
    #[default]
    Pass,
    /// It passes, and paths depend on what it says.
    Heed,
    /// It is held until it is whole, and then masked.
    Mask {
        field: usize,
        leaf: Leaf,
        form: JsonForm,
    },
    /// It is left out and NULL stands for it.
    Suppress,
}

/// What a document is masked with, and where it goes.
pub(in crate::http) struct Way<'a> {
    pub(in crate::http) masks: &'a BodyMasks,
    pub(in crate::http) outlet: &'a mut Outlet<JsonForm>,
    pub(in crate::http) cells: &'a mut dyn FieldCells,
    pub(in crate::http) out: &'a mut Vec<u8>,
}

impl Document {
    pub(in crate::http) fn new(masks: &BodyMasks) -> Self {
        Self {
            lexer: Lexer::new(0),
            walk: Walk::new(masks),
            token: Token::default(),
        }
    }

    /// Returns whether nothing but blanks has come.
    pub(in crate::http) fn is_blank(&self) -> bool {
        self.lexer.is_blank()
    }

    /// Returns whether not a byte has come.
    pub(in crate::http) fn is_untouched(&self) -> bool {
        self.lexer.before() == 0
    }

    /// Reads a piece. Cells may wait in the outlet afterwards.
    pub(in crate::http) fn feed(&mut self, piece: &[u8], way: &mut Way<'_>) -> Result<(), BodyMaskError> {
        let mut reading = Reading {
            piece,
            copied: 0,
            before: self.lexer.before(),
            walk: &mut self.walk,
            token: &mut self.token,
            way,
        };
        self.lexer.feed(piece, &mut reading)?;
        reading.hold();
        Ok(())
    }

    /// Ends the document.
    pub(in crate::http) fn finish(&mut self, way: &mut Way<'_>) -> Result<(), BodyMaskError> {
        let mut reading = Reading {
            piece: &[],
            copied: 0,
            before: self.lexer.before(),
            walk: &mut self.walk,
            token: &mut self.token,
            way,
        };
        self.lexer.finish(&mut reading)
    }

    /// Begins the next document, after `between` bytes that belong to none.
    pub(in crate::http) fn restart(&mut self, between: u64, masks: &BodyMasks) {
        self.lexer = Lexer::new(self.lexer.before() + between);
        self.walk.restart(masks);
    }
}

/// A piece being read.
struct Reading<'a, 'b> {
    piece: &'a [u8],
    /// How much of the piece has been written or left out.
    copied: usize,
    /// How many bytes came before the piece.
    before: u64,
    walk: &'a mut Walk,
    token: &'a mut Token,
    way: &'a mut Way<'b>,
}

impl Reading<'_, '_> {
    fn copy_to(&mut self, at: usize) {
        self.way.out.extend_from_slice(&self.piece[self.copied..at]);
        self.copied = at;
    }

    fn begin(&mut self, at: usize, is_key: bool, treatment: Treatment) {
        self.token.is_key = is_key;
        self.token.treatment = treatment;
        match treatment {
            Treatment::Pass => {}
            Treatment::Heed => self.token.text.clear(),
            Treatment::Mask { .. } | Treatment::Suppress => {
                self.token.text.clear();
                self.token.begins = self.before + at as u64;
                self.copy_to(at);
            }
        }
    }

    /// Keeps of an unfinished cell what the piece has of it; the rest of the piece goes out.
    fn hold(&mut self) {
        let rest = &self.piece[self.copied..];
        match self.token.treatment {
            Treatment::Pass | Treatment::Heed => self.way.out.extend_from_slice(rest),
            Treatment::Mask { .. } => self.token.held.extend_from_slice(rest),
            Treatment::Suppress => {}
        }
    }

    /// What becomes of a cell longer than a mask looks at: nothing, or the whole body.
    fn give_up(&mut self, field: usize) -> Result<(), BodyMaskError> {
        if field == self.way.masks.content() {
            return Err(BodyMaskError::TooLong {
                at: self.token.begins,
                what: "a string or number to be looked through",
            });
        }
        self.token.treatment = Treatment::Suppress;
        self.token.text.clear();
        self.token.held.clear();
        Ok(())
    }
}

impl Events for Reading<'_, '_> {
    fn open(&mut self, array: bool) -> Result<(), BodyMaskError> {
        self.walk.value(self.way.masks);
        self.walk.open(array);
        Ok(())
    }

    fn close(&mut self) {
        self.walk.close();
    }

    fn key(&mut self, at: usize) {
        let treatment = if self.way.masks.scans() {
            Treatment::Mask {
                field: self.way.masks.content(),
                leaf: Leaf::Text,
                form: JsonForm::Key,
            }
        } else if self.walk.heeds_key() {
            Treatment::Heed
        } else {
            self.walk.some_member();
            Treatment::Pass
        };
        self.begin(at, true, treatment);
    }

    fn leaf(&mut self, leaf: Leaf, at: usize) -> Result<(), BodyMaskError> {
        let masks = self.way.masks;
        let covered = masks.field(self.walk.value(masks));
        let field = match (covered, leaf) {
            (_, Leaf::Null) | (None, Leaf::Boolean) => None,
            (Some(field), _) => Some(field),
            (None, Leaf::Number | Leaf::Text) => masks.scans().then(|| masks.content()),
        };
        let treatment = match field.map(|field| (field, masks.work(field))) {
            None | Some((_, Work::Keep)) => Treatment::Pass,
            Some((field, Work::Call(_) | Work::Native(_))) => Treatment::Mask {
                field,
                leaf,
                form: JsonForm::Value,
            },
            Some((field, Work::Deny { .. })) => return Err(self.way.outlet.denial(field).into()),
            Some((_, Work::Suppress)) => Treatment::Suppress,
        };
        self.begin(at, false, treatment);
        Ok(())
    }

    #[inline]
    fn text(&mut self, part: &[u8]) -> Result<(), BodyMaskError> {
        let text = &mut self.token.text;
        match self.token.treatment {
            Treatment::Pass | Treatment::Suppress => {}
            Treatment::Heed => {
                // One byte more than the longest name says that a key is none of them.
                let room = self.way.masks.paths().name_bytes_max() + 1 - text.len();
                text.extend_from_slice(&part[..part.len().min(room)]);
            }
            Treatment::Mask { field, .. } if text.len() + part.len() > CELL_BYTES_MAX => {
                return self.give_up(field);
            }
            Treatment::Mask { .. } => text.extend_from_slice(part),
        }
        Ok(())
    }

    #[inline]
    fn end(&mut self, at: usize) -> Result<(), BodyMaskError> {
        let treatment = std::mem::take(&mut self.token.treatment);
        if self.token.is_key && !matches!(treatment, Treatment::Pass) {
            self.walk.member(&self.token.text, self.way.masks);
        }
        match treatment {
            Treatment::Pass | Treatment::Heed => {}
            Treatment::Mask { field, leaf, form } => {
                let start = self.way.out.len();
                self.way.out.append(&mut self.token.held);
                self.copy_to(at);
                let cell = Cell {
                    field,
                    form,
                    leaf,
                    text: &self.token.text,
                };
                self.way
                    .outlet
                    .settle(cell, start, self.way.out, self.way.cells)?;
            }
            Treatment::Suppress => {
                self.copied = at;
                self.way.outlet.suppress(JsonForm::Value, self.way.out);
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Never what the token at hand says.
        f.debug_struct("Document").finish_non_exhaustive()
    }
}
