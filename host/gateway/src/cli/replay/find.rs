//! Finds a session in the journal by the beginning of its id.

use std::collections::VecDeque;
use std::fmt::Write as _;

use journal::{ReadError, Reader};
use serde_json::Value;

use super::super::terminal::{escape, moment, quote};
use crate::cli::head::Head;

/// How many sessions are listed for somebody who has to choose.
const LISTED_MAX: usize = 20;

/// What the journal says of a session.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Session {
    pub(super) id: String,
    /// The entry in which it began.
    pub(super) index: u64,
    pub(super) began_us: u64,
    pub(super) subject: String,
    pub(super) issuer: String,
    pub(super) resource: String,
    pub(super) client: String,
    /// When and why it ended, and after how many operations; `None` if that is not on record.
    pub(super) ended: Option<(u64, String, u64)>,
}

/// Returns the one session that began at entry `from` or later and whose id begins with
/// `prefix`, else what to tell who asked for it.
pub(super) fn session(
    reader: &Reader,
    from: u64,
    prefix: &str,
) -> Result<Result<Session, String>, ReadError> {
    let prefix = prefix.to_ascii_lowercase();
    let mut found: VecDeque<Session> = VecDeque::new();
    let mut others: VecDeque<Session> = VecDeque::new();
    let mut count = 0_u64;
    for entry in reader.entries(from) {
        let entry = entry?;
        let Ok(head) = serde_json::from_slice::<Head<'_>>(&entry.bytes) else {
            continue;
        };
        let fits = head.session.starts_with(&prefix);
        match &*head.kind {
            "session.start" => {
                let Some(session) = begun(entry.index, &entry.bytes) else {
                    continue;
                };
                let list = if fits { &mut found } else { &mut others };
                count += u64::from(fits);
                list.push_back(session);
                if list.len() > LISTED_MAX {
                    list.pop_front();
                }
            }
            "session.end" if fits => {
                if let Some(session) = found.iter_mut().find(|session| session.id == head.session) {
                    session.ended = ended(&entry.bytes);
                }
            }
            _ => {}
        }
    }
    if count == 1
        && let Some(session) = found.pop_back()
    {
        return Ok(Ok(session));
    }
    let asked = quote(&prefix);
    Ok(Err(match count {
        0 if others.is_empty() => "the journal has no sessions yet".to_owned(),
        0 => format!(
            "no session's id begins with {asked}; the latest are:{}",
            list(&others)
        ),
        _ => format!(
            "{count} sessions' ids begin with {asked}; the latest of them are:{}",
            list(&found)
        ),
    }))
}

fn begun(index: u64, entry: &[u8]) -> Option<Session> {
    let entry: Value = serde_json::from_slice(entry).ok()?;
    let text = |value: &Value| value.as_str().unwrap_or("?").to_owned();
    Some(Session {
        id: entry["session"].as_str()?.to_owned(),
        index,
        began_us: entry["t_us"].as_u64()?,
        subject: text(&entry["principal"]["subject"]),
        issuer: text(&entry["principal"]["issuer"]),
        resource: text(&entry["resource"]),
        client: text(&entry["client"]),
        ended: None,
    })
}

fn ended(entry: &[u8]) -> Option<(u64, String, u64)> {
    let entry: Value = serde_json::from_slice(entry).ok()?;
    let reason = entry["reason"].as_str().unwrap_or("?").to_owned();
    Some((
        entry["t_us"].as_u64()?,
        reason,
        entry["operations"].as_u64().unwrap_or(0),
    ))
}

fn list(sessions: &VecDeque<Session>) -> String {
    let mut out = String::new();
    for session in sessions.iter().rev() {
        let (id, subject, resource) = (
            escape(&session.id),
            quote(&session.subject),
            quote(&session.resource),
        );
        // Writing to a string cannot fail.
        let _ = write!(
            out,
            "\n  {id}  {}  {subject} on {resource}",
            moment(session.began_us)
        );
    }
    out
}
