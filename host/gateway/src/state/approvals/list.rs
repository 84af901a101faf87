//! Reads approvals: one, or a page of them.

use model::approval::Standing;
use model::{ApprovalId, ResourceName};
use sqlx::{QueryBuilder, Sqlite, SqlitePool};

use super::{COLUMNS, Kept, OpenApproval, row};
use crate::state::{State, StateError};

/// How many approvals one page has at the most: each can be some hundred kilobytes.
pub const PAGE_MAX: usize = 200;

/// Which approvals to list. The default is the newest of all.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only those that stand like one of these; empty for all.
    pub standing: Vec<Standing>,
    /// Only those that this principal (`issuer|subject`) asked.
    pub requester: Option<String>,
    /// Only those on this resource.
    pub resource: Option<ResourceName>,
    /// Only those asked before this one: the last of the page before.
    pub before: Option<ApprovalId>,
    /// How many at the most, up to [`PAGE_MAX`]; `None` for that many.
    pub limit: Option<usize>,
}

impl State {
    /// Returns a page of approvals, the newest first.
    ///
    /// # Errors
    /// The database cannot be read, or holds what this gateway cannot make sense of.
    pub async fn approvals(&self, filter: &Filter) -> Result<Vec<Kept>, StateError> {
        let mut builder = select();
        builder.push(" WHERE TRUE");
        if !filter.standing.is_empty() {
            builder.push(" AND standing IN (");
            let mut labels = builder.separated(", ");
            for standing in &filter.standing {
                labels.push_bind(standing.label());
            }
            builder.push(")");
        }
        if let Some(requester) = &filter.requester {
            builder.push(" AND requester = ").push_bind(requester.clone());
        }
        if let Some(resource) = &filter.resource {
            builder
                .push(" AND resource = ")
                .push_bind(resource.as_str().to_owned());
        }
        if let Some(before) = filter.before {
            builder.push(" AND id < ").push_bind(before.to_string());
        }
        let limit = filter.limit.unwrap_or(PAGE_MAX).min(PAGE_MAX);
        builder
            .push(" ORDER BY id DESC LIMIT ")
            .push_bind(i64::try_from(limit).unwrap_or(i64::MAX));
        fetch(&self.pool, builder).await
    }

    /// Returns every open approval, as much of it as is needed to watch over it.
    ///
    /// # Errors
    /// The database cannot be read, or holds what this gateway cannot make sense of.
    pub(crate) async fn open_approvals(&self) -> Result<Vec<OpenApproval>, StateError> {
        let rows = sqlx::query(
            "SELECT id, subject, requester, standing, decide_by_us, use_within_us, approved_us, waiting
             FROM approval WHERE standing IN ('pending', 'approved') ORDER BY id",
        )
        .fetch_all(&self.pool)
        .await
        .map_err(StateError::database("read"))?;
        rows.iter().map(row::open).collect()
    }
}

/// Begins a query for approvals.
pub(super) fn select() -> QueryBuilder<Sqlite> {
    let mut builder = QueryBuilder::new("SELECT ");
    builder.push(COLUMNS).push(" FROM approval");
    builder
}

/// Reads what the query finds, with all answers, as it stood at one moment.
pub(super) async fn fetch(
    pool: &SqlitePool,
    mut builder: QueryBuilder<Sqlite>,
) -> Result<Vec<Kept>, StateError> {
    let failed = || StateError::database("read");
    let mut transaction = pool.begin().await.map_err(failed())?;
    let rows = builder
        .build()
        .fetch_all(&mut *transaction)
        .await
        .map_err(failed())?;
    let mut found = rows.iter().map(row::kept).collect::<Result<Vec<_>, _>>()?;
    if found.is_empty() {
        return Ok(found);
    }
    let mut builder = QueryBuilder::new(
        "SELECT approval, voter, voter_groups, agrees, comment, at_us, channel FROM approval_vote
         WHERE approval IN (",
    );
    let mut ids = builder.separated(", ");
    for kept in &found {
        ids.push_bind(kept.approval.id.to_string());
    }
    builder.push(") ORDER BY approval, place");
    let votes = builder
        .build()
        .fetch_all(&mut *transaction)
        .await
        .map_err(failed())?;
    transaction.commit().await.map_err(failed())?;
    for vote in &votes {
        let (id, vote) = row::vote(vote)?;
        if let Some(kept) = found.iter_mut().find(|kept| kept.approval.id == id) {
            kept.approval.votes.push(vote);
        }
    }
    Ok(found)
}
