//! Keeps a few characters of a text and covers the rest.

/// Which characters stay readable.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Keep {
    /// The first so many.
    First(usize),
    /// The last so many.
    Last(usize),
}

/// What stands for a covered character.
const COVER: u8 = b'*';

impl Keep {
    /// Covers an ASCII text in its place; false, with the text unchanged, if it is not ASCII.
    ///
    /// A text with no more characters than are to be kept is covered whole: a short value must
    /// not come out readable.
    pub(crate) fn cover_ascii(self, text: &mut [u8]) -> bool {
        if !text.is_ascii() {
            return false;
        }
        let covered = match self {
            Self::First(count) if count < text.len() => &mut text[count..],
            Self::Last(count) if count < text.len() => {
                let end = text.len() - count;
                &mut text[..end]
            }
            Self::First(_) | Self::Last(_) => text,
        };
        for byte in covered {
            *byte = cover(*byte);
        }
        true
    }

    /// Appends `text` covered; false, with nothing appended, if it is not UTF-8.
    ///
    /// ASCII punctuation, blanks and controls stay. Beyond ASCII every character is covered,
    /// since combining marks and symbols would tell what they stand on.
    pub(crate) fn cover(self, text: &[u8], out: &mut Vec<u8>) -> bool {
        let Ok(text) = std::str::from_utf8(text) else {
            return false;
        };
        let count = text.chars().count();
        let kept = match self {
            Self::First(kept) if kept < count => 0..kept,
            Self::Last(kept) if kept < count => count - kept..count,
            Self::First(_) | Self::Last(_) => 0..0,
        };
        for (index, character) in text.chars().enumerate() {
            if kept.contains(&index) {
                out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            } else {
                out.push(
                    u8::try_from(character)
                        .ok()
                        .filter(u8::is_ascii)
                        .map_or(COVER, cover),
                );
            }
        }
        true
    }
}

const fn cover(byte: u8) -> u8 {
    if byte.is_ascii_alphanumeric() { COVER } else { byte }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Covers both ways and checks that they agree where both can.
    fn covered(keep: Keep, text: &str) -> String {
        let mut out = Vec::new();
        assert!(keep.cover(text.as_bytes(), &mut out));
        let mut in_place = text.as_bytes().to_vec();
        if keep.cover_ascii(&mut in_place) {
            assert_eq!(in_place, out, "{text:?}");
        } else {
            assert_eq!(in_place, text.as_bytes(), "{text:?}");
        }
        String::from_utf8(out).expect("covered text is UTF-8")
    }

    #[test]
    fn characters_are_kept_and_separators_stay() {
        for (keep, text, expected) in [
            (Keep::Last(4), "123-45-6789", "***-**-6789"),
            (Keep::First(3), "123-45-6789", "123-**-****"),
            (Keep::Last(0), "a1 b2", "** **"),
            (Keep::First(0), "a1 b2", "** **"),
            (Keep::Last(2), "jo@example.com", "**@*******.*om"),
            (Keep::Last(2), "Žižková", "*****vá"),
            (Keep::First(2), "Žižková", "Ži*****"),
            (Keep::Last(1), "日本語", "**語"),
            (Keep::Last(1), "e\u{301}a", "**a"),
            (Keep::First(1), "a — b", "a * *"),
            (Keep::Last(4), "", ""),
        ] {
            assert_eq!(covered(keep, text), expected, "{keep:?} of {text:?}");
        }
    }

    #[test]
    fn a_text_no_longer_than_what_is_kept_is_covered_whole() {
        for (keep, text, expected) in [
            (Keep::Last(4), "6789", "****"),
            (Keep::Last(4), "12-3", "**-*"),
            (Keep::First(5), "abc", "***"),
            (Keep::Last(3), "日本語", "***"),
            (Keep::Last(usize::MAX), "abc", "***"),
        ] {
            assert_eq!(covered(keep, text), expected, "{keep:?} of {text:?}");
        }
    }

    #[test]
    fn bytes_that_are_not_text_are_refused() {
        let mut out = Vec::new();
        assert!(!Keep::Last(4).cover(b"12345\xff", &mut out));
        assert!(out.is_empty());
    }
}
