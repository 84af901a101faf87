//! The builder: turns what is durable into tiles and signed checkpoints.
//!
//! Runs on its own thread, reads back what was committed, and never holds up an append. If
//! something fails the log ends: entries that could not be proven later must not be taken.
//!
//! A whole tile or bundle is written as it fills and is not synced then: the segment that its
//! entries came from is. Order of what makes a checkpoint:
//!
//! 1. the partial tiles and bundle are written;
//! 2. every tile and bundle since the last checkpoint is synced, then the folders they are in;
//! 3. the note is appended to `checkpoints.log`, synced;
//! 4. `checkpoint` is replaced, synced;
//! 5. segments all of whose entries the checkpoint covers, and older partial files, are removed.
//!
//! What a power loss leaves, by when it comes, and where recovery has each entry from. `S` is
//! the size in the last whole note of `checkpoints.log`:
//!
//! | power is lost | on disk | entries before `S` | from `S` on |
//! |---|---|---|---|
//! | before 3 is done | all files of `S`, the segments from `S` on; of later files any, with any bytes | tiles, bundles | segments |
//! | between 3 and 4 | all files of the new `S`; `checkpoint` is one behind | tiles, bundles | segments |
//! | during 5 | the same, some of what is removed | tiles, bundles | segments |
//!
//! So files that a signed checkpoint claims were synced before it was signed, and an entry that
//! was acknowledged is always in one of two places that were synced. Names tell which: a file
//! is claimed by `S` if it is whole and all its entries are before `S`, or partial and just as
//! wide as `S` wants it. Recovery needs no other: it removes partial ones and writes whole
//! ones again. It never compares with what is there, since after a power loss that may be
//! missing, empty, short or garbage without anybody having touched it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::block::{self, Frames};
use crate::commit::{Core, unwritable};
use crate::layout::{self, Layout, sync_dir, write_whole};
use crate::note::{SignedCheckpoint, SigningNoteKey};
use crate::segment::{Device, Ready, SegmentReader};
use crate::tree::{self, TILE_WIDTH, TileId, Tree};
use crate::unsynced::Unsynced;

/// Wakes the builder before its time.
#[derive(Debug, Default)]
pub(crate) struct Bell {
    rung: Mutex<Rung>,
    condition: Condvar,
}

#[derive(Clone, Copy, Debug, Default)]
struct Rung {
    work: bool,
    close: bool,
}

impl Bell {
    pub(crate) fn ring(&self) {
        self.rung.lock().unwrap_or_else(PoisonError::into_inner).work = true;
        self.condition.notify_one();
    }

    pub(crate) fn close(&self) {
        self.rung.lock().unwrap_or_else(PoisonError::into_inner).close = true;
        self.condition.notify_one();
    }

    /// Waits for a ring, at most `time`. Returns whether to close.
    fn wait(&self, time: Duration) -> bool {
        let rung = self.rung.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self
            .condition
            .wait_timeout_while(rung, time, |rung| !rung.work && !rung.close);
        let (mut rung, _) = waited.unwrap_or_else(PoisonError::into_inner);
        rung.work = false;
        rung.close
    }
}

/// Builds the tree of one log.
pub(crate) struct Builder {
    layout: Layout,
    key: SigningNoteKey,
    device: Arc<dyn Device>,
    ready: Ready,
    segment_bytes: u64,
    checkpoint_every: Duration,
    tree: Tree,
    /// The frames of the entries that are in no whole bundle yet.
    bundle: Vec<u8>,
    source: Option<SegmentReader>,
    latest: watch::Sender<Arc<SignedCheckpoint>>,
    unsynced: Unsynced,
}

impl Builder {
    /// Goes on from `tree`, whose entries beyond the last whole bundle are `bundle`.
    #[expect(
        clippy::too_many_arguments,
        reason = "made in one place, each of a different type"
    )]
    pub(crate) fn new(
        layout: Layout,
        key: SigningNoteKey,
        device: Arc<dyn Device>,
        ready: Ready,
        segment_bytes: u64,
        checkpoint_every: Duration,
        tree: Tree,
        bundle: Vec<u8>,
        latest: SignedCheckpoint,
    ) -> Self {
        Self {
            unsynced: Unsynced::new(Arc::clone(&device), layout.dir()),
            layout,
            key,
            device,
            ready,
            segment_bytes,
            checkpoint_every,
            tree,
            bundle,
            source: None,
            latest: watch::Sender::new(Arc::new(latest)),
        }
    }

    pub(crate) fn tree(&self) -> &Tree {
        &self.tree
    }

    pub(crate) fn latest(&self) -> &watch::Sender<Arc<SignedCheckpoint>> {
        &self.latest
    }

    /// Runs until the bell closes, then signs what is durable by then.
    pub(crate) fn run(mut self, core: &Core, bell: &Bell) {
        let mut signed = Instant::now();
        loop {
            let due = self.checkpoint_every.saturating_sub(signed.elapsed());
            // Nothing is due as long as nothing is appended.
            let close = bell.wait(if due.is_zero() { self.checkpoint_every } else { due });
            let round = self.round(core.durable_size(), &mut signed, close);
            if let Err(error) = round {
                core.fail(unwritable("its tiles could not be written", &error));
                return;
            }
            if close || core.health().is_err() {
                return;
            }
        }
    }

    fn round(&mut self, size: u64, signed: &mut Instant, close: bool) -> io::Result<()> {
        if !close {
            self.make_ready()?;
        }
        self.absorb(size)?;
        // A checkpoint of the same size would be the same bytes again.
        let grown = size > self.latest.borrow().checkpoint.size;
        if grown && (close || signed.elapsed() >= self.checkpoint_every) {
            self.publish()?;
            *signed = Instant::now();
        }
        Ok(())
    }

    /// Makes the next segment ready, if it is not.
    fn make_ready(&self) -> io::Result<()> {
        let missing = self
            .ready
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_none();
        if missing {
            let out = self
                .device
                .create(&self.layout.next_segment(), self.segment_bytes)?;
            *self.ready.lock().unwrap_or_else(PoisonError::into_inner) = Some(out);
        }
        Ok(())
    }

    /// Takes in the entries up to `size`, which are durable.
    fn absorb(&mut self, size: u64) -> io::Result<()> {
        while self.tree.size() < size {
            let mut source = match self.source.take() {
                Some(source) => source,
                None => SegmentReader::open(&self.layout.segment(self.tree.size()))?,
            };
            while self.tree.size() < size {
                let Some(block) = source.next_block()? else {
                    break;
                };
                if block.first != self.tree.size() {
                    return Err(io::Error::other("a segment changed while it was in use"));
                }
                for entry in Frames::new(block.frames) {
                    self.push(entry)?;
                }
                if self.tree.size() == size {
                    self.source = Some(source);
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Takes in one entry.
    pub(crate) fn push(&mut self, entry: &[u8]) -> io::Result<()> {
        block::push_frame(&mut self.bundle, entry);
        let (layout, unsynced, bundle) = (&self.layout, &mut self.unsynced, &mut self.bundle);
        self.tree.push(tree::leaf_hash(entry), |id, hashes| {
            if id.level == 0 {
                // The bundle first: from it the tile can be made again.
                unsynced.put(layout.bundle(id.index, TILE_WIDTH), bundle)?;
                bundle.clear();
            }
            unsynced.put(layout.tile(id), &tree::tile_bytes(hashes))
        })
    }

    /// Writes the partial tiles, signs a checkpoint and removes what it makes superfluous.
    pub(crate) fn publish(&mut self) -> io::Result<()> {
        let size = self.tree.size();
        let before = self.latest.borrow().checkpoint.size;
        for id in tree::partial_tiles(size) {
            if id.level == 0 {
                self.unsynced
                    .put(self.layout.bundle(id.index, id.width), &self.bundle)?;
            }
            let bytes = tree::tile_bytes(self.tree.edge(id.level));
            self.unsynced.put(self.layout.tile(id), &bytes)?;
        }
        self.unsynced.sync()?;
        let signed = self.key.sign(size, self.tree.root()).map_err(io::Error::other)?;
        append_note(&self.layout, &signed.note)?;
        write_whole(&self.layout.checkpoint(), &signed.note)?;
        sync_dir(self.layout.dir())?;
        self.latest.send_replace(Arc::new(signed));
        self.remove_superfluous(before, size)
    }

    fn remove_superfluous(&self, before: u64, size: u64) -> io::Result<()> {
        for old in tree::partial_tiles(before) {
            remove_partials(&self.layout, old, size)?;
        }
        let firsts = layout::segments(&self.layout)?;
        for pair in firsts.windows(2) {
            // A segment ends where the next one begins.
            if pair[1] <= size {
                fs::remove_file(self.layout.segment(pair[0]))?;
            }
        }
        Ok(())
    }
}

/// Removes the partial files beside the tile that `id` is a part of, but those of a log of
/// `size` entries.
pub(crate) fn remove_partials(layout: &Layout, id: TileId, size: u64) -> io::Result<()> {
    let keep = tree::partial_tiles(size).find(|now| (now.level, now.index) == (id.level, id.index));
    let keep = keep.map(|now| now.width);
    let bundle = (id.level == 0).then(|| layout.bundle(id.index, TILE_WIDTH));
    let tile = layout.tile(TileId {
        width: TILE_WIDTH,
        ..id
    });
    for full in bundle.into_iter().chain([tile]) {
        for width in layout::partial_widths(&full)? {
            if Some(width) != keep {
                fs::remove_file(Layout::partials(&full).join(width.to_string()))?;
            }
        }
        if keep.is_none() && Layout::partials(&full).exists() {
            // Left-overs of a write that a crash cut short may stand in it.
            fs::remove_dir_all(Layout::partials(&full))?;
        }
    }
    Ok(())
}

/// Appends a signed note to `checkpoints.log`, synced.
pub(crate) fn append_note(layout: &Layout, note: &[u8]) -> io::Result<()> {
    let mut log = OpenOptions::new()
        .append(true)
        .create(true)
        .open(layout.checkpoints_log())?;
    log.write_all(&[note, b"\n"].concat())?;
    log.sync_data()
}

/// Cuts `checkpoints.log` to its first `len` bytes, synced.
pub(crate) fn cut_notes(layout: &Layout, len: u64) -> io::Result<()> {
    let log = File::options().write(true).open(layout.checkpoints_log())?;
    log.set_len(len)?;
    log.sync_all()
}
