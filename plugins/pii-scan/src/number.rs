//! Social security and telephone numbers.

use crate::scan::{Found, Kind, stands_alone};

/// Returns how many digits stand at the beginning.
pub(crate) fn run(text: &[u8]) -> usize {
    text.iter().take_while(|b| b.is_ascii_digit()).count()
}

/// Matches a social security number whose first digit is at `at`.
pub(crate) fn ssn(text: &[u8], from: usize, at: usize) -> Option<Found> {
    let number: &[u8; 11] = text[at..].first_chunk()?;
    let [a, b, c, first, d, e, second, serial @ ..] = number;
    let digits = [a, b, c, d, e].into_iter().chain(serial).all(u8::is_ascii_digit);
    let separated = first == second && matches!(first, b'-' | b' ');
    let area = [*a, *b, *c];
    let given_out =
        area != *b"000" && area != *b"666" && *a != b'9' && [*d, *e] != *b"00" && *serial != *b"0000";
    let end = at + number.len();
    // Another group after it makes it part of something longer; a hyphen before, too.
    let longer = text.get(end) == Some(&b'-') && text.get(end + 1).is_some_and(u8::is_ascii_digit)
        || at.checked_sub(1).is_some_and(|before| text[before] == b'-');
    (digits && separated && given_out && !longer && stands_alone(text, from, at, end)).then_some(Found {
        kind: Kind::Ssn,
        start: at,
        end,
    })
}

/// Matches a telephone number whose first digit is at `at`; its `+` or `(` stands before.
pub(crate) fn phone(text: &[u8], from: usize, at: usize) -> Option<Found> {
    international(text, from, at).or_else(|| american(text, from, at))
}

/// The most digits of an international number, by E.164; the fewest in use with the country.
const DIGITS: std::ops::RangeInclusive<usize> = 8..=15;

fn international(text: &[u8], from: usize, at: usize) -> Option<Found> {
    let start = at.checked_sub(1).filter(|start| text[*start] == b'+')?;
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
    (DIGITS.contains(&digits) && text[at] != b'0' && stands_alone(text, from, start, end)).then_some(Found {
        kind: Kind::Phone,
        start,
        end,
    })
}

/// `(415) 555-2671`, `415-555-2671`, `415.555.2671`, `415 555 2671`, with or without a `1`
/// before. Area and exchange begin with 2 to 9.
fn american(text: &[u8], from: usize, at: usize) -> Option<Found> {
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
    let valid = text[area..area + 3]
        .iter()
        .chain([d, e, f])
        .chain(line)
        .all(u8::is_ascii_digit)
        && text[area] >= b'2'
        && *d >= b'2'
        && separator.map_or(matches!(parted, b' ' | b'-' | b'.'), |s| s == *parted);
    let start = if opened && area == at { at - 1 } else { at };
    let end = exchange + 8;
    (valid && stands_alone(text, from, start, end)).then_some(Found {
        kind: Kind::Phone,
        start,
        end,
    })
}
