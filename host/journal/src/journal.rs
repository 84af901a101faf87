//! The handle to a log that is open for writing.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::sync::watch;

use crate::commit::{self, AppendError, Attend, CommitMode, Core, Durable, Ticket, Unwritable, unwritable};
use crate::layout::{Layout, sync_dir, write_whole};
use crate::note::SignedCheckpoint;
use crate::publish::{Bell, Builder};
use crate::read::Reader;

/// A log that is open for writing. Cheap to clone; used from any number of threads and
/// runtimes at once.
///
/// When the last handle goes, what was appended is committed and signed, but only
/// [`Journal::close`] puts on record that the end was orderly.
#[derive(Clone, Debug)]
pub struct Journal {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    core: Arc<Core>,
    bell: Arc<Bell>,
    layout: Layout,
    latest: watch::Receiver<Arc<SignedCheckpoint>>,
    threads: Mutex<Option<Threads>>,
    /// Holds the lock on the directory for as long as there are handles.
    _lock: File,
}

#[derive(Debug)]
struct Threads {
    writer: JoinHandle<()>,
    builder: JoinHandle<()>,
}

impl Journal {
    pub(crate) fn start(
        layout: Layout,
        lock: File,
        core: Core,
        bell: Arc<Bell>,
        builder: Builder,
    ) -> io::Result<Self> {
        let core = Arc::new(core);
        let latest = builder.latest().subscribe();
        let (for_writer, for_builder, builder_bell) =
            (Arc::clone(&core), Arc::clone(&core), Arc::clone(&bell));
        let writer = thread::Builder::new()
            .name("journal-writer".to_owned())
            .spawn(move || commit::run_writer(&for_writer))?;
        let builder = thread::Builder::new()
            .name("journal-tiles".to_owned())
            .spawn(move || builder.run(&for_builder, &builder_bell))?;
        bell.ring();
        Ok(Self {
            shared: Arc::new(Shared {
                core,
                bell,
                layout,
                latest,
                threads: Mutex::new(Some(Threads { writer, builder })),
                _lock: lock,
            }),
        })
    }

    /// Takes an entry in. `encode` appends its bytes, at most
    /// [`ENTRY_BYTES_MAX`](crate::ENTRY_BYTES_MAX), to what is in the buffer; it is called under
    /// a lock and must be quick, must not touch what is there already and must not panic.
    ///
    /// The entry is durable once [`Journal::durable`] of its ticket resolves. If nobody waits
    /// for it, it is committed with the next one that somebody waits for, at the latest after
    /// two milliseconds.
    ///
    /// # Errors
    ///
    /// If the log has ended, the device does not keep up, or the entry is too long. The entry
    /// then is not in the log.
    pub fn append(&self, encode: impl FnOnce(&mut Vec<u8>)) -> Result<Ticket, AppendError> {
        self.shared.core.append(encode)
    }

    /// Resolves when the entry with this ticket, and everything before it, is durable.
    ///
    /// # Errors
    ///
    /// Resolves to [`Unwritable`] if the log has ended before that: whatever the entry
    /// announced must not happen.
    pub fn durable(&self, ticket: Ticket) -> Durable<'_> {
        Durable::new(&self.shared.core, ticket)
    }

    /// Has the event loop of the thread that polls it wake what waits there for entries to
    /// become durable: one wake for each commit, instead of one for each that waits.
    pub fn attend(&self) -> Attend {
        Attend::new(Arc::clone(&self.shared.core))
    }

    /// Returns who commits at the moment.
    #[must_use]
    pub fn commit_mode(&self) -> CommitMode {
        self.shared.core.mode()
    }

    /// Returns what a commit costs on this device: a moving average, a long one counted as
    /// 240 µs.
    #[must_use]
    pub fn commit_cost(&self) -> Duration {
        self.shared.core.commit_cost()
    }

    /// Returns whether the log can be written.
    ///
    /// # Errors
    ///
    /// [`Unwritable`] with the reason for which it has ended.
    pub fn health(&self) -> Result<(), Unwritable> {
        self.shared.core.health()
    }

    /// Returns the number of durable entries.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.shared.core.durable_size()
    }

    /// Follows the number of durable entries, two milliseconds behind at most.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.shared.core.sizes()
    }

    /// Follows the signed checkpoints: one a second while the log grows. Kept outside the
    /// log's directory they are anchors, see [`Options::anchors`](crate::Options::anchors).
    #[must_use]
    pub fn checkpoints(&self) -> watch::Receiver<Arc<SignedCheckpoint>> {
        self.shared.latest.clone()
    }

    /// Returns a reader of the durable entries.
    #[must_use]
    pub fn reader(&self) -> Reader {
        Reader::beside(self.shared.layout.clone(), Arc::clone(&self.shared.core))
    }

    /// Returns the log's directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.shared.layout.dir()
    }

    /// Ends the log in order: no more entries, everything pending durable and signed, and on
    /// record that no operation was open. Blocks. Returns the last checkpoint.
    ///
    /// # Errors
    ///
    /// [`Unwritable`] if something pending could not be made durable or signed.
    pub fn close(&self) -> Result<Arc<SignedCheckpoint>, Unwritable> {
        self.shared.stop();
        self.health()?;
        let layout = &self.shared.layout;
        write_whole(&layout.closed(), format!("{}\n", self.size()).as_bytes())
            .and_then(|()| sync_dir(layout.dir()))
            .map_err(|error| unwritable("its end could not be put on record", &error))?;
        Ok(Arc::clone(&self.shared.latest.borrow()))
    }
}

impl Shared {
    fn stop(&self) {
        let threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(threads) = threads else {
            return;
        };
        self.core.close();
        let writer = threads.writer.join();
        self.bell.close();
        if writer.is_err() || threads.builder.join().is_err() {
            self.core.fail(Unwritable {
                reason: "one of its threads failed".into(),
            });
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.stop();
    }
}
