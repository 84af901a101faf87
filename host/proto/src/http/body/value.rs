//! Values that are there whole: messages of a WebSocket, data of events, headers.

use std::sync::Arc;

use super::{BodyMaskError, BodyMasks};
use crate::http::json::{Document, JsonForm, Way};
use crate::mask::outlet::{Cell, FieldCells, Outlet, Plain};
use crate::mask::{CELL_BYTES_MAX, Leaf, Work};

/// What ends some services' streams of JSON, and is none.
const DONE: &[u8] = b"[DONE]";

/// Masks values that are there whole, one by one.
#[derive(Debug)]
pub struct ValueMask {
    masks: Arc<BodyMasks>,
    json: Outlet<JsonForm>,
    text: Outlet<Plain>,
}

impl ValueMask {
    /// Makes ready for values.
    #[must_use]
    pub fn new(masks: Arc<BodyMasks>) -> Self {
        Self {
            json: Outlet::new(masks.fields()),
            text: Outlet::new(masks.fields()),
            masks,
        }
    }

    /// Returns how many cells came out otherwise than they came in.
    #[must_use]
    pub fn masked(&self) -> u64 {
        self.json.changed() + self.text.changed()
    }

    /// Appends a message masked: as JSON where it is some, else as a text.
    ///
    /// A message that begins as JSON's objects and arrays do and is not JSON may be read as such
    /// by a laxer reader, so it is refused where paths have masks. `[DONE]` is a text.
    ///
    /// # Errors
    /// [`BodyMaskError`], with `out` as it was; positions count from the message's start.
    pub fn mask_message(
        &mut self,
        message: &[u8],
        out: &mut Vec<u8>,
        cells: &mut dyn FieldCells,
    ) -> Result<(), BodyMaskError> {
        let start = out.len();
        let Err(error) = self.mask_json(message, out, cells) else {
            return Ok(());
        };
        out.truncate(start);
        self.json.abandon();
        if !matches!(error, BodyMaskError::Malformed { .. }) {
            return Err(error);
        }
        let text = message.trim_ascii();
        let like_json = matches!(text.first(), Some(b'[' | b'{')) && text != DONE;
        if like_json && self.masks.masks_paths() {
            return Err(error);
        }
        self.mask_unit(self.masks.whole(), message, out, cells)
    }

    /// Appends a text masked as one unit, e.g. the value of a header. Where it is suppressed,
    /// nothing is appended.
    ///
    /// # Errors
    /// [`BodyMaskError`], with `out` as it was.
    pub fn mask_text(
        &mut self,
        text: &[u8],
        out: &mut Vec<u8>,
        cells: &mut dyn FieldCells,
    ) -> Result<(), BodyMaskError> {
        self.mask_unit(self.masks.content(), text, out, cells)
    }

    fn mask_unit(
        &mut self,
        field: usize,
        text: &[u8],
        out: &mut Vec<u8>,
        cells: &mut dyn FieldCells,
    ) -> Result<(), BodyMaskError> {
        let start = out.len();
        out.extend_from_slice(text);
        if text.is_empty() || matches!(self.masks.work(field), Work::Keep) {
            return Ok(());
        }
        let settled = self.settle_unit(field, text, start, out, cells);
        if settled.is_err() {
            out.truncate(start);
            self.text.abandon();
        }
        settled
    }

    fn settle_unit(
        &mut self,
        field: usize,
        text: &[u8],
        start: usize,
        out: &mut Vec<u8>,
        cells: &mut dyn FieldCells,
    ) -> Result<(), BodyMaskError> {
        if text.len() > CELL_BYTES_MAX {
            return Err(BodyMaskError::TooLong {
                at: 0,
                what: "a text",
            });
        }
        if let Err(error) = std::str::from_utf8(text) {
            return Err(BodyMaskError::Malformed {
                at: error.valid_up_to() as u64,
                reason: "a text that is not UTF-8",
            });
        }
        let cell = Cell {
            field,
            form: Plain,
            leaf: Leaf::Text,
            text,
        };
        self.text.settle(cell, start, out, cells)?;
        Ok(self.text.flush(out, cells)?)
    }

    fn mask_json(
        &mut self,
        message: &[u8],
        out: &mut Vec<u8>,
        cells: &mut dyn FieldCells,
    ) -> Result<(), BodyMaskError> {
        let mut document = Document::new(&self.masks);
        let mut way = Way {
            masks: &self.masks,
            outlet: &mut self.json,
            cells,
            out,
        };
        document.feed(message, &mut way)?;
        document.finish(&mut way)?;
        Ok(self.json.flush(out, cells)?)
    }
}
