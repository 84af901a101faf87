//! Words of guests, made fit for a log line.

/// Returns at most `bytes_max` bytes of `text`, cut at a character, without control characters.
pub(crate) fn one_line(text: &str, bytes_max: usize) -> String {
    let mut line = String::with_capacity(text.len().min(bytes_max));
    for character in text.chars() {
        if line.len() + character.len_utf8() > bytes_max {
            break;
        }
        // Bidirectional overrides can make a terminal show another text than was written.
        let hidden = character.is_control()
            || matches!(character, '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}');
        line.push(if hidden { '\u{FFFD}' } else { character });
    }
    line
}

/// Returns the longest prefix of `text` with at most `bytes_max` bytes.
pub(crate) fn cut(text: &str, bytes_max: usize) -> &str {
    &text[..text.floor_char_boundary(bytes_max)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_line_holds_no_control_characters_and_ends_at_a_character() {
        assert_eq!(
            one_line("a\nb\u{1b}[31mc\u{202e}", 64),
            "a\u{fffd}b\u{fffd}[31mc\u{fffd}"
        );
        assert_eq!(one_line("aä", 2), "a");
        assert_eq!(cut("aä", 2), "a");
    }
}
