//! Bytes on their way out.

/// Where one side's bytes wait to be written.
#[derive(Debug, Default)]
pub struct Outbox {
    bytes: Vec<u8>,
    sent: usize,
}

/// An outbox keeps at most this much memory once it is empty; a spike must not stay for good.
const OUTBOX_KEPT_BYTES: usize = 256 << 10;

/// How much of what was sent an outbox may keep before it moves the rest to the front.
const OUTBOX_SENT_BYTES_MAX: usize = 64 << 10;

impl Outbox {
    /// Returns what is still to be written.
    #[must_use]
    pub fn pending(&self) -> &[u8] {
        &self.bytes[self.sent..]
    }

    /// Takes note that `count` bytes were written.
    pub fn advance(&mut self, count: usize) {
        self.sent = (self.sent + count).min(self.bytes.len());
        if self.sent == self.bytes.len() {
            self.bytes.clear();
            self.sent = 0;
            self.bytes.shrink_to(OUTBOX_KEPT_BYTES);
        } else if self.sent >= OUTBOX_SENT_BYTES_MAX && self.sent >= self.pending().len() {
            // A peer that always leaves something behind must not make the outbox grow. At
            // most as much is moved as was sent since the last time.
            self.bytes.drain(..self.sent);
            self.sent = 0;
        }
    }

    /// Appends bytes to be written.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    pub(super) fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Keeps the first `count` bytes of what is still to be written.
    pub(super) fn truncate(&mut self, count: usize) {
        self.bytes.truncate(self.sent + count);
    }
}

/// How far the client's outbox was filled at some moment; see [`Relay::mark`](super::Relay::mark).
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    pub(super) pending: usize,
    pub(super) upstream_pass: usize,
    pub(super) upstream_ended: bool,
}
