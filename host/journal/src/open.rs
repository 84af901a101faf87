//! Opens a log for writing: takes the lock, brings a crash to an end, and refuses a log that
//! is not the one that was signed.
//!
//! What a crash may leave behind is a last block that is not whole, tiles and bundles after the
//! last checkpoint with any bytes in them, and a last checkpoint that is not whole. None of it
//! is what an acknowledgement rests on, and it is cut or made again; `publish.rs` says from
//! what. Anything else is refused: going on would bury the evidence.

mod replay;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use model::Fault;
use rustix::fs::{FlockOperation, flock};

use crate::commit::{CommitChoice, Core};
use crate::journal::Journal;
use crate::layout::{self, Layout, make_dirs, sync_dir, write_whole};
use crate::note::{KeyError, Keys, NewKey, NoteFault, SignedCheckpoint, SigningNoteKey, split_notes};
use crate::pending::{self, OpenOperation};
use crate::publish::{self, Bell};
use crate::read::ReadError;
use crate::segment::{Device, Disk, Ready, Wal};
use crate::tree::{self, Hash};

/// How a log is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// The log's name in its checkpoints and the name of its key: unique per gateway replica,
    /// without spaces and `+`.
    pub origin: String,
    /// The Ed25519 signing key; made with mode 0600 if neither it nor a log exists.
    pub signing_key: PathBuf,
    /// Checkpoints kept outside the log's directory, as signed notes. The log must go on from
    /// each: only so is an older copy of the whole directory recognised.
    pub anchors: Vec<Vec<u8>>,
    /// Who commits.
    pub commit: CommitChoice,
    /// How many bytes may wait for the device before appends are refused.
    pub backlog_bytes_max: usize,
    /// Size of a write-ahead segment in bytes.
    pub segment_bytes: u64,
    /// How often a growing log is signed.
    pub checkpoint_every: Duration,
}

impl Options {
    /// The options for a log named `origin` and its key, everything else as usual.
    #[must_use]
    pub fn new(origin: impl Into<String>, signing_key: impl Into<PathBuf>) -> Self {
        Self {
            origin: origin.into(),
            signing_key: signing_key.into(),
            anchors: Vec::new(),
            commit: CommitChoice::Measured,
            backlog_bytes_max: BACKLOG_BYTES_MAX,
            segment_bytes: SEGMENT_BYTES,
            checkpoint_every: CHECKPOINT_EVERY,
        }
    }
}

/// What opening found.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Recovery {
    /// Number of entries.
    pub size: u64,
    /// Root over them.
    pub root: Hash,
    /// The log was made just now.
    pub fresh: bool,
    /// It had been closed in order.
    pub clean: bool,
    /// Bytes of a block that was being written in a crash; nothing in it was acknowledged.
    pub cut_bytes: u64,
    /// Intents without an outcome since the last orderly close, oldest first. For each,
    /// append `op.outcome-unknown`.
    pub open_operations: Vec<OpenOperation>,
}

/// Why a log cannot be opened for writing.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process writes it, or another handle in this one.
    #[error("the journal {dir} is in use by another process; each gateway needs its own")]
    InUse {
        /// The log's directory.
        dir: PathBuf,
    },
    /// A file could not be read or written.
    #[error("the journal's {path} could not be {attempted}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was tried.
        attempted: &'static str,
        /// The system's error.
        source: io::Error,
    },
    /// The signing key cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A checkpoint is not one of this log.
    #[error("the checkpoint {what} is not one of this journal: {fault}")]
    Checkpoint {
        /// Which one.
        what: String,
        /// What is wrong with it.
        fault: NoteFault,
    },
    /// There is a log, but no checkpoint of it.
    #[error("the journal {dir} has entries but no checkpoint; run `journal verify` and restore it")]
    CheckpointMissing {
        /// The log's directory.
        dir: PathBuf,
    },
    /// A checkpoint is of another log.
    #[error("the checkpoint {what} is of the journal {found}, not of {origin}")]
    OtherOrigin {
        /// Which one.
        what: String,
        /// Whose it is.
        found: String,
        /// Whose it should be.
        origin: String,
    },
    /// Entries that were signed are gone.
    #[error("the journal was rolled back: {signed} entries were signed, {held} are here")]
    RolledBack {
        /// Number of entries in the log.
        held: u64,
        /// Number of entries in a signed checkpoint.
        signed: u64,
    },
    /// The entries are not those that were signed.
    #[error("the journal was rewritten: its first {size} entries are not the {size} that were signed")]
    Forked {
        /// Size of the checkpoint.
        size: u64,
    },
    /// Entries after the last checkpoint are damaged or missing.
    #[error("the journal is damaged after entry {size}, in {path}; run `journal verify`")]
    Damaged {
        /// Number of entries before the damage.
        size: u64,
        /// The file.
        path: PathBuf,
    },
    /// The log could not be read back.
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl OpenError {
    /// Who must act.
    #[must_use]
    pub const fn fault(&self) -> Fault {
        Fault::Operator
    }
}

impl Journal {
    /// Opens the log in `dir` for writing, or makes one. Blocks; the time it takes grows with
    /// what was written since the last orderly close.
    ///
    /// # Errors
    ///
    /// Whenever the log is not surely the one that was signed, see [`OpenError`].
    pub fn open(dir: &Path, options: Options) -> Result<(Self, Recovery), OpenError> {
        open_on(dir, options, Arc::new(Disk))
    }
}

/// [`Journal::open`] on some device.
pub(crate) fn open_on(
    dir: &Path,
    options: Options,
    device: Arc<dyn Device>,
) -> Result<(Journal, Recovery), OpenError> {
    let layout = Layout::new(dir);
    make_dirs(dir).map_err(io_error(dir, "made"))?;
    let lock = lock(&layout)?;
    let note = layout::read_optional(&layout.checkpoint()).map_err(io_error(&layout.checkpoint(), "read"))?;
    let fresh = note.is_none();
    if fresh
        && [layout.tiles(), layout.wal(), layout.checkpoints_log()]
            .iter()
            .any(|p| p.exists())
    {
        // The very first checkpoint is written before anything else of the log is made.
        return Err(OpenError::CheckpointMissing {
            dir: dir.to_path_buf(),
        });
    }
    let (key, keys) = signing_key(&layout, &options, fresh)?;
    let latest = match note {
        Some(note) => latest_checkpoint(&layout, &keys, &options.origin, &note)?,
        None => first_checkpoint(&layout, &key)?,
    };
    check_anchors(&layout, &keys, &options, &latest)?;

    make_dirs(&layout.wal()).map_err(io_error(&layout.wal(), "made"))?;
    let ready = Ready::default();
    let cost = probe(&layout, device.as_ref()).map_err(io_error(&layout.wal(), "written"))?;
    let capacity = options.segment_bytes;
    let (builder, cut_bytes) = replay::replay(&layout, key, &device, &ready, &options, latest)?;
    let size = builder.tree().size();
    let root = builder.tree().root();
    let wal =
        Wal::start(&layout, device, ready, size, capacity).map_err(io_error(&layout.wal(), "written"))?;
    remove_segments(&layout, size).map_err(io_error(&layout.wal(), "cleared"))?;

    let bell = Arc::new(Bell::default());
    let ring = Arc::clone(&bell);
    let core = Core::new(
        wal,
        size,
        options.commit,
        cost,
        options.backlog_bytes_max,
        Arc::new(move || ring.ring()),
    );
    let closed = closed_at(&layout).filter(|closed| *closed <= size);
    let journal =
        Journal::start(layout, lock, core, bell, builder).map_err(io_error(dir, "served by threads"))?;
    let open_operations = pending::open_operations(&journal.reader(), closed.unwrap_or(0))?;
    let recovery = Recovery {
        size,
        root,
        fresh,
        clean: fresh || closed == Some(size),
        cut_bytes,
        open_operations,
    };
    Ok((journal, recovery))
}

fn lock(layout: &Layout) -> Result<File, OpenError> {
    let path = layout.lock();
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(io_error(&path, "opened"))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(OpenError::InUse {
            dir: layout.dir().to_path_buf(),
        }),
        Err(error) => Err(io_error(&path, "locked")(error.into())),
    }
}

/// Reads the log's key, or makes it for a log that is just being made; with the log's
/// verification keys, which it is among.
fn signing_key(layout: &Layout, options: &Options, fresh: bool) -> Result<(SigningNoteKey, Keys), OpenError> {
    let path = &options.signing_key;
    if let Some(key) = SigningNoteKey::read(path, &options.origin)? {
        let keys = publish_key(layout, &key)?;
        return Ok((key, keys));
    }
    if !fresh {
        return Err(KeyError::Missing { path: path.clone() }.into());
    }
    // Published before it is kept: whoever is killed in between leaves the log's name, under
    // which the next start goes on with another key. The other way round, a key would be left
    // for a name that nobody knows.
    let new = NewKey::draw(path, &options.origin)?;
    let keys = publish_key(layout, new.key())?;
    Ok((new.keep(path)?, keys))
}

/// Sees to it that the key is among the log's verification keys; returns them all.
fn publish_key(layout: &Layout, key: &SigningNoteKey) -> Result<Keys, OpenError> {
    let path = layout.vkeys();
    let known = layout::read_optional(&path).map_err(io_error(&path, "read"))?;
    let mut text = String::from_utf8(known.unwrap_or_default()).unwrap_or_default();
    if !text.lines().any(|line| line == key.vkey()) {
        text.push_str(key.vkey());
        text.push('\n');
        write_whole(&path, text.as_bytes()).map_err(io_error(&path, "written"))?;
        let parent = path.parent().unwrap_or(layout.dir());
        sync_dir(parent).map_err(io_error(&path, "written"))?;
    }
    Keys::parse(text.lines()).ok_or_else(|| OpenError::Checkpoint {
        what: "keys/vkeys.txt".to_owned(),
        fault: NoteFault::Malformed,
    })
}

fn first_checkpoint(layout: &Layout, key: &SigningNoteKey) -> Result<SignedCheckpoint, OpenError> {
    let path = layout.checkpoint();
    let signed = key
        .sign(0, tree::empty_root())
        .map_err(|fault| OpenError::Checkpoint {
            what: "of the empty log".to_owned(),
            fault,
        })?;
    // Here `checkpoint` goes first: the log of checkpoints is made again from it.
    write_whole(&path, &signed.note)
        .and_then(|()| sync_dir(layout.dir()))
        .and_then(|()| publish::append_note(layout, &signed.note))
        .and_then(|()| sync_dir(layout.dir()))
        .map_err(io_error(&path, "written"))?;
    Ok(signed)
}

/// The last checkpoint that was signed: that in `checkpoint`, or one that a crash kept from
/// getting there.
fn latest_checkpoint(
    layout: &Layout,
    keys: &Keys,
    origin: &str,
    note: &[u8],
) -> Result<SignedCheckpoint, OpenError> {
    let published = open_note(keys, origin, note, "in the file `checkpoint`")?;
    let path = layout.checkpoints_log();
    let (tail, offset) = notes_tail(&path, origin).map_err(io_error(&path, "read"))?;
    let (notes, rest) = split_notes(&tail);
    if !rest.is_empty() {
        let len = offset + (tail.len() - rest.len()) as u64;
        publish::cut_notes(layout, len).map_err(io_error(&path, "cut"))?;
    }
    let Some(last) = notes.last() else {
        if published.checkpoint.size == 0 && offset == 0 {
            publish::append_note(layout, note).map_err(io_error(&path, "written"))?;
            return Ok(published);
        }
        return Err(OpenError::RolledBack {
            held: 0,
            signed: published.checkpoint.size,
        });
    };
    let last = open_note(keys, origin, last, "at the end of checkpoints.log")?;
    if last.checkpoint.size < published.checkpoint.size {
        return Err(OpenError::RolledBack {
            held: last.checkpoint.size,
            signed: published.checkpoint.size,
        });
    }
    if last.note != published.note {
        write_whole(&layout.checkpoint(), &last.note).map_err(io_error(&path, "written"))?;
        sync_dir(layout.dir()).map_err(io_error(&path, "written"))?;
    }
    Ok(last)
}

/// The end of `checkpoints.log`, from the beginning of a note on, and where that is.
fn notes_tail(path: &Path, origin: &str) -> io::Result<(Vec<u8>, u64)> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((Vec::new(), 0)),
        Err(error) => return Err(error),
    };
    let start = file.metadata()?.len().saturating_sub(NOTES_TAIL_BYTES);
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    if start == 0 {
        return Ok((bytes, 0));
    }
    let opening = format!("\n\n{origin}\n");
    let at = bytes.windows(opening.len()).position(|w| w == opening.as_bytes());
    let skip = at.map_or(bytes.len(), |at| at + 2);
    bytes.drain(..skip);
    Ok((bytes, start + skip as u64))
}

fn open_note(keys: &Keys, origin: &str, note: &[u8], what: &str) -> Result<SignedCheckpoint, OpenError> {
    let signed = keys.open(note).map_err(|fault| OpenError::Checkpoint {
        what: what.to_owned(),
        fault,
    })?;
    if signed.checkpoint.origin != origin {
        return Err(OpenError::OtherOrigin {
            what: what.to_owned(),
            found: signed.checkpoint.origin,
            origin: origin.to_owned(),
        });
    }
    Ok(signed)
}

fn check_anchors(
    layout: &Layout,
    keys: &Keys,
    options: &Options,
    latest: &SignedCheckpoint,
) -> Result<(), OpenError> {
    for (at, note) in options.anchors.iter().enumerate() {
        let anchor = open_note(keys, &options.origin, note, &format!("of anchor {}", at + 1))?.checkpoint;
        let held = latest.checkpoint.size;
        if anchor.size > held {
            return Err(OpenError::RolledBack {
                held,
                signed: anchor.size,
            });
        }
        let tree = replay::load(layout, anchor.size, held)?;
        if tree.root() != anchor.root {
            return Err(OpenError::Forked { size: anchor.size });
        }
    }
    Ok(())
}

/// Measures what a commit costs on this device.
fn probe(layout: &Layout, device: &dyn Device) -> io::Result<Duration> {
    let path = layout.wal().join("probe");
    let mut output = device.create(&path, PROBES * PROBE_BYTES)?;
    let mut best = Duration::MAX;
    for probe in 0..PROBES {
        let start = Instant::now();
        output.write_at(&[1; PROBE_BYTES as usize], probe * PROBE_BYTES)?;
        output.sync()?;
        // The least is the device; what is above it is the machine being busy.
        best = best.min(start.elapsed());
    }
    drop(output);
    fs::remove_file(&path)?;
    Ok(best)
}

/// Removes the segments of earlier runs: all their entries are in bundles by now.
fn remove_segments(layout: &Layout, current: u64) -> io::Result<()> {
    for first in layout::segments(layout)? {
        if first != current {
            fs::remove_file(layout.segment(first))?;
        }
    }
    match fs::remove_file(layout.next_segment()) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => sync_dir(&layout.wal()),
    }
}

fn closed_at(layout: &Layout) -> Option<u64> {
    fs::read_to_string(layout.closed()).ok()?.trim().parse().ok()
}

fn io_error(path: &Path, attempted: &'static str) -> impl Fn(io::Error) -> OpenError + use<> {
    let path = path.to_path_buf();
    move |source| OpenError::Io {
        path: path.clone(),
        attempted,
        source,
    }
}

/// Seconds of a busy gateway's entries: more than that waiting means the device is lost.
const BACKLOG_BYTES_MAX: usize = 64 * 1024 * 1024;

/// A segment lasts for some tenth of a second at the highest rate measured, and making one
/// ready takes some milliseconds.
const SEGMENT_BYTES: u64 = 8 * 1024 * 1024;

/// What someone with the disk, but not the key, could rewrite unseen is at most this long.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(1);

/// More than a hundred notes, and far more than the one or two that matter.
const NOTES_TAIL_BYTES: u64 = 64 * 1024;

const PROBES: u64 = 8;

/// A typical entry.
const PROBE_BYTES: u64 = 512;

#[cfg(test)]
mod tests;
