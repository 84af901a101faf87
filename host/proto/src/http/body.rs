//! Masks the bodies of requests and responses as they stream by.
//!
//! What comes out is a function of the whole input: it does not matter in which pieces a body
//! arrives. So nothing is let out that a later byte could still make a part of something to be
//! masked, and everything else at once: a piece waits for the next only with the token, line or
//! event that it leaves unfinished.
//!
//! What is not seen: a value that is spread over several strings, lines or events, and one that
//! is written in a way nobody decodes here (base64, JSON within a string).

mod error;
mod events;
mod form;
mod lines;
mod masks;
mod records;
mod value;

pub use error::BodyMaskError;
pub use events::EVENT_BYTES_MAX;
pub use form::PAIR_BYTES_MAX;
pub use masks::BodyMasks;
pub(in crate::http) use masks::Cover;
pub use value::ValueMask;

use std::sync::Arc;

use crate::http::json::{Document, JsonForm, Way};
use crate::mask::FieldCells;
use crate::mask::outlet::Outlet;
use events::EventStream;
use form::Form;
use lines::Lines;
use records::Records;

/// What stands for a key or name that is suppressed: there is no NULL for these.
pub(in crate::http) const KEY_SUPPRESSED: &[u8] = b"redacted";

/// How a body is to be read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum BodyKind {
    /// `text/event-stream`.
    EventStream,
    /// `application/x-www-form-urlencoded`.
    Form,
    /// `application/json` and `*+json`.
    Json,
    /// One JSON document per line: `application/x-ndjson`, `application/jsonl`.
    JsonLines,
    /// `application/json-seq`.
    JsonSequence,
    /// Any other text in UTF-8: plain, CSV, XML, HTML. A line is a unit.
    Text,
}

/// Masks one body.
#[derive(Debug)]
pub struct BodyMask {
    engine: Engine,
    /// Why nothing comes out any more.
    failed: Option<BodyMaskError>,
}

#[derive(Debug)]
enum Engine {
    EventStream(EventStream),
    Form(Form),
    Json(Json),
    Records(Records),
    Text(Lines),
}

impl BodyMask {
    /// Makes ready for a body.
    #[must_use]
    pub fn new(kind: BodyKind, masks: Arc<BodyMasks>) -> Self {
        let engine = match kind {
            BodyKind::EventStream => Engine::EventStream(EventStream::new(masks)),
            BodyKind::Form => Engine::Form(Form::new(masks)),
            BodyKind::Json => Engine::Json(Json::new(masks)),
            BodyKind::JsonLines => Engine::Records(Records::new(b'\n', masks)),
            BodyKind::JsonSequence => Engine::Records(Records::new(0x1E, masks)),
            BodyKind::Text => Engine::Text(Lines::new(masks)),
        };
        Self { engine, failed: None }
    }

    /// Reads a piece of the body and appends to `out` what can be let out.
    ///
    /// # Errors
    /// [`BodyMaskError`], with `out` as it was. The body can't be gone on with: whoever gets it
    /// must see that it is broken off. Every later call gives the same error.
    pub fn feed(
        &mut self,
        piece: &[u8],
        out: &mut Vec<u8>,
        cells: &mut dyn FieldCells,
    ) -> Result<(), BodyMaskError> {
        self.run(out, |engine, out| match engine {
            Engine::EventStream(events) => events.feed(piece, out, cells),
            Engine::Form(form) => form.feed(piece, out, cells),
            Engine::Json(json) => json.feed(piece, out, cells),
            Engine::Records(records) => records.feed(piece, out, cells),
            Engine::Text(lines) => lines.feed(piece, out, cells),
        })
    }

    /// Ends the body and appends what was held back.
    ///
    /// # Errors
    /// As [`BodyMask::feed`]; also where the body is cut short.
    pub fn finish(&mut self, out: &mut Vec<u8>, cells: &mut dyn FieldCells) -> Result<(), BodyMaskError> {
        self.run(out, |engine, out| match engine {
            Engine::EventStream(events) => events.finish(out, cells),
            Engine::Form(form) => form.finish(out, cells),
            Engine::Json(json) => json.finish(out, cells),
            Engine::Records(records) => records.finish(out, cells),
            Engine::Text(lines) => lines.finish(out, cells),
        })
    }

    /// Returns how many cells came out otherwise than they came in.
    #[must_use]
    pub fn masked(&self) -> u64 {
        match &self.engine {
            Engine::EventStream(events) => events.masked(),
            Engine::Form(form) => form.masked(),
            Engine::Json(json) => json.outlet.changed(),
            Engine::Records(records) => records.masked(),
            Engine::Text(lines) => lines.masked(),
        }
    }

    fn run(
        &mut self,
        out: &mut Vec<u8>,
        step: impl FnOnce(&mut Engine, &mut Vec<u8>) -> Result<(), BodyMaskError>,
    ) -> Result<(), BodyMaskError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let start = out.len();
        let outcome = step(&mut self.engine, out);
        if let Err(error) = &outcome {
            out.truncate(start);
            self.failed = Some(error.clone());
        }
        outcome
    }
}

/// A body of one JSON document.
#[derive(Debug)]
struct Json {
    masks: Arc<BodyMasks>,
    document: Document,
    outlet: Outlet<JsonForm>,
}

impl Json {
    fn new(masks: Arc<BodyMasks>) -> Self {
        Self {
            document: Document::new(&masks),
            outlet: Outlet::new(masks.fields()),
            masks,
        }
    }

    fn feed(
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
        self.document.feed(piece, &mut way)?;
        Ok(self.outlet.flush(out, cells)?)
    }

    /// A body without a byte has nothing to be masked, and passes.
    fn finish(&mut self, out: &mut Vec<u8>, cells: &mut dyn FieldCells) -> Result<(), BodyMaskError> {
        if self.document.is_untouched() {
            return Ok(());
        }
        let mut way = Way {
            masks: &self.masks,
            outlet: &mut self.outlet,
            cells,
            out,
        };
        self.document.finish(&mut way)?;
        Ok(self.outlet.flush(out, cells)?)
    }
}

#[cfg(test)]
mod tests;
