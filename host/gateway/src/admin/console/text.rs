//! What pages are made of: texts that cannot mislead, moments, people, risks.
//!
//! Everything that comes from outside becomes a [`Text`] before it reaches a template. There,
//! what could reorder, hide or imitate is made visible; the template escapes the rest.

use std::fmt;
use std::time::Duration;

use model::{Assessment, Facts, Finding, OperationKind, Principal, StatementFacts};

use crate::cli::terminal::{cut, escape, escape_lines, moment};

/// How much of a text of one line is shown, in characters.
const LINE_CHARS_MAX: usize = 400;

/// How much of a longer text is shown at once, in characters; of what is longer, a page says
/// so.
const BLOCK_CHARS_MAX: usize = 32 << 10;

/// How many letters that look like others are named.
const LOOKALIKES_MAX: usize = 8;

/// A text that is fit to be shown: nothing in it moves, hides or reorders anything.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Text {
    shown: String,
    more: usize,
}

impl Text {
    /// A text on one line: line breaks are made visible too.
    pub(crate) fn line(text: &str) -> Self {
        let (shown, more) = cut(text, LINE_CHARS_MAX);
        let mut shown = escape(shown);
        if more > 0 {
            shown.push('…');
        }
        Self { shown, more }
    }

    /// A text in lines of its own.
    pub(crate) fn block(text: &str) -> Self {
        let (shown, more) = cut(text, BLOCK_CHARS_MAX);
        Self {
            shown: escape_lines(shown),
            more,
        }
    }

    /// An address of https: or, on the loopback, http:; as browsers write it, it holds nothing
    /// that misleads.
    pub(crate) fn address(address: &url::Url) -> Self {
        Self {
            shown: address.as_str().to_owned(),
            more: 0,
        }
    }

    /// A text in lines of its own that was bounded where it was made.
    pub(crate) fn lines(text: &str) -> Self {
        Self {
            shown: escape_lines(text),
            more: 0,
        }
    }

    /// Texts on one line, with commas between.
    pub(crate) fn list(texts: &[String]) -> Self {
        Self::line(&texts.join(", "))
    }

    /// Returns how many bytes are not shown.
    pub(crate) fn more(&self) -> usize {
        self.more
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.shown.is_empty()
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

/// A moment, in microseconds of Unix time.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Moment(pub(crate) u64);

impl Moment {
    /// Returns it for machines: RFC 3339.
    pub(crate) fn full(&self) -> String {
        moment(self.0)
    }
}

/// For people: date and time in UTC, to the second.
impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let full = moment(self.0);
        write!(f, "{} {}", &full[..10], &full[11..19])
    }
}

/// Returns a length of time in words, e.g. `1 h 30 min`.
pub(crate) fn lasting(time: Duration) -> String {
    let seconds = time.as_secs();
    let parts = [
        (seconds / 3_600, "h"),
        (seconds / 60 % 60, "min"),
        (seconds % 60, "s"),
    ];
    let said: Vec<String> = parts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, unit)| format!("{count} {unit}"))
        .collect();
    if said.is_empty() {
        "0 s".to_owned()
    } else {
        said.join(" ")
    }
}

/// Returns a number with its thousands apart, e.g. `1 204`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            // A space that does not break.
            out.push('\u{a0}');
        }
        out.push(digit);
    }
    out
}

/// Returns whom `issuer|subject` names: the subject, and the issuer without its scheme.
pub(crate) fn who(key: &str) -> (Text, Text) {
    let (issuer, subject) = key.rsplit_once('|').unwrap_or(("", key));
    let host = issuer.split_once("://").map_or(issuer, |(_, host)| host);
    (Text::line(subject), Text::line(host))
}

/// One link of who asks: the actor first, then on whose behalf.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Link {
    /// `agent` or `person`; empty where nobody knows.
    pub(crate) kind: &'static str,
    pub(crate) name: Text,
    pub(crate) issuer: Text,
}

/// Returns who acts, and for whom.
pub(crate) fn chain(principal: &Principal) -> Vec<Link> {
    let link = |kind, key: &str| {
        let (name, issuer) = who(key);
        Link { kind, name, issuer }
    };
    let mut chain: Vec<Link> = principal
        .delegation_keys()
        .iter()
        .map(|key| link("agent", key))
        .collect();
    let kind = match principal.kind {
        model::PrincipalKind::Person => "person",
        model::PrincipalKind::Agent if chain.is_empty() => "agent",
        // What somebody is who has another act for them, the token does not say.
        model::PrincipalKind::Agent => "",
    };
    chain.push(link(kind, &principal.key()));
    chain
}

/// How risky something is, from 0 to 100.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Risk {
    pub(crate) score: u8,
}

/// From here on an approver types the resource's name.
const HIGH: u8 = 70;

/// From here on it is worth a second look.
const SOME: u8 = 40;

impl Risk {
    pub(crate) const fn is_high(self) -> bool {
        self.score >= HIGH
    }

    pub(crate) const fn word(&self) -> &'static str {
        match self.score {
            HIGH.. => "high",
            SOME.. => "medium",
            _ => "low",
        }
    }

    pub(crate) const fn class(&self) -> &'static str {
        match self.score {
            HIGH.. => "high",
            SOME.. => "some",
            _ => "few",
        }
    }
}

/// What a classifier found.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Found {
    pub(crate) risk: Risk,
    pub(crate) text: Text,
    pub(crate) source: Text,
}

/// Returns the findings, gravest first.
pub(crate) fn findings(assessment: &Assessment) -> Vec<Found> {
    let found = |finding: &Finding| Found {
        risk: Risk { score: finding.score },
        text: Text::line(&finding.message),
        source: Text::line(&format!("{} · {}", finding.plugin, finding.id)),
    };
    assessment.findings.iter().map(found).collect()
}

/// One statement in words.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Sentence {
    pub(crate) text: Text,
    /// Whether it changes every row, or cannot be undone.
    pub(crate) grave: bool,
}

/// Says what an operation would do, one sentence a statement.
pub(crate) fn sentences(facts: &Facts, rows: Option<u64>) -> Vec<Sentence> {
    let one = facts.statements.len() == 1;
    let sentence = |statement| sentence(statement, rows.filter(|_| one));
    facts.statements.iter().map(sentence).collect()
}

fn sentence(statement: &StatementFacts, rows: Option<u64>) -> Sentence {
    let verb = statement.verb.as_str();
    let changes = matches!(verb, "update" | "delete" | "merge");
    let does = match verb {
        "select" | "values" => "Reads",
        "insert" => "Adds rows to",
        "update" => "Changes rows of",
        "delete" => "Deletes rows of",
        "merge" => "Merges rows into",
        "truncate" => "Empties",
        "copy" if statement.writes => "Copies rows into",
        "copy" => "Copies rows out of",
        _ => "",
    };
    let used: Vec<String> = statement
        .relations
        .iter()
        .filter(|relation| !statement.writes || relation.access != model::Access::Read)
        .map(|relation| match &relation.schema {
            Some(schema) => format!("{schema}.{}", relation.name),
            None => relation.name.clone(),
        })
        .collect();
    let mut text = match (does, used.is_empty()) {
        ("", true) => format!("Runs {}", verb.to_uppercase()),
        ("", false) => format!("Runs {} on {}", verb.to_uppercase(), used.join(", ")),
        (_, true) => format!("{does} no relation it names"),
        (_, false) => format!("{does} {}", used.join(", ")),
    };
    let unbounded = changes && !statement.has_where;
    if unbounded {
        text.push_str(": all of them, as there is no WHERE");
    }
    if let Some(rows) = rows.filter(|_| !matches!(statement.kind, OperationKind::Schema)) {
        text.push_str(&format!(", about {} rows", grouped(rows)));
    }
    let undoing = matches!(statement.kind, OperationKind::Schema | OperationKind::Privilege);
    Sentence {
        text: Text::line(&text),
        grave: unbounded || verb == "truncate" || undoing && verb.starts_with("drop"),
    }
}

/// Returns a warning where a word mixes ASCII letters with letters of scripts that imitate
/// them: `public.раyments` is not `public.payments`.
pub(crate) fn lookalikes(text: &str) -> Option<Text> {
    let mut found: Vec<char> = Vec::new();
    for word in text.split(|c: char| !c.is_alphanumeric() && c != '_') {
        let mixed = word.chars().any(|c| c.is_ascii_alphabetic());
        for letter in word.chars().filter(|c| mixed && imitates(*c)) {
            if found.len() < LOOKALIKES_MAX && !found.contains(&letter) {
                found.push(letter);
            }
        }
    }
    if found.is_empty() {
        return None;
    }
    let named: Vec<String> = found
        .iter()
        .map(|letter| format!("{letter} (U+{:04X})", u32::from(*letter)))
        .collect();
    let text = format!("Some letters only look like others: {}", named.join(", "));
    Some(Text::line(&text))
}

/// Greek, Cyrillic, Armenian, Cherokee, letterlike, full-width and mathematical letters.
fn imitates(c: char) -> bool {
    matches!(c,
        '\u{370}'..='\u{58f}' | '\u{13a0}'..='\u{13ff}' | '\u{1d00}'..='\u{1d7f}' | '\u{2100}'..='\u{214f}'
        | '\u{ff21}'..='\u{ff5a}' | '\u{1d400}'..='\u{1d7ff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_says_how_much_is_left_out() {
        assert_eq!(Text::line("a\nb").to_string(), "a\\nb");
        let long = Text::line(&"д".repeat(LINE_CHARS_MAX + 3));
        assert_eq!(long.more(), 6);
        assert!(long.to_string().ends_with("д…"));
        assert_eq!(Text::block("a\nb\u{1b}").to_string(), "a\nb\\u{1b}");
        assert_eq!(Text::block(&"x".repeat(BLOCK_CHARS_MAX + 1)).more(), 1);
    }

    #[test]
    fn times_and_numbers_read_well() {
        assert_eq!(Moment(1_709_251_199_999_999).to_string(), "2024-02-29 23:59:59");
        assert_eq!(lasting(Duration::from_secs(5_400)), "1 h 30 min");
        assert_eq!(lasting(Duration::from_secs(0)), "0 s");
        assert_eq!(grouped(1_204_000), "1\u{a0}204\u{a0}000");
        assert_eq!(grouped(999), "999");
    }

    #[test]
    fn a_word_with_borrowed_letters_is_pointed_out_and_a_foreign_word_is_not() {
        let warning = lookalikes("select * from p\u{430}yments").expect("a warning");
        assert!(warning.to_string().contains("U+0430"), "{warning}");
        assert_eq!(lookalikes("select 'оплата', 'Müller', 'naïve'"), None);
    }

    #[test]
    fn a_principal_is_split_at_its_last_bar() {
        let (name, issuer) = who("https://idp.example.com/a|b|alice");
        assert_eq!(name.to_string(), "alice");
        assert_eq!(issuer.to_string(), "idp.example.com/a|b");
    }
}
