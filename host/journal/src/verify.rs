//! Checks a whole log offline, with public keys only, and names the first thing that is wrong.
//!
//! Everything is computed again from the entries: leaf hashes, every tile, the root at each
//! signed checkpoint. An older copy of the whole directory is a consistent log and can only be
//! recognised with a checkpoint kept elsewhere: [`VerifyOptions::anchors`].
//!
//! Read-only; may run beside the writer.

mod entries;
mod fault;
mod notes;
mod tail;

use std::path::{Path, PathBuf};

use crate::layout::Layout;
use crate::tree::{Hash, TILE_WIDTH};

pub use fault::VerifyError;

/// What to check a log against.
#[derive(Clone, Debug, Default)]
pub struct VerifyOptions {
    /// Verification keys (`name+id+key`). If empty, those in the log's own directory are used,
    /// which says nothing against someone who could replace them.
    pub vkeys: Vec<String>,
    /// Signed checkpoints kept elsewhere; the log must go on from each.
    pub anchors: Vec<Vec<u8>>,
    /// The recordings' folder; if given, every recorded segment must be there unchanged.
    pub recordings: Option<PathBuf>,
}

/// What holds.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct VerifyReport {
    /// The log's name.
    pub origin: String,
    /// Number of entries that are signed.
    pub size: u64,
    /// Root over them.
    pub root: Hash,
    /// Entries after the last checkpoint, whole but not signed yet.
    pub unsigned: u64,
    /// A block or checkpoint at the end that a crash left half written; nothing in it was
    /// acknowledged. The next start of the gateway cuts it off.
    pub torn: bool,
    /// Number of signed checkpoints.
    pub checkpoints: u64,
    /// Number of recorded segments that were checked.
    pub recordings: u64,
    /// The keys were taken from the log's own directory.
    pub keys_from_log: bool,
    /// Size of the largest anchor.
    pub anchored: Option<u64>,
}

/// Verifies the log in `dir`. `progress` is told the number of entries done and of all.
///
/// # Errors
///
/// The first fault found; see [`VerifyError`].
pub fn verify(
    dir: &Path,
    options: &VerifyOptions,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<VerifyReport, VerifyError> {
    let layout = Layout::new(dir);
    let signed = notes::read(&layout, options)?;
    let mut walk = entries::Walk::new(&layout, &signed, options.recordings.as_deref());
    let bundles = signed.size.div_ceil(TILE_WIDTH as u64);
    for bundle in 0..bundles {
        walk.bundle(bundle)?;
        progress(walk.size(), signed.size);
    }
    walk.finish()?;
    let tail = tail::check(&layout, &mut walk, signed.size)?;
    Ok(VerifyReport {
        size: signed.size,
        root: signed.root,
        unsigned: tail.unsigned,
        torn: tail.torn || signed.torn,
        checkpoints: signed.notes,
        recordings: walk.recordings(),
        keys_from_log: options.vkeys.is_empty(),
        anchored: signed.anchored,
        origin: signed.origin,
    })
}
