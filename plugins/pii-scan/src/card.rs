//! Payment card numbers.

use crate::scan::{Digits, Found, Kind};

/// The lengths in use (ISO/IEC 7812 allows up to 19).
const LENGTH_MIN: usize = 13;
const LENGTH_MAX: usize = 19;

/// The digits at the beginning that nothing parts.
const GROUP_MIN: usize = 4;

/// Returns whether a card number may begin with these digits. Quick.
#[inline]
pub(crate) fn may_be(run: &Digits<'_>) -> bool {
    // 2 (Mastercard, Mir), 3 (American Express, Diners, JCB), 4 (Visa), 5 (Mastercard, Maestro),
    // 6 (Discover, Maestro, UnionPay), 81 (UnionPay).
    run.count() >= GROUP_MIN && matches!(run.text[run.at..], [b'2'..=b'6', ..] | [b'8', b'1', ..])
}

/// Matches a card number that begins with these digits. A hyphen or a single space may part
/// them anywhere after the first group.
#[inline(never)]
pub(crate) fn at(run: &Digits<'_>) -> Option<Found> {
    let (text, at) = (run.text, run.at);
    let mut digits = [0_u8; LENGTH_MAX];
    let (mut count, mut place, mut end) = (0, at, at);
    let mut longest = None;
    loop {
        match text.get(place) {
            Some(byte) if byte.is_ascii_digit() => {
                if count == digits.len() {
                    // One digit more than any card has; groups before it may still be one.
                    break;
                }
                digits[count] = byte - b'0';
                count += 1;
                place += 1;
                end = place;
            }
            other => {
                if count >= LENGTH_MIN && is_card(&digits, count) {
                    longest = run.alone(Kind::Card, at, end).or(longest);
                }
                let parts =
                    matches!(other, Some(b' ' | b'-')) && text.get(place + 1).is_some_and(u8::is_ascii_digit);
                if !parts {
                    break;
                }
                place += 1;
            }
        }
    }
    longest
}

/// Returns whether the check digit holds, and not all of the digits are the same. Digits behind the
/// last are 0. Without an early end: it is a few vector instructions.
fn is_card(digits: &[u8; LENGTH_MAX], count: usize) -> bool {
    let doubled = count % 2;
    let sum = digits.iter().enumerate().fold(0, |sum, (place, digit)| {
        let twice = 2 * digit - if *digit > 4 { 9 } else { 0 };
        // At most 19 times 9.
        sum + if place % 2 == doubled { twice } else { *digit }
    });
    let differ = digits[..count].iter().any(|digit| *digit != digits[0]);
    sum.is_multiple_of(10) && differ
}
