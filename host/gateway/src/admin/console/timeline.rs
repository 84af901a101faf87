//! What the journal says of one session, as a reader follows it. Pure.
//!
//! An operation has two entries, its intent and its outcome: here it is one event.

use std::collections::HashMap;

use serde_json::Value;

use super::text::{Moment, Risk, Text, grouped};

/// One thing that happened.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Event {
    pub(crate) at: Moment,
    /// The shape and colour it is shown with.
    pub(crate) state: &'static str,
    pub(crate) word: Text,
    pub(crate) text: Text,
    pub(crate) statement: Option<Text>,
    pub(crate) risk: Option<Risk>,
}

/// Returns the events in `entries`, in their order.
pub(crate) fn events(entries: &[(u64, Value)]) -> Vec<Event> {
    let operation = |entry: &Value| entry["operation"].as_str().map(str::to_owned);
    let mut outcomes: HashMap<String, &Value> = entries
        .iter()
        .filter(|(_, entry)| entry["kind"] == "op.outcome")
        .filter_map(|(_, entry)| Some((operation(entry)?, entry)))
        .collect();
    let told: Vec<String> = entries
        .iter()
        .filter(|(_, entry)| entry["kind"] == "op.intent")
        .filter_map(|(_, entry)| operation(entry))
        .collect();
    let mut events = Vec::new();
    for (_, entry) in entries {
        match entry["kind"].as_str().unwrap_or_default() {
            "op.intent" => {
                let outcome = operation(entry).and_then(|operation| outcomes.remove(&operation));
                events.push(judged(entry, outcome));
            }
            // Told with its intent.
            "op.outcome" if operation(entry).is_some_and(|own| told.contains(&own)) => {}
            "op.outcome" => events.push(outcome_alone(entry)),
            kind => events.push(other(kind, entry)),
        }
    }
    events
}

fn at(entry: &Value) -> Moment {
    Moment(entry["t_us"].as_u64().unwrap_or(0))
}

fn judged(entry: &Value, outcome: Option<&Value>) -> Event {
    let verdict = entry["verdict"].as_str().unwrap_or_default();
    let refusal = entry["refusal"]["message"].as_str();
    let (state, word) = match (verdict, outcome) {
        ("refuse", _) => ("refuse", "refused"),
        (_, Some(outcome)) => match outcome["result"].as_str() {
            Some("ok") => ("ok", "ran"),
            Some("error") => ("error", "failed"),
            Some("skipped") => ("skipped", "skipped"),
            Some("refused") => ("refuse", "refused"),
            _ => ("lost", "lost"),
        },
        ("hold", None) => ("hold", "held"),
        _ => ("pending", "begun"),
    };
    let text = match (refusal, outcome) {
        (Some(refusal), _) => refusal.to_owned(),
        // It never ran: people said no, or nobody answered.
        (None, Some(outcome)) if outcome["result"] == "refused" => String::new(),
        (None, Some(outcome)) => ended(outcome),
        (None, None) => String::new(),
    };
    let statement = entry["statement"]
        .as_str()
        .filter(|statement| !statement.is_empty());
    let risk = entry["risk"].as_u64().and_then(|score| u8::try_from(score).ok());
    Event {
        at: at(entry),
        state,
        word: Text::line(word),
        text: Text::line(&text),
        statement: statement.map(Text::block),
        risk: risk.filter(|score| *score > 0).map(|score| Risk { score }),
    }
}

/// Says how an operation ended.
fn ended(outcome: &Value) -> String {
    let number = |name: &str| outcome[name].as_u64().unwrap_or(0);
    let mut said = vec![match number("rows") {
        1 => "1 row".to_owned(),
        rows => format!("{} rows", grouped(rows)),
    }];
    if number("masked") > 0 {
        said.push(format!("{} cells masked", grouped(number("masked"))));
    }
    if let Some(code) = outcome["sqlstate"].as_str() {
        said.push(format!("SQLSTATE {code}"));
    }
    let took = number("took_us");
    said.push(format!("{}.{} ms", took / 1_000, took % 1_000 / 100));
    said.join(", ")
}

fn outcome_alone(entry: &Value) -> Event {
    Event {
        at: at(entry),
        state: "unknown",
        word: Text::line("ended"),
        text: Text::line(&format!("an operation begun earlier: {}", ended(entry))),
        statement: None,
        risk: None,
    }
}

fn other(kind: &str, entry: &Value) -> Event {
    let text = |name: &str| entry[name].as_str().unwrap_or_default().to_owned();
    let (state, word, said) = match kind {
        "session.start" => ("running", "began", format!("connected from {}", text("client"))),
        "session.end" => ("ended", "ended", text("reason")),
        "session.revoked" => ("revoked", "ended by somebody", text("reason")),
        "approval.asked" => (
            "pending",
            "asked",
            format!("people must agree: {}", text("quorum")),
        ),
        "recording.segment" => {
            let bytes = grouped(entry["bytes"].as_u64().unwrap_or(0));
            (
                "idle",
                "recorded",
                format!("{bytes} bytes of the recording stored"),
            )
        }
        _ => ("unknown", kind, summary(entry)),
    };
    Event {
        at: at(entry),
        state,
        word: Text::line(word),
        text: Text::line(&said),
        statement: None,
        risk: None,
    }
}

/// What every entry has, and what is shown of it elsewhere.
const KNOWN: [&str; 5] = ["v", "t_us", "kind", "session", "operation"];

/// How many members of an entry its summary tells.
const TOLD_MAX: usize = 8;

/// Says in one line what an entry holds.
pub(crate) fn summary(entry: &Value) -> String {
    let Some(members) = entry.as_object() else {
        return entry.to_string();
    };
    let first = ["verdict", "statement", "result", "rows", "masked", "reason"];
    // A statement says all that these do.
    let said =
        |name: &str| members.contains_key("statement") && matches!(name, "verb" | "class" | "relations");
    let ordered = first
        .iter()
        .filter_map(|name| Some((*name, members.get(*name)?)))
        .chain(
            members
                .iter()
                .map(|(name, value)| (name.as_str(), value))
                .filter(|(name, _)| !first.contains(name) && !KNOWN.contains(name) && !said(name)),
        );
    let told: Vec<String> = ordered
        .filter(|(name, _)| !name.ends_with("sha256") && !name.ends_with("commitment"))
        .filter_map(|(name, value)| Some(format!("{name} {}", shown(value)?)))
        .take(TOLD_MAX)
        .collect();
    told.join(" · ")
}

fn shown(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => (!text.is_empty()).then(|| text.clone()),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().filter_map(shown).collect();
            (!items.is_empty()).then(|| items.join(", "))
        }
        Value::Object(members) => match (members.get("subject"), members.get("message")) {
            (Some(subject), _) => shown(subject),
            (None, Some(message)) => shown(message),
            _ => None,
        },
        other => Some(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(entries: &[Value]) -> Vec<String> {
        let entries: Vec<(u64, Value)> = entries.iter().map(|entry| (0, entry.clone())).collect();
        let line = |event: &Event| format!("{}: {}", event.word, event.text);
        events(&entries).iter().map(line).collect()
    }

    #[test]
    fn an_operation_is_one_event_with_its_end() {
        let intent =
            json!({"kind": "op.intent", "operation": "o1", "verdict": "run", "statement": "select 1"});
        let outcome = json!({"kind": "op.outcome", "operation": "o1", "result": "ok", "rows": 1_204,
            "masked": 2, "took_us": 1_250});
        let both = told(&[outcome.clone(), intent.clone()]);
        assert_eq!(both, ["ran: 1\u{a0}204 rows, 2 cells masked, 1.2 ms"]);
        assert_eq!(told(&[intent]), ["begun: "]);
        assert!(told(&[outcome])[0].starts_with("ended: an operation begun earlier: "));
    }

    #[test]
    fn a_refusal_says_why_and_a_hold_that_it_waits() {
        let refused = json!({"kind": "op.intent", "operation": "o1", "verdict": "refuse",
            "refusal": {"message": "no policy permits: drop"}});
        let held = json!({"kind": "op.intent", "operation": "o2", "verdict": "hold"});
        assert_eq!(
            told(&[refused, held]),
            ["refused: no policy permits: drop", "held: "]
        );
    }

    #[test]
    fn an_entry_of_any_kind_has_a_summary() {
        let entry = json!({"bytes": 7, "kind": "x", "nothing": null,
            "principal": {"issuer": "i", "subject": "alice"}, "sha256": "00", "t_us": 5, "tags": ["a", "b"], "v": 1});
        assert_eq!(summary(&entry), "bytes 7 · principal alice · tags a, b");
    }
}
