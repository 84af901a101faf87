//! Writes JSON strings.

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// Appends a text as a JSON string, escaping only what must be.
pub(super) fn string(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    let mut rest = text;
    loop {
        let plain = super::run::plain(rest);
        out.extend_from_slice(&rest[..plain]);
        let Some((&byte, after)) = rest[plain..].split_first() else {
            break;
        };
        let short = match byte {
            b'"' | b'\\' => Some(byte),
            0x08 => Some(b'b'),
            0x09 => Some(b't'),
            0x0A => Some(b'n'),
            0x0C => Some(b'f'),
            0x0D => Some(b'r'),
            _ => None,
        };
        match short {
            Some(short) => out.extend_from_slice(&[b'\\', short]),
            None => out.extend_from_slice(&[
                b'\\',
                b'u',
                b'0',
                b'0',
                DIGITS[usize::from(byte >> 4)],
                DIGITS[usize::from(byte & 15)],
            ]),
        }
        rest = after;
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_character_reads_back() {
        let text: String = ('\0'..='\u{FF}').chain("\u{2028}日本𝄞".chars()).collect();
        let mut out = Vec::new();
        string(text.as_bytes(), &mut out);
        assert_eq!(serde_json::from_slice::<String>(&out).ok(), Some(text));
        assert!(out.iter().all(|byte| *byte >= b' '));
    }
}
