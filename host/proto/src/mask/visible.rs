//! What of a line a person sees on a terminal: control sequences aside.
//!
//! A value is the same value when a command colours a part of it. What is read here decides only
//! what a mask looks at; it is not what goes out, unless the mask changes it.

use std::borrow::Cow;

/// The first byte of a sequence, and the first byte of the two that C1 controls have in UTF-8.
const ESC: u8 = 0x1b;
const C1: u8 = 0xc2;

/// Returns a line of UTF-8 as it is seen: without what moves the cursor or sets colours. A
/// backspace takes back the character before it. What a sequence carries as text, as a window's
/// title or where a link leads to, stays where it stands, for it is seen somewhere.
pub(super) fn visible(line: &[u8]) -> Cow<'_, [u8]> {
    // Without a way out in the middle this is done for many bytes at once.
    if !line
        .iter()
        .fold(false, |any, byte| any | is_control(*byte) | (*byte == C1))
    {
        return Cow::Borrowed(line);
    }
    let mut seen = Vec::with_capacity(line.len());
    let mut rest = line;
    while let Some((&byte, behind)) = rest.split_first() {
        rest = match (byte, behind) {
            (ESC, _) => after_escape(behind),
            (C1, [0x9b, behind @ ..]) => after_parameters(behind),
            (C1, [0x80..=0x9f, behind @ ..]) => behind,
            (0x08, _) => {
                take_back(&mut seen);
                behind
            }
            _ => {
                if !is_control(byte) {
                    seen.push(byte);
                }
                behind
            }
        };
    }
    Cow::Owned(seen)
}

const fn is_control(byte: u8) -> bool {
    ((byte < b' ') & (byte != b'\t')) | (byte == 0x7f)
}

/// Passes the rest of a sequence, by what ECMA-48 says they look like.
fn after_escape(behind: &[u8]) -> &[u8] {
    match behind {
        [b'[', behind @ ..] => after_parameters(behind),
        // Strings: of a command, a title, a device. They end with a control of their own.
        [b'P' | b']' | b'X' | b'^' | b'_', behind @ ..] => behind,
        _ => {
            let intermediates = count(behind, 0x20..=0x2f);
            skip_one(&behind[intermediates..], 0x30..=0x7e)
        }
    }
}

/// Passes parameters, intermediates, and the final byte.
fn after_parameters(behind: &[u8]) -> &[u8] {
    let behind = &behind[count(behind, 0x30..=0x3f)..];
    let behind = &behind[count(behind, 0x20..=0x2f)..];
    skip_one(behind, 0x40..=0x7e)
}

fn count(bytes: &[u8], range: std::ops::RangeInclusive<u8>) -> usize {
    bytes.iter().take_while(|byte| range.contains(byte)).count()
}

fn skip_one(bytes: &[u8], range: std::ops::RangeInclusive<u8>) -> &[u8] {
    match bytes.split_first() {
        Some((byte, behind)) if range.contains(byte) => behind,
        _ => bytes,
    }
}

/// Takes the last character back, whole.
fn take_back(seen: &mut Vec<u8>) {
    while seen.pop().is_some_and(|byte| byte & 0xc0 == 0x80) {}
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lines_read_as_they_are_seen() {
        for (line, expected) in [
            ("plain é𝄞\ttext", "plain é𝄞\ttext"),
            ("41\x1b[01;31m11\x1b[m-1\x1b[K111", "4111-1111"),
            ("41\u{9b}1;31m11", "4111"),
            ("b\x08bo\x08ol\x08ld, é\x08e", "bold, e"),
            ("\x08\x08a", "a"),
            ("\x1b]0;me@host\x07me@host$ ", "0;me@hostme@host$ "),
            (
                "\x1b]8;;mailto:a@b.c\x1b\\a@b.c\x1b]8;;\x1b\\",
                "8;;mailto:a@b.ca@b.c8;;",
            ),
            ("\x1b(B\x1b=\x1b#8x\x1bcy", "xy"),
            ("a\x1b", "a"),
            ("a\x1b[12", "a"),
            ("a\x1b[é", "aé"),
            ("a\x7fb\x00c\u{85}d", "abcd"),
        ] {
            assert_eq!(
                String::from_utf8_lossy(&visible(line.as_bytes())),
                expected,
                "{line:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn what_is_seen_is_text_without_controls(line in "[a-z\\x1b\\[\\];0-9\\x07\\x08\u{80}-\u{9f}é𝄞]*") {
            let seen = visible(line.as_bytes()).into_owned();
            let text = String::from_utf8(seen).expect("UTF-8");
            prop_assert!(!text.chars().any(|seen| seen.is_control()));
        }
    }
}
