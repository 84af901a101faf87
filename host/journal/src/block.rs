//! The bytes of the write-ahead part: one block per group commit, frames inside.
//!
//! A frame is exactly what an entry bundle of tlog-tiles holds: a big-endian `u16` length and
//! the entry. A block is a header and its frames:
//!
//! | bytes | what |
//! |---|---|
//! | 8 | [`MAGIC`] |
//! | 8 | index of the first entry |
//! | 4 | number of entries |
//! | 4 | length of the frames |
//! | 4 | CRC-32 over the 16 bytes before it and the frames |
//!
//! Numbers are big-endian. A block that is not whole was never acknowledged: the checksum is
//! against torn writes, the Merkle tree is against people. Pure: no files come here.

/// Opens a block. No byte sequence of valid UTF-8 contains it, so no entry does either.
pub(crate) const MAGIC: [u8; 8] = [0xF5, b'T', b'G', b'W', b'A', b'L', 0x01, 0xFF];

/// Length of a block's header in bytes.
pub(crate) const HEADER_BYTES: usize = 28;

/// Length of a frame's header in bytes.
pub(crate) const FRAME_HEADER_BYTES: usize = 2;

/// The longest entry: what the `u16` of an entry bundle can say.
pub const ENTRY_BYTES_MAX: usize = u16::MAX as usize;

/// A whole block, checked.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Block<'a> {
    pub(crate) first: u64,
    pub(crate) count: u32,
    pub(crate) frames: &'a [u8],
}

impl Block<'_> {
    /// Length in the file, header included.
    pub(crate) fn len(&self) -> usize {
        HEADER_BYTES + self.frames.len()
    }

    /// The index after the last entry.
    pub(crate) fn end(&self) -> u64 {
        self.first + u64::from(self.count)
    }
}

/// What stands at some place of a segment.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Parsed<'a> {
    Whole(Block<'a>),
    /// A header is there, but fewer than this many bytes are.
    Needs(usize),
    /// Not a block, or one whose checksum fails.
    Broken,
}

/// Fills in the header of `block`, whose first [`HEADER_BYTES`] bytes are room for it.
pub(crate) fn seal(block: &mut [u8], first: u64, count: u32) {
    let (header, frames) = block.split_at_mut(HEADER_BYTES);
    let len = u32::try_from(frames.len()).expect("the backlog limit is far below 4 GiB");
    header[..8].copy_from_slice(&MAGIC);
    header[8..16].copy_from_slice(&first.to_be_bytes());
    header[16..20].copy_from_slice(&count.to_be_bytes());
    header[20..24].copy_from_slice(&len.to_be_bytes());
    let sum = checksum(&header[8..24], frames);
    header[24..28].copy_from_slice(&sum.to_be_bytes());
}

/// Reads the block at the beginning of `bytes`.
pub(crate) fn parse(bytes: &[u8]) -> Parsed<'_> {
    let Some(header) = bytes.first_chunk::<HEADER_BYTES>() else {
        return Parsed::Needs(HEADER_BYTES);
    };
    if header[..8] != MAGIC {
        return Parsed::Broken;
    }
    let count = be_u32(&header[16..20]);
    let len = be_u32(&header[20..24]) as usize;
    // A damaged length must not make a reader ask for gigabytes.
    if len > BLOCK_FRAMES_MAX {
        return Parsed::Broken;
    }
    let Some(frames) = bytes[HEADER_BYTES..].get(..len) else {
        return Parsed::Needs(HEADER_BYTES + len);
    };
    if checksum(&header[8..24], frames) != be_u32(&header[24..28]) {
        return Parsed::Broken;
    }
    let mut first = [0; 8];
    first.copy_from_slice(&header[8..16]);
    Parsed::Whole(Block {
        first: u64::from_be_bytes(first),
        count,
        frames,
    })
}

/// Appends one frame to a bundle.
pub(crate) fn push_frame(out: &mut Vec<u8>, entry: &[u8]) {
    let len = u16::try_from(entry.len()).expect("an entry was checked when it was appended");
    out.extend_from_slice(&len.to_be_bytes());
    out.extend_from_slice(entry);
}

/// Iterates over the entries of frames. Stops at the first one that is not whole;
/// [`Frames::rest`] then is not empty.
#[derive(Clone, Debug)]
pub(crate) struct Frames<'a> {
    rest: &'a [u8],
}

impl<'a> Frames<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// What has not been read yet.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let (len, rest) = self.rest.split_first_chunk::<FRAME_HEADER_BYTES>()?;
        let (entry, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*len)))?;
        self.rest = rest;
        Some(entry)
    }
}

fn checksum(header: &[u8], frames: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(header);
    hasher.update(frames);
    hasher.finalize()
}

fn be_u32(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |value, byte| value << 8 | u32::from(*byte))
}

/// Above any block that is written: the largest backlog that can be configured, and one entry.
pub(crate) const BLOCK_FRAMES_MAX: usize = 1 << 30;

#[cfg(test)]
mod tests {
    use super::*;

    fn block(first: u64, entries: &[&[u8]]) -> Vec<u8> {
        let mut bytes = vec![0; HEADER_BYTES];
        for entry in entries {
            push_frame(&mut bytes, entry);
        }
        seal(&mut bytes, first, u32::try_from(entries.len()).expect("few"));
        bytes
    }

    #[test]
    fn a_block_reads_back() {
        let bytes = block(7, &[b"one", b"", b"three"]);
        let Parsed::Whole(read) = parse(&bytes) else {
            panic!("not whole");
        };
        assert_eq!((read.first, read.end(), read.len()), (7, 10, bytes.len()));
        let entries: Vec<_> = Frames::new(read.frames).collect();
        assert_eq!(entries, [&b"one"[..], b"", b"three"]);
    }

    #[test]
    fn a_cut_or_changed_block_is_never_whole() {
        let bytes = block(7, &[b"one", b"two"]);
        for cut in 0..bytes.len() {
            assert!(
                matches!(parse(&bytes[..cut]), Parsed::Needs(n) if n > cut),
                "{cut}"
            );
        }
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 0x10;
            assert!(!matches!(parse(&changed), Parsed::Whole(_)), "{at}");
        }
    }

    #[test]
    fn a_frame_that_is_not_whole_is_left_over() {
        let mut frames = Frames::new(&[0, 1, b'a', 0, 2, b'b']);
        assert_eq!(frames.by_ref().count(), 1);
        assert_eq!(frames.rest(), [0, 2, b'b']);
    }
}
