//! Just enough of JSON to know whether a place is inside a string.

use std::ops::Range;

use crate::scan::Found;

/// Walks a document without escapes once, from finding to finding.
#[derive(Debug, Default)]
pub(crate) struct Strings {
    at: usize,
    inside: bool,
}

impl Strings {
    /// Returns whether the byte at `place` is inside a string. Places must not fall.
    pub(crate) fn inside(&mut self, document: &[u8], place: usize) -> bool {
        let passed = document.get(self.at..place).unwrap_or_default();
        let quotes = passed.iter().filter(|byte| **byte == b'"').count();
        self.inside ^= !quotes.is_multiple_of(2);
        self.at = self.at.max(place);
        self.inside
    }
}

/// Copies a document with spaces in the place of its escapes, so that no letter of `\n` seems
/// to touch a number and no part of an escape is replaced. Places stay the same.
pub(crate) fn without_escapes(document: &[u8], copy: &mut Vec<u8>) {
    copy.clear();
    copy.extend_from_slice(document);
    let mut at = 0;
    while let Some(found) = copy[at..].iter().position(|b| *b == b'\\') {
        at += found;
        let length = if copy.get(at + 1) == Some(&b'u') { 6 } else { 2 };
        let end = (at + length).min(copy.len());
        copy[at..end].fill(b' ');
        at = end;
    }
}

/// Returns the whole number that holds a finding outside of any string, sign, fraction and
/// exponent included: half a number and a string beside it would be no JSON.
pub(crate) fn token(document: &[u8], found: &Found) -> Range<usize> {
    let part = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'+' | b'.');
    let before = document[..found.start]
        .iter()
        .rev()
        .take_while(|b| part(b))
        .count();
    let after = document[found.end..].iter().take_while(|b| part(b)).count();
    found.start - before..found.end + after
}
