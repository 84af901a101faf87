//! International bank account numbers (ISO 13616).

use crate::scan::{Digits, Found, Kind};

/// Returns whether these may be an IBAN's check digits: a country stands before them. Quick.
#[inline]
pub(crate) fn may_be(digits: &Digits<'_>) -> bool {
    let letter = |place: usize| digits.text[place].is_ascii_alphabetic();
    digits.count() >= 2 && digits.at >= 2 && letter(digits.at - 1) && letter(digits.at - 2)
}

/// Matches an IBAN whose check digits begin a run: its country stands before.
#[inline(never)]
pub(crate) fn at(digits: &Digits<'_>) -> Option<Found> {
    let text = digits.text;
    let start = digits.at.checked_sub(2)?;
    let length = length(text[start], text[start + 1])?;
    let mut head = [0; HEAD];
    let (mut count, mut place, mut rest) = (0, start, 0);
    while count < length {
        let value = value(*text.get(place)?);
        if value == OTHER {
            let parts = matches!(text[place], b' ' | b'-');
            if count < HEAD || !parts || self::value(text[place - 1]) == OTHER {
                return None;
            }
        } else {
            match head.get_mut(count) {
                Some(sign) => *sign = value,
                None => rest = appended(rest, value),
            }
            count += 1;
        }
        place += 1;
    }
    let found = digits.alone(Kind::Iban, start, place)?;
    let rest = head.into_iter().fold(rest, appended);
    (rest % 97 == 1).then_some(found)
}

/// Country and check digits; they are moved to the end before the check.
const HEAD: usize = 4;

/// The value of what is neither a digit nor a letter.
const OTHER: u8 = 0xFF;

/// Returns what a digit or a letter counts in the check.
const fn value(byte: u8) -> u8 {
    VALUES[byte as usize]
}

/// Appends a sign to a number of which only the remainder by 97 counts.
const fn appended(number: u64, value: u8) -> u64 {
    let shift = if value < 10 { 10 } else { 100 };
    let number = number * shift + value as u64;
    // Division is slow: as late as there is room for one more letter.
    if number > u64::MAX / 1_000 {
        number % 97
    } else {
        number
    }
}

#[expect(clippy::cast_possible_truncation, reason = "counts to 255")]
const VALUES: [u8; 256] = {
    let mut values = [OTHER; 256];
    let mut byte = 0;
    while byte < 256 {
        let letter = (byte as u8).to_ascii_uppercase();
        if letter.is_ascii_digit() {
            values[byte] = letter - b'0';
        } else if letter.is_ascii_uppercase() {
            values[byte] = letter - b'A' + 10;
        }
        byte += 1;
    }
    values
};

/// Returns the length of a country's numbers.
fn length(first: u8, second: u8) -> Option<usize> {
    let place = |letter: u8| usize::from(letter.to_ascii_uppercase() - b'A');
    match BY_COUNTRY[place(first)][place(second)] {
        0 => None,
        length => Some(usize::from(length)),
    }
}

/// The lengths by the letters of the country.
const BY_COUNTRY: [[u8; 26]; 26] = {
    let mut table = [[0; 26]; 26];
    let mut at = 0;
    while at < LENGTHS.len() {
        let ([first, second], length) = LENGTHS[at];
        table[(*first - b'A') as usize][(*second - b'A') as usize] = length;
        at += 1;
    }
    table
};

/// Length of the whole number by country, from the IBAN registry.
const LENGTHS: &[(&[u8; 2], u8)] = &[
    (b"AD", 24),
    (b"AE", 23),
    (b"AL", 28),
    (b"AT", 20),
    (b"AZ", 28),
    (b"BA", 20),
    (b"BE", 16),
    (b"BG", 22),
    (b"BH", 22),
    (b"BI", 27),
    (b"BR", 29),
    (b"BY", 28),
    (b"CH", 21),
    (b"CR", 22),
    (b"CY", 28),
    (b"CZ", 24),
    (b"DE", 22),
    (b"DJ", 27),
    (b"DK", 18),
    (b"DO", 28),
    (b"EE", 20),
    (b"EG", 29),
    (b"ES", 24),
    (b"FI", 18),
    (b"FK", 18),
    (b"FO", 18),
    (b"FR", 27),
    (b"GB", 22),
    (b"GE", 22),
    (b"GI", 23),
    (b"GL", 18),
    (b"GR", 27),
    (b"GT", 28),
    (b"HN", 28),
    (b"HR", 21),
    (b"HU", 28),
    (b"IE", 22),
    (b"IL", 23),
    (b"IQ", 23),
    (b"IS", 26),
    (b"IT", 27),
    (b"JO", 30),
    (b"KW", 30),
    (b"KZ", 20),
    (b"LB", 28),
    (b"LC", 32),
    (b"LI", 21),
    (b"LT", 20),
    (b"LU", 20),
    (b"LV", 21),
    (b"LY", 25),
    (b"MC", 27),
    (b"MD", 24),
    (b"ME", 22),
    (b"MK", 19),
    (b"MN", 20),
    (b"MR", 27),
    (b"MT", 31),
    (b"MU", 30),
    (b"NI", 28),
    (b"NL", 18),
    (b"NO", 15),
    (b"OM", 23),
    (b"PK", 24),
    (b"PL", 28),
    (b"PS", 29),
    (b"PT", 25),
    (b"QA", 29),
    (b"RO", 24),
    (b"RS", 22),
    (b"RU", 33),
    (b"SA", 24),
    (b"SC", 31),
    (b"SD", 18),
    (b"SE", 24),
    (b"SI", 19),
    (b"SK", 24),
    (b"SM", 27),
    (b"SO", 23),
    (b"ST", 25),
    (b"SV", 28),
    (b"TL", 23),
    (b"TN", 24),
    (b"TR", 26),
    (b"UA", 29),
    (b"VA", 22),
    (b"VG", 24),
    (b"XK", 20),
    (b"YE", 30),
];
