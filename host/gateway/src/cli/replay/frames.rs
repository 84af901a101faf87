//! Splits one side's recorded bytes into frames, within bounds. Pure.

use journal::recording::Direction;
use proto::postgres::frame::{FrameError, HEADER_BYTES, backend_header, frontend_header};

/// The largest frame that is looked into; larger ones are counted.
const FRAME_BYTES_MAX: usize = 4 << 20;

/// What was found next in a stream.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Piece<'a> {
    /// A whole frame.
    Frame(u8, &'a [u8]),
    /// The beginning of a frame that is too large to be shown: its type and its whole length.
    Large(u8, usize),
    /// From here on nothing can be made of the stream.
    Broken(FrameError),
}

/// One side of a recorded session.
#[derive(Debug)]
pub(super) struct Frames {
    side: Direction,
    buffer: Vec<u8>,
    /// What is still to come of a large frame.
    skip: usize,
    /// The type of the frame begun last.
    kind: Option<u8>,
    broken: bool,
}

/// What was recorded of the frame at a cut.
#[derive(Debug, Default, Eq, PartialEq)]
pub(super) struct Cut {
    /// Its type, or that of the frame before if the cut is between two.
    pub(super) kind: Option<u8>,
    /// Its beginning; empty if it was a large one, or none.
    pub(super) beginning: Vec<u8>,
    /// How many bytes are missing of a large one, whose length was told already.
    pub(super) missing: usize,
}

impl Frames {
    pub(super) fn new(side: Direction) -> Self {
        Self {
            side,
            buffer: Vec::new(),
            skip: 0,
            kind: None,
            broken: false,
        }
    }

    /// Takes in the next recorded bytes and hands on what they complete.
    pub(super) fn push(&mut self, bytes: &[u8], mut each: impl FnMut(Piece<'_>)) {
        if self.broken {
            return;
        }
        let mut bytes = bytes;
        self.skip_over(&mut bytes);
        self.buffer.extend_from_slice(bytes);
        let buffer = std::mem::take(&mut self.buffer);
        let mut rest = buffer.as_slice();
        loop {
            let header = match self.side {
                Direction::FromClient => frontend_header(rest),
                Direction::ToClient => backend_header(rest),
            };
            if let Ok(Some(header)) = &header {
                self.kind = Some(header.kind);
            }
            match header {
                Ok(None) => break,
                Ok(Some(header)) if header.total > FRAME_BYTES_MAX => {
                    each(Piece::Large(header.kind, header.total));
                    self.skip = header.total;
                    self.skip_over(&mut rest);
                }
                Ok(Some(header)) => {
                    let Some((frame, after)) = rest.split_at_checked(header.total) else {
                        break;
                    };
                    each(Piece::Frame(header.kind, frame));
                    rest = after;
                }
                Err(error) => {
                    self.broken = true;
                    each(Piece::Broken(error));
                    return;
                }
            }
        }
        self.buffer = rest.to_vec();
    }

    /// Takes out a frame that was begun: the rest of it was not recorded. What follows begins
    /// with a frame.
    pub(super) fn cut(&mut self) -> Cut {
        Cut {
            // A header may be cut itself.
            kind: self.buffer.first().copied().or(self.kind),
            beginning: std::mem::take(&mut self.buffer),
            missing: std::mem::take(&mut self.skip),
        }
    }

    /// Returns whether the recording ends within a frame.
    pub(super) fn is_within(&self) -> bool {
        !self.broken && (self.skip > 0 || !self.buffer.is_empty())
    }

    fn skip_over(&mut self, bytes: &mut &[u8]) {
        let skipped = self.skip.min(bytes.len());
        self.skip -= skipped;
        *bytes = &bytes[skipped..];
    }
}

const _: () = assert!(FRAME_BYTES_MAX > HEADER_BYTES);
