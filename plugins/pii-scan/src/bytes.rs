//! The search for the next byte of some kind.

/// Bytes passed over in one step: a vector register.
const BLOCK: usize = 16;

/// Bytes looked at one by one, all at once: a word.
const WORD: usize = 8;

/// Returns the distance to the next digit or `@`, which everything found has early.
#[inline(always)]
pub(crate) fn trigger(text: &[u8]) -> Option<usize> {
    position(
        text,
        |byte| byte.is_ascii_digit() || byte == b'@',
        |word| digits(word) | signs(word),
    )
}

/// Returns the place of the next `@`.
pub(crate) fn sign(text: &[u8]) -> Option<usize> {
    position(text, |byte| byte == b'@', signs)
}

/// Returns how many digits stand at the beginning.
#[inline(always)]
pub(crate) fn run(text: &[u8]) -> usize {
    let mut count = 0;
    // Most runs end within the first step.
    while let Some(word) = text.get(count..).and_then(<[u8]>::first_chunk) {
        match place(!digits(u64::from_le_bytes(*word)) & HIGH) {
            Some(end) => return count + end,
            None => count += WORD,
        }
    }
    while text.get(count).is_some_and(u8::is_ascii_digit) {
        count += 1;
    }
    count
}

/// Returns the place of the first byte for which `is` holds; `marks` says the same of a word.
#[inline(always)]
fn position(text: &[u8], is: impl Fn(u8) -> bool, marks: impl Fn(u64) -> u64) -> Option<usize> {
    let (blocks, _) = text.as_chunks::<BLOCK>();
    // Without an early end, looking into a block is a handful of vector instructions.
    let passed = blocks
        .iter()
        .take_while(|block| !block.iter().fold(false, |any, byte| any | is(*byte)))
        .count();
    let mut at = passed * BLOCK;
    while let Some(word) = text.get(at..).and_then(<[u8]>::first_chunk) {
        if let Some(found) = place(marks(u64::from_le_bytes(*word))) {
            return Some(at + found);
        }
        at += WORD;
    }
    // The last word overlaps those before, among which there is none.
    if let Some(word) = text.last_chunk::<WORD>() {
        return place(marks(u64::from_le_bytes(*word))).map(|found| text.len() - WORD + found);
    }
    text.iter().position(|byte| is(*byte))
}

/// The high bit of each byte.
const HIGH: u64 = 0x8080_8080_8080_8080;

/// The low bit of each byte.
const LOW: u64 = 0x0101_0101_0101_0101;

/// Returns the first byte of a word whose high bit is set.
#[inline(always)]
fn place(marks: u64) -> Option<usize> {
    (marks != 0).then(|| marks.trailing_zeros() as usize / 8)
}

/// Marks the digits of a word by their high bits.
#[inline(always)]
const fn digits(word: u64) -> u64 {
    let low = word & !HIGH;
    let from_zero = low + LOW * (0x80 - b'0' as u64);
    let past_nine = low + LOW * (0x80 - b'9' as u64 - 1);
    from_zero & !past_nine & !word & HIGH
}

/// Marks the `@` of a word by their high bits.
#[inline(always)]
const fn signs(word: u64) -> u64 {
    let other = ((word & !HIGH) ^ (LOW * b'@' as u64)) + LOW * 0x7F;
    !other & !word & HIGH
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_found_at_any_place_of_any_length() {
        for length in 0..3 * BLOCK {
            assert_eq!(trigger(&vec![b'x'; length]), None);
            assert_eq!(run(&vec![b'7'; length]), length);
            for place in 0..length {
                for byte in 0..=u8::MAX {
                    let mut text = vec![b'x'; length];
                    text[place] = byte;
                    let is = |is: bool| is.then_some(place);
                    assert_eq!(trigger(&text), is(byte.is_ascii_digit() || byte == b'@'));
                    assert_eq!(sign(&text), is(byte == b'@'));
                    let mut text = vec![b'7'; length];
                    text[place] = byte;
                    let end = if byte.is_ascii_digit() { length } else { place };
                    assert_eq!(run(&text), end, "{byte} at {place} of {length}");
                }
                let mut text = vec![b'x'; length];
                text[place..].fill(b'7');
                assert_eq!(trigger(&text), Some(place));
            }
        }
    }
}
