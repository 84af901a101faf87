//! Reads a log's entries in order; runs beside the writer, in its process or another one.
//!
//! Read-only. Entries come from the write-ahead segments, else from the bundles that the last
//! checkpoint claims: of later ones a power loss leaves anything, and nobody may have opened the
//! log since. Beside the writer somebody has, and whole bundles come first: there is less to
//! look through. What is read is not verified: that is [`verify`](crate::verify()).

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use model::Fault;

use crate::block::{Block, Frames};
use crate::commit::Core;
use crate::layout::{self, Layout};
use crate::note::stated_size;
use crate::segment::SegmentReader;
use crate::tree::TILE_WIDTH;

/// One entry as it stands in the log.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Entry {
    /// Its place, from 0.
    pub index: u64,
    /// Its exact bytes.
    pub bytes: Bytes,
}

/// Why entries could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// A file could not be read.
    #[error("{path} could not be read")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A file does not hold what its name says.
    #[error("{path} does not hold the entries it should; run `journal verify`")]
    Damaged {
        /// The file.
        path: PathBuf,
    },
}

impl ReadError {
    /// Who must act.
    #[must_use]
    pub const fn fault(&self) -> Fault {
        Fault::Operator
    }
}

/// A log opened for reading.
#[derive(Clone, Debug)]
pub struct Reader {
    layout: Layout,
    writer: Option<Arc<Core>>,
    /// Segments are not looked at, and so many entries are signed.
    bundles_only: Option<u64>,
}

impl Reader {
    /// Opens the log in `dir`. In a process beside the writer's, entries may show a moment
    /// before they are synced.
    ///
    /// # Errors
    ///
    /// If there is no log in `dir`.
    pub fn open(dir: &Path) -> Result<Self, ReadError> {
        let layout = Layout::new(dir);
        fs::metadata(layout.checkpoint()).map_err(|source| ReadError::Io {
            path: layout.checkpoint(),
            source,
        })?;
        Ok(Self {
            layout,
            writer: None,
            bundles_only: None,
        })
    }

    /// A reader of the `signed` entries that does not look at segments.
    pub(crate) fn bundles_only(layout: &Layout, signed: u64) -> Self {
        Self {
            layout: layout.clone(),
            writer: None,
            bundles_only: Some(signed),
        }
    }

    pub(crate) fn beside(layout: Layout, writer: Arc<Core>) -> Self {
        Self {
            layout,
            writer: Some(writer),
            bundles_only: None,
        }
    }

    /// Returns the number of entries: in the writer's process those that are durable.
    ///
    /// # Errors
    ///
    /// If a file cannot be read.
    pub fn size(&self) -> Result<u64, ReadError> {
        if let Some(writer) = &self.writer {
            return Ok(writer.durable_size());
        }
        let mut entries = self.entries(0);
        let last = layout::segments(&self.layout).map_err(io_error(&self.layout.wal()))?;
        entries.next = last.last().copied().unwrap_or(0);
        while entries.fill()? {
            entries.next += entries.chunk.len() as u64;
            entries.chunk.clear();
        }
        Ok(entries.next)
    }

    /// Returns one entry; `None` if the log is shorter.
    ///
    /// # Errors
    ///
    /// If a file cannot be read or is damaged.
    pub fn entry(&self, index: u64) -> Result<Option<Entry>, ReadError> {
        self.entries(index).next().transpose()
    }

    /// Iterates over the entries from index `from`. At the end it returns `None`, and more once
    /// the log has grown.
    #[must_use]
    pub fn entries(&self, from: u64) -> Entries {
        Entries {
            reader: self.clone(),
            next: from,
            chunk: Vec::new(),
            segment: None,
        }
    }

    fn limit(&self) -> u64 {
        self.writer.as_ref().map_or(u64::MAX, |w| w.durable_size())
    }

    /// How many entries the last checkpoint claims.
    fn signed(&self) -> Result<u64, ReadError> {
        if let Some(signed) = self.bundles_only {
            return Ok(signed);
        }
        let path = self.layout.checkpoint();
        let note = layout::read_optional(&path).map_err(io_error(&path))?;
        stated_size(&note.unwrap_or_default()).ok_or(ReadError::Damaged { path })
    }
}

/// A cursor over a log. See [`Reader::entries`].
#[derive(Debug)]
pub struct Entries {
    reader: Reader,
    next: u64,
    /// What was read ahead, last first.
    chunk: Vec<Bytes>,
    segment: Option<SegmentReader>,
}

impl Entries {
    /// The index of the entry that comes next.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.next
    }

    /// Reads ahead; false at the end of the log.
    fn fill(&mut self) -> Result<bool, ReadError> {
        // The writer may turn segments into bundles between two looks: look again then.
        for _ in 0..LOOKS_MAX {
            if self.next >= self.reader.limit() {
                return Ok(false);
            }
            let beside = self.reader.writer.is_some();
            if self.fill_from_segment()? || beside && self.fill_from_bundle(TILE_WIDTH)? {
                return Ok(true);
            }
            if self.reader.bundles_only.is_none() && self.seek_segment()? {
                if self.fill_from_segment()? {
                    return Ok(true);
                }
            } else if self.fill_from_signed()? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Reads the bundle that the last checkpoint claims, or, if the writer beside us has signed
    /// another one meanwhile, a wider one.
    fn fill_from_signed(&mut self) -> Result<bool, ReadError> {
        let signed = self.reader.signed()?;
        let bundle = self.next / TILE_WIDTH as u64;
        let claimed = signed.saturating_sub(bundle * TILE_WIDTH as u64);
        if self.next >= signed {
            return Ok(false);
        }
        let full = self.reader.layout.bundle(bundle, TILE_WIDTH);
        let widths = layout::partial_widths(&full).map_err(io_error(&full))?;
        for width in widths.into_iter().chain([TILE_WIDTH]) {
            if width as u64 >= claimed.min(TILE_WIDTH as u64) && self.fill_from_bundle(width)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn fill_from_bundle(&mut self, width: usize) -> Result<bool, ReadError> {
        let (bundle, skip) = (self.next / TILE_WIDTH as u64, self.next % TILE_WIDTH as u64);
        let path = self.reader.layout.bundle(bundle, width);
        let Some(bytes) = layout::read_optional(&path).map_err(io_error(&path))? else {
            return Ok(false);
        };
        let entries = split(&Bytes::from(bytes)).filter(|entries| entries.len() == width);
        let entries = entries.ok_or(ReadError::Damaged { path })?;
        self.segment = None;
        self.take(entries, usize::try_from(skip).expect("below 256"));
        Ok(true)
    }

    /// Opens the segment that holds the next entry.
    fn seek_segment(&mut self) -> Result<bool, ReadError> {
        let layout = &self.reader.layout;
        let firsts = layout::segments(layout).map_err(io_error(&layout.wal()))?;
        let Some(first) = firsts.iter().rev().find(|first| **first <= self.next) else {
            return Ok(false);
        };
        let path = layout.segment(*first);
        match SegmentReader::open(&path) {
            Ok(segment) => self.segment = Some(segment),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(io_error(&path)(error)),
        }
        Ok(true)
    }

    fn fill_from_segment(&mut self) -> Result<bool, ReadError> {
        let Some(segment) = &mut self.segment else {
            return Ok(false);
        };
        let wal = self.reader.layout.wal();
        loop {
            let Some(block) = segment.next_block().map_err(io_error(&wal))? else {
                self.segment = None;
                return Ok(false);
            };
            if block.end() <= self.next {
                continue;
            }
            let Block { first, count, frames } = block;
            let entries =
                split(&Bytes::copy_from_slice(frames)).filter(|e| e.len() as u64 == u64::from(count));
            let (Some(entries), Some(skip)) = (entries, self.next.checked_sub(first)) else {
                return Err(ReadError::Damaged { path: wal });
            };
            self.take(entries, usize::try_from(skip).expect("within a block"));
            return Ok(true);
        }
    }

    /// Keeps what follows the first `skip` of `entries` and is durable.
    fn take(&mut self, mut entries: Vec<Bytes>, skip: usize) {
        let durable = self.reader.limit() - self.next;
        let end = usize::try_from(durable)
            .unwrap_or(usize::MAX)
            .saturating_add(skip);
        entries.truncate(end);
        entries.drain(..skip);
        entries.reverse();
        self.chunk = entries;
    }
}

impl Iterator for Entries {
    type Item = Result<Entry, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.chunk.is_empty() {
            match self.fill() {
                Ok(true) => {}
                Ok(false) => return None,
                Err(error) => return Some(Err(error)),
            }
        }
        let bytes = self.chunk.pop()?;
        let index = self.next;
        self.next += 1;
        Some(Ok(Entry { index, bytes }))
    }
}

/// Splits frames; `None` if they are not whole.
pub(crate) fn split(frames: &Bytes) -> Option<Vec<Bytes>> {
    let mut iterator = Frames::new(frames);
    let entries = iterator.by_ref().map(|entry| frames.slice_ref(entry)).collect();
    iterator.rest().is_empty().then_some(entries)
}

fn io_error(path: &Path) -> impl Fn(io::Error) -> ReadError + use<> {
    let path = path.to_path_buf();
    move |source| ReadError::Io {
        path: path.clone(),
        source,
    }
}

/// A look that finds nothing is repeated once per move of entries from segment to bundle;
/// two moves within one read do not happen.
const LOOKS_MAX: usize = 3;
