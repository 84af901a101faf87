//! Rows on their way to the client: untouched where nothing is masked, else through their mask.

use std::sync::{Arc, PoisonError};

use super::expected::Expected;
use super::masks::{Host, SharedMask};
use super::server::withheld;
use super::{Fatal, Relay};
use crate::postgres::frame::HEADER_BYTES;
use crate::postgres::mask::with_formats;
use model::{Fault, Refusal, Rule};

/// What becomes of the rows at hand.
pub(super) enum Rows {
    Pass,
    Mask(SharedMask),
}

impl Relay {
    /// Streams a frame whose content nobody needs to see.
    pub(super) fn begin_pass(&mut self, total: usize, rows: u64) {
        self.upstream_pass = total;
        if let Some(run) = self.expected.running() {
            run.rows += rows;
        }
    }

    pub(super) fn pass_rows(&mut self, bytes: &[u8], rows: u64, host: &mut dyn Host) {
        if let Some(run) = self.expected.running() {
            run.rows += rows;
            run.bytes += bytes.len() as u64;
        }
        self.to_client.push(bytes);
        host.rows_to_client(bytes);
    }

    /// Forwards the run of whole rows at the front of `rest`; returns its length.
    pub(super) fn pass_run(&mut self, rest: &[u8], host: &mut dyn Host) -> usize {
        let (length, rows) = run_of_rows(rest);
        self.pass_rows(&rest[..length], rows, host);
        length
    }

    /// Masks the run of whole rows at the front of `rest`; returns its length.
    pub(super) fn mask_run(
        &mut self,
        rest: &[u8],
        mask: &SharedMask,
        host: &mut dyn Host,
    ) -> Result<usize, Fatal> {
        let (length, _) = run_of_rows(rest);
        let mut mask = mask.lock().unwrap_or_else(PoisonError::into_inner);
        let mask = &mut *mask;
        let start = self.to_client.buffer().len();
        let cells = mask
            .cells
            .as_deref_mut()
            .map(|cells| cells as &mut dyn model::mask::CellMasker);
        let masked = mask
            .rows
            .mask_rows(&rest[..length], cells, self.to_client.buffer())
            .map_err(|error| withheld(Refusal::new(Rule::MaskerFailed, error.fault(), error.to_string())))?;
        let emitted = self.to_client.buffer().len() - start;
        if let Some(run) = self.expected.running() {
            run.rows += masked.rows;
            run.bytes += emitted as u64;
            run.masked += masked.cells;
        }
        host.rows_to_client(&self.to_client.buffer()[start..]);
        Ok(length)
    }

    /// Decides what becomes of rows; they pass unseen only where nothing could be masked.
    pub(super) fn row_treatment(&mut self, host: &mut dyn Host) -> Result<Rows, Fatal> {
        if !matches!(
            self.expected.front(),
            Some(Expected::Execute { .. } | Expected::Query { .. })
        ) {
            return Err(Fatal::upstream("the upstream sent a row out of turn"));
        }
        if !self.options.masking {
            return Ok(Rows::Pass);
        }
        let mask = match self.expected.front() {
            Some(Expected::Execute { portal, .. }) => match portal.mask() {
                Some(mask) => Some(mask),
                None => {
                    let fields = portal.statement.fields();
                    let (portal, Some(fields)) = (Arc::clone(portal), fields) else {
                        return Err(unknown_shape());
                    };
                    let mut fields = fields.to_vec();
                    with_formats(&mut fields, &portal.formats).map_err(|_| unknown_shape())?;
                    let mask = self.masks.find(&fields, host).map_err(withheld)?;
                    portal.set_mask(mask.clone());
                    Some(mask)
                }
            },
            _ => self.query_mask.clone(),
        };
        match mask {
            Some(Some(mask)) => Ok(Rows::Mask(mask)),
            Some(None) => Ok(Rows::Pass),
            None => Err(unknown_shape()),
        }
    }
}

/// Returns the length of the run of whole rows at the front of `bytes`, and how many they are.
fn run_of_rows(bytes: &[u8]) -> (usize, u64) {
    let (mut length, mut rows) = (0, 0);
    while let Some(&[b'D', a, b, c, d]) = bytes[length..].first_chunk() {
        let total = u32::from_be_bytes([a, b, c, d]) as usize + 1;
        // A wrong length ends the run; the header is checked when its turn comes.
        if total < HEADER_BYTES || bytes.len() - length < total {
            break;
        }
        length += total;
        rows += 1;
    }
    (length, rows)
}

fn unknown_shape() -> Fatal {
    withheld(Refusal::new(
        Rule::MaskerFailed,
        Fault::Gateway,
        "its columns are not known",
    ))
}
