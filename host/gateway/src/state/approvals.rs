//! Approvals as they are kept: a row each, and a row for each answer.
//!
//! Nothing here decides. Whoever changes an approval has the model decide, and hands in what
//! came of it together with the revision it decided on: if that is not the stored one any
//! more, nothing is written.

mod list;
mod row;

use model::approval::{Approval, Case, ContentHash, Standing, Subject, Vote};
use model::{ApprovalId, SessionId};
use sqlx::sqlite::SqliteConnection;

use super::{State, StateError, signed};
pub use list::{Filter, PAGE_MAX};

/// An approval and what people decide it by.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Kept {
    /// How it stands.
    pub approval: Approval,
    /// What an approver sees.
    pub case: Case,
}

/// As much of an open approval as is needed to watch over it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct OpenApproval {
    pub(crate) id: ApprovalId,
    pub(crate) subject: Subject,
    /// `issuer|subject`.
    pub(crate) requester: String,
    pub(crate) standing: Standing,
    /// When it is over if nothing happens, in microseconds of Unix time.
    pub(crate) due_us: u64,
    pub(crate) waiting: Option<SessionId>,
}

impl OpenApproval {
    pub(crate) fn of(approval: &Approval) -> Self {
        Self {
            id: approval.id,
            subject: approval.subject,
            requester: approval.requester.key(),
            standing: approval.standing,
            due_us: match approval.approved_us {
                Some(at) => at.saturating_add(approval.use_within_us),
                None => approval.decide_by_us,
            },
            waiting: approval.waiting,
        }
    }
}

/// Everything of an approval's row, in the order in which it is read.
const COLUMNS: &str = "id, subject, content, principal, resource, quorum, waiting, asked_us, decide_by_us, \
     use_within_us, approved_us, standing, revision, used_by, shown";

impl State {
    /// Keeps a new approval, which nobody has answered. `false` if its requester has an open
    /// one for the same content: nothing is written then. Durable when it returns.
    ///
    /// # Errors
    /// The database cannot be written.
    pub async fn insert_approval(&self, kept: &Kept) -> Result<bool, StateError> {
        let approval = &kept.approval;
        let done = sqlx::query(
            "INSERT INTO approval (id, subject, content, requester, principal, resource, quorum, waiting,
                 asked_us, decide_by_us, use_within_us, standing, revision, shown)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
             ON CONFLICT DO NOTHING",
        )
        .bind(approval.id.to_string())
        .bind(row::subject_label(approval.subject))
        .bind(&approval.content.0[..])
        .bind(approval.requester.key())
        .bind(row::json(&*approval.requester)?)
        .bind(approval.resource.as_str())
        .bind(row::json(&approval.quorum)?)
        .bind(approval.waiting.map(|session| session.to_string()))
        .bind(signed(approval.asked_us))
        .bind(signed(approval.decide_by_us))
        .bind(signed(approval.use_within_us))
        .bind(approval.standing.label())
        .bind(signed(approval.revision))
        .bind(row::json(&kept.case)?)
        .execute(&self.pool)
        .await
        .map_err(StateError::database("written"))?;
        Ok(done.rows_affected() == 1)
    }

    /// Keeps what became of an approval that was read at `revision`, and the answer that made
    /// it so, if one did. `false` if it has changed since, or that person has answered before:
    /// nothing is written then. Durable when it returns.
    ///
    /// # Errors
    /// The database cannot be written.
    pub async fn update_approval(
        &self,
        approval: &Approval,
        revision: u64,
        vote: Option<&Vote>,
        now_us: u64,
    ) -> Result<bool, StateError> {
        let mut transaction = self
            .pool
            .begin_with("BEGIN IMMEDIATE")
            .await
            .map_err(StateError::database("written"))?;
        let kept = update(&mut transaction, approval, revision, now_us).await?
            && match vote {
                Some(vote) => insert_vote(&mut transaction, approval.id, vote).await?,
                None => true,
            };
        if kept {
            transaction.commit().await
        } else {
            transaction.rollback().await
        }
        .map_err(StateError::database("written"))?;
        Ok(kept)
    }

    /// Remembers which session's operation waits for an open approval; one that is over stays
    /// as it is. This is no change of the approval: its revision stays.
    ///
    /// # Errors
    /// The database cannot be written.
    pub async fn set_waiting(&self, id: ApprovalId, session: Option<SessionId>) -> Result<(), StateError> {
        sqlx::query("UPDATE approval SET waiting = $2 WHERE id = $1 AND standing IN ('pending', 'approved')")
            .bind(id.to_string())
            .bind(session.map(|session| session.to_string()))
            .execute(&self.pool)
            .await
            .map_err(StateError::database("written"))?;
        Ok(())
    }

    /// Returns an approval with all answers; `None` if there is none of that id.
    ///
    /// # Errors
    /// The database cannot be read, or holds what this gateway cannot make sense of.
    pub async fn approval(&self, id: ApprovalId) -> Result<Option<Kept>, StateError> {
        let mut builder = list::select();
        builder.push(" WHERE id = ").push_bind(id.to_string());
        Ok(list::fetch(&self.pool, builder).await?.pop())
    }

    /// Returns the open approval that `requester` (`issuer|subject`) has for `content`, if
    /// there is one.
    ///
    /// # Errors
    /// The database cannot be read, or holds what this gateway cannot make sense of.
    pub async fn open_approval(
        &self,
        requester: &str,
        content: &ContentHash,
    ) -> Result<Option<Kept>, StateError> {
        let mut builder = list::select();
        builder
            .push(" WHERE standing IN ('pending', 'approved') AND requester = ")
            .push_bind(requester.to_owned())
            .push(" AND content = ")
            .push_bind(content.0.to_vec());
        Ok(list::fetch(&self.pool, builder).await?.pop())
    }

    /// Deletes approvals that were over before `before_us`, and the oldest of those that are
    /// over beyond `most`; at most `batch` at once. Returns how many.
    ///
    /// # Errors
    /// The database cannot be written.
    pub async fn sweep_approvals(&self, before_us: u64, most: u32, batch: u32) -> Result<u64, StateError> {
        let done = sqlx::query(
            "DELETE FROM approval WHERE id IN (
                 SELECT id FROM approval
                 WHERE ended_us IS NOT NULL
                   AND (ended_us < $1 OR ended_us < (
                       SELECT ended_us FROM approval WHERE ended_us IS NOT NULL
                       ORDER BY ended_us DESC LIMIT 1 OFFSET $2))
                 ORDER BY ended_us LIMIT $3)",
        )
        .bind(signed(before_us))
        .bind(i64::from(most.saturating_sub(1)))
        .bind(i64::from(batch))
        .execute(&self.pool)
        .await
        .map_err(StateError::database("written"))?;
        Ok(done.rows_affected())
    }
}

async fn update(
    connection: &mut SqliteConnection,
    approval: &Approval,
    revision: u64,
    now_us: u64,
) -> Result<bool, StateError> {
    let ended_us = approval.standing.is_final().then(|| signed(now_us));
    let done = sqlx::query(
        "UPDATE approval SET standing = $3, revision = $4, waiting = $5, approved_us = $6, used_by = $7,
             ended_us = $8
         WHERE id = $1 AND revision = $2 AND standing IN ('pending', 'approved')",
    )
    .bind(approval.id.to_string())
    .bind(signed(revision))
    .bind(approval.standing.label())
    .bind(signed(approval.revision))
    .bind(approval.waiting.map(|session| session.to_string()))
    .bind(approval.approved_us.map(signed))
    .bind(approval.used_by.map(|operation| operation.to_string()))
    .bind(ended_us)
    .execute(connection)
    .await
    .map_err(StateError::database("written"))?;
    Ok(done.rows_affected() == 1)
}

async fn insert_vote(
    connection: &mut SqliteConnection,
    approval: ApprovalId,
    vote: &Vote,
) -> Result<bool, StateError> {
    let done = sqlx::query(
        "INSERT INTO approval_vote (approval, voter, place, voter_groups, agrees, comment, at_us, channel)
         VALUES ($1, $2, (SELECT count(*) FROM approval_vote WHERE approval = $1), $3, $4, $5, $6, $7)
         ON CONFLICT DO NOTHING",
    )
    .bind(approval.to_string())
    .bind(&vote.by)
    .bind(row::json(&vote.groups)?)
    .bind(vote.agrees)
    .bind(&vote.comment)
    .bind(signed(vote.at_us))
    .bind(&vote.channel)
    .execute(connection)
    .await
    .map_err(StateError::database("written"))?;
    Ok(done.rows_affected() == 1)
}

#[cfg(test)]
pub(crate) mod tests;
