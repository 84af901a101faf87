//! The bytes of a segment before compression. Pure.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// The version of the format, the `v` of each header.
pub(super) const VERSION: u8 = 1;

/// Which way bytes went.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Direction {
    /// From the client to the gateway.
    FromClient,
    /// From the gateway to the client, after masking.
    ToClient,
}

/// The first line of a segment.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Header<'a> {
    pub(super) v: u8,
    pub(super) session: Cow<'a, str>,
    pub(super) segment: u32,
    pub(super) resource: Cow<'a, str>,
    pub(super) protocol: Cow<'a, str>,
    pub(super) start_us: u64,
    pub(super) salt: Cow<'a, str>,
}

impl Header<'_> {
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        // Writing these types into memory has no way to fail: string keys, no IO.
        let _ = serde_json::to_writer(&mut *out, self);
        out.push(b'\n');
    }
}

/// Something that happened in a session.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Event<'a> {
    /// Bytes crossed.
    Bytes {
        /// Unix time in microseconds.
        t_us: u64,
        /// Which way.
        direction: Direction,
        /// The bytes.
        bytes: &'a [u8],
    },
    /// Bytes crossed that were not kept.
    Truncated {
        /// Unix time in microseconds.
        t_us: u64,
        /// Which way.
        direction: Direction,
        /// How many.
        bytes: u64,
        /// Their SHA-256.
        sha256: [u8; 32],
    },
}

/// Why a segment cannot be read.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum FormatError {
    /// The first line is not a header.
    #[error("its first line is not a header")]
    Header,
    /// It is of a version that this program does not know.
    #[error("it is of the unknown version {0}")]
    Version(u8),
    /// An event is cut or of an unknown kind.
    #[error("an event is cut or of an unknown kind")]
    Event,
}

pub(super) fn push_event(out: &mut Vec<u8>, step_us: u64, direction: Direction, bytes: &[u8]) {
    let kind = match direction {
        Direction::FromClient => FROM_CLIENT,
        Direction::ToClient => TO_CLIENT,
    };
    push(out, step_us, kind, bytes);
}

pub(super) fn push_truncated(
    out: &mut Vec<u8>,
    step_us: u64,
    direction: Direction,
    bytes: u64,
    sha256: &[u8; 32],
) {
    let kind = match direction {
        Direction::FromClient => TRUNCATED_FROM_CLIENT,
        Direction::ToClient => TRUNCATED_TO_CLIENT,
    };
    let mut content = [0; 40];
    content[..8].copy_from_slice(&bytes.to_be_bytes());
    content[8..].copy_from_slice(sha256);
    push(out, step_us, kind, &content);
}

/// Splits a segment into its header and events.
pub(super) fn parse(plain: &[u8]) -> Result<(Header<'_>, Events<'_>), FormatError> {
    let end = plain
        .iter()
        .position(|byte| *byte == b'\n')
        .ok_or(FormatError::Header)?;
    let header: Header<'_> = serde_json::from_slice(&plain[..end]).map_err(|_| FormatError::Header)?;
    if header.v != VERSION {
        return Err(FormatError::Version(header.v));
    }
    let events = Events {
        rest: &plain[end + 1..],
        t_us: header.start_us,
    };
    Ok((header, events))
}

/// Iterates over the events of a segment; ends after the first error.
#[derive(Clone, Debug)]
pub(super) struct Events<'a> {
    rest: &'a [u8],
    t_us: u64,
}

impl<'a> Events<'a> {
    fn read(&mut self) -> Option<Event<'a>> {
        let step = self.read_number()?;
        let (kind, rest) = self.rest.split_first()?;
        self.rest = rest;
        let len = usize::try_from(self.read_number()?).ok()?;
        let (content, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        self.t_us = self.t_us.checked_add(step)?;
        let t_us = self.t_us;
        let (direction, truncated) = match *kind {
            FROM_CLIENT => (Direction::FromClient, false),
            TO_CLIENT => (Direction::ToClient, false),
            TRUNCATED_FROM_CLIENT => (Direction::FromClient, true),
            TRUNCATED_TO_CLIENT => (Direction::ToClient, true),
            _ => return None,
        };
        if !truncated {
            return Some(Event::Bytes {
                t_us,
                direction,
                bytes: content,
            });
        }
        let (bytes, sha256) = content.split_first_chunk::<8>()?;
        Some(Event::Truncated {
            t_us,
            direction,
            bytes: u64::from_be_bytes(*bytes),
            sha256: sha256.try_into().ok()?,
        })
    }

    fn read_number(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..u64::BITS).step_by(7) {
            let (byte, rest) = self.rest.split_first()?;
            self.rest = rest;
            let bits = u64::from(byte & 0x7F);
            value |= bits << shift;
            if value >> shift != bits {
                return None;
            }
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }
}

impl<'a> Iterator for Events<'a> {
    type Item = Result<Event<'a>, FormatError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let event = self.read();
        if event.is_none() {
            self.rest = &[];
        }
        Some(event.ok_or(FormatError::Event))
    }
}

fn push(out: &mut Vec<u8>, step_us: u64, kind: u8, content: &[u8]) {
    push_number(out, step_us);
    out.push(kind);
    push_number(out, content.len() as u64);
    out.extend_from_slice(content);
}

fn push_number(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

const FROM_CLIENT: u8 = 0;
const TO_CLIENT: u8 = 1;
const TRUNCATED_TO_CLIENT: u8 = 2;
const TRUNCATED_FROM_CLIENT: u8 = 3;
