//! One entry as one line for people. Pure.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::super::terminal::{cut, escape, moment, quote};

/// How much of a text is shown in a line, in characters.
const TEXT_MAX: usize = 200;

/// How much of a session's id: enough to tell sessions apart and to name one.
const ID_MAX: usize = 18;

/// What is shown of the two kinds that make up most of a journal, in this order.
const INTENT: &[&str] = &[
    "session",
    "door",
    "principal",
    "verdict",
    "refusal",
    "class",
    "risk",
    "binds",
    "statement",
];
const OUTCOME: &[&str] = &[
    "session", "door", "result", "sqlstate", "rows", "masked", "took_us",
];

/// Renders an entry. An error is a line too: what is there is not an entry.
pub(super) fn render(index: u64, bytes: &[u8]) -> Result<String, String> {
    let parsed = serde_json::from_slice::<Map<String, Value>>(bytes);
    let plain = !bytes.iter().any(u8::is_ascii_control);
    let entry = parsed.ok().filter(|_| plain);
    let Some((entry, kind)) = entry
        .as_ref()
        .and_then(|entry| Some((entry, entry.get("kind")?.as_str()?)))
    else {
        let text = String::from_utf8_lossy(bytes);
        let (text, _) = cut(&text, TEXT_MAX);
        return Err(format!("{:27} {index:>8} not an entry: {}", "", escape(text)));
    };
    let time = entry
        .get("t_us")
        .and_then(Value::as_u64)
        .map_or_else(String::new, moment);
    let mut line = format!("{time:27} {index:>8} {:<18}", escape(kind));
    let chosen = match kind {
        "op.intent" => INTENT,
        "op.outcome" => OUTCOME,
        _ => &[],
    };
    for key in chosen {
        if let Some(value) = entry.get(*key) {
            push(&mut line, key, value);
        }
    }
    for (key, value) in entry {
        let known = ["v", "t_us", "kind"].contains(&key.as_str());
        if chosen.is_empty() && !known {
            push(&mut line, key, value);
        }
    }
    Ok(line.trim_end().to_owned())
}

fn push(line: &mut String, key: &str, value: &Value) {
    let text = match (key, value) {
        ("session" | "operation", Value::String(id)) => cut(id, ID_MAX).0.to_owned(),
        ("principal", Value::Object(principal)) => principal
            .get("subject")
            .and_then(Value::as_str)
            .unwrap_or("?")
            .to_owned(),
        ("refusal", Value::Object(refusal)) => refusal
            .get("rule")
            .and_then(Value::as_str)
            .unwrap_or("?")
            .to_owned(),
        (_, Value::String(text)) => text.clone(),
        (_, value) => value.to_string(),
    };
    let (shown, left) = cut(&text, TEXT_MAX);
    // Writing to a string cannot fail.
    let _ = write!(line, " {}={}", escape(key), quote(shown));
    if left > 0 {
        let _ = write!(line, "…+{left}");
    }
}
