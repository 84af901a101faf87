//! Searches the journal backwards, from the newest entry, within bounds.
//!
//! Operations name their session and not who it is of. A session's id carries the time at which
//! it began, and there its start is looked up; what was found is remembered.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use journal::{ReadError, Reader};
use serde_json::Value;

/// How many entries one search reads; what is further back, the next page finds.
const READ_MAX: u64 = 20_000;

/// How many sessions one search looks up.
const LOOKUPS_MAX: usize = 250;

/// How many sessions are remembered; one takes some hundred bytes.
const REMEMBERED_MAX: usize = 20_000;

/// How many entries are read at once: those of one bundle.
const WINDOW: u64 = 256;

/// How far the times of neighbouring entries may be out of order, in microseconds: each writer
/// takes the time before it appends.
const DISORDER_US: u64 = 2_000_000;

/// How long after its id was made a session's start may be written, in microseconds.
const START_LATE_US: u64 = 10_000_000;

/// How many entries are read to find a session's start.
const START_READ_MAX: usize = 50_000;

/// What is searched for: everything that is named must fit.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted {
    /// A session's id.
    pub(crate) session: Option<String>,
    /// Who: `issuer|subject`.
    pub(crate) principal: Option<String>,
    /// A resource's name.
    pub(crate) resource: Option<String>,
    /// Kinds, or their beginnings up to a dot; none means all.
    pub(crate) kinds: Vec<String>,
    /// Not before, in microseconds of Unix time.
    pub(crate) since_us: u64,
    /// Before, likewise.
    pub(crate) until_us: Option<u64>,
}

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Each with its index, the newest first.
    pub(crate) entries: Vec<(u64, Value)>,
    /// Where the search goes on; `None` at its end.
    pub(crate) next: Option<u64>,
}

/// How a session began.
#[derive(Clone, Debug)]
pub(crate) struct Begun {
    /// The entry.
    pub(crate) index: u64,
    /// Who: `issuer|subject`.
    pub(crate) principal: String,
    /// On what.
    pub(crate) resource: String,
    /// The whole entry.
    pub(crate) entry: Value,
}

/// Finds the starts of sessions, and remembers them. Nobody waits while another one is looked up.
#[derive(Debug, Default)]
pub(crate) struct Starts {
    known: Mutex<HashMap<String, Option<Begun>>>,
}

/// Searches before the entry `before`. Blocks.
///
/// # Errors
/// The journal cannot be read.
pub(crate) fn search(
    reader: &Reader,
    wanted: &Wanted,
    before: u64,
    limit: usize,
    starts: &Starts,
) -> Result<Found, ReadError> {
    let mut found = Found::default();
    let mut end = match wanted.until_us {
        Some(until_us) => before.min(first_at(reader, until_us.saturating_add(DISORDER_US))?),
        None => before,
    };
    let stop = end.saturating_sub(READ_MAX);
    let mut lookups = 0;
    while end > stop {
        let begin = (end - 1) / WINDOW * WINDOW;
        let window = read(reader, begin, end)?;
        for (index, entry) in window.into_iter().rev() {
            let t_us = entry["t_us"].as_u64().unwrap_or(0);
            if t_us.saturating_add(DISORDER_US) < wanted.since_us {
                return Ok(found);
            }
            if lookups >= LOOKUPS_MAX || found.entries.len() >= limit {
                found.next = Some(index + 1);
                return Ok(found);
            }
            if fits(reader, wanted, &entry, starts, &mut lookups)? {
                found.entries.push((index, entry));
            }
        }
        end = begin;
    }
    found.next = (end > 0).then_some(end);
    Ok(found)
}

/// Reads entries; what is no JSON object is none.
fn read(reader: &Reader, begin: u64, end: u64) -> Result<Vec<(u64, Value)>, ReadError> {
    let mut window = Vec::new();
    for entry in reader.entries(begin) {
        let entry = entry?;
        if entry.index >= end {
            break;
        }
        if let Ok(value) = serde_json::from_slice::<Value>(&entry.bytes) {
            window.push((entry.index, value));
        }
    }
    Ok(window)
}

fn fits(
    reader: &Reader,
    wanted: &Wanted,
    entry: &Value,
    starts: &Starts,
    lookups: &mut usize,
) -> Result<bool, ReadError> {
    let t_us = entry["t_us"].as_u64().unwrap_or(0);
    let kind = entry["kind"].as_str().unwrap_or_default();
    let within = |wanted: &String| {
        kind.strip_prefix(wanted.as_str())
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    let plain = t_us >= wanted.since_us
        && wanted.until_us.is_none_or(|until_us| t_us < until_us)
        && (wanted.kinds.is_empty() || wanted.kinds.iter().any(within));
    let session = entry["session"].as_str();
    if !plain || wanted.session.is_some() && wanted.session.as_deref() != session {
        return Ok(false);
    }
    let (mut principal, mut resource) = (principal_of(entry), entry["resource"].as_str().map(str::to_owned));
    let lacks =
        wanted.principal.is_some() && principal.is_none() || wanted.resource.is_some() && resource.is_none();
    if let Some(session) = session.filter(|_| lacks)
        && let Some(begun) = starts.find(reader, session, lookups)?
    {
        principal = principal.or(Some(begun.principal));
        resource = resource.or(Some(begun.resource));
    }
    let same = |wanted: &Option<String>, is: Option<String>| wanted.is_none() || *wanted == is;
    Ok(same(&wanted.principal, principal) && same(&wanted.resource, resource))
}

/// Returns `issuer|subject` of whom an entry names.
fn principal_of(entry: &Value) -> Option<String> {
    ["principal", "requester", "by"].iter().find_map(|member| {
        let who = &entry[*member];
        match (who.as_str(), who["issuer"].as_str(), who["subject"].as_str()) {
            (Some(key), ..) => Some(key.to_owned()),
            (None, Some(issuer), Some(subject)) => Some(format!("{issuer}|{subject}")),
            _ => None,
        }
    })
}

impl Starts {
    /// Returns how a session began; `None` if the journal does not say. Counts in `lookups`
    /// what had to be looked up.
    ///
    /// # Errors
    /// The journal cannot be read.
    pub(crate) fn find(
        &self,
        reader: &Reader,
        session: &str,
        lookups: &mut usize,
    ) -> Result<Option<Begun>, ReadError> {
        let known = self.known().get(session).cloned();
        if let Some(known) = known {
            return Ok(known);
        }
        *lookups += 1;
        let begun = look_up(reader, session)?;
        let mut known = self.known();
        if known.len() >= REMEMBERED_MAX {
            known.clear();
        }
        known.insert(session.to_owned(), begun.clone());
        Ok(begun)
    }

    fn known(&self) -> MutexGuard<'_, HashMap<String, Option<Begun>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn look_up(reader: &Reader, session: &str) -> Result<Option<Begun>, ReadError> {
    let Some(made_us) = made_us(session) else {
        return Ok(None);
    };
    let first = first_at(reader, made_us.saturating_sub(DISORDER_US))?;
    for entry in reader.entries(first).take(START_READ_MAX) {
        let entry = entry?;
        let Ok(value) = serde_json::from_slice::<Value>(&entry.bytes) else {
            continue;
        };
        if value["t_us"].as_u64() > Some(made_us.saturating_add(START_LATE_US)) {
            break;
        }
        if value["kind"] == "session.start" && value["session"] == session {
            return Ok(Some(Begun {
                index: entry.index,
                principal: principal_of(&value).unwrap_or_default(),
                resource: value["resource"].as_str().unwrap_or_default().to_owned(),
                entry: value,
            }));
        }
    }
    Ok(None)
}

/// Returns when a UUIDv7 was made, in microseconds of Unix time.
fn made_us(session: &str) -> Option<u64> {
    let id = model::SessionId::parse(session)?.to_string().replace('-', "");
    let ms = u64::from_str_radix(id.get(..12)?, 16).ok()?;
    Some(ms.saturating_mul(1_000))
}

/// Returns the first entry that was written at `t_us` or later, give or take a moment.
fn first_at(reader: &Reader, t_us: u64) -> Result<u64, ReadError> {
    let (mut low, mut high) = (0, reader.size()?);
    while low < high {
        let middle = low + (high - low) / 2;
        let entry = reader.entry(middle)?;
        let at = entry.and_then(|entry| serde_json::from_slice::<Value>(&entry.bytes).ok());
        if at.and_then(|at| at["t_us"].as_u64()) < Some(t_us) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Ok(low)
}
