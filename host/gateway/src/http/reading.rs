//! What is read of a request: for policies and classifiers, for the journal, and for people.

use std::fmt::Write as _;
use std::time::Duration;

use http::header::{self, HeaderName};
use http::{HeaderValue, Method, StatusCode};
use model::{Facts, Fault, Refusal, Rule};
use proto::http::admit::{Admitted, BodyLength};
use proto::http::content::BodyClass;
use proto::http::facts;
use proto::http::mcp::{Call, List};
use proto::http::rejection::Rejection;
use proto::http::route::Found as Route;
use serde_json::Value;
use serde_json_path::JsonPath;
use sha2::{Digest as _, Sha256};

use super::mcp;
use super::upstream::Upstream;
use crate::gate::Reading;

/// What was read of a request.
pub(super) struct Read {
    text: String,
    facts: Facts,
    pub(super) refusal: Option<Refusal>,
    /// By what the judgement is kept; `None` where the body counts too.
    key: Option<String>,
    /// The message, where the Model Context Protocol is spoken.
    pub(super) call: Option<Call>,
}

impl Read {
    /// What of the answer is cut to what the caller may call.
    pub(super) fn list(&self) -> Option<(List, Facts)> {
        let list = self.call.as_ref()?.lists()?;
        Some((list, self.facts.clone()))
    }

    pub(super) fn as_reading(&self) -> Reading<'_> {
        Reading {
            text: &self.text,
            facts: &self.facts,
            refusal: self.refusal.clone(),
            key: self.key.as_deref(),
        }
    }
}

/// Returns the path and the query, as they go upstream.
pub(super) fn target(admitted: &Admitted) -> String {
    match admitted.query.raw() {
        Some(query) => format!("{}?{query}", admitted.path),
        None => admitted.path.to_string(),
    }
}

/// Reads the head.
pub(super) fn head(admitted: &Admitted, upstream: &Upstream) -> Result<Read, Rejection> {
    if !upstream
        .config
        .methods
        .iter()
        .any(|method| method == admitted.method.as_str())
    {
        let message = format!("{} is not a method of this resource", admitted.method);
        return Err(Rejection::new(StatusCode::METHOD_NOT_ALLOWED, "method", message));
    }
    let route = match upstream.route(admitted) {
        Some(Route::Route(route)) => Some(route),
        _ => None,
    };
    let facts = facts::facts(admitted, route.as_ref(), &upstream.tags);
    let text = format!("{} {}", admitted.method, target(admitted));
    let mut key = text.clone();
    // Writing to memory cannot fail.
    let _ = write!(
        key,
        "\n{:?}\n{:?}\n{:?}",
        admitted.content_type.as_ref().map(ToString::to_string),
        admitted.body,
        admitted.upgrade,
    );
    Ok(Read {
        text,
        facts,
        refusal: None,
        key: Some(key),
        call: None,
    })
}

/// Whether anything of the body counts for the judgement.
pub(super) fn needs_body(admitted: &Admitted, upstream: &Upstream) -> bool {
    let message = upstream.config.mcp && admitted.method == Method::POST;
    message || (!upstream.body_facts.is_empty() && admitted.body != BodyLength::Empty)
}

/// Reads what the operator has chosen of the body. One that cannot be read refuses the request:
/// policies would judge what is not there.
pub(super) fn body(read: &mut Read, body: &[u8], admitted: &Admitted, upstream: &Upstream) {
    read.key = None;
    if upstream.config.mcp {
        match mcp::call(admitted, body) {
            Ok(call) => {
                call.describe(&mut read.facts);
                read.text = call.text();
                read.call = Some(call);
            }
            Err(refusal) => read.refusal = Some(refusal),
        }
    }
    let Some(request) = &mut read.facts.request else {
        return;
    };
    request.body_bytes = Some(body.len() as u64);
    if upstream.body_facts.is_empty() {
        return;
    }
    match body_facts(body, &upstream.body_facts) {
        Ok(chosen) => request.body.extend(chosen),
        Err(reason) => {
            let message = format!("the body cannot be judged: {reason}");
            read.refusal.get_or_insert(
                Refusal::new(Rule::Unparsable, Fault::Client, message)
                    .hint("send one JSON document in UTF-8"),
            );
        }
    }
}

fn body_facts(body: &[u8], paths: &[(String, JsonPath)]) -> Result<Vec<(String, Value)>, &'static str> {
    let document = crate::identity::json::document(body).ok_or("it is not JSON, or has a key twice")?;
    let mut chosen = Vec::new();
    for (name, path) in paths {
        match path.query(&document).all().as_slice() {
            [] => {}
            [one] => chosen.push((name.clone(), (*one).clone())),
            many => {
                let all = many.iter().map(|value| (*value).clone()).collect();
                chosen.push((name.clone(), Value::Array(all)));
            }
        }
    }
    Ok(chosen)
}

/// Ties a body to the journal's entry without letting anyone guess it from there.
pub(super) fn commitment(salt: &[u8; 32], body: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(salt);
    hash.update(body);
    hash.finalize().into()
}

/// Headers that change from one sending to the next and mean nothing to what is done.
const VOLATILE: [HeaderName; 4] = [
    header::DATE,
    header::USER_AGENT,
    header::CONTENT_LENGTH,
    header::EXPECT,
];

/// The same by how their names start: traces, and what names the approval or the wait.
const VOLATILE_WORDS: [&str; 7] = [
    "traceparent",
    "tracestate",
    "baggage",
    "x-request-id",
    "approval-id",
    "prefer",
    "x-stainless-retry-count",
];

fn counts(name: &HeaderName) -> bool {
    !VOLATILE.contains(name) && !VOLATILE_WORDS.contains(&name.as_str())
}

/// Returns everything of the head that an approval is bound to.
pub(super) fn bound(admitted: &Admitted, read: &Read) -> Vec<u8> {
    let mut bound = read.text.as_bytes().to_vec();
    let mut headers: Vec<_> = admitted.headers.iter().filter(|(name, _)| counts(name)).collect();
    // Two of one name keep their order.
    headers.sort_by(|(one, _), (other, _)| one.as_str().cmp(other.as_str()));
    for (name, value) in headers {
        bound.push(b'\n');
        bound.extend_from_slice(name.as_str().as_bytes());
        bound.push(b':');
        bound.extend_from_slice(value.as_bytes());
    }
    bound
}

/// Headers that are nobody's business but the upstream's.
const HIDDEN: [HeaderName; 2] = [header::COOKIE, header::PROXY_AUTHORIZATION];

/// Returns what people are shown: the request as it would go upstream, JSON laid out.
pub(super) fn shown(admitted: &Admitted, read: &Read, body: &[u8]) -> String {
    let mut shown = read.text.clone();
    for (name, value) in admitted.headers.iter().filter(|(name, _)| counts(name)) {
        let value = if HIDDEN.contains(name) {
            "***".into()
        } else {
            text(value)
        };
        let _ = write!(shown, "\n{name}: {value}");
    }
    if !body.is_empty() {
        shown.push_str("\n\n");
        let json = admitted
            .content_type
            .as_ref()
            .is_some_and(|content| content.class() == BodyClass::Json);
        match json.then(|| serde_json::from_slice::<Value>(body)) {
            Some(Ok(document)) => {
                shown.push_str(&serde_json::to_string_pretty(&document).unwrap_or_default())
            }
            _ => shown.push_str(&String::from_utf8_lossy(body)),
        }
    }
    shown
}

fn text(value: &HeaderValue) -> String {
    String::from_utf8_lossy(value.as_bytes()).into_owned()
}

/// Returns how long this request waits for people: as long as the resource says, or shorter if
/// the client prefers that (RFC 7240).
pub(super) fn patience(admitted: &Admitted, hold_for: Duration) -> Duration {
    let preferences = admitted.header(&HeaderName::from_static("prefer"));
    let Some(preferences) = preferences.and_then(|value| value.to_str().ok()) else {
        return hold_for;
    };
    let preferences = preferences.split(',').map(str::trim);
    preferences.fold(hold_for, |patience, preference| {
        match preference.split_once('=') {
            None if preference.eq_ignore_ascii_case("respond-async") => Duration::ZERO,
            Some((name, seconds)) if name.trim().eq_ignore_ascii_case("wait") => {
                let seconds = seconds.trim().parse().map(Duration::from_secs);
                seconds.map_or(patience, |wait| wait.min(patience))
            }
            _ => patience,
        }
    })
}
