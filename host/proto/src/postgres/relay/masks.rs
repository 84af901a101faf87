//! The masks of the results a session has seen, by the exact bytes of their description.

use std::fmt;
use std::sync::{Arc, Mutex};

use model::Refusal;
use model::mask::CellMasker;

use crate::postgres::mask::{FieldDescription, ResultMask};

/// What the relay asks of the gateway, synchronously and without IO.
#[expect(
    clippy::wrong_self_convention,
    reason = "the names say where bytes come from and go to"
)]
pub trait Host {
    /// Plans the masking of a shape; `None` where nothing is to be masked.
    ///
    /// # Errors
    /// The refusal to show when the rows cannot be masked; the session then ends.
    fn plan(&mut self, fields: &[FieldDescription]) -> Result<Option<RowMask>, Refusal>;

    /// Records a whole batch of messages as the client sent it.
    fn from_client(&mut self, bytes: &[u8]);

    /// Records copy data as the client sent it: messages in pieces of any length. It may be
    /// very much, so the host may stop keeping it at its limit. The first piece after a batch
    /// begins a message, and the next batch comes after the end of one.
    fn copy_from_client(&mut self, bytes: &[u8]);

    /// Records bytes as the client gets them.
    fn to_client(&mut self, bytes: &[u8]);

    /// Records rows or copy data as the client gets them. There may be any amount of them: the
    /// host stops keeping them at a limit of its own.
    fn rows_to_client(&mut self, bytes: &[u8]);
}

/// The mask of one shape.
pub struct RowMask {
    /// The program that rewrites rows.
    pub rows: ResultMask,
    /// The guests behind it, where fields are masked by calling.
    pub cells: Option<Box<dyn CellMasker + Send>>,
}

impl fmt::Debug for RowMask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RowMask").finish_non_exhaustive()
    }
}

/// A mask shared between the portals that have the same shape; only the session's own task
/// ever locks it.
pub(super) type SharedMask = Arc<Mutex<RowMask>>;

/// How many shapes are kept. A client with more of them pays for planning again.
const SHAPES_MAX: usize = 64;

/// The masks known, found by description.
#[derive(Debug, Default)]
pub(super) struct MaskCache {
    known: Vec<Known>,
}

#[derive(Debug)]
struct Known {
    fields: Vec<FieldDescription>,
    mask: Option<SharedMask>,
}

impl MaskCache {
    /// Returns the mask for `fields`; `None` where nothing is masked.
    pub(super) fn find(
        &mut self,
        fields: &[FieldDescription],
        host: &mut dyn Host,
    ) -> Result<Option<SharedMask>, Refusal> {
        // The shape seen last is the likeliest, so the search goes backwards.
        if let Some(known) = self.known.iter().rev().find(|known| known.fields == fields) {
            return Ok(known.mask.clone());
        }
        let mask = host.plan(fields)?.map(|mask| Arc::new(Mutex::new(mask)));
        if self.known.len() >= SHAPES_MAX {
            self.known.clear();
        }
        self.known.push(Known {
            fields: fields.to_vec(),
            mask: mask.clone(),
        });
        Ok(mask)
    }

    pub(super) fn clear(&mut self) {
        self.known.clear();
    }
}
