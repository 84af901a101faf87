//! Text from outside on a terminal: what could move the cursor, hide or reorder text, or begin
//! a new line is shown, not obeyed.

use std::fmt::Write as _;
use std::io;
use std::path::Path;

/// Returns `text` with everything a terminal or a reader could be misled by as an escape:
/// control characters, line and direction marks, invisible characters.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    push(&mut out, text, false);
    out
}

/// Returns `text` with the same escaped, but with its line breaks and tabs as they stand: for
/// a text that is shown in lines of its own.
#[must_use]
pub fn escape_lines(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (at, line) in text.split('\n').enumerate() {
        if at > 0 {
            out.push('\n');
        }
        for (at, cell) in line.split('\t').enumerate() {
            if at > 0 {
                out.push('\t');
            }
            push(&mut out, cell, false);
        }
    }
    out
}

/// Returns `text` in quotes, unless it is one plain word.
#[must_use]
pub fn quote(text: &str) -> String {
    let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '\\' | '=' | '\'');
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    push(&mut out, text, true);
    out.push('"');
    out
}

/// Returns at most `max` characters of `text`, and how many bytes were left off.
#[must_use]
pub fn cut(text: &str, max: usize) -> (&str, usize) {
    match text.char_indices().nth(max) {
        Some((end, _)) => (&text[..end], text.len() - end),
        None => (text, 0),
    }
}

fn push(out: &mut String, text: &str, quoted: bool) {
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '"' | '\\' if quoted => out.extend(['\\', c]),
            // Writing to a string cannot fail.
            c if misleads(c) => drop(write!(out, "\\u{{{:x}}}", u32::from(c))),
            c => out.push(c),
        }
    }
}

/// Control characters, and what Unicode has to hide or reorder text.
fn misleads(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

/// Returns JSON with every control character and everything beyond ASCII escaped: the same
/// values, nothing for a terminal to obey.
#[must_use]
pub fn safe_json(json: &[u8]) -> String {
    let text = String::from_utf8_lossy(json);
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_ascii() && !c.is_ascii_control() {
            out.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            // Writing to a string cannot fail.
            let _ = write!(out, "\\u{unit:04x}");
        }
    }
    out
}

/// Writes a moment, in microseconds of Unix time, as RFC 3339 in UTC.
#[must_use]
pub fn moment(unix_us: u64) -> String {
    let (seconds, us) = (unix_us / 1_000_000, unix_us % 1_000_000);
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // Howard Hinnant, "chrono-compatible low-level date algorithms": civil_from_days.
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{us:06}Z")
}

/// Why a command ends without having done what was asked.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The exit status.
    pub(crate) status: u8,
    /// For the person who asked; escaped when it is printed.
    pub(crate) reason: String,
}

impl Failure {
    pub(super) fn new(status: u8, reason: impl Into<String>) -> Self {
        Self {
            status,
            reason: reason.into(),
        }
    }

    /// An error and what is behind it.
    pub(super) fn of(status: u8, error: &dyn std::error::Error) -> Self {
        let mut reason = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            // Transparent errors say the same as their source.
            if !reason.ends_with(&cause.to_string()) {
                let _ = write!(reason, ": {cause}");
            }
            source = cause.source();
        }
        Self { status, reason }
    }

    /// A file that could not be read or written.
    pub(super) fn of_file(path: &Path, error: &io::Error) -> Self {
        Self::new(super::EXIT_IO, format!("{}: {error}", path.display()))
    }

    /// A failed write to standard output. Who stopped reading has seen enough.
    pub(super) fn of_output(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::new(0, ""),
            _ => Self::new(
                super::EXIT_IO,
                format!("the output could not be written: {error}"),
            ),
        }
    }

    /// Says why on standard error; returns the exit status.
    pub(super) fn say(&self) -> u8 {
        if !self.reason.is_empty() {
            let lines: Vec<_> = self.reason.lines().map(escape).collect();
            // Nobody is left to tell if standard error is closed.
            let _ = io::Write::write_fmt(&mut io::stderr().lock(), format_args!("{}\n", lines.join("\n")));
        }
        self.status
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_from_outside_reaches_the_terminal_raw() {
        let evil = "a\u{1b}[2J\r\nb\u{9b}1m\u{7f}\u{202e}c\u{200b}\tд";
        let safe = escape(evil);
        assert_eq!(safe, r"a\u{1b}[2J\r\nb\u{9b}1m\u{7f}\u{202e}c\u{200b}\tд");
        assert!(safe.chars().all(|c| !misleads(c)));
    }

    #[test]
    fn lines_keep_their_breaks_and_nothing_else() {
        let safe = escape_lines("a\tb\n\u{1b}[2J\r\n\u{2028}\u{202e}c\n");
        assert_eq!(safe, "a\tb\n\\u{1b}[2J\\r\n\\u{2028}\\u{202e}c\n");
    }

    #[test]
    fn quotes_cannot_be_left_from_inside() {
        assert_eq!(quote("plain-word.1"), "plain-word.1");
        assert_eq!(quote(""), r#""""#);
        assert_eq!(quote("x verdict=run"), r#""x verdict=run""#);
        assert_eq!(quote("a\" kind=\\\n"), r#""a\" kind=\\\n""#);
    }

    #[test]
    fn moments_are_those_of_the_calendar() {
        for (us, text) in [
            (0, "1970-01-01T00:00:00.000000Z"),
            (951_782_400_000_000, "2000-02-29T00:00:00.000000Z"),
            (1_709_251_199_999_999, "2024-02-29T23:59:59.999999Z"),
            (1_709_251_200_000_000, "2024-03-01T00:00:00.000000Z"),
            (4_102_444_799_000_001, "2099-12-31T23:59:59.000001Z"),
        ] {
            assert_eq!(moment(us), text);
        }
        assert!(moment(u64::MAX).ends_with('Z'));
    }

    #[test]
    fn a_cut_is_between_characters() {
        assert_eq!(cut("дом", 2), ("до", 2));
        assert_eq!(cut("дом", 3), ("дом", 0));
    }
}
