//! Group commit: entries gather in one buffer, one write and one `fdatasync` make them durable.
//!
//! Who commits depends on what a commit costs on this device ([`CommitMode`]): the caller
//! that waits, on its own thread, or the writer thread. In both, one commit is under way at a
//! time and the next gathers while it is; nobody is told "durable" before `fdatasync` said so.
//! A failed write or sync ends the log: it is never tried again.

mod attend;
mod wait;
mod writer;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::{Duration, Instant, SystemTime};

use model::Fault;
use model::event::Event;
use tokio::sync::watch;

use crate::block::{ENTRY_BYTES_MAX, FRAME_HEADER_BYTES, HEADER_BYTES};
use crate::segment::{LAST_WORDS_BYTES, Wal, WriteError};

pub use attend::Attend;
use attend::Attended;
pub use wait::Durable;
pub(crate) use writer::run as run_writer;

/// An entry's place in the log: its index, from 0 and without gaps.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Ticket(pub(crate) u64);

impl Ticket {
    /// The entry's index.
    #[must_use]
    pub const fn index(self) -> u64 {
        self.0
    }
}

/// The journal cannot be written any more; whatever waits for an entry must not go on.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the journal cannot be written: {reason}")]
pub struct Unwritable {
    /// What failed, for the operator.
    pub reason: Arc<str>,
}

impl Unwritable {
    /// Who must act.
    #[must_use]
    pub const fn fault(&self) -> Fault {
        Fault::Operator
    }

    /// What a client is told.
    #[must_use]
    pub const fn for_client(&self) -> &'static str {
        "nothing can be run now, because it could not be recorded"
    }
}

/// Why an entry was not taken.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum AppendError {
    /// See [`Unwritable`].
    #[error(transparent)]
    Unwritable(#[from] Unwritable),
    /// The device does not keep up: `limit` bytes wait for it.
    #[error("the journal's device does not keep up: {limit} bytes are waiting to be written")]
    Backlog {
        /// The configured limit in bytes.
        limit: usize,
    },
    /// Longer than a log entry can be.
    #[error("an entry of {bytes} bytes is over the limit of {ENTRY_BYTES_MAX}")]
    TooLong {
        /// Length of the refused entry.
        bytes: usize,
    },
}

impl AppendError {
    /// Who must act.
    #[must_use]
    pub const fn fault(&self) -> Fault {
        match self {
            Self::Unwritable(_) | Self::Backlog { .. } => Fault::Operator,
            Self::TooLong { .. } => Fault::Gateway,
        }
    }

    /// What a client is told.
    #[must_use]
    pub const fn for_client(&self) -> &'static str {
        "nothing can be run now, because it could not be recorded"
    }
}

/// Who makes entries durable.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CommitMode {
    /// The waiting caller, on its own thread: a commit costs less than a change of threads.
    Inline,
    /// The writer thread, for all that gathered during its last commit.
    Thread,
}

/// How the commit mode is chosen.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum CommitChoice {
    /// By what commits are measured to cost.
    #[default]
    Measured,
    /// Always this one; for tests and measurements.
    Fixed(CommitMode),
}

/// What all handles, the writer and the builder share.
pub(crate) struct Core {
    state: Mutex<State>,
    wal: Mutex<Wal>,
    /// Number of durable entries.
    durable: AtomicU64,
    /// A moving average of what a commit costs, in nanoseconds.
    commit_ns: AtomicU64,
    choice: CommitChoice,
    backlog_bytes_max: usize,
    /// Wakes the writer thread.
    writer: Condvar,
    /// Wakes the builder thread.
    builder: Arc<dyn Fn() + Send + Sync>,
    sizes: watch::Sender<u64>,
}

struct State {
    /// The block that gathers; begins with room for its header.
    pending: Vec<u8>,
    /// The other buffer, when no commit is using it.
    spare: Vec<u8>,
    /// Index of the first pending entry.
    first: u64,
    /// Number of pending entries.
    count: u32,
    /// Bytes of the block being committed.
    committing: Option<usize>,
    waiters: Vec<(u64, Waker)>,
    /// The event loops that wake their own, by number; `None` for one that has gone.
    attended: Vec<Option<Attended>>,
    /// The writer thread waits on its condition.
    parked: bool,
    /// The writer thread waits without a time limit: an append must wake it.
    asleep: bool,
    /// The writer thread must commit without delay.
    wanted: bool,
    dead: Option<Unwritable>,
    closed: bool,
}

impl Core {
    pub(crate) fn new(
        wal: Wal,
        first: u64,
        choice: CommitChoice,
        commit_cost: Duration,
        backlog_bytes_max: usize,
        builder: Arc<dyn Fn() + Send + Sync>,
    ) -> Self {
        Self {
            state: Mutex::new(State {
                pending: vec![0; HEADER_BYTES],
                spare: vec![0; HEADER_BYTES],
                first,
                count: 0,
                committing: None,
                waiters: Vec::new(),
                attended: Vec::new(),
                parked: false,
                asleep: false,
                wanted: false,
                dead: None,
                closed: false,
            }),
            wal: Mutex::new(wal),
            durable: AtomicU64::new(first),
            commit_ns: AtomicU64::new(nanos(commit_cost).min(SAMPLE_NS_MAX)),
            choice,
            backlog_bytes_max,
            writer: Condvar::new(),
            builder,
            sizes: watch::Sender::new(first),
        }
    }

    /// Number of durable entries.
    pub(crate) fn durable_size(&self) -> u64 {
        self.durable.load(Ordering::Acquire)
    }

    pub(crate) fn sizes(&self) -> watch::Receiver<u64> {
        self.sizes.subscribe()
    }

    pub(crate) fn health(&self) -> Result<(), Unwritable> {
        self.lock().dead.clone().map_or(Ok(()), Err)
    }

    pub(crate) fn mode(&self) -> CommitMode {
        match self.choice {
            CommitChoice::Fixed(mode) => mode,
            CommitChoice::Measured if self.commit_ns.load(Ordering::Relaxed) <= INLINE_NS_MAX => {
                CommitMode::Inline
            }
            CommitChoice::Measured => CommitMode::Thread,
        }
    }

    pub(crate) fn commit_cost(&self) -> Duration {
        Duration::from_nanos(self.commit_ns.load(Ordering::Relaxed))
    }

    /// Takes an entry in; it is durable once [`Core::durable_size`] has passed its index.
    pub(crate) fn append(&self, encode: impl FnOnce(&mut Vec<u8>)) -> Result<Ticket, AppendError> {
        let mut state = self.lock();
        if let Some(dead) = &state.dead {
            return Err(dead.clone().into());
        }
        if state.closed {
            return Err(closed().into());
        }
        if state.pending.len() + state.committing.unwrap_or(0) >= self.backlog_bytes_max {
            let limit = self.backlog_bytes_max;
            return Err(AppendError::Backlog { limit });
        }
        let frame = state.pending.len();
        let entry = frame + FRAME_HEADER_BYTES;
        state.pending.resize(entry, 0);
        encode(&mut state.pending);
        let bytes = state.pending.len().saturating_sub(entry);
        let Ok(len) = u16::try_from(bytes) else {
            state.pending.truncate(frame);
            return Err(AppendError::TooLong { bytes });
        };
        state.pending[frame..entry].copy_from_slice(&len.to_be_bytes());
        let ticket = Ticket(state.first + u64::from(state.count));
        state.count += 1;
        if state.asleep {
            state.asleep = false;
            self.writer.notify_one();
        }
        Ok(ticket)
    }

    /// Commits what is pending on this thread if commits are inline and none is under way.
    pub(crate) fn commit_inline(&self) {
        if self.mode() != CommitMode::Inline {
            return;
        }
        for _ in 0..INLINE_ROUNDS_MAX {
            if !self.commit() {
                return;
            }
        }
        self.ask_writer(&mut self.lock());
    }

    /// Makes everything pending durable. Returns whether somebody still waits for more.
    fn commit(&self) -> bool {
        let (mut block, first, count) = {
            let mut state = self.lock();
            if state.committing.is_some() || state.count == 0 || state.dead.is_some() {
                return false;
            }
            let spare = std::mem::take(&mut state.spare);
            let block = std::mem::replace(&mut state.pending, spare);
            let (first, count) = (state.first, state.count);
            state.committing = Some(block.len());
            state.wanted = false;
            state.first += u64::from(count);
            state.count = 0;
            (block, first, count)
        };
        let under_way = UnderWay(self);
        let written = self.write(&mut block, first, count);
        std::mem::forget(under_way);
        block.truncate(HEADER_BYTES);
        block.shrink_to(BUFFER_KEPT_BYTES);
        self.committed(written.map(|()| first + u64::from(count)), block)
    }

    fn write(&self, block: &mut [u8], first: u64, count: u32) -> Result<(), Unwritable> {
        let mut wal = self.wal.lock().unwrap_or_else(PoisonError::into_inner);
        let start = Instant::now();
        match wal.write(block, first, count) {
            Ok(rotated) => {
                drop(wal);
                if rotated {
                    (self.builder)();
                } else {
                    self.note_cost(start.elapsed());
                }
                Ok(())
            }
            Err(WriteError::NoSegment(error)) => {
                let dead = unwritable("its log could not be continued", &error);
                put_on_record(&mut wal, &dead);
                Err(dead)
            }
            Err(WriteError::Failed(error)) => {
                wal.end();
                Err(unwritable("its log could not be written", &error))
            }
        }
    }

    fn committed(&self, written: Result<u64, Unwritable>, spare: Vec<u8>) -> bool {
        let mut woken = Vec::new();
        let more = {
            let mut state = self.lock();
            state.committing = None;
            state.spare = spare;
            match written {
                Ok(size) => {
                    self.durable.store(size, Ordering::Release);
                    if state.dead.is_none() {
                        state.waiters.retain_mut(|(index, waker)| {
                            let waits = *index >= size;
                            if !waits {
                                woken.push(std::mem::replace(waker, Waker::noop().clone()));
                            }
                            waits
                        });
                        let loops = state.attended.iter_mut().flatten();
                        let loops = loops.filter_map(|here| here.committed(size).then(|| here.waker.clone()));
                        woken.extend(loops);
                    }
                }
                Err(dead) => self.die(&mut state, dead, &mut woken),
            }
            let waits = state.attended.iter().flatten().any(Attended::waits);
            let more = (waits || !state.waiters.is_empty()) && state.count > 0;
            state.wanted |= state.closed;
            if state.wanted {
                self.ask_writer(&mut state);
            }
            more
        };
        woken.into_iter().for_each(Waker::wake);
        more
    }

    /// Ends the log for a reason outside the write-ahead part. What can still be written is
    /// one entry that says so.
    pub(crate) fn fail(&self, dead: Unwritable) {
        let mut woken = Vec::new();
        {
            let mut state = self.lock();
            if state.dead.is_some() {
                return;
            }
            self.die(&mut state, dead.clone(), &mut woken);
        }
        woken.into_iter().for_each(Waker::wake);
        let mut wal = self.wal.lock().unwrap_or_else(PoisonError::into_inner);
        put_on_record(&mut wal, &dead);
    }

    /// Stops taking entries in; the writer thread commits what is pending, then ends.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.asleep = false;
        self.ask_writer(&mut state);
    }

    fn die(&self, state: &mut State, dead: Unwritable, woken: &mut Vec<Waker>) {
        tracing::error!(reason = %dead.reason, "the journal cannot be written any more");
        state.dead.get_or_insert(dead);
        woken.extend(state.waiters.drain(..).map(|(_, waker)| waker));
        woken.extend(state.attended.iter().flatten().map(|here| here.waker.clone()));
        state.wanted = true;
        self.writer.notify_one();
    }

    fn ask_writer(&self, state: &mut State) {
        state.wanted = true;
        state.asleep = false;
        if state.parked {
            state.parked = false;
            self.writer.notify_one();
        }
    }

    fn note_cost(&self, cost: Duration) {
        let sample = nanos(cost).min(SAMPLE_NS_MAX);
        let mean = self.commit_ns.load(Ordering::Relaxed);
        // Two commits never overlap, so nothing is lost between load and store.
        self.commit_ns
            .store(mean - mean / 16 + sample / 16, Ordering::Relaxed);
    }

    /// A caller's `encode` that panicked left half a frame behind: that ends the log.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| {
            let mut state = poisoned.into_inner();
            if state.dead.is_none() {
                let mut woken = Vec::new();
                let reason = "an entry was given up half written".into();
                self.die(&mut state, Unwritable { reason }, &mut woken);
                woken.into_iter().for_each(Waker::wake);
            }
            state
        })
    }
}

/// Ends the log if a commit unwinds, so that nobody waits for it for ever.
struct UnderWay<'a>(&'a Core);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        let reason = "a commit was given up".into();
        self.0
            .committed(Err(Unwritable { reason }), vec![0; HEADER_BYTES]);
    }
}

/// Writes the reason for the end as the last entry, if that is still possible.
fn put_on_record(wal: &mut Wal, dead: &Unwritable) {
    let mut entry = Vec::new();
    Event::Failed {
        fault: Fault::Operator,
        what: "journal",
        reason: &dead.reason,
    }
    .encode(unix_us(), &mut entry);
    if entry.len() + HEADER_BYTES + FRAME_HEADER_BYTES <= LAST_WORDS_BYTES
        && let Err(error) = wal.write_last(&entry)
    {
        tracing::error!(%error, "the journal's end could not be put on record");
    }
    wal.end();
}

pub(crate) fn closed() -> Unwritable {
    Unwritable {
        reason: "it has been closed".into(),
    }
}

/// Names an error of the system without its chain.
pub(crate) fn unwritable(what: &str, error: &std::io::Error) -> Unwritable {
    let reason = match error.kind() {
        std::io::ErrorKind::StorageFull => format!("{what}: the disk is full; free some space and restart"),
        _ => format!("{what}: {error}"),
    };
    Unwritable {
        reason: reason.into(),
    }
}

pub(crate) fn unix_us() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |d| u64::try_from(d.as_micros()).unwrap_or(u64::MAX))
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Up to here a commit on the caller's thread is cheaper than waking another one and being
/// woken (about 10 µs each way under load): tmpfs, or flash that survives a power loss.
const INLINE_NS_MAX: u64 = 60_000;

/// One sample counts at most this much: being descheduled once must not change the mode.
const SAMPLE_NS_MAX: u64 = 4 * INLINE_NS_MAX;

/// How often one caller commits for others in a row before the writer thread takes over.
const INLINE_ROUNDS_MAX: usize = 4;

/// A buffer that a burst has grown is cut back to this.
const BUFFER_KEPT_BYTES: usize = 1024 * 1024;
