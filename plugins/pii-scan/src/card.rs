//! Payment card numbers.

use crate::scan::{Found, Kind, stands_alone};

/// The lengths in use (ISO/IEC 7812 allows up to 19).
const LENGTHS: std::ops::RangeInclusive<usize> = 13..=19;

/// Matches a card number whose first digit is at `at`. A hyphen or a single space may part its
/// digits anywhere between the fourth from either end.
pub(crate) fn at(text: &[u8], from: usize, at: usize) -> Option<Found> {
    let mut digits = [0_u8; *LENGTHS.end()];
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
                if LENGTHS.contains(&count) && is_card(&digits[..count]) && stands_alone(text, from, at, end)
                {
                    longest = Some(end);
                }
                let parts = matches!(other, Some(b' ' | b'-'))
                    && count >= 4
                    && text.get(place + 1).is_some_and(u8::is_ascii_digit);
                if !parts {
                    break;
                }
                place += 1;
            }
        }
    }
    longest.map(|end| Found {
        kind: Kind::Card,
        start: at,
        end,
    })
}

/// Returns whether the digits begin as card numbers do and their check digit holds.
fn is_card(digits: &[u8]) -> bool {
    let two = digits[0] * 10 + digits[1];
    // 2 (Mastercard, Mir), 3 (American Express, Diners, JCB), 4 (Visa), 5 (Mastercard, Maestro),
    // 6 (Discover, Maestro, UnionPay), 81 (UnionPay).
    let begins = matches!(digits[0], 2..=6) || two == 81;
    begins && digits.iter().any(|d| *d != digits[0]) && luhn(digits)
}

fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| match u32::from(*digit) {
            digit if place % 2 == 0 => digit,
            digit if digit > 4 => digit * 2 - 9,
            digit => digit * 2,
        })
        .sum();
    sum.is_multiple_of(10)
}
