//! Mail addresses.

use crate::scan::{Digits, Found, Kind, Search};

/// The longest local part and domain, by RFC 5321.
pub(crate) const LOCAL_MAX: usize = 64;
const DOMAIN_MAX: usize = 255;

/// Matches the address whose `@` is at `at`.
pub(crate) fn around(search: &Search<'_>, at: usize) -> Option<Found> {
    let text = search.text;
    let before = &text[search.from..at];
    let taken = before
        .iter()
        .rev()
        .take(LOCAL_MAX)
        .take_while(|b| is_local(**b))
        .count();
    let local = last_word(&before[before.len() - taken..]);
    // A dot or an apostrophe at the edge belongs to the sentence.
    let edge = before[before.len() - local..]
        .iter()
        .take_while(|b| matches!(b, b'.' | b'\'' | b'-'))
        .count();
    let start = at - (local - edge);
    let end = at + 1 + domain(&text[at + 1..])?;
    (start < at).then_some(Found {
        kind: Kind::Email,
        start,
        end,
    })
}

/// Returns the length of what follows the last quotation mark or other sign of another script,
/// and never begins within a character.
fn last_word(bytes: &[u8]) -> usize {
    if bytes.is_ascii() {
        return bytes.len();
    }
    let cut = bytes.iter().take_while(|b| is_continuation(**b)).count();
    let whole = &bytes[cut..];
    match std::str::from_utf8(whole) {
        Ok(text) => text.rsplit(is_sign).next().map_or(0, str::len),
        Err(_) => whole.len(),
    }
}

/// Returns the length of what stands before the first such sign, and never ends within a
/// character.
fn first_word(text: &[u8], length: usize) -> usize {
    if text[..length].is_ascii() {
        return length;
    }
    let mut length = length;
    while length > 0 && text.get(length).copied().is_some_and(is_continuation) {
        length -= 1;
    }
    std::str::from_utf8(&text[..length]).map_or(length, |text| text.find(is_sign).unwrap_or(length))
}

fn is_sign(letter: char) -> bool {
    !letter.is_ascii() && !letter.is_alphanumeric()
}

const fn is_continuation(byte: u8) -> bool {
    byte & 0xC0 == 0x80
}

/// Matches an address whose local part holds these digits and ends before `sign`, the next `@`.
pub(crate) fn beginning(search: &Search<'_>, digits: &Digits<'_>, sign: usize) -> Option<Found> {
    let between = search.text.get(digits.end..sign)?;
    if !between.iter().all(|byte| is_local(*byte)) {
        return None;
    }
    around(search, sign).filter(|found| found.start <= digits.at)
}

/// Returns the length of the domain at the beginning: labels of letters (of any script), digits
/// and hyphens, at least two, the last one not of digits.
fn domain(text: &[u8]) -> Option<usize> {
    let part = |b: &&u8| b.is_ascii_alphanumeric() || matches!(**b, b'-' | b'.') || **b >= 0x80;
    let taken = text.iter().take(DOMAIN_MAX).take_while(part).count();
    let mut length = first_word(text, taken);
    // What ends a sentence is not the domain's.
    while length > 0 && matches!(text[length - 1], b'.' | b'-') {
        length -= 1;
    }
    let mut labels = text[..length].split(|b| *b == b'.');
    let last = labels.next_back()?;
    let named = labels.next().is_some() && last.len() >= 2 && !last.iter().all(u8::is_ascii_digit);
    (named && !text[..length].split(|b| *b == b'.').any(<[u8]>::is_empty)).then_some(length)
}

const fn is_local(byte: u8) -> bool {
    LOCAL[byte as usize]
}

/// Which bytes a local part may have: a look into a table is quicker than the question.
#[expect(clippy::cast_possible_truncation, reason = "counts to 255")]
const LOCAL: [bool; 256] = {
    let mut local = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        local[byte] = may_be_local(byte as u8);
        byte += 1;
    }
    local
};

const fn may_be_local(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || byte >= 0x80
        || matches!(
            byte,
            b'.' | b'_'
                | b'%'
                | b'+'
                | b'-'
                | b'\''
                | b'&'
                | b'~'
                | b'!'
                | b'#'
                | b'$'
                | b'*'
                | b'='
                | b'?'
                | b'^'
        )
}
