//! Reads a session's recording and checks it against the journal.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use model::{Fault, SessionId};
use object_store::{ObjectStore, ObjectStoreExt as _};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::OpenRecordingsError;
use super::format::{self, Event, FormatError};
use super::store;
use crate::read::{ReadError, Reader};

/// Why a recording cannot be replayed any further.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The place of the recordings cannot be used.
    #[error(transparent)]
    Open(#[from] OpenRecordingsError),
    /// The journal cannot be read.
    #[error(transparent)]
    Journal(#[from] ReadError),
    /// The journal names no segment of this session.
    #[error("the journal names no recording of session {session}")]
    Unknown {
        /// The session.
        session: SessionId,
    },
    /// A segment is not there or cannot be read.
    #[error("the recording {path} cannot be read: {reason}")]
    Missing {
        /// Its path below the recordings' folder.
        path: String,
        /// Why.
        reason: String,
    },
    /// A segment is not the one that the journal names.
    #[error("the recording {path} was changed: its SHA-256 is not the one in entry {index}")]
    Changed {
        /// Its path below the recordings' folder.
        path: String,
        /// The journal's entry.
        index: u64,
    },
    /// A segment is unchanged, but cannot be understood.
    #[error("the recording {path} cannot be understood: {source}")]
    Format {
        /// Its path below the recordings' folder.
        path: String,
        /// What is wrong with it.
        source: FormatError,
    },
    /// The journal does not name this segment, but later ones.
    #[error("segment {segment} of the recording is not in the journal")]
    Gap {
        /// Counts from 0.
        segment: u32,
    },
}

impl ReplayError {
    /// Who must act.
    #[must_use]
    pub const fn fault(&self) -> Fault {
        Fault::Operator
    }
}

/// A session's recording, segment by segment.
#[derive(Debug)]
pub struct RecordingReader {
    store: Arc<dyn ObjectStore>,
    session: SessionId,
    segments: Vec<Named>,
    next: usize,
}

/// A segment as the journal names it.
#[derive(Debug)]
struct Named {
    index: u64,
    segment: u32,
    path: String,
    sha256: String,
}

#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    session: Cow<'a, str>,
    #[serde(default)]
    segment: u32,
    #[serde(borrow, default)]
    path: Cow<'a, str>,
    #[serde(borrow, default)]
    sha256: Cow<'a, str>,
}

impl RecordingReader {
    /// Finds the recording of `session` at `place` (`file:<folder>`) through the journal's
    /// entries from index `from` on, e.g. that of `session.start`, or 0.
    ///
    /// # Errors
    ///
    /// If the journal cannot be read or does not name one.
    pub fn open(place: &str, journal: &Reader, session: SessionId, from: u64) -> Result<Self, ReplayError> {
        let folder = store::folder(place)?;
        let store =
            store::open_store(&folder).map_err(|reason| OpenRecordingsError::Folder { folder, reason })?;
        let id = session.to_string();
        let mut segments = Vec::new();
        for entry in journal.entries(from) {
            let entry = entry?;
            let Ok(fields) = serde_json::from_slice::<Fields<'_>>(&entry.bytes) else {
                continue;
            };
            if fields.session != id {
                continue;
            }
            if fields.kind == "recording.segment" {
                segments.push(Named {
                    index: entry.index,
                    segment: fields.segment,
                    path: fields.path.into_owned(),
                    sha256: fields.sha256.into_owned(),
                });
            }
        }
        if segments.is_empty() {
            return Err(ReplayError::Unknown { session });
        }
        Ok(Self {
            store,
            session,
            segments,
            next: 0,
        })
    }

    /// Reads the next segment and checks it; `None` after the last one.
    ///
    /// # Errors
    ///
    /// If it is not there unchanged.
    pub async fn next_segment(&mut self) -> Result<Option<Segment>, ReplayError> {
        let Some(named) = self.segments.get(self.next) else {
            return Ok(None);
        };
        let path = named.path.clone();
        let expected = u32::try_from(self.next).unwrap_or(u32::MAX);
        if named.segment != expected {
            return Err(ReplayError::Gap { segment: expected });
        }
        let missing = |reason: String| ReplayError::Missing {
            path: path.clone(),
            reason,
        };
        let got = self.store.get(&path.as_str().into()).await;
        let got = got.map_err(|error| missing(error.to_string()))?;
        if got.meta.size > STORED_BYTES_MAX {
            return Err(missing(format!("it is longer than {STORED_BYTES_MAX} bytes")));
        }
        let bytes = got.bytes().await.map_err(|error| missing(error.to_string()))?;
        if hex::encode(Sha256::digest(&bytes)) != named.sha256 {
            let index = named.index;
            return Err(ReplayError::Changed { path, index });
        }
        let plain =
            zstd::bulk::decompress(&bytes, PLAIN_BYTES_MAX).map_err(|error| missing(error.to_string()))?;
        let segment = Segment::parse(plain.into()).and_then(|segment| {
            // Swapped files of two sessions have the right hashes only at their own places.
            let own = segment.session == self.session.to_string() && segment.number == expected;
            own.then_some(segment).ok_or(FormatError::Header)
        });
        let segment = segment.map_err(|source| ReplayError::Format { path, source })?;
        self.next += 1;
        Ok(Some(segment))
    }
}

/// One segment of a recording.
#[derive(Clone, Debug)]
pub struct Segment {
    /// Its place in the recording, from 0.
    pub number: u32,
    /// The session's id.
    pub session: String,
    /// What the session was connected to.
    pub resource: String,
    /// `postgres`, `http` or `ssh`.
    pub protocol: String,
    /// Unix time of the first event in microseconds.
    pub start_us: u64,
    /// The salt of the session's bind commitments, in hex.
    pub salt: String,
    plain: Bytes,
}

impl Segment {
    fn parse(plain: Bytes) -> Result<Self, FormatError> {
        let (header, _) = format::parse(&plain)?;
        Ok(Self {
            number: header.segment,
            session: header.session.into_owned(),
            resource: header.resource.into_owned(),
            protocol: header.protocol.into_owned(),
            start_us: header.start_us,
            salt: header.salt.into_owned(),
            plain,
        })
    }

    /// Iterates over its events, oldest first; ends after the first error.
    pub fn events(&self) -> impl Iterator<Item = Result<Event<'_>, FormatError>> {
        let parsed = format::parse(&self.plain);
        let (error, events) = match parsed {
            Ok((_, events)) => (None, Some(events)),
            Err(error) => (Some(Err(error)), None),
        };
        error.into_iter().chain(events.into_iter().flatten())
    }
}

/// Above any segment that is stored; a larger file is not read into memory.
const STORED_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Above any segment before compression.
const PLAIN_BYTES_MAX: usize = 4 * 1024 * 1024;
