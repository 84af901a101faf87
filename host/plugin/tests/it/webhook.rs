//! What both sides of a webhook approver sign, and what a strict receiver takes.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use plugin::Message;
use serde_json::Value;
use sha2::Sha256;

use super::receiver::Seen;

/// What signs questions, and what signs answers.
pub(crate) const KEY: &[u8] = b"a key of some length, thirty-two";
pub(crate) const ANSWER_KEY: &[u8] = b"another key of the other side's.";

/// Signs as Standard Webhooks does.
fn signature(key: &[u8], id: &str, timestamp: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(format!("{id}.{timestamp}.").as_bytes());
    mac.update(body);
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

/// Returns what is wrong with a request.
pub(crate) fn complaint(request: &Seen) -> Option<&'static str> {
    let names = [
        "content-type",
        "webhook-id",
        "webhook-timestamp",
        "webhook-signature",
    ];
    for name in names {
        if request.headers.get_all(name).iter().count() != 1 {
            return Some("a header is missing or came twice");
        }
    }
    let [kind, id, timestamp, signed] = names.map(|name| request.header(name));
    let is_fresh = timestamp
        .parse::<u64>()
        .is_ok_and(|at| at.abs_diff(now_seconds()) <= 300);
    if !is_fresh || signed != signature(KEY, id, timestamp, &request.body) {
        return Some("the signature does not hold");
    }
    if kind != "application/json" {
        return Some("not JSON");
    }
    match (request.method.as_str(), request.path.as_str()) {
        ("GET", "/hook/a-1") if request.body.is_empty() => None,
        ("POST", "/hook") => known(&request.body),
        _ => Some("no such thing"),
    }
}

/// Checks that a body has exactly the members that are documented.
fn known(body: &[u8]) -> Option<&'static str> {
    let Ok(Value::Object(members)) = serde_json::from_slice(body) else {
        return Some("not an object");
    };
    let expected = match members["type"].as_str() {
        Some("approval.requested") => concat!(
            "approval_id body callback_url expires_ms requester reviewers score target title ",
            "type url"
        ),
        Some("approval.withdrawn") => "approval_id reason type",
        _ => return Some("not a type"),
    };
    let mut names: Vec<_> = members.keys().map(String::as_str).collect();
    names.sort_unstable();
    (names.join(" ") != expected).then_some("unknown or missing members")
}

pub(crate) fn now_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// Returns an answer as the other side posts it.
pub(crate) fn callback(key: &[u8], at: u64, body: &Value) -> Message {
    let (body, at) = (body.to_string().into_bytes(), at.to_string());
    let signed = signature(key, "m-1", &at, &body);
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    Message {
        method: "POST".to_owned(),
        path: String::new(),
        headers: vec![
            header("webhook-id", "m-1"),
            header("webhook-timestamp", &at),
            header("webhook-signature", &signed),
        ],
        body,
    }
}
