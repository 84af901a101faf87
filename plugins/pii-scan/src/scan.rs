//! The search: jumps from one possible beginning to the next and asks there what it is.

use serde::Deserialize;

use crate::{bytes, card, email, iban, number};

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
pub(crate) struct Kinds(u8);

impl Kinds {
    /// Every kind.
    #[must_use]
    pub(crate) const fn all() -> Self {
        Self((1 << Kind::COUNT) - 1)
    }

    /// This set and one more kind.
    #[must_use]
    pub(crate) const fn with(self, kind: Kind) -> Self {
        Self(self.0 | 1 << kind as u8)
    }

    /// Returns whether the set holds a kind.
    #[must_use]
    pub(crate) const fn has(self, kind: Kind) -> bool {
        self.0 & 1 << kind as u8 != 0
    }
}

/// Something found: where, and what it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Found {
    /// What it is.
    pub(crate) kind: Kind,
    /// Its first byte.
    pub(crate) start: usize,
    /// The byte after its last.
    pub(crate) end: usize,
}

/// A text, and how far it is searched.
///
/// What looks into it gets it by reference, and few arguments beside: those beyond the fourth go
/// through memory in a sandbox, and are waited for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Search<'t> {
    pub(crate) text: &'t [u8],
    kinds: Kinds,
    /// Nothing before it becomes part of a finding.
    pub(crate) from: usize,
    /// Nothing that begins before it is looked for.
    at: usize,
    /// The next `@` after the last run of digits; far behind the text if there is none.
    sign: usize,
}

impl<'t> Search<'t> {
    /// Begins a search in a text whose first digit or `@` is known.
    #[must_use]
    pub(crate) const fn new(text: &'t [u8], kinds: Kinds, first: usize) -> Self {
        Self {
            text,
            kinds,
            from: 0,
            at: first,
            sign: 0,
        }
    }

    /// Goes on at a place: nothing before it becomes part of a finding.
    pub(crate) const fn take(&mut self, from: usize) {
        self.from = from;
        self.at = from;
    }

    /// Finds the next thing. Takes time in proportion to the bytes passed over.
    #[inline(always)]
    pub(crate) fn find(&mut self) -> Option<Found> {
        loop {
            let at = self.at + bytes::trigger(self.text.get(self.at..)?)?;
            if self.text[at] == b'@' {
                self.at = at + 1;
                if self.kinds.has(Kind::Email)
                    && let Some(found) = email::around(self, at)
                {
                    return Some(found);
                }
                continue;
            }
            let digits = Digits {
                text: self.text,
                from: self.from,
                at,
                end: at + bytes::run(&self.text[at..]),
            };
            // A run of digits that begins nothing holds nothing that begins inside it.
            self.at = digits.end;
            if let Some(found) = self.belonging(&digits) {
                return Some(found);
            }
        }
    }

    /// Asks what a run of digits belongs to. What begins first counts, then the longest.
    #[inline]
    fn belonging(&mut self, digits: &Digits<'_>) -> Option<Found> {
        let mut best = None;
        let kinds = self.kinds;
        // A mail address may begin with digits: its finding then begins no later than theirs.
        if kinds.has(Kind::Email) {
            let sign = self.sign_after(digits.end);
            if sign - digits.at <= email::LOCAL_MAX {
                offer(&mut best, email::beginning(self, digits, sign));
            }
        }
        if kinds.has(Kind::Iban) && iban::may_be(digits) {
            offer(&mut best, iban::at(digits));
        }
        if kinds.has(Kind::Card) && card::may_be(digits) {
            offer(&mut best, card::at(digits));
        }
        if kinds.has(Kind::Ssn) && digits.count() == 3 {
            offer(&mut best, number::ssn(digits));
        }
        if kinds.has(Kind::Phone) && number::may_be_phone(digits) {
            offer(&mut best, number::phone(digits));
        }
        best
    }

    /// Returns the place of the next `@`. Places must not fall.
    #[inline]
    fn sign_after(&mut self, place: usize) -> usize {
        if self.sign < place {
            self.sign = sign(self.text, place);
        }
        self.sign
    }
}

/// Returns the place of the next `@`; one far behind the text if there is none.
#[inline(never)]
fn sign(text: &[u8], from: usize) -> usize {
    bytes::sign(&text[from..]).map_or(usize::MAX, |next| from + next)
}

#[inline(never)]
fn offer(best: &mut Option<Found>, found: Option<Found>) {
    if let Some(found) = found
        && best.is_none_or(|b| (found.start, b.end) < (b.start, found.end))
    {
        *best = Some(found);
    }
}

/// A run of digits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Digits<'t> {
    /// What they stand in.
    pub(crate) text: &'t [u8],
    /// Nothing before it becomes part of a finding.
    from: usize,
    /// The first digit.
    pub(crate) at: usize,
    /// What follows the last digit.
    pub(crate) end: usize,
}

impl Digits<'_> {
    /// Returns how many digits there are.
    pub(crate) const fn count(&self) -> usize {
        self.end - self.at
    }

    /// Returns the byte before the first digit.
    pub(crate) fn before(&self) -> Option<u8> {
        self.at.checked_sub(1).map(|before| self.text[before])
    }

    /// Returns what was found at `start..end` if it stands alone: no word touches it, and nothing
    /// of it is taken.
    #[inline]
    pub(crate) fn alone(&self, kind: Kind, start: usize, end: usize) -> Option<Found> {
        let touched = start
            .checked_sub(1)
            .is_some_and(|before| is_word(self.text[before]))
            || self.text.get(end).copied().is_some_and(is_word);
        (start >= self.from && !touched).then_some(Found { kind, start, end })
    }
}

/// Returns whether a byte may not touch a finding: it would be part of a longer word. Only
/// ASCII counts: other scripts write words without spaces and quotes of their own around
/// numbers, and hiding too much is better than too little.
const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}
