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
//!    client, 2 stands for row bytes to the client that were not kept: their number (8 bytes,
//!    big-endian) and their SHA-256.
//!
//! A segment is stored and synced before its SHA-256 goes into the journal as
//! `recording.segment`. What was recorded in the last seconds before a crash may be missing;
//! what the journal names is there. If storing does not keep up, or fails, recording refuses
//! and the session has to end.
//!
//! Compressing and storing happen on one thread of their own; a session only copies bytes.

mod format;
mod read;
mod store;

use std::sync::Arc;

use model::{Fault, ResourceName, SessionId};
use sha2::{Digest, Sha256};

use crate::commit::AppendError;
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
        "the session ends, because it could not be recorded"
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
    rows: Rows,
}

/// Row bytes of the running operation.
#[derive(Debug)]
struct Rows {
    kept: u64,
    dropped: u64,
    digest: Sha256,
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
            rows: Rows::new(),
        }
    }

    /// Records bytes that crossed at `t_us` (Unix time in microseconds).
    ///
    /// # Errors
    ///
    /// If recordings cannot be stored or storing does not keep up: the session must end, and
    /// these bytes must not be passed on.
    pub fn record(&mut self, t_us: u64, direction: Direction, bytes: &[u8]) -> Result<(), RecordError> {
        self.recordings.health()?;
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

    /// Records bytes of result rows to the client. Beyond the configured number of bytes per
    /// operation they are only counted and hashed, for [`Recorder::end_rows`].
    ///
    /// # Errors
    ///
    /// As [`Recorder::record`].
    pub fn record_rows(&mut self, t_us: u64, bytes: &[u8]) -> Result<(), RecordError> {
        let room = self.recordings.rows_bytes_max().saturating_sub(self.rows.kept);
        let room = usize::try_from(room).unwrap_or(usize::MAX).min(bytes.len());
        let (kept, dropped) = bytes.split_at(room);
        self.rows.kept += kept.len() as u64;
        if !dropped.is_empty() {
            self.rows.dropped += dropped.len() as u64;
            self.rows.digest.update(dropped);
        }
        if kept.is_empty() {
            return self.recordings.health();
        }
        self.record(t_us, Direction::ToClient, kept)
    }

    /// Ends the rows of one operation: if some were dropped, a marker says how many bytes and
    /// their SHA-256.
    ///
    /// # Errors
    ///
    /// As [`Recorder::record`].
    pub fn end_rows(&mut self, t_us: u64) -> Result<(), RecordError> {
        if self.rows.kept == 0 && self.rows.dropped == 0 {
            return Ok(());
        }
        let rows = std::mem::replace(&mut self.rows, Rows::new());
        if rows.dropped == 0 {
            return Ok(());
        }
        self.truncated(t_us, rows.dropped, rows.digest.finalize().into())
    }

    /// Records that `bytes` bytes to the client with this SHA-256 were not kept.
    ///
    /// # Errors
    ///
    /// As [`Recorder::record`].
    pub fn truncated(&mut self, t_us: u64, bytes: u64, sha256: [u8; 32]) -> Result<(), RecordError> {
        self.recordings.health()?;
        self.close_if_due(t_us)?;
        self.open(t_us);
        let step = self.step(t_us);
        format::push_truncated(&mut self.buffer, step, bytes, &sha256);
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
        self.close()?;
        self.recordings.drained().await
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
            return self.recordings.health();
        }
        let plain = std::mem::take(&mut self.buffer);
        self.recordings.submit(Job {
            session: self.recorded.session,
            segment: self.segment,
            plain,
        })?;
        self.segment += 1;
        Ok(())
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
        if !self.buffer.is_empty()
            && let Err(error) = self.close()
        {
            tracing::error!(%error, session = %self.recorded.session, "the end of a recording is lost");
        }
    }
}

impl Rows {
    fn new() -> Self {
        Self {
            kept: 0,
            dropped: 0,
            digest: Sha256::new(),
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
