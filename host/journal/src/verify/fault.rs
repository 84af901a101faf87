//! What can be wrong with a log.

use std::io;
use std::path::PathBuf;

use model::Fault;

use crate::note::NoteFault;

/// The first thing found wrong.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// A file could not be read.
    #[error("{path} could not be read")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// There is no log.
    #[error("{dir} holds no journal: the file `checkpoint` is missing")]
    NoLog {
        /// The directory.
        dir: PathBuf,
    },
    /// A verification key is not one.
    #[error("a verification key is not of the form name+id+key, or keys/vkeys.txt was changed")]
    Keys,
    /// A checkpoint is not validly signed.
    #[error("the checkpoint {what} does not hold: {fault}")]
    Checkpoint {
        /// Which one.
        what: String,
        /// What is wrong with it.
        fault: NoteFault,
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
    /// A log never gets smaller.
    #[error("checkpoint {number} of checkpoints.log is of {size} entries, the one before of {before}")]
    Shrunk {
        /// Counts from 1.
        number: u64,
        /// Size in the checkpoint before it.
        before: u64,
        /// Its size.
        size: u64,
    },
    /// The latest checkpoint is not the last of all.
    #[error("the file `checkpoint` is not the last of checkpoints.log: one of them was cut or replaced")]
    NotLogged,
    /// An entry's bytes are not those that were signed.
    #[error("entry {index} was changed")]
    EntryChanged {
        /// The entry.
        index: u64,
    },
    /// An entry is not there.
    #[error("entry {index} is missing")]
    EntryMissing {
        /// The entry.
        index: u64,
    },
    /// An entry is there a second time, or one that was never there.
    #[error("entry {index} was put in: it is not the one that was signed there")]
    EntryAdded {
        /// Where it stands.
        index: u64,
    },
    /// An entry stands where another one was.
    #[error("entry {from} stands at {index}: entries were reordered")]
    EntryMoved {
        /// Where it stands.
        index: u64,
        /// Where it was signed.
        from: u64,
    },
    /// An entry is signed, but is not what a gateway writes.
    #[error("entry {index} is not a journal entry: it has no `v` 1 and `kind`")]
    EntryMalformed {
        /// The entry.
        index: u64,
    },
    /// Entries of a stretch are not those that were signed.
    #[error("entries {first} to {last} or the tile {path} above them were changed")]
    StretchChanged {
        /// The first entry.
        first: u64,
        /// The last entry.
        last: u64,
        /// The tile that differs.
        path: PathBuf,
    },
    /// The log ends too early.
    #[error("the log was cut: it ends after {held} entries, {signed} were signed")]
    Cut {
        /// Number of entries in the log.
        held: u64,
        /// Number of entries signed.
        signed: u64,
    },
    /// A tile is not there.
    #[error("the tile {path} is missing")]
    TileMissing {
        /// The tile.
        path: PathBuf,
    },
    /// A tile does not hold the hashes of its entries.
    #[error("the tile {path} was changed")]
    TileChanged {
        /// The tile.
        path: PathBuf,
    },
    /// Everything fits together, but not with what was signed.
    #[error("the root at {size} entries is not the signed one: entries from {after} on were rewritten")]
    RootDiffers {
        /// Size of the checkpoint.
        size: u64,
        /// Size of the last checkpoint that holds.
        after: u64,
    },
    /// The log is consistent, but older than the anchor.
    #[error("an older copy was restored: it has {held} entries, the checkpoint kept elsewhere {signed}")]
    OlderCopy {
        /// Number of entries signed in the log.
        held: u64,
        /// Size of the anchor.
        signed: u64,
    },
    /// The log is consistent, but another one than that of the anchor.
    #[error("the log was replaced: its first {size} entries are not those of the checkpoint kept elsewhere")]
    Replaced {
        /// Size of the anchor.
        size: u64,
    },
    /// What was written ahead is damaged.
    #[error("{path} is damaged after entry {size}")]
    WalDamaged {
        /// Number of entries before the damage.
        size: u64,
        /// The segment.
        path: PathBuf,
    },
    /// A recorded segment is not there.
    #[error("entry {index} names the recording {path}, which is missing")]
    RecordingMissing {
        /// The entry.
        index: u64,
        /// The recorded segment.
        path: PathBuf,
    },
    /// A recorded segment is not the one that was stored.
    #[error("entry {index} names the recording {path}, which was changed")]
    RecordingChanged {
        /// The entry.
        index: u64,
        /// The recorded segment.
        path: PathBuf,
    },
}

impl VerifyError {
    /// Who must act.
    #[must_use]
    pub const fn fault(&self) -> Fault {
        Fault::Operator
    }
}
