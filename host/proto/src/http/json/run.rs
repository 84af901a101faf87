//! Finds the end of what a JSON string says plainly, eight bytes at a time.

const WORD_BYTES: usize = 8;
const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;
const QUOTES: u64 = ONES * b'"' as u64;
const BACKSLASHES: u64 = ONES * b'\\' as u64;
const BLANKS: u64 = ONES * b' ' as u64;

/// Returns how many bytes come before the first quote, backslash or control character.
#[inline]
pub(super) fn plain(bytes: &[u8]) -> usize {
    let mut at = 0;
    while let Some(chunk) = bytes[at..].first_chunk::<WORD_BYTES>() {
        let stops = stops(u64::from_le_bytes(*chunk));
        if stops != 0 {
            return at + stops.trailing_zeros() as usize / 8;
        }
        at += WORD_BYTES;
    }
    let stop = bytes[at..]
        .iter()
        .position(|byte| matches!(byte, b'"' | b'\\' | 0..b' '));
    stop.map_or(bytes.len(), |stop| at + stop)
}

/// Sets the high bit of the first byte that ends a run; what lies above it may be wrong, since
/// a subtraction borrows from there.
const fn stops(word: u64) -> u64 {
    let quote = word ^ QUOTES;
    let backslash = word ^ BACKSLASHES;
    let is_quote = quote.wrapping_sub(ONES) & !quote;
    let is_backslash = backslash.wrapping_sub(ONES) & !backslash;
    let is_control = word.wrapping_sub(BLANKS) & !word;
    (is_quote | is_backslash | is_control) & HIGHS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_seen_at_every_place() {
        for byte in 0..=u8::MAX {
            let stops = matches!(byte, b'"' | b'\\' | 0..b' ');
            for before in 0..20 {
                for filler in [b'a', 0x80, 0xFF, b' ', b'!', b'#', b'[', b']'] {
                    let mut bytes = vec![filler; before];
                    bytes.push(byte);
                    bytes.extend([filler; 9]);
                    let expected = if stops { before } else { bytes.len() };
                    assert_eq!(
                        plain(&bytes),
                        expected,
                        "{byte:#04x} after {before} of {filler:#04x}"
                    );
                }
            }
        }
    }

    #[test]
    fn the_first_of_several_ends_the_run() {
        assert_eq!(plain(b"abc\"\\\0\"\"\"\"\""), 3);
        assert_eq!(plain(b"ab\x00\"cdefgh"), 2);
        assert_eq!(plain(b""), 0);
    }
}
