//! JSON documents one after the other, with a byte between them that no document holds outside
//! its blanks.
//!
//! The byte ends a document for good: one that goes on over it is refused, since a reader that
//! splits there would see other documents than the paths were followed in.

use std::sync::Arc;

use super::{BodyMaskError, BodyMasks};
use crate::http::json::{Document, JsonForm, Way};
use crate::mask::outlet::{FieldCells, Outlet};

/// Documents, and the byte that ends each.
#[derive(Debug)]
pub(super) struct Records {
    separator: u8,
    masks: Arc<BodyMasks>,
    document: Document,
    outlet: Outlet<JsonForm>,
}

impl Records {
    pub(super) fn new(separator: u8, masks: Arc<BodyMasks>) -> Self {
        Self {
            separator,
            document: Document::new(&masks),
            outlet: Outlet::new(masks.fields()),
            masks,
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
        while let Some(end) = rest.iter().position(|byte| *byte == self.separator) {
            self.read(&rest[..end], out, cells)?;
            self.end(out, cells)?;
            out.push(self.separator);
            self.document.restart(1, &self.masks);
            rest = &rest[end + 1..];
        }
        self.read(rest, out, cells)?;
        Ok(self.outlet.flush(out, cells)?)
    }

    pub(super) fn finish(
        &mut self,
        out: &mut Vec<u8>,
        cells: &mut dyn FieldCells,
    ) -> Result<(), BodyMaskError> {
        self.end(out, cells)?;
        Ok(self.outlet.flush(out, cells)?)
    }

    fn read(
        &mut self,
        piece: &[u8],
        out: &mut Vec<u8>,
        cells: &mut dyn FieldCells,
    ) -> Result<(), BodyMaskError> {
        let mut way = Way {
            masks: &self.masks,
            outlet: &mut self.outlet,
            cells,
            out,
        };
        self.document.feed(piece, &mut way)
    }

    /// Ends the document at hand; blanks alone are none, and pass.
    fn end(&mut self, out: &mut Vec<u8>, cells: &mut dyn FieldCells) -> Result<(), BodyMaskError> {
        if self.document.is_blank() {
            return Ok(());
        }
        let mut way = Way {
            masks: &self.masks,
            outlet: &mut self.outlet,
            cells,
            out,
        };
        self.document.finish(&mut way)
    }
}
