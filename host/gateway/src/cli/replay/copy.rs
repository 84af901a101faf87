//! Copy data of one direction, counted together.

/// What was counted since copying began.
#[derive(Debug, Default)]
pub(super) struct Copying {
    bytes: u64,
    any: bool,
}

impl Copying {
    /// Counts one message of `frame` bytes, header included.
    pub(super) fn count(&mut self, frame: usize) {
        self.any = true;
        self.bytes += frame.saturating_sub(proto::postgres::frame::HEADER_BYTES) as u64;
    }

    /// Returns the bytes counted and starts over; `None` if there was no message.
    pub(super) fn take(&mut self) -> Option<u64> {
        let Self { bytes, any } = std::mem::take(self);
        any.then_some(bytes)
    }
}
