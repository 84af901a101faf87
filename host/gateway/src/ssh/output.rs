//! What comes out of a channel: masked, counted, recorded.

use std::sync::Arc;

use bytes::Bytes;
use journal::recording::Direction;
use model::{Fault, Refusal, Rule};
use proto::mask::{StreamError, StreamMask};
use proto::ssh::record::{OUTPUT_BYTES_KEPT_MAX, Part};
use proto::ssh::sftp::FileMask;
use sha2::{Digest as _, Sha256};

use super::channel::line;
use super::upstream::Mask;
use crate::clock;
use crate::config::UnknownContent;
use crate::maskers::Cells;
use crate::stay::Stay;

/// The number of the stream of errors; output is 1.
pub(super) const ERRORS: u8 = 2;

/// One of the two streams of a channel.
pub(super) struct Output {
    masking: Option<Masking>,
    unknown: UnknownContent,
    masked: u64,
}

struct Masking {
    mask: StreamMask,
    cells: Cells,
}

impl Output {
    pub(super) fn new(mask: Option<&Mask>, unknown: UnknownContent) -> Self {
        Self {
            masking: mask.map(|mask| Masking {
                mask: StreamMask::new(Arc::clone(&mask.field)),
                cells: mask.cells(),
            }),
            unknown,
            masked: 0,
        }
    }

    /// Whether something is held back until more comes, or until nobody will wait any longer.
    pub(super) fn holds(&self) -> bool {
        self.masking.as_ref().is_some_and(|masking| masking.mask.holds())
    }

    /// Returns how much was masked, in lines or parts of some.
    pub(super) fn masked(&self) -> u64 {
        let now = self.masking.as_ref().map_or(0, |masking| masking.mask.masked());
        self.masked + now
    }

    /// Takes what comes and returns what may go.
    pub(super) fn feed(&mut self, bytes: Bytes) -> Result<Bytes, Refusal> {
        let Some(masking) = &mut self.masking else {
            return Ok(bytes);
        };
        let mut out = Vec::with_capacity(bytes.len());
        let fed = masking.mask.feed(&bytes, &mut out, &mut masking.cells);
        self.go_on(fed, out)
    }

    /// Lets out what is held back.
    pub(super) fn flush(&mut self) -> Result<Bytes, Refusal> {
        let Some(masking) = &mut self.masking else {
            return Ok(Bytes::new());
        };
        let mut out = Vec::new();
        let flushed = masking.mask.flush(&mut out, &mut masking.cells);
        self.go_on(flushed, out)
    }

    /// Lets out what is left at the end.
    pub(super) fn finish(&mut self) -> Result<Bytes, Refusal> {
        let Some(masking) = &mut self.masking else {
            return Ok(Bytes::new());
        };
        let mut out = Vec::new();
        let finished = masking.mask.finish(&mut out, &mut masking.cells);
        self.go_on(finished, out)
    }

    fn go_on(&mut self, outcome: Result<(), StreamError>, mut out: Vec<u8>) -> Result<Bytes, Refusal> {
        let refusal = match (outcome, self.unknown) {
            (Ok(()), _) => return Ok(out.into()),
            // From here on nothing of it is looked at any more.
            (Err(StreamError::Binary { .. }), UnknownContent::Pass) => {
                self.masked = self.masked();
                let masking = self.masking.take();
                out.extend(masking.into_iter().flat_map(|masking| masking.mask.into_held()));
                return Ok(out.into());
            }
            (Err(error @ (StreamError::Binary { .. } | StreamError::TooLong { .. })), _) => {
                let message = format!("the output cannot be masked: {error}");
                Refusal::new(Rule::TaggedUse, Fault::Client, message)
                    .hint("have it written as text in shorter lines")
            }
            (Err(StreamError::Cell(error)), _) => {
                tracing::warn!(%error, "output could not be masked");
                let message = "the output could not be masked, so no more of it is sent";
                Refusal::new(Rule::MaskerFailed, error.fault(), message)
                    .hint("the operator finds the reason in the gateway's log")
            }
        };
        Err(refusal)
    }
}

/// A file that is read is one stream of text.
impl FileMask for Output {
    fn feed(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
        let passed = Self::feed(self, Bytes::copy_from_slice(bytes)).map_err(|refusal| line(&refusal))?;
        out.extend_from_slice(&passed);
        Ok(())
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), String> {
        let passed = Self::finish(self).map_err(|refusal| line(&refusal))?;
        out.extend_from_slice(&passed);
        Ok(())
    }

    fn masked(&self) -> u64 {
        Self::masked(self)
    }
}

/// Records one channel.
pub(super) struct ChannelTape {
    stay: Arc<Stay>,
    channel: u64,
    /// What stands on a terminal is kept whole.
    whole: bool,
    sent: u64,
    kept: u64,
    hash: Sha256,
}

impl ChannelTape {
    pub(super) fn begin(stay: &Arc<Stay>, channel: u64, open: &Part) -> Self {
        let tape = Self {
            stay: Arc::clone(stay),
            channel,
            whole: matches!(open, Part::Open { term: Some(_), .. }),
            sent: 0,
            kept: 0,
            hash: Sha256::new(),
        };
        tape.record(Direction::FromClient, open, &[]);
        tape
    }

    fn record(&self, side: Direction, part: &Part, bytes: &[u8]) {
        record(&self.stay, side, part, bytes);
    }

    /// Records what the client gets.
    pub(super) fn output(&mut self, stream: u8, bytes: &[u8]) {
        self.sent += bytes.len() as u64;
        self.hash.update(bytes);
        let room = match self.whole {
            true => bytes.len(),
            false => usize::try_from(OUTPUT_BYTES_KEPT_MAX - self.kept).unwrap_or(usize::MAX),
        };
        let kept = &bytes[..bytes.len().min(room)];
        if !kept.is_empty() {
            self.kept += kept.len() as u64;
            let part = Part::Output {
                channel: self.channel,
                stream,
            };
            self.record(Direction::ToClient, &part, kept);
        }
    }

    /// Returns how many bytes the client got.
    pub(super) const fn sent(&self) -> u64 {
        self.sent
    }

    /// Why the session cannot be recorded any more, if so.
    pub(super) fn unrecorded(&self) -> Option<Refusal> {
        self.stay.unrecorded()
    }

    /// Records the end.
    pub(super) fn end(self, status: Option<u32>, signal: Option<String>, received: u64) {
        let part = Part::End {
            channel: self.channel,
            status,
            signal,
            received,
            sent: self.sent,
            kept: self.kept,
            sha256: hex::encode(self.hash.clone().finalize()),
        };
        self.record(Direction::ToClient, &part, &[]);
    }
}

/// Records what a client sends on one channel, where the operator wants that.
pub(super) struct InputTape {
    stay: Arc<Stay>,
    channel: u64,
    /// How much may still be kept.
    room: usize,
}

impl InputTape {
    pub(super) fn new(stay: &Arc<Stay>, channel: u64, terminal: bool) -> Self {
        let max = usize::try_from(OUTPUT_BYTES_KEPT_MAX).unwrap_or(usize::MAX);
        Self {
            stay: Arc::clone(stay),
            channel,
            room: if terminal { usize::MAX } else { max },
        }
    }

    /// Records what is about to go to the host.
    ///
    /// # Errors
    /// It cannot be recorded, so it must not go.
    pub(super) fn input(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        let kept = &bytes[..bytes.len().min(self.room)];
        self.room -= kept.len();
        if !kept.is_empty() {
            let part = Part::Input {
                channel: self.channel,
            };
            record(&self.stay, Direction::FromClient, &part, kept);
        }
        self.stay.unrecorded().map_or(Ok(()), Err)
    }
}

/// Records one part of a session.
pub(super) fn record(stay: &Stay, side: Direction, part: &Part, bytes: &[u8]) {
    let part = part.encode(bytes);
    stay.with_tape(|tape| {
        tape.set_time(clock::unix_us());
        tape.part(side, &part);
    });
}
