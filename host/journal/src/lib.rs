//! The journal: an append-only, tamper-evident log in files, and the recordings beside it.
//!
//! The log is a Merkle tree in the layout of C2SP tlog-tiles with signed checkpoints. One
//! process writes a log; any number read it. Entries are opaque bytes of at most 65,535; what
//! they mean is `model::event`.
//!
//! ```text
//! checkpoint            the latest signed checkpoint
//! checkpoints.log       every signed checkpoint, each followed by an empty line
//! tile/<L>/<N>[.p/<W>]  hash tiles, `.p/<W>` only for the latest checkpoint
//! tile/entries/<N>[.p/<W>]
//! keys/vkeys.txt        verification keys
//! wal/<first index>     what was committed and is not in a signed bundle yet, see `block.rs`
//! wal/next              the segment that is made ready
//! closed                size at the last orderly close; not evidence
//! lock                  locked by the writer
//! ```
//!
//! An append costs a copy into a buffer. A group of them costs one write and one `fdatasync`
//! into a segment of `wal/`. From there a builder thread makes bundles, tiles and a checkpoint
//! once a second, syncs them, and only then removes the segment.
//!
//! What this proves: with the verification key from elsewhere, that nothing before a checkpoint
//! was changed, removed or put in. With a checkpoint from elsewhere (an *anchor*), also that
//! the whole directory is not an older copy or a second history. It does not prove that what
//! was never appended did not happen.
//!
//! It must never acknowledge an entry that a crash could take away, and never go on after a
//! failed write or sync.

#![forbid(unsafe_code)]

mod block;
mod commit;
mod journal;
mod layout;
mod note;
mod open;
mod pending;
mod publish;
mod read;
pub mod recording;
mod segment;
mod tree;
mod unsynced;
mod verify;

pub use block::ENTRY_BYTES_MAX;
pub use commit::{AppendError, Attend, CommitChoice, CommitMode, Durable, Ticket, Unwritable};
pub use journal::Journal;
pub use note::{Checkpoint, KeyError, NoteFault, SignedCheckpoint};
pub use open::{OpenError, Options, Recovery};
pub use pending::OpenOperation;
pub use read::{Entries, Entry, ReadError, Reader};
pub use tree::Hash;
pub use verify::{VerifyError, VerifyOptions, VerifyReport, verify};
