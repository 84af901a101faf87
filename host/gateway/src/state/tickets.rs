//! What approver plugins were asked and what they brought: a row each.

use model::{ApprovalId, PluginName};
use plugin::Ticket;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::{State, StateError, signed};
use crate::approvals::channels::{Brought, Entry, Stage, Told};

impl State {
    /// Returns how far a question has got on a channel; `None` if it was never put there.
    pub(crate) async fn ticket(
        &self,
        plugin: &PluginName,
        approval: ApprovalId,
    ) -> Result<Option<Entry>, StateError> {
        let row = sqlx::query(
            "SELECT approval, stage, external_id, url, state, poll_after_ms, next_us, failures
             FROM channel_ticket WHERE plugin = $1 AND approval = $2",
        )
        .bind(plugin.as_str())
        .bind(approval.to_string())
        .fetch_optional(&self.pool)
        .await
        .map_err(StateError::database("read"))?;
        row.as_ref().map(entry).transpose()
    }

    /// Keeps how far a question has got on a channel. Durable when it returns.
    pub(crate) async fn save_ticket(&self, plugin: &PluginName, entry: &Entry) -> Result<(), StateError> {
        let ticket = entry.ticket.as_ref();
        sqlx::query(
            "INSERT INTO channel_ticket
                 (plugin, approval, stage, external_id, url, state, poll_after_ms, next_us, failures)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
             ON CONFLICT (plugin, approval)
             DO UPDATE SET stage = excluded.stage, external_id = excluded.external_id,
                           url = excluded.url, state = excluded.state,
                           poll_after_ms = excluded.poll_after_ms, next_us = excluded.next_us,
                           failures = excluded.failures",
        )
        .bind(plugin.as_str())
        .bind(entry.approval.to_string())
        .bind(stage_label(entry.stage))
        .bind(ticket.map(|ticket| ticket.external_id.as_str()))
        .bind(ticket.and_then(|ticket| ticket.url.as_deref()))
        .bind(ticket.map(|ticket| ticket.state.as_slice()))
        .bind(ticket.and_then(|ticket| ticket.poll_after_ms.map(i64::from)))
        .bind(entry.next_us.map(signed))
        .bind(i64::from(entry.failures))
        .execute(&self.pool)
        .await
        .map_err(StateError::database("written"))?;
        Ok(())
    }

    /// Returns the questions with which a channel is not done.
    pub(crate) async fn unfinished_tickets(
        &self,
        plugin: &PluginName,
    ) -> Result<Vec<ApprovalId>, StateError> {
        let ids: Vec<String> =
            sqlx::query_scalar("SELECT approval FROM channel_ticket WHERE plugin = $1 AND stage <> 'closed'")
                .bind(plugin.as_str())
                .fetch_all(&self.pool)
                .await
                .map_err(StateError::database("read"))?;
        ids.iter().map(|id| approval_id(id)).collect()
    }

    /// Returns what became of an answer that came before; `None` if it never did, or nobody
    /// got to look at it.
    pub(crate) async fn told_before(
        &self,
        plugin: &PluginName,
        approval: ApprovalId,
        said_by: &str,
        agrees: bool,
    ) -> Result<Option<Told>, StateError> {
        let row = sqlx::query(
            "SELECT standing, reason FROM channel_answer
             WHERE plugin = $1 AND approval = $2 AND said_by = $3 AND agrees = $4",
        )
        .bind(plugin.as_str())
        .bind(approval.to_string())
        .bind(said_by)
        .bind(agrees)
        .fetch_optional(&self.pool)
        .await
        .map_err(StateError::database("read"))?;
        let Some(row) = row else { return Ok(None) };
        let read = |row: &SqliteRow| -> Result<Option<Told>, sqlx::Error> {
            Ok(match row.try_get::<&str, _>("standing")? {
                "counted" => Some(Told::Counted),
                "refused" => Some(Told::Refused(row.try_get("reason")?)),
                _ => None,
            })
        };
        read(&row).map_err(StateError::database("read"))
    }

    /// Returns how many answers to a question a channel has brought that do not count.
    pub(crate) async fn refused_answers(
        &self,
        plugin: &PluginName,
        approval: ApprovalId,
    ) -> Result<u64, StateError> {
        let count: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM channel_answer
             WHERE plugin = $1 AND approval = $2 AND standing <> 'counted'",
        )
        .bind(plugin.as_str())
        .bind(approval.to_string())
        .fetch_one(&self.pool)
        .await
        .map_err(StateError::database("read"))?;
        Ok(count.unsigned_abs())
    }

    /// Keeps an answer with what proves it, before anything is made of it. Durable when it
    /// returns.
    pub(crate) async fn save_answer(
        &self,
        plugin: &PluginName,
        brought: &Brought<'_>,
    ) -> Result<(), StateError> {
        sqlx::query(
            "INSERT INTO channel_answer (plugin, approval, said_by, agrees, standing, evidence, at_us)
             VALUES ($1, $2, $3, $4, 'taken', $5, $6)
             ON CONFLICT (plugin, approval, said_by, agrees)
             DO UPDATE SET standing = 'taken', reason = NULL, evidence = excluded.evidence,
                           at_us = excluded.at_us",
        )
        .bind(plugin.as_str())
        .bind(brought.approval.to_string())
        .bind(brought.said_by)
        .bind(brought.agrees)
        .bind(brought.evidence)
        .bind(signed(brought.at_us))
        .execute(&self.pool)
        .await
        .map_err(StateError::database("written"))?;
        Ok(())
    }

    /// Keeps what became of an answer. Durable when it returns.
    pub(crate) async fn save_told(
        &self,
        plugin: &PluginName,
        brought: &Brought<'_>,
        told: &Told,
    ) -> Result<(), StateError> {
        let (standing, reason) = match told {
            Told::Counted => ("counted", None),
            Told::Refused(reason) => ("refused", Some(reason.as_str())),
        };
        sqlx::query(
            "UPDATE channel_answer SET standing = $5, reason = $6
             WHERE plugin = $1 AND approval = $2 AND said_by = $3 AND agrees = $4",
        )
        .bind(plugin.as_str())
        .bind(brought.approval.to_string())
        .bind(brought.said_by)
        .bind(brought.agrees)
        .bind(standing)
        .bind(reason)
        .execute(&self.pool)
        .await
        .map_err(StateError::database("written"))?;
        Ok(())
    }
}

fn entry(row: &SqliteRow) -> Result<Entry, StateError> {
    let unreadable = StateError::database("read");
    let read = || -> Result<_, sqlx::Error> {
        let poll_after_ms: Option<i64> = row.try_get("poll_after_ms")?;
        let next_us: Option<i64> = row.try_get("next_us")?;
        let failures: i64 = row.try_get("failures")?;
        let state: Option<Vec<u8>> = row.try_get("state")?;
        let ticket = Ticket {
            external_id: row
                .try_get::<Option<String>, _>("external_id")?
                .unwrap_or_default(),
            url: row.try_get("url")?,
            poll_after_ms: poll_after_ms.and_then(|ms| u32::try_from(ms).ok()),
            state: state.clone().unwrap_or_default(),
        };
        // Written together with the rest of the ticket, empty or not.
        let ticket = state.is_some().then_some(ticket);
        let failures = u32::try_from(failures).unwrap_or(u32::MAX);
        Ok((ticket, next_us.map(i64::unsigned_abs), failures))
    };
    let (ticket, next_us, failures) = read().map_err(unreadable)?;
    let text =
        |column| -> Result<String, StateError> { row.try_get(column).map_err(StateError::database("read")) };
    let stage = text("stage")?;
    Ok(Entry {
        approval: approval_id(&text("approval")?)?,
        stage: STAGES
            .into_iter()
            .find(|known| stage_label(*known) == stage)
            .ok_or(StateError::Unreadable {
                what: "a stage of a question",
            })?,
        ticket,
        next_us,
        failures,
    })
}

fn approval_id(text: &str) -> Result<ApprovalId, StateError> {
    ApprovalId::parse(text).ok_or(StateError::Unreadable {
        what: "an approval's id",
    })
}

const STAGES: [Stage; 4] = [Stage::Submit, Stage::Open, Stage::Withdraw, Stage::Closed];

const fn stage_label(stage: Stage) -> &'static str {
    match stage {
        Stage::Submit => "submit",
        Stage::Open => "open",
        Stage::Withdraw => "withdraw",
        Stage::Closed => "closed",
    }
}
