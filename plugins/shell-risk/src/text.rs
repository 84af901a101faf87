//! What can be said of a line before it is parsed, and whether it is parsed at all.

use brush_parser::{Parser, ParserOptions};

use crate::Findings;
use crate::tree::Walk;

/// The longest line that is parsed, in bytes.
const LINE_BYTES_MAX: usize = 64 << 10;

/// How many things that nest may be opened on one line: commands that people write have a few.
const OPENERS_MAX: usize = 256;

/// How deep command lines within command lines are followed.
pub(crate) const DEPTH_MAX: usize = 8;

/// Judges a command line.
pub(crate) fn judge(line: &str, findings: &mut Findings) {
    if line.chars().any(is_hidden) {
        findings.add(
            "shell.hidden",
            "it holds characters that cannot be seen: controls, or marks that change the order of letters.",
        );
    }
    parsed(line, 0, findings);
}

/// Parses a line and walks what it says.
pub(crate) fn parsed(line: &str, depth: usize, findings: &mut Findings) {
    if let Some(why) = unparsable(line, depth) {
        return findings.add("shell.unparsed", why);
    }
    let options = ParserOptions::default();
    let program = Parser::new(std::io::Cursor::new(line), &options).parse_program();
    match program {
        Ok(program) => Walk::new(depth, findings).program(&program),
        Err(_) => findings.add(
            "shell.unparsed",
            "it is not in the shell's grammar as it is known here.",
        ),
    }
}

/// Returns why a line is not given to the grammar at all.
fn unparsable(line: &str, depth: usize) -> Option<&'static str> {
    if depth >= DEPTH_MAX {
        return Some("it holds command lines within command lines, too deep to follow.");
    }
    if line.len() > LINE_BYTES_MAX {
        return Some("it is longer than is looked at.");
    }
    if line.contains('\0') {
        return Some("it is not text.");
    }
    let openers = line.matches(['(', '{', '`', '[']).count();
    let words = line.split(|c: char| !c.is_ascii_alphanumeric());
    let words = words.filter(|word| matches!(*word, "if" | "while" | "until" | "for" | "case" | "select"));
    if openers + words.count() > OPENERS_MAX {
        return Some("it nests more than is looked at.");
    }
    if !plain_documents(line) {
        return Some("a document in it ends with something unusual.");
    }
    None
}

/// Whether each here-document ends with a plain word: others send the grammar astray.
fn plain_documents(line: &str) -> bool {
    let mut rest = line;
    while let Some(at) = rest.find("<<") {
        rest = &rest[at + 2..];
        if let Some(after) = rest.strip_prefix('<') {
            rest = after;
            continue;
        }
        let end = rest
            .strip_prefix('-')
            .unwrap_or(rest)
            .trim_start_matches([' ', '\t']);
        let end = end.trim_start_matches(['\'', '"', '\\']);
        let plain = end.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
        let word = end.split(|c: char| {
            c.is_whitespace() || matches!(c, '\'' | '"' | ';' | '|' | '&' | ')' | '>' | '<')
        });
        let word = word.into_iter().next().unwrap_or_default();
        if !plain
            || !word
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c))
        {
            return false;
        }
    }
    true
}

fn is_hidden(c: char) -> bool {
    (c.is_control() && c != '\n' && c != '\t')
        || matches!(c, '\u{00ad}' | '\u{061c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}
