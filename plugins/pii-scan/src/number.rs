//! Social security and telephone numbers.

use crate::scan::{Digits, Found, Kind};

/// Matches a social security number that begins with these three digits.
#[inline(never)]
pub(crate) fn ssn(area: &Digits<'_>) -> Option<Found> {
    let (text, at) = (area.text, area.at);
    let number: &[u8; 11] = text[at..].first_chunk()?;
    let [a, b, c, first, d, e, second, serial @ ..] = number;
    let separated = first == second && matches!(first, b'-' | b' ');
    if !separated || !are_digits(&[*d, *e]) || !are_digits(serial) {
        return None;
    }
    let area_given_out = *a != b'9' && !matches!(&[*a, *b, *c], b"000" | b"666");
    let given_out = area_given_out && [*d, *e] != *b"00" && *serial != *b"0000";
    let end = at + number.len();
    // Another group after it makes it part of something longer; a hyphen before, too.
    let longer = text.get(end) == Some(&b'-') && text.get(end + 1).is_some_and(u8::is_ascii_digit)
        || area.before() == Some(b'-');
    area.alone(Kind::Ssn, at, end).filter(|_| given_out && !longer)
}

/// Without an early end: a few of them are one comparison.
fn are_digits(bytes: &[u8]) -> bool {
    bytes.iter().fold(true, |all, byte| all & byte.is_ascii_digit())
}

/// Returns whether a telephone number may begin with these digits: a country's `+` stands before,
/// or they are an American area or what stands before it. Quick.
#[inline]
pub(crate) fn may_be_phone(digits: &Digits<'_>) -> bool {
    let american = digits.count() == 3 || digits.count() == 1 && digits.text[digits.at] == b'1';
    american || digits.before() == Some(b'+')
}

/// Matches a telephone number that begins with these digits; its `+` or `(` stands before.
#[inline(never)]
pub(crate) fn phone(digits: &Digits<'_>) -> Option<Found> {
    let plus = digits.before() == Some(b'+');
    let found = if plus { international(digits) } else { None };
    found.or_else(|| american(digits))
}

/// The most digits of an international number, by E.164; the fewest in use with the country.
const DIGITS: std::ops::RangeInclusive<usize> = 8..=15;

fn international(first: &Digits<'_>) -> Option<Found> {
    let (text, at) = (first.text, first.at);
    let (mut digits, mut end, mut place) = (0, at, at);
    // Groups may be parted by one space, hyphen, dot, or one of these with a parenthesis.
    while let Some(&byte) = text.get(place) {
        if byte.is_ascii_digit() {
            digits += 1;
            end = place + 1;
            if digits > *DIGITS.end() {
                return None;
            }
        } else if !matches!(byte, b' ' | b'-' | b'.' | b'(' | b')') || place - end >= 2 {
            break;
        }
        place += 1;
    }
    let valid = DIGITS.contains(&digits) && text[at] != b'0';
    first.alone(Kind::Phone, at - 1, end).filter(|_| valid)
}

/// `(415) 555-2671`, `415-555-2671`, `415.555.2671`, `415 555 2671`, with or without a `1`
/// before. Area and exchange begin with 2 to 9.
fn american(digits: &Digits<'_>) -> Option<Found> {
    let (text, at) = (digits.text, digits.at);
    let mut area = at;
    if let [b'1', b' ' | b'-' | b'.', ..] = &text[at..] {
        area = at + 2 + usize::from(text.get(at + 2) == Some(&b'('));
    }
    let opened = area.checked_sub(1).is_some_and(|before| text[before] == b'(');
    let (exchange, separator) = match (opened, text.get(area..)?) {
        (true, [_, _, _, b')', b' ', ..]) => (area + 5, None),
        (true, [_, _, _, b')', ..]) => (area + 4, None),
        (false, [_, _, _, parted @ (b' ' | b'-' | b'.'), ..]) => (area + 4, Some(*parted)),
        _ => return None,
    };
    let [d, e, f, parted, line @ ..] = text.get(exchange..exchange + 8)? else {
        return None;
    };
    let valid = are_digits(&text[area..area + 3])
        && are_digits(&[*d, *e, *f])
        && are_digits(line)
        && text[area] >= b'2'
        && *d >= b'2'
        && separator.map_or(matches!(parted, b' ' | b'-' | b'.'), |s| s == *parted);
    let start = if opened && area == at { at - 1 } else { at };
    let end = exchange + 8;
    digits.alone(Kind::Phone, start, end).filter(|_| valid)
}
