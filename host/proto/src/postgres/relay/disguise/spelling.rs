//! One spelling of a name, and where it stands in a text as a word of its own.

use std::sync::Arc;

/// One spelling of a name.
#[derive(Clone)]
pub(super) struct Name {
    pub(super) bytes: Box<[u8]>,
    pub(super) stand_in: Arc<[u8]>,
    /// Counts only behind one of these; anywhere if there are none.
    pub(super) behind: &'static [&'static [u8]],
}

impl Name {
    /// Whether the name stands at `start`, as a word of its own.
    pub(super) fn is_at(&self, text: &[u8], start: usize) -> bool {
        let (before, rest) = text.split_at(start);
        let Some((found, after)) = rest.split_at_checked(self.bytes.len()) else {
            return false;
        };
        found.eq_ignore_ascii_case(&self.bytes)
            && !(ends_in_word(before) && begins_with_word(found))
            && !(ends_in_word(found) && begins_with_word(after))
            && (self.behind.is_empty() || self.behind.iter().any(|words| ends_with(before, words)))
    }
}

/// The longest character in UTF-8, in bytes.
const CHAR_BYTES_MAX: usize = 4;

/// Whether the last character belongs to a word. Bytes that are none do not.
fn ends_in_word(text: &[u8]) -> bool {
    let window = &text[text.len().saturating_sub(CHAR_BYTES_MAX)..];
    match window.utf8_chunks().last() {
        Some(chunk) if chunk.invalid().is_empty() => chunk.valid().chars().next_back().is_some_and(is_word),
        _ => false,
    }
}

/// Whether the first character belongs to a word. Bytes that are none do not.
fn begins_with_word(text: &[u8]) -> bool {
    let window = &text[..text.len().min(CHAR_BYTES_MAX)];
    let first = window.utf8_chunks().next();
    first.is_some_and(|chunk| chunk.valid().chars().next().is_some_and(is_word))
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// Whether a text ends with `words`, which begin where a word does.
fn ends_with(text: &[u8], words: &[u8]) -> bool {
    let Some(at) = text.len().checked_sub(words.len()) else {
        return false;
    };
    let (before, end) = text.split_at(at);
    end.eq_ignore_ascii_case(words) && !(ends_in_word(before) && begins_with_word(end))
}

/// The ways to write a name: as it is, as a quoted identifier, as a literal in both syntaxes,
/// as a JSON text.
pub(super) fn spellings(name: &[u8]) -> [Vec<u8>; 5] {
    let escaped = |special: &[u8], escape: Option<u8>| {
        let mut out = Vec::with_capacity(name.len());
        for &byte in name {
            if special.contains(&byte) {
                out.push(escape.unwrap_or(byte));
            }
            out.push(byte);
        }
        out
    };
    [
        name.to_vec(),
        escaped(b"\"", None),
        escaped(b"'", None),
        escaped(b"'\\", None),
        escaped(b"\"\\", Some(b'\\')),
    ]
}
