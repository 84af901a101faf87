//! Recordings: what a session's two sides sent, as the client saw it, with timing.
//!
//! A session's recording is a row of segments `<session>/<segment>.zst`, segment as eight
//! digits from 0. Each is one zstd frame with a checksum; decoded (`zstd -d`), it is
//!
//! 1. one line of JSON, ended by a newline: `v` (1), `session`, `segment`, `resource`,
//!    `protocol`, `start_us` (Unix time of its first event in microseconds) and `salt` (hex; the
//!    salt of the session's bind commitments);
//! 2. events until the end: microseconds since the event before (LEB128), one byte of kind,
//!    length of the content (LEB128), content. Kind 0 is bytes from the client, 1 bytes to the
//!    client. Kind 3 stands for bytes from the client and kind 2 for bytes to the client that
//!    were not kept: their number (8 bytes, big-endian) and their SHA-256. They may begin
//!    within a message; what is recorded of that side afterwards begins with a whole one.
//!
//! A segment is stored and synced before its SHA-256 goes into the journal as
//! `recording.segment`. What was recorded in the last seconds before a crash may be missing;
//! what the journal names is there. If storing does not keep up, or fails, recording refuses
//! and the session has to end.
//!
//! Compressing and storing happen on one thread of their own; a session only copies bytes.

mod bulk;
mod format;
mod read;
mod store;

use std::sync::Arc;

use model::{Fault, ResourceName, SessionId};

use crate::commit::AppendError;
use bulk::Bulks;
use format::Header;

pub use format::{Direction, Event, FormatError};
pub use read::{RecordingReader, ReplayError, Segment};
pub use store::{OpenRecordingsError, Recordings, RecordingsOptions};

use store::Job;

/// Why a session cannot be recorded any further; it must end.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum RecordError {
    /// Storing does not keep up.
    #[error("storing recordings does not keep up: {limit} bytes are waiting")]
    Backlog {
        /// The configured limit in bytes.
        limit: usize,
    },
    /// A segment could not be stored.
    #[error("recordings cannot be stored: {reason}")]
    Unstored {
        /// What failed, for the operator.
        reason: Arc<str>,
    },
    /// A segment was stored, but could not be journaled.
    #[error(transparent)]
    Journal(#[from] AppendError),
}

impl RecordError {
    /// Who must act.
    #[must_use]
    pub const fn fault(&self) -> Fault {
        Fault::Operator
    }

    /// What a client is told.
    #[must_use]
    pub const fn for_client(&self) -> &'static str {
        "the session cannot be recorded and ends"
    }
}

/// What is recorded about a session beside its bytes.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// The session.
    pub session: SessionId,
    /// What it is connected to.
    pub resource: ResourceName,
    /// `postgres`, `http` or `ssh`.
    pub protocol: &'static str,
    /// The salt of its bind commitments: random, 32 bytes.
    pub salt: [u8; 32],
}

/// Records one session. Used from one task; memory is at most one segment.
#[derive(Debug)]
pub struct Recorder {
    recorded: Recorded,
    recordings: Recordings,
    /// The segment that gathers: header and events.
    buffer: Vec<u8>,
    segment: u32,
    opened_us: u64,
    last_us: u64,
    bulks: Bulks,
    /// Why a segment was lost. Nothing may be added behind the hole.
    lost: Option<RecordError>,
}

impl Recorder {
    /// Starts the recording of a session.
    #[must_use]
    pub fn new(recordings: &Recordings, recorded: Recorded) -> Self {
        Self {
            recorded,
            recordings: recordings.clone(),
            buffer: Vec::new(),
            segment: 0,
            opened_us: 0,
            last_us: 0,
            bulks: Bulks::new(),
            lost: None,
        }
    }

    /// Records bytes that crossed at `t_us` (Unix time in microseconds).
    ///
    /// # Errors
    ///
    /// If recordings cannot be stored or storing does not keep up: the session must end, and
    /// these bytes must not be passed on.
    pub fn record(&mut self, t_us: u64, direction: Direction, bytes: &[u8]) -> Result<(), RecordError> {
        self.health()?;
        let mut rest = bytes;
        while !rest.is_empty() {
            self.close_if_due(t_us)?;
            self.open(t_us);
            let room = SEGMENT_BYTES.saturating_sub(self.buffer.len()).max(1);
            let (now, later) = rest.split_at(room.min(rest.len()));
            let step = self.step(t_us);
            format::push_event(&mut self.buffer, step, direction, now);
            rest = later;
        }
        Ok(())
    }

    /// Records bytes of a side that may send very many of them: result rows, copy data. Beyond
    /// the configured number of bytes per stretch they are only counted and hashed, for
    /// [`Recorder::end_bulk`].
    ///
    /// # Errors
    ///
    /// As [`Recorder::record`].
    pub fn record_bulk(&mut self, t_us: u64, direction: Direction, bytes: &[u8]) -> Result<(), RecordError> {
        let bytes_max = self.recordings.bulk_bytes_max();
        let kept = self.bulks.of(direction).take(bytes, bytes_max);
        if kept.is_empty() {
            return self.health();
        }
        self.record(t_us, direction, kept)
    }

    /// Ends the stretch of one side: if bytes were dropped, a marker says how many and their
    /// SHA-256.
    ///
    /// # Errors
    ///
    /// As [`Recorder::record`].
    pub fn end_bulk(&mut self, t_us: u64, direction: Direction) -> Result<(), RecordError> {
        match self.bulks.of(direction).end() {
            Some((bytes, sha256)) => self.truncated(t_us, direction, bytes, sha256),
            None => Ok(()),
        }
    }

    fn truncated(
        &mut self,
        t_us: u64,
        direction: Direction,
        bytes: u64,
        sha256: [u8; 32],
    ) -> Result<(), RecordError> {
        self.health()?;
        self.close_if_due(t_us)?;
        self.open(t_us);
        let step = self.step(t_us);
        format::push_truncated(&mut self.buffer, step, direction, bytes, &sha256);
        Ok(())
    }

    /// Hands a segment over that has been open for five seconds; to be called now and then
    /// while a session is quiet.
    ///
    /// # Errors
    ///
    /// As [`Recorder::record`].
    pub fn tick(&mut self, t_us: u64) -> Result<(), RecordError> {
        self.close_if_due(t_us)
    }

    /// Ends the recording. Resolves when every segment is stored and named in the journal.
    ///
    /// # Errors
    ///
    /// If one could not be.
    pub async fn finish(mut self) -> Result<(), RecordError> {
        self.close_all()?;
        self.recordings.drained().await
    }

    /// Whether what is recorded now will be stored, and without a hole before it.
    fn health(&self) -> Result<(), RecordError> {
        match &self.lost {
            Some(error) => Err(error.clone()),
            None => self.recordings.health(),
        }
    }

    /// Closes what is open at the session's end: stretches, and the last segment.
    fn close_all(&mut self) -> Result<(), RecordError> {
        for direction in [Direction::FromClient, Direction::ToClient] {
            self.end_bulk(self.last_us, direction)?;
        }
        self.close()
    }

    fn close_if_due(&mut self, t_us: u64) -> Result<(), RecordError> {
        let old = t_us.saturating_sub(self.opened_us) >= SEGMENT_US_MAX;
        if !self.buffer.is_empty() && (self.buffer.len() >= SEGMENT_BYTES || old) {
            self.close()?;
        }
        Ok(())
    }

    fn open(&mut self, t_us: u64) {
        if !self.buffer.is_empty() {
            return;
        }
        (self.opened_us, self.last_us) = (t_us, t_us);
        Header {
            v: format::VERSION,
            session: self.recorded.session.to_string().into(),
            segment: self.segment,
            resource: self.recorded.resource.as_str().into(),
            protocol: self.recorded.protocol.into(),
            start_us: t_us,
            salt: hex::encode(self.recorded.salt).into(),
        }
        .encode(&mut self.buffer);
    }

    fn close(&mut self) -> Result<(), RecordError> {
        if self.buffer.is_empty() {
            return self.lost.clone().map_or(Ok(()), Err);
        }
        let plain = std::mem::take(&mut self.buffer);
        let submitted = self.health().and_then(|()| {
            self.recordings.submit(Job {
                session: self.recorded.session,
                segment: self.segment,
                plain,
            })
        });
        if let Err(error) = &submitted {
            self.lost = Some(error.clone());
        }
        self.segment += 1;
        submitted
    }

    /// Microseconds since the event before. A clock that went back counts as standing still.
    fn step(&mut self, t_us: u64) -> u64 {
        let step = t_us.saturating_sub(self.last_us);
        self.last_us += step;
        step
    }
}

/// A session that ends without [`Recorder::finish`] still hands over what it has.
impl Drop for Recorder {
    fn drop(&mut self) {
        // A loss that was met before was told of then.
        if self.lost.is_none()
            && let Err(error) = self.close_all()
        {
            tracing::error!(%error, session = %self.recorded.session, "the end of a recording is lost");
        }
    }
}

/// The path of a segment below the recordings' folder.
fn segment_path(session: SessionId, segment: u32) -> String {
    format!("{session}/{segment:08}.zst")
}

/// Compresses as well as larger ones do, and a thousand sessions fit into memory.
const SEGMENT_BYTES: usize = 256 * 1024;

/// What a crash may lose of a recording.
const SEGMENT_US_MAX: u64 = 5_000_000;

#[cfg(test)]
mod tests;
