//! Bytes written one after the other, few at a time: a cell is rarely longer than a line.
//!
//! Two things are slow in a sandbox. A copy of unknown length is a call out of it, so short ones
//! are stores of fixed lengths. And the length of a vector lives in memory, where each push waits
//! for the one before, so what is written is counted beside a buffer that is longer.

/// The longest piece written without a call; as much room is kept behind what is written.
const SHORT: usize = 32;

/// Writes behind what was written into a buffer before.
#[derive(Debug)]
pub(super) struct Writer<'b> {
    buffer: &'b mut Vec<u8>,
    end: usize,
    expected: usize,
}

impl<'b> Writer<'b> {
    /// Goes on at `end`. When the buffer must grow, it grows for `expected` bytes at least.
    #[inline]
    pub(super) const fn new(buffer: &'b mut Vec<u8>, end: usize, expected: usize) -> Self {
        Self {
            buffer,
            end,
            expected,
        }
    }

    /// Returns where what is written ends.
    #[inline]
    pub(super) const fn end(&self) -> usize {
        self.end
    }

    /// Writes bytes.
    #[inline]
    pub(super) fn push(&mut self, bytes: &[u8]) {
        // Not a `match`: that would be a jump through a table.
        let length = bytes.len();
        if length > SHORT {
            put(self.buffer, self.end, bytes);
        } else if length >= 16 {
            put_ends::<16>(self.room(), bytes);
        } else if length >= 8 {
            put_ends::<8>(self.room(), bytes);
        } else if length >= 4 {
            put_ends::<4>(self.room(), bytes);
        } else if length > 0 {
            let room = self.room();
            room[0] = bytes[0];
            room[length / 2] = bytes[length / 2];
            room[length - 1] = bytes[length - 1];
        }
        self.end += length;
    }

    /// Writes the same byte `count` times.
    #[inline]
    pub(super) fn repeat(&mut self, byte: u8, count: usize) {
        if count <= 8 {
            self.room()[..8].copy_from_slice(&[byte; 8]);
        } else if count <= SHORT {
            *self.room() = [byte; SHORT];
        } else {
            fill(self.buffer, self.end, byte, count);
        }
        self.end += count;
    }

    /// Returns room for a short piece.
    #[inline(always)]
    fn room(&mut self) -> &mut [u8; SHORT] {
        if self.buffer.len() < self.end + SHORT {
            grow(self.buffer, self.expected.max(self.end) + SHORT);
        }
        let room = &mut self.buffer[self.end..self.end + SHORT];
        room.first_chunk_mut()
            .unwrap_or_else(|| unreachable!("it is as long"))
    }
}

/// Puts at least `N` and at most twice as many bytes: the first and the last `N`, which may
/// overlap.
#[inline(always)]
fn put_ends<const N: usize>(room: &mut [u8; SHORT], bytes: &[u8]) {
    if let (Some(first), Some(last)) = (bytes.first_chunk::<N>(), bytes.last_chunk::<N>()) {
        let end = bytes.len().min(SHORT);
        room[..N].copy_from_slice(first);
        room[end - N..end].copy_from_slice(last);
    }
}

/// Puts many bytes. A call of its own, or the compiler makes one copy of all of them.
#[inline(never)]
fn put(buffer: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    if buffer.len() < at + bytes.len() {
        grow(buffer, at + bytes.len());
    }
    buffer[at..at + bytes.len()].copy_from_slice(bytes);
}

/// Puts the same byte many times.
#[inline(never)]
fn fill(buffer: &mut Vec<u8>, at: usize, byte: u8, count: usize) {
    if buffer.len() < at + count {
        grow(buffer, at + count);
    }
    buffer[at..at + count].fill(byte);
}

#[cold]
#[inline(never)]
fn grow(buffer: &mut Vec<u8>, needed: usize) {
    buffer.resize(needed.max(2 * buffer.len()), 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_of_every_length_are_written_whole() {
        let bytes: Vec<u8> = (0..=u8::MAX).collect();
        for length in 0..=bytes.len() {
            for expected in [0, 300] {
                let (mut buffer, mut all) = (Vec::new(), Vec::new());
                let mut end = 0;
                for piece in [&bytes[..length], b"between", &bytes[bytes.len() - length..]] {
                    let mut writer = Writer::new(&mut buffer, end, expected);
                    writer.push(piece);
                    writer.repeat(b'*', length);
                    end = writer.end();
                    all.extend_from_slice(piece);
                    all.extend(std::iter::repeat_n(b'*', length));
                }
                assert_eq!(&buffer[..end], all);
            }
        }
    }
}
