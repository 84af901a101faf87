//! Between rows and the model.

use std::sync::Arc;

use model::approval::{Approval, ContentHash, Standing, Subject, Vote};
use model::{ApprovalId, OperationId, ResourceName, SessionId};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::{Kept, OpenApproval};
use crate::state::StateError;

/// What is said of a row that does not read.
const APPROVAL: StateError = StateError::Unreadable { what: "an approval" };

pub(super) const fn subject_label(subject: Subject) -> &'static str {
    match subject {
        Subject::Operation => "operation",
        Subject::Grant => "grant",
    }
}

fn subject(label: &str) -> Option<Subject> {
    [Subject::Operation, Subject::Grant]
        .into_iter()
        .find(|subject| subject_label(*subject) == label)
}

pub(super) fn json(value: &impl Serialize) -> Result<String, StateError> {
    serde_json::to_string(value).map_err(|_| APPROVAL)
}

fn from_json<T: DeserializeOwned>(text: &str) -> Result<T, StateError> {
    serde_json::from_str(text).map_err(|_| APPROVAL)
}

/// Reads a column.
fn column<'r, T>(row: &'r SqliteRow, name: &str) -> Result<T, StateError>
where
    T: sqlx::Decode<'r, sqlx::Sqlite> + sqlx::Type<sqlx::Sqlite>,
{
    row.try_get(name).map_err(StateError::database("read"))
}

fn number(row: &SqliteRow, name: &str) -> Result<u64, StateError> {
    u64::try_from(column::<i64>(row, name)?).map_err(|_| APPROVAL)
}

fn number_or_none(row: &SqliteRow, name: &str) -> Result<Option<u64>, StateError> {
    let number: Option<i64> = column(row, name)?;
    number
        .map(|number| u64::try_from(number).map_err(|_| APPROVAL))
        .transpose()
}

/// Reads an id or a word that may be missing.
fn word<T>(row: &SqliteRow, name: &str, parse: impl Fn(&str) -> Option<T>) -> Result<Option<T>, StateError> {
    let text: Option<&str> = column(row, name)?;
    text.map(|text| parse(text).ok_or(APPROVAL)).transpose()
}

fn required<T>(row: &SqliteRow, name: &str, parse: impl Fn(&str) -> Option<T>) -> Result<T, StateError> {
    word(row, name, parse)?.ok_or(APPROVAL)
}

/// Reads an approval; its answers come apart from it.
pub(super) fn kept(row: &SqliteRow) -> Result<Kept, StateError> {
    let content: &[u8] = column(row, "content")?;
    let approval = Approval {
        id: required(row, "id", ApprovalId::parse)?,
        subject: required(row, "subject", subject)?,
        content: ContentHash(content.try_into().map_err(|_| APPROVAL)?),
        requester: Arc::new(from_json(column(row, "principal")?)?),
        resource: ResourceName::new(column::<&str>(row, "resource")?),
        quorum: from_json(column(row, "quorum")?)?,
        waiting: word(row, "waiting", SessionId::parse)?,
        asked_us: number(row, "asked_us")?,
        decide_by_us: number(row, "decide_by_us")?,
        use_within_us: number(row, "use_within_us")?,
        approved_us: number_or_none(row, "approved_us")?,
        standing: required(row, "standing", Standing::parse)?,
        revision: number(row, "revision")?,
        votes: Vec::new(),
        used_by: word(row, "used_by", OperationId::parse)?,
    };
    // Without a share it would be met by nobody's answer.
    if approval.quorum.persons() == 0 {
        return Err(APPROVAL);
    }
    let case = from_json(column(row, "shown")?)?;
    Ok(Kept { approval, case })
}

pub(super) fn open(row: &SqliteRow) -> Result<OpenApproval, StateError> {
    let due_us = match number_or_none(row, "approved_us")? {
        Some(at) => at.saturating_add(number(row, "use_within_us")?),
        None => number(row, "decide_by_us")?,
    };
    Ok(OpenApproval {
        id: required(row, "id", ApprovalId::parse)?,
        subject: required(row, "subject", subject)?,
        requester: column(row, "requester")?,
        standing: required(row, "standing", Standing::parse)?,
        due_us,
        waiting: word(row, "waiting", SessionId::parse)?,
    })
}

pub(super) fn vote(row: &SqliteRow) -> Result<(ApprovalId, Vote), StateError> {
    let vote = Vote {
        by: column(row, "voter")?,
        groups: from_json(column(row, "voter_groups")?)?,
        agrees: column(row, "agrees")?,
        comment: column(row, "comment")?,
        at_us: number(row, "at_us")?,
        channel: column(row, "channel")?,
    };
    Ok((required(row, "approval", ApprovalId::parse)?, vote))
}
