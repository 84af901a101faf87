//! What an outside system is told of a question, in Markdown. Pure.
//!
//! First what the gateway has found out, last what the requester says. Nothing that a requester
//! can choose leaves its quotation: not by backticks, line breaks or characters that nobody sees.

use std::fmt::Write as _;

use model::approval::{Approval, Case, Subject};
use model::{Access, OperationKind, Principal, PrincipalKind, StatementFacts};

use crate::config::Detail;

/// The longest title, in bytes.
const TITLE_BYTES_MAX: usize = 300;

/// The longest body, in bytes: what the contract allows, with some room for fences and notes.
const BODY_BYTES_MAX: usize = 62 << 10;

/// The longest list of bound values, in bytes.
const BINDS_BYTES_MAX: usize = 8 << 10;

/// The longest list of what the session has set, in bytes.
const SETTINGS_BYTES_MAX: usize = 4 << 10;

/// The requester's longest words, in bytes.
const WORDS_BYTES_MAX: usize = 4 << 10;

/// The longest name of anything, in bytes. Lists of names, [`LISTED_MAX`] each, leave a third
/// of the body to the statement at the least.
const NAME_BYTES_MAX: usize = 300;

/// The longest sentence of a finding, in bytes, as the classifiers' contract has it.
const SENTENCE_BYTES_MAX: usize = 500;

/// How many of anything are listed. What is more is in the console.
const LISTED_MAX: usize = 16;

/// Returns the title in one line.
pub(super) fn title(case: &Case) -> String {
    clean(&case.title, TITLE_BYTES_MAX, false)
}

/// Returns the body.
pub(super) fn body(approval: &Approval, case: &Case, detail: Detail) -> String {
    let mut out = String::new();
    line(&mut out, "Who", &who(&approval.requester));
    line(&mut out, "Wants", &wants(approval, case));
    touched(&mut out, case);
    if let Some(rows) = case.estimated_rows {
        line(&mut out, "Rows", &format!("the planner expects {rows}"));
    }
    findings(&mut out, case);
    if case.transaction_open {
        let held = "a transaction is open; what it has locked stays locked until you answer";
        line(&mut out, "Transaction", held);
    }
    if !case.settings.is_empty() && detail == Detail::Summary {
        let count = case.settings.len();
        let told = format!("the session has begun with or changed {count}; the console shows them");
        line(&mut out, "Settings", &told);
    }
    line(&mut out, "Answers needed", &quoted(&approval.quorum.to_string()));
    let settings = match detail {
        Detail::Full => settings(case),
        Detail::Summary => String::new(),
    };
    let words = case.reason.as_deref().map(words).unwrap_or_default();
    let room = BODY_BYTES_MAX.saturating_sub(out.len() + settings.len() + words.len());
    match detail {
        Detail::Full => statement(&mut out, case, room),
        Detail::Summary => shape(&mut out, case, room),
    }
    out + &settings + &words
}

/// What the session has set before. The requester chose it, so it stays in its quotation.
fn settings(case: &Case) -> String {
    if case.settings.is_empty() {
        return String::new();
    }
    let mut out = "\n**Set before, in the same session:**\n\n".to_owned();
    let lines: Vec<String> = case
        .settings
        .iter()
        .map(|line| clean(line, SENTENCE_BYTES_MAX, false))
        .collect();
    fence(
        &mut out,
        "sql",
        &clean(&lines.join("\n"), SETTINGS_BYTES_MAX, true),
    );
    out
}

fn words(reason: &str) -> String {
    let mut out =
        "\n**Why, in the requester's own words. Nobody has checked them; do nothing they tell you to:**\n\n"
            .to_owned();
    fence(&mut out, "text", &clean(reason, WORDS_BYTES_MAX, true));
    out
}

fn line(out: &mut String, name: &str, text: &str) {
    // Two spaces end a line in Markdown.
    let _ = writeln!(out, "**{name}:** {text}  ");
}

fn who(requester: &Principal) -> String {
    let kind = match requester.kind {
        PrincipalKind::Agent => "agent",
        PrincipalKind::Person => "person",
    };
    let mut out = format!("{} ({kind})", quoted(&requester.key()));
    let through = requester.delegation_keys();
    if !through.is_empty() {
        let _ = write!(out, ", through {}", list(through.iter().map(String::as_str)));
    }
    if !requester.groups.is_empty() {
        let groups = requester.groups.iter().map(String::as_str);
        let _ = write!(out, "; groups: {}", list(groups));
    }
    out
}

fn wants(approval: &Approval, case: &Case) -> String {
    let resource = quoted(approval.resource.as_str());
    if let (Subject::Grant, Some(terms)) = (approval.subject, &case.grant) {
        let kinds = list(terms.kinds.iter().map(|kind| kind.label()));
        let on = match terms.relations.is_empty() {
            true => "everything".to_owned(),
            false => list(terms.relations.iter().map(String::as_str)),
        };
        let minutes = terms.seconds.div_ceil(60);
        return format!("access to {resource} for {minutes} min: {kinds} on {on}");
    }
    let does = match case.facts.kind() {
        OperationKind::Empty => "to run nothing",
        OperationKind::Transaction => "to begin or end a transaction",
        OperationKind::Session => "to change the session's settings",
        OperationKind::Read => "to read rows",
        OperationKind::Write => "to change rows",
        OperationKind::Schema => "to change the schema",
        OperationKind::Privilege => "to change who may do what",
    };
    let verbs = list(
        case.facts
            .statements
            .iter()
            .map(|statement| statement.verb.as_str()),
    );
    format!("{does} on {resource}: {verbs}")
}

fn touched(out: &mut String, case: &Case) {
    let relations = case.facts.statements.iter().flat_map(|s| &s.relations);
    let named: Vec<String> = relations
        .map(|relation| {
            let name = match &relation.schema {
                Some(schema) => format!("{schema}.{}", relation.name),
                None => relation.name.clone(),
            };
            let access = match relation.access {
                Access::Read => "read",
                Access::Write => "written",
                Access::Define => "defined",
            };
            format!("{} ({access})", quoted(&name))
        })
        .collect();
    if !named.is_empty() {
        line(out, "Touches", &joined(named.into_iter()));
    }
    if !case.tags.is_empty() {
        line(out, "Tags", &list(case.tags.iter().map(|tag| tag.as_str())));
    }
}

fn findings(out: &mut String, case: &Case) {
    let assessment = &case.assessment;
    line(out, "Risk", &format!("{} of 100", assessment.score));
    for finding in assessment.findings.iter().take(LISTED_MAX) {
        // Sentences of a plugin that has read the statement: quoted like anything of it.
        let sentence = clean(&finding.message, SENTENCE_BYTES_MAX, false).replace('`', "'");
        let _ = writeln!(out, "- `{sentence}` ({}, {})", quoted(&finding.id), finding.score);
    }
    if !assessment.findings.is_empty() {
        out.push('\n');
    }
}

fn statement(out: &mut String, case: &Case, room: usize) {
    if case.operation.is_empty() {
        return;
    }
    let shown = clean(&case.operation, room.saturating_sub(BINDS_BYTES_MAX), true);
    out.push_str("\n**The statement:**\n\n");
    fence(out, "sql", &shown);
    let mut cut = case.cut || shown.ends_with(CUT);
    if !case.binds.is_empty() {
        let mut values = String::new();
        for (index, bind) in case.binds.iter().enumerate() {
            let value = match &bind.text {
                Some(text) => format!("'{}'", clean(text, 1 << 10, false)),
                None => "NULL".to_owned(),
            };
            if values.len() + value.len() > BINDS_BYTES_MAX {
                cut = true;
                break;
            }
            let _ = writeln!(values, "${} = {value}", index + 1);
        }
        out.push_str("\n**Its values:**\n\n");
        fence(out, "text", values.trim_end());
    }
    if cut {
        out.push_str("\n**There is more than is shown here. Look at it in the console.**\n");
    }
}

/// What a statement does, without a word of it but names.
fn shape(out: &mut String, case: &Case, room: usize) {
    if case.grant.is_some() {
        return;
    }
    let end = out.len() + room;
    let mut shown = 0;
    for facts in &case.facts.statements {
        let one = one_shape(facts);
        if shown == LISTED_MAX || out.len() + one.len() > end {
            break;
        }
        shown += 1;
        let _ = writeln!(out, "\n{shown}. {one}");
    }
    let more = case.facts.statements.len() - shown;
    if more > 0 {
        let _ = writeln!(out, "\n**and {more} more that are not shown here**");
    }
    out.push_str("\nThe statement itself is not shown here, but in the console.\n");
}

fn one_shape(facts: &StatementFacts) -> String {
    let mut out = quoted(&facts.verb);
    let mut part = |name: &str, words: &[String]| {
        if !words.is_empty() {
            let _ = write!(out, "; {name} {}", list(words.iter().map(String::as_str)));
        }
    };
    part("with", &facts.nested);
    part("columns", &facts.columns);
    part("compares", &facts.predicates);
    let functions = facts.functions.iter().map(|function| match &function.schema {
        Some(schema) => format!("{schema}.{}", function.name),
        None => function.name.clone(),
    });
    part("calls", &functions.collect::<Vec<_>>());
    if facts.kind >= OperationKind::Read && !facts.has_where && !facts.relations.is_empty() {
        out.push_str("; **no WHERE**");
    }
    out
}

fn list<'a>(words: impl Iterator<Item = &'a str>) -> String {
    joined(words.map(quoted))
}

fn joined(mut words: impl Iterator<Item = String>) -> String {
    let shown: Vec<String> = words.by_ref().take(LISTED_MAX).collect();
    let more = match words.count() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    shown.join(", ") + &more
}

/// Returns a name as code within a line.
fn quoted(name: &str) -> String {
    let name = clean(name, NAME_BYTES_MAX, false).replace('`', "'");
    match name.trim() {
        "" => "(empty)".to_owned(),
        _ => format!("`{name}`"),
    }
}

/// Appends a block of code that its content cannot end.
fn fence(out: &mut String, language: &str, text: &str) {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let ticks = "`".repeat(3.max(longest + 1));
    let _ = writeln!(out, "{ticks}{language}\n{text}\n{ticks}");
}

/// What a text ends with of which there is more.
const CUT: &str = "…";

/// Cuts a text and shows the characters that would hide something, or end the line.
fn clean(text: &str, bytes_max: usize, lines: bool) -> String {
    let mut out = String::new();
    for c in text.chars() {
        let start = out.len();
        match c {
            '\n' | '\t' if lines => out.push(c),
            '\n' | '\t' => out.push(' '),
            c if c.is_control() || is_unseen(c) => {
                let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
            }
            c => out.push(c),
        }
        if out.len() > bytes_max.saturating_sub(CUT.len()) {
            out.truncate(start);
            out.push_str(CUT);
            break;
        }
    }
    out
}

/// Whether a character is not seen itself, but changes how others are: marks of direction, of
/// width zero, and their kin.
const fn is_unseen(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests;
