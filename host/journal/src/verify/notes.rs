//! Reads and checks what was signed.

use super::{VerifyError, VerifyOptions};
use crate::layout::{self, Layout};
use crate::note::{Checkpoint, Keys, NoteFault, split_notes};
use crate::tree::Hash;

/// A root that the log must have had.
#[derive(Clone, Copy, Debug)]
pub(super) struct Claim {
    pub(super) size: u64,
    pub(super) root: Hash,
    /// Kept outside the log.
    pub(super) anchor: bool,
}

/// Everything that was signed about a log.
#[derive(Debug)]
pub(super) struct Signed {
    pub(super) origin: String,
    pub(super) size: u64,
    pub(super) root: Hash,
    pub(super) notes: u64,
    pub(super) torn: bool,
    pub(super) anchored: Option<u64>,
    /// Ascending by size.
    pub(super) claims: Vec<Claim>,
}

/// Reads all checkpoints and anchors.
pub(super) fn read(layout: &Layout, options: &VerifyOptions) -> Result<Signed, VerifyError> {
    let read = |path: std::path::PathBuf| {
        layout::read_optional(&path).map_err(|source| VerifyError::Io { path, source })
    };
    let Some(current) = read(layout.checkpoint())? else {
        return Err(VerifyError::NoLog {
            dir: layout.dir().to_path_buf(),
        });
    };
    let published = read(layout.vkeys())?.unwrap_or_default();
    let published = std::str::from_utf8(&published).map_err(|_| VerifyError::Keys)?;
    // Read even if keys were given: it is a part of the log like any other.
    let own = Keys::parse(published.lines()).ok_or(VerifyError::Keys)?;
    let given = Keys::parse(options.vkeys.iter().map(String::as_str)).ok_or(VerifyError::Keys)?;
    let keys = if options.vkeys.is_empty() { own } else { given };

    let origin = open(&keys, &current, "in the file `checkpoint`")?.origin;
    let log = read(layout.checkpoints_log())?.unwrap_or_default();
    let (notes, rest) = split_notes(&log);
    let latest = notes.iter().rev().take(2).any(|note| **note == current);
    if !latest || rest.len() > NOTE_BYTES_MAX {
        return Err(VerifyError::NotLogged);
    }
    let mut claims: Vec<Claim> = Vec::with_capacity(notes.len());
    for (at, note) in notes.iter().enumerate() {
        let number = at as u64 + 1;
        let what = format!("{number} of checkpoints.log");
        let checkpoint = open_of(&keys, note, &what, &origin)?;
        let before = claims.last().map_or(0, |claim| claim.size);
        if checkpoint.size < before {
            return Err(VerifyError::Shrunk {
                number,
                before,
                size: checkpoint.size,
            });
        }
        claims.push(claim(&checkpoint, false));
    }
    let last = claims.last().copied().ok_or(VerifyError::NotLogged)?;
    let mut anchored = None;
    for (at, note) in options.anchors.iter().enumerate() {
        let anchor = open_of(&keys, note, &format!("of anchor {}", at + 1), &origin)?;
        if anchor.size > last.size {
            return Err(VerifyError::OlderCopy {
                held: last.size,
                signed: anchor.size,
            });
        }
        anchored = anchored.max(Some(anchor.size));
        claims.push(claim(&anchor, true));
    }
    claims.sort_by_key(|claim| claim.size);
    Ok(Signed {
        origin,
        size: last.size,
        root: last.root,
        notes: notes.len() as u64,
        torn: !rest.is_empty(),
        anchored,
        claims,
    })
}

fn claim(checkpoint: &Checkpoint, anchor: bool) -> Claim {
    Claim {
        size: checkpoint.size,
        root: checkpoint.root,
        anchor,
    }
}

fn open(keys: &Keys, note: &[u8], what: &str) -> Result<Checkpoint, VerifyError> {
    let opened = keys
        .open(note)
        .map_err(|fault: NoteFault| VerifyError::Checkpoint {
            what: what.to_owned(),
            fault,
        })?;
    Ok(opened.checkpoint)
}

fn open_of(keys: &Keys, note: &[u8], what: &str, origin: &str) -> Result<Checkpoint, VerifyError> {
    let checkpoint = open(keys, note, what)?;
    if checkpoint.origin != origin {
        return Err(VerifyError::OtherOrigin {
            what: what.to_owned(),
            found: checkpoint.origin,
            origin: origin.to_owned(),
        });
    }
    Ok(checkpoint)
}

/// Above any note that is written; more than that at the end of `checkpoints.log` was not
/// left there by a crash.
const NOTE_BYTES_MAX: usize = 4096;
