//! Splits a byte stream into frames, by length first and before anything is believed.
//!
//! A frame is one type byte, a big-endian length that counts itself, and the body. What comes
//! back here is bounded and complete; nothing beyond a frame's own bytes is ever read for it.

use bytes::{Buf as _, BytesMut};

/// The bytes before a frame's body: type and length.
pub const HEADER_BYTES: usize = 5;

/// The largest length PostgreSQL itself accepts for messages that carry data
/// (`PQ_LARGE_MESSAGE_LIMIT`, one byte less than 1 GiB).
pub const LARGE_LENGTH_MAX: usize = (1 << 30) - 1;

/// The largest length PostgreSQL accepts for its other messages (`PQ_SMALL_MESSAGE_LIMIT`).
pub const SMALL_LENGTH_MAX: usize = 10_000;

/// A frame's header: its type and how long it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Header {
    /// The type byte.
    pub kind: u8,
    /// The whole frame's length in bytes, header included; at least [`HEADER_BYTES`].
    pub total: usize,
}

/// The stream cannot be a PostgreSQL stream from here on.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum FrameError {
    /// The type byte is none the protocol knows in this direction.
    #[error("unknown message type 0x{0:02x}")]
    UnknownType(u8),
    /// The length is below four or above what this type may have.
    #[error("invalid length {length} of message 0x{kind:02x}")]
    Length {
        /// The type byte.
        kind: u8,
        /// The length as sent.
        length: u32,
    },
    /// The body is not what its type demands.
    #[error("malformed body of message 0x{0:02x}")]
    Body(u8),
}

/// Reads the header of a frame that a client sent; `None` while it is incomplete.
///
/// # Errors
/// [`FrameError`] for a type or a length that PostgreSQL itself would refuse.
pub fn frontend_header(input: &[u8]) -> Result<Option<Header>, FrameError> {
    let Some(&kind) = input.first() else {
        return Ok(None);
    };
    let length_max = match kind {
        b'B' | b'F' | b'P' | b'Q' | b'd' => LARGE_LENGTH_MAX,
        b'C' | b'D' | b'E' | b'H' | b'S' | b'X' | b'c' | b'f' | b'p' => SMALL_LENGTH_MAX,
        _ => return Err(FrameError::UnknownType(kind)),
    };
    header(input, length_max)
}

/// Reads the header of a frame that a server sent; `None` while it is incomplete.
///
/// # Errors
/// [`FrameError`] for a type no server sends or an impossible length.
pub fn backend_header(input: &[u8]) -> Result<Option<Header>, FrameError> {
    let Some(&kind) = input.first() else {
        return Ok(None);
    };
    let length_max = match kind {
        b'D' | b'T' | b'V' | b'd' | b't' | b'E' | b'N' | b'A' | b'C' | b'S' | b'R' => LARGE_LENGTH_MAX,
        b'1' | b'2' | b'3' | b'G' | b'H' | b'I' | b'K' | b'W' | b'Z' | b'c' | b'n' | b's' | b'v' => {
            SMALL_LENGTH_MAX
        }
        _ => return Err(FrameError::UnknownType(kind)),
    };
    header(input, length_max)
}

fn header(input: &[u8], length_max: usize) -> Result<Option<Header>, FrameError> {
    let Some(&[kind, a, b, c, d]) = input.first_chunk() else {
        return Ok(None);
    };
    let length = u32::from_be_bytes([a, b, c, d]);
    if length < 4 || length as usize > length_max {
        return Err(FrameError::Length { kind, length });
    }
    Ok(Some(Header {
        kind,
        total: length as usize + 1,
    }))
}

/// Reads the parts of a message's body, each bounded by the body.
///
/// Every method fails instead of reading past the end; [`Body::end`] refuses what is left over.
#[derive(Clone, Copy, Debug)]
pub struct Body<'a> {
    kind: u8,
    rest: &'a [u8],
}

impl<'a> Body<'a> {
    /// Starts at the first byte of the body of a whole frame.
    #[must_use]
    pub fn of(frame: &'a [u8]) -> Self {
        Self {
            kind: frame.first().copied().unwrap_or(0),
            rest: frame.get(HEADER_BYTES..).unwrap_or(&[]),
        }
    }

    /// Starts at a place within the body of a Bind message.
    pub(super) fn within_bind(rest: &'a [u8]) -> Self {
        Self { kind: b'B', rest }
    }

    /// Reads one byte.
    ///
    /// # Errors
    /// [`FrameError::Body`] at the end of the body, like every method here.
    pub fn byte(&mut self) -> Result<u8, FrameError> {
        let (&byte, rest) = self.rest.split_first().ok_or(FrameError::Body(self.kind))?;
        self.rest = rest;
        Ok(byte)
    }

    /// Reads a big-endian 16-bit count; negative counts are refused.
    ///
    /// # Errors
    /// [`FrameError::Body`].
    pub fn count(&mut self) -> Result<usize, FrameError> {
        let bytes = self.bytes(2)?;
        let count = i16::from_be_bytes([bytes[0], bytes[1]]);
        usize::try_from(count).map_err(|_| FrameError::Body(self.kind))
    }

    /// Reads a big-endian 16-bit number.
    ///
    /// # Errors
    /// [`FrameError::Body`].
    pub fn u16(&mut self) -> Result<u16, FrameError> {
        let bytes = self.bytes(2)?;
        Ok(u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    /// Reads a big-endian 32-bit number.
    ///
    /// # Errors
    /// [`FrameError::Body`].
    pub fn i32(&mut self) -> Result<i32, FrameError> {
        let bytes = self.bytes(4)?;
        Ok(i32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    /// Reads a string up to its NUL, which is taken too.
    ///
    /// # Errors
    /// [`FrameError::Body`] where no NUL follows within the body.
    pub fn string(&mut self) -> Result<&'a [u8], FrameError> {
        let end = self
            .rest
            .iter()
            .position(|&b| b == 0)
            .ok_or(FrameError::Body(self.kind))?;
        let string = &self.rest[..end];
        self.rest = &self.rest[end + 1..];
        Ok(string)
    }

    /// Reads exactly `length` bytes.
    ///
    /// # Errors
    /// [`FrameError::Body`].
    pub fn bytes(&mut self, length: usize) -> Result<&'a [u8], FrameError> {
        let (bytes, rest) = self
            .rest
            .split_at_checked(length)
            .ok_or(FrameError::Body(self.kind))?;
        self.rest = rest;
        Ok(bytes)
    }

    /// Reads a value of a bind or a row: a length, -1 for NULL, and that many bytes.
    ///
    /// # Errors
    /// [`FrameError::Body`].
    pub fn value(&mut self) -> Result<Option<&'a [u8]>, FrameError> {
        match self.i32()? {
            -1 => Ok(None),
            length => {
                let length = usize::try_from(length).map_err(|_| FrameError::Body(self.kind))?;
                self.bytes(length).map(Some)
            }
        }
    }

    /// Returns everything that is left.
    #[must_use]
    pub const fn remaining(self) -> &'a [u8] {
        self.rest
    }

    /// Refuses anything left over.
    ///
    /// # Errors
    /// [`FrameError::Body`] if bytes are left.
    pub fn end(self) -> Result<(), FrameError> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(FrameError::Body(self.kind))
        }
    }
}

/// Appends a frame whose body `write` produces.
pub fn put(out: &mut Vec<u8>, kind: u8, write: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[kind, 0, 0, 0, 0]);
    write(out);
    let length = out.len() - start - 1;
    // Bodies written here are our own, of at most a few kilobytes.
    let length = u32::try_from(length).expect("our own messages are far below 4 GiB");
    out[start + 1..start + HEADER_BYTES].copy_from_slice(&length.to_be_bytes());
}

/// Appends a string and its NUL; NULs inside become spaces, since they would end it early.
pub fn put_string(out: &mut Vec<u8>, text: &[u8]) {
    out.extend(text.iter().map(|&byte| if byte == 0 { b' ' } else { byte }));
    out.extend_from_slice(&[0]);
}

/// Drops the first `count` bytes of `input`.
pub(crate) fn discard(input: &mut BytesMut, count: usize) {
    input.advance(count.min(input.len()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_read_once_it_is_whole() {
        let frame = [b'S', 0, 0, 0, 4];
        for end in 0..5 {
            assert_eq!(frontend_header(&frame[..end]), Ok(None), "{end} bytes");
        }
        assert_eq!(frontend_header(&frame), Ok(Some(Header { kind: b'S', total: 5 })));
    }

    #[test]
    fn impossible_lengths_and_types_are_refused() {
        for (frame, error) in [
            (
                [b'S', 0, 0, 0, 3],
                FrameError::Length {
                    kind: b'S',
                    length: 3,
                },
            ),
            (
                [b'S', 0xFF, 0xFF, 0xFF, 0xFF],
                FrameError::Length {
                    kind: b'S',
                    length: u32::MAX,
                },
            ),
            (
                [b'S', 0, 0, 0x27, 0x11],
                FrameError::Length {
                    kind: b'S',
                    length: 10_001,
                },
            ),
            (
                [b'Q', 0x40, 0, 0, 0],
                FrameError::Length {
                    kind: b'Q',
                    length: 1 << 30,
                },
            ),
            ([b'!', 0, 0, 0, 4], FrameError::UnknownType(b'!')),
        ] {
            assert_eq!(frontend_header(&frame), Err(error));
        }
    }

    #[test]
    fn a_body_never_reads_past_its_end() {
        let mut body = Body::of(b"P\0\0\0\x08ab\0\0");
        assert_eq!(body.string(), Ok(&b"ab"[..]));
        assert_eq!(body.count(), Err(FrameError::Body(b'P')));
        assert_eq!(body.byte(), Ok(0));
        assert_eq!(body.end(), Ok(()));
        assert_eq!(Body::of(b"P\0\0\0\x06ab").string(), Err(FrameError::Body(b'P')));
    }

    #[test]
    fn a_written_frame_carries_its_length() {
        let mut out = Vec::new();
        put(&mut out, b'Q', |body| put_string(body, b"a\0b"));
        assert_eq!(&out[..], b"Q\0\0\0\x08a b\0");
    }
}
