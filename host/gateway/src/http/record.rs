//! What is recorded of an exchange.
//!
//! The recording of a session over HTTP holds parts, because exchanges can run side by side. Each
//! part is one line of JSON and then, in parts of a body, its bytes:
//!
//! | `part`     | further members                         | from, to   |
//! |------------|-----------------------------------------|------------|
//! | `request`  | `method`, `target`, `headers`           | client     |
//! | `response` | `status`, `headers`                     | client     |
//! | `body`     | none; then bytes of the body            | either     |
//! | `end`      | `bytes`, `kept`, `sha256` of the whole  | either     |
//!
//! `exchange` counts from 0 within the session. Of a body the first [`BODY_BYTES_KEPT_MAX`]
//! bytes are kept; its end tells how long it was and what it hashes to.

use std::sync::Arc;

use http::HeaderMap;
use journal::recording::Direction;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::visit::Visit;
use crate::clock;

/// How many bytes of each body are kept: documents whole, downloads by their beginning.
const BODY_BYTES_KEPT_MAX: u64 = 256 << 10;

#[derive(Serialize)]
#[serde(tag = "part", rename_all = "lowercase")]
enum Part<'a> {
    Request {
        exchange: u64,
        method: &'a str,
        target: &'a str,
        headers: Vec<(&'a str, String)>,
    },
    Response {
        exchange: u64,
        status: u16,
        headers: Vec<(&'a str, String)>,
    },
    Body {
        exchange: u64,
    },
    End {
        exchange: u64,
        bytes: u64,
        kept: u64,
        sha256: String,
    },
}

/// Records one exchange.
#[derive(Clone)]
pub(super) struct Exchange {
    pub(super) visit: Arc<Visit>,
    number: u64,
}

impl Exchange {
    pub(super) fn of(visit: &Arc<Visit>) -> Self {
        Self {
            number: visit.exchange(),
            visit: Arc::clone(visit),
        }
    }

    /// Records the head of the request: as sent, without the token.
    pub(super) fn request(
        &self,
        method: &str,
        target: &str,
        headers: &[(http::HeaderName, http::HeaderValue)],
    ) {
        let part = Part::Request {
            exchange: self.number,
            method,
            target,
            headers: headers
                .iter()
                .map(|(name, value)| (name.as_str(), text(value)))
                .collect(),
        };
        self.record(Direction::FromClient, &part, &[]);
    }

    /// Records the head of the answer, as the client gets it.
    pub(super) fn response(&self, status: u16, headers: &HeaderMap) {
        let part = Part::Response {
            exchange: self.number,
            status,
            headers: headers
                .iter()
                .map(|(name, value)| (name.as_str(), text(value)))
                .collect(),
        };
        self.record(Direction::ToClient, &part, &[]);
    }

    /// Begins to record a body.
    pub(super) fn body(&self, side: Direction) -> BodyTape {
        BodyTape {
            exchange: self.clone(),
            side,
            bytes: 0,
            kept: 0,
            hash: Sha256::new(),
        }
    }

    fn record(&self, side: Direction, part: &Part<'_>, bytes: &[u8]) {
        // Serialising these types into memory has no way to fail.
        let mut line = serde_json::to_vec(part).unwrap_or_default();
        line.push(b'\n');
        line.extend_from_slice(bytes);
        self.visit.with_tape(|tape| {
            tape.set_time(clock::unix_us());
            tape.part(side, &line);
        });
    }
}

fn text(value: &http::HeaderValue) -> String {
    String::from_utf8_lossy(value.as_bytes()).into_owned()
}

/// Records one body.
pub(super) struct BodyTape {
    exchange: Exchange,
    side: Direction,
    bytes: u64,
    kept: u64,
    hash: Sha256,
}

impl BodyTape {
    /// Records what comes next.
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        self.bytes += bytes.len() as u64;
        self.hash.update(bytes);
        let room = usize::try_from(BODY_BYTES_KEPT_MAX - self.kept).unwrap_or(usize::MAX);
        let kept = &bytes[..bytes.len().min(room)];
        if !kept.is_empty() {
            self.kept += kept.len() as u64;
            let part = Part::Body {
                exchange: self.exchange.number,
            };
            self.exchange.record(self.side, &part, kept);
        }
    }

    /// Whether the session cannot be recorded any more.
    pub(super) fn is_unrecorded(&self) -> bool {
        self.exchange.visit.unrecorded().is_some()
    }

    /// Returns how many bytes there were so far.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Records the end of the body, or of what came of it.
    pub(super) fn end(self) {
        if self.bytes == 0 {
            return;
        }
        let part = Part::End {
            exchange: self.exchange.number,
            bytes: self.bytes,
            kept: self.kept,
            sha256: hex::encode(self.hash.finalize()),
        };
        self.exchange.record(self.side, &part, &[]);
    }
}
