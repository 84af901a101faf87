//! The search: jumps from one possible beginning to the next and asks there what it is.

use serde::Deserialize;

use crate::{card, email, iban, number};

/// What is looked for.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A US social security number.
    Ssn,
    /// A payment card's number.
    Card,
    /// An international bank account number.
    Iban,
    /// A mail address.
    Email,
    /// A telephone number.
    Phone,
}

impl Kind {
    /// How many kinds there are.
    pub const COUNT: usize = 5;

    /// Returns what `mark` replaces a finding with.
    #[must_use]
    pub const fn mark(self) -> &'static [u8] {
        match self {
            Self::Ssn => b"[ssn]",
            Self::Card => b"[card]",
            Self::Iban => b"[iban]",
            Self::Email => b"[email]",
            Self::Phone => b"[phone]",
        }
    }
}

/// A set of kinds.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Kinds(u8);

impl Kinds {
    /// Every kind.
    #[must_use]
    pub const fn all() -> Self {
        Self((1 << Kind::COUNT) - 1)
    }

    /// This set and one more kind.
    #[must_use]
    pub const fn with(self, kind: Kind) -> Self {
        Self(self.0 | 1 << kind as u8)
    }

    /// Returns whether the set holds a kind.
    #[must_use]
    pub const fn has(self, kind: Kind) -> bool {
        self.0 & 1 << kind as u8 != 0
    }
}

/// Something found: where, and what it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Found {
    /// What it is.
    pub kind: Kind,
    /// Its first byte.
    pub start: usize,
    /// The byte after its last.
    pub end: usize,
}

/// Finds the first thing that begins at `from` or later; nothing before `from` becomes part
/// of it. Takes time in proportion to the bytes passed over.
#[must_use]
pub fn scan(text: &[u8], from: usize, kinds: Kinds) -> Option<Found> {
    let mut at = from;
    loop {
        at += next_trigger(text.get(at..)?)?;
        let found = if text[at] == b'@' {
            kinds
                .has(Kind::Email)
                .then(|| email::around(text, from, at))
                .flatten()
        } else {
            digits(text, from, at, kinds)
        };
        if let Some(found) = found {
            return Some(found);
        }
        // A run of digits that begins nothing holds nothing that begins inside it.
        at += if text[at] == b'@' {
            1
        } else {
            number::run(&text[at..])
        };
    }
}

/// Asks what the run of digits at `at` belongs to. What begins first counts, then the longest.
fn digits(text: &[u8], from: usize, at: usize, kinds: Kinds) -> Option<Found> {
    let mut best: Option<Found> = None;
    let mut offer = |found: Option<Found>| {
        let Some(found) = found.filter(|f| kinds.has(f.kind)) else {
            return;
        };
        if best.is_none_or(|b| (found.start, b.end) < (b.start, found.end)) {
            best = Some(found);
        }
    };
    // A mail address may begin with digits: its finding then begins no later than theirs.
    if kinds.has(Kind::Email) {
        offer(email::beginning(text, from, at));
    }
    offer(iban::at(text, from, at));
    offer(card::at(text, from, at));
    offer(number::ssn(text, from, at));
    offer(number::phone(text, from, at));
    best
}

/// Returns whether a text may hold anything at all. Quick.
pub(crate) fn may_hold(text: &[u8]) -> bool {
    next_trigger(text).is_some()
}

/// Returns the distance to the next digit or `@`: everything found has one of them early.
fn next_trigger(text: &[u8]) -> Option<usize> {
    let mut passed = 0;
    let (words, _) = text.as_chunks::<8>();
    for word in words {
        if has_trigger(u64::from_le_bytes(*word)) {
            break;
        }
        passed += 8;
    }
    text[passed..]
        .iter()
        .position(|&b| b.is_ascii_digit() || b == b'@')
        .map(|found| passed + found)
}

/// Returns whether one of eight bytes is a digit or `@`. May say so wrongly beside bytes that
/// are not ASCII; never misses one.
const fn has_trigger(word: u64) -> bool {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let low = word & !HIGH;
    // Per byte, in the high bit: at least '0', and more than '9'.
    let from_zero = low + ONES * (0x80 - b'0' as u64);
    let past_nine = low + ONES * (0x80 - b'9' as u64 - 1);
    let at = low ^ (ONES * b'@' as u64);
    let not_at = at + ONES * 0x7f;
    ((from_zero & !past_nine) | !not_at) & !word & HIGH != 0
}

/// Returns whether a byte may not touch a finding: it would be part of a longer word. Only
/// ASCII counts: other scripts write words without spaces and quotes of their own around
/// numbers, and hiding too much is better than too little.
pub(crate) const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Returns whether `start..end` stands alone: no word touches it, and `from` is kept.
pub(crate) fn stands_alone(text: &[u8], from: usize, start: usize, end: usize) -> bool {
    start >= from
        && !start.checked_sub(1).is_some_and(|before| is_word(text[before]))
        && !text.get(end).copied().is_some_and(is_word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trigger_is_never_missed_at_any_place() {
        for byte in 0..=255_u8 {
            for place in 0..8 {
                let mut word = [b'x'; 8];
                word[place] = byte;
                let is = byte.is_ascii_digit() || byte == b'@';
                assert_eq!(has_trigger(u64::from_le_bytes(word)), is, "{byte} at {place}");
            }
        }
    }
}
