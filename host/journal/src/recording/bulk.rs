//! What one side sends in bulk: the first bytes are kept, the others counted and hashed. Pure.

use sha2::{Digest, Sha256};

use super::format::Direction;

/// The bulk stretches of a session's two sides.
#[derive(Debug)]
pub(super) struct Bulks {
    from_client: Stretch,
    to_client: Stretch,
}

/// One side's stretch. Its memory does not grow with what goes through.
#[derive(Debug)]
pub(super) struct Stretch {
    kept: u64,
    dropped: u64,
    digest: Sha256,
}

impl Bulks {
    pub(super) fn new() -> Self {
        Self {
            from_client: Stretch::new(),
            to_client: Stretch::new(),
        }
    }

    pub(super) fn of(&mut self, direction: Direction) -> &mut Stretch {
        match direction {
            Direction::FromClient => &mut self.from_client,
            Direction::ToClient => &mut self.to_client,
        }
    }
}

impl Stretch {
    fn new() -> Self {
        Self {
            kept: 0,
            dropped: 0,
            digest: Sha256::new(),
        }
    }

    /// Counts `bytes`; returns the front of them that is kept, so that a stretch keeps at most
    /// `bytes_max` bytes.
    pub(super) fn take<'a>(&mut self, bytes: &'a [u8], bytes_max: u64) -> &'a [u8] {
        let room = usize::try_from(bytes_max.saturating_sub(self.kept)).unwrap_or(usize::MAX);
        let (kept, dropped) = bytes.split_at(room.min(bytes.len()));
        self.kept += kept.len() as u64;
        if !dropped.is_empty() {
            self.dropped += dropped.len() as u64;
            self.digest.update(dropped);
        }
        kept
    }

    /// Begins a new stretch; returns how many bytes of the old one were dropped, and their
    /// SHA-256, if any were.
    pub(super) fn end(&mut self) -> Option<(u64, [u8; 32])> {
        self.kept = 0;
        let dropped = std::mem::take(&mut self.dropped);
        (dropped > 0).then(|| (dropped, self.digest.finalize_reset().into()))
    }
}
