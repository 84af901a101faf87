//! Stores segments: compresses, writes, syncs, journals, one after another on one thread.

use std::collections::VecDeque;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use model::event::Event;
use model::{Fault, SessionId};
use object_store::local::LocalFileSystem;
use object_store::{ObjectStore, ObjectStoreExt as _};
use sha2::{Digest, Sha256};
use tokio::runtime::Runtime;
use tokio::sync::watch;

use super::{RecordError, segment_path};
use crate::commit::unix_us;
use crate::journal::Journal;

/// Limits of recordings.
#[derive(Clone, Copy, Debug)]
pub struct RecordingsOptions {
    /// Bytes of segments that may wait to be stored, over all sessions.
    pub backlog_bytes_max: usize,
    /// Bytes that are kept of each stretch of bulk: an operation's rows, a stretch of copy data,
    /// what a client sends at once.
    pub bulk_bytes_max: u64,
}

impl Default for RecordingsOptions {
    fn default() -> Self {
        Self {
            backlog_bytes_max: BACKLOG_BYTES_MAX,
            bulk_bytes_max: BULK_BYTES_MAX,
        }
    }
}

/// Why recordings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenRecordingsError {
    /// Not a place that is known.
    #[error("recordings are stored at `file:<folder>`, not at `{place}`")]
    Place {
        /// What was configured.
        place: String,
    },
    /// The folder cannot be used.
    #[error("the recordings' folder {folder} cannot be used: {reason}")]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// Why.
        reason: String,
    },
}

impl OpenRecordingsError {
    /// Who must act.
    #[must_use]
    pub const fn fault(&self) -> Fault {
        Fault::Operator
    }
}

/// Where recordings are stored. Cheap to clone. When the last handle goes, what was handed
/// over is stored first.
#[derive(Clone, Debug)]
pub struct Recordings {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    queue: Arc<Queue>,
    options: RecordingsOptions,
    thread: Option<JoinHandle<()>>,
}

/// A segment to be stored.
pub(super) struct Job {
    pub(super) session: SessionId,
    pub(super) segment: u32,
    pub(super) plain: Vec<u8>,
}

struct Queue {
    state: Mutex<State>,
    condition: Condvar,
    /// Set once and for all, with [`State::failed`]: sessions ask on every record.
    broken: AtomicBool,
    /// Number of jobs done.
    done: watch::Sender<u64>,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    /// Bytes of jobs that wait or are being stored.
    bytes: usize,
    submitted: u64,
    failed: Option<RecordError>,
    closed: bool,
}

impl Recordings {
    /// Opens the place `file:<folder>` and makes the folder if there is none.
    ///
    /// # Errors
    ///
    /// If it is another place or the folder cannot be written.
    pub fn open(
        place: &str,
        journal: Journal,
        options: RecordingsOptions,
    ) -> Result<Self, OpenRecordingsError> {
        let folder = folder(place)?;
        let unusable = |reason: String| OpenRecordingsError::Folder {
            folder: folder.clone(),
            reason,
        };
        std::fs::create_dir_all(&folder).map_err(|error| unusable(error.to_string()))?;
        let store = open_store(&folder).map_err(unusable)?;
        Self::start(store, journal, options).map_err(|error| unusable(error.to_string()))
    }

    pub(super) fn start(
        store: Arc<dyn ObjectStore>,
        journal: Journal,
        options: RecordingsOptions,
    ) -> std::io::Result<Self> {
        let queue = Arc::new(Queue {
            state: Mutex::default(),
            condition: Condvar::new(),
            broken: AtomicBool::new(false),
            done: watch::Sender::new(0),
        });
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        let compressor = zstd::bulk::Compressor::new(LEVEL)?;
        let mut storer = Storer {
            queue: Arc::clone(&queue),
            store,
            journal,
            runtime,
            compressor,
        };
        let thread = thread::Builder::new()
            .name("recordings".to_owned())
            .spawn(move || storer.run())?;
        Ok(Self {
            shared: Arc::new(Shared {
                queue,
                options,
                thread: Some(thread),
            }),
        })
    }

    /// Returns whether recordings can be stored.
    ///
    /// # Errors
    ///
    /// The reason for which they cannot.
    pub fn health(&self) -> Result<(), RecordError> {
        if !self.shared.queue.broken.load(Ordering::Relaxed) {
            return Ok(());
        }
        self.shared.queue.lock().failed.clone().map_or(Ok(()), Err)
    }

    pub(super) fn bulk_bytes_max(&self) -> u64 {
        self.shared.options.bulk_bytes_max
    }

    pub(super) fn submit(&self, job: Job) -> Result<(), RecordError> {
        let mut state = self.shared.queue.lock();
        if let Some(failed) = &state.failed {
            return Err(failed.clone());
        }
        let limit = self.shared.options.backlog_bytes_max;
        if state.bytes + job.plain.len() > limit {
            return Err(RecordError::Backlog { limit });
        }
        state.bytes += job.plain.len();
        state.submitted += 1;
        state.jobs.push_back(job);
        drop(state);
        self.shared.queue.condition.notify_one();
        Ok(())
    }

    /// Resolves when everything handed over so far is stored and journaled.
    pub(super) async fn drained(&self) -> Result<(), RecordError> {
        let submitted = self.shared.queue.lock().submitted;
        let mut done = self.shared.queue.done.subscribe();
        // The sender lives in the queue, which this handle keeps.
        let _ = done.wait_for(|done| *done >= submitted).await;
        self.shared.queue.lock().failed.clone().map_or(Ok(()), Err)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.queue.lock().closed = true;
        self.queue.condition.notify_one();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that stores recordings failed");
        }
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next(&self) -> Option<Job> {
        let state = self.lock();
        let waited = self
            .condition
            .wait_while(state, |state| state.jobs.is_empty() && !state.closed);
        waited.unwrap_or_else(PoisonError::into_inner).jobs.pop_front()
    }
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue")
            .field("done", &self.done)
            .finish_non_exhaustive()
    }
}

struct Storer {
    queue: Arc<Queue>,
    store: Arc<dyn ObjectStore>,
    journal: Journal,
    runtime: Runtime,
    compressor: zstd::bulk::Compressor<'static>,
}

impl Storer {
    fn run(&mut self) {
        while let Some(job) = self.queue.next() {
            let failed = self.queue.lock().failed.is_some();
            // After a failure a recording has a hole; nothing may be added behind it.
            let stored = if failed { Ok(()) } else { self.store(&job) };
            let mut state = self.queue.lock();
            state.bytes -= job.plain.len();
            if let Err(error) = stored {
                tracing::error!(%error, session = %job.session, "a recording could not be stored");
                state.failed.get_or_insert(error);
                self.queue.broken.store(true, Ordering::Relaxed);
            }
            drop(state);
            self.queue.done.send_modify(|done| *done += 1);
        }
    }

    fn store(&mut self, job: &Job) -> Result<(), RecordError> {
        let unstored = |reason: String| RecordError::Unstored {
            reason: reason.into(),
        };
        let bytes = self
            .compressor
            .compress(&job.plain)
            .map_err(|error| unstored(error.to_string()))?;
        let sha256 = hex::encode(Sha256::digest(&bytes));
        let length = bytes.len() as u64;
        let path = segment_path(job.session, job.segment);
        self.runtime
            .block_on(self.store.put(&path.as_str().into(), bytes.into()))
            .map_err(|error| unstored(error.to_string()))?;
        self.journal.append(|out| {
            Event::RecordingSegment {
                session: job.session,
                segment: job.segment,
                path: &path,
                sha256: &sha256,
                bytes: length,
            }
            .encode(unix_us(), out);
        })?;
        Ok(())
    }
}

/// The folder of a place `file:<folder>`.
pub(super) fn folder(place: &str) -> Result<PathBuf, OpenRecordingsError> {
    let folder = place
        .strip_prefix("file:")
        .map(|rest| rest.strip_prefix("//").unwrap_or(rest));
    match folder {
        Some(folder) if !folder.is_empty() => Ok(PathBuf::from(folder)),
        _ => Err(OpenRecordingsError::Place {
            place: place.to_owned(),
        }),
    }
}

/// Opens a folder whose files are synced before they count as stored.
pub(super) fn open_store(folder: &Path) -> Result<Arc<dyn ObjectStore>, String> {
    let store = LocalFileSystem::new_with_prefix(folder).map_err(|error| error.to_string())?;
    Ok(Arc::new(store.with_fsync(true)))
}

/// Segments of two hundred and fifty busy sessions.
const BACKLOG_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Enough to see what was sent and what a result was like; an import or export of a million rows
/// costs no more.
const BULK_BYTES_MAX: u64 = 1024 * 1024;

/// Measured on result rows: higher levels cost several times as much for a tenth less.
const LEVEL: i32 = 3;
