//! Copy data of one direction, counted together.

/// What was counted since copying began.
#[derive(Debug, Default)]
pub(super) struct Copying {
    counted: Copied,
    any: bool,
}

/// Copy data, in bytes.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Copied {
    /// What was recorded, without headers.
    pub(super) bytes: u64,
    /// What was not kept, with headers.
    pub(super) bytes_not_kept: u64,
}

impl Copying {
    /// Counts one message of `frame` bytes, header included.
    pub(super) fn count(&mut self, frame: usize) {
        self.any = true;
        self.counted.bytes += frame.saturating_sub(proto::postgres::frame::HEADER_BYTES) as u64;
    }

    /// Counts `bytes` that were not kept. Of the message that they cut, `beginning` bytes were
    /// recorded; or it was counted whole, and `missing` bytes too many.
    pub(super) fn cut(&mut self, bytes: u64, beginning: usize, missing: usize) {
        self.count(beginning);
        self.counted.bytes = self.counted.bytes.saturating_sub(missing as u64);
        self.counted.bytes_not_kept += bytes;
    }

    /// Returns what was counted and starts over; `None` if there was no message.
    pub(super) fn take(&mut self) -> Option<Copied> {
        let Self { counted, any } = std::mem::take(self);
        any.then_some(counted)
    }
}
