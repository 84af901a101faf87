//! Asks the upstream how many rows a held statement would touch, for those who are to agree.
//!
//! By the session's own account and on another connection, in a transaction that only reads. A
//! number that cannot be had in time is left out; nobody is refused anything for want of it.

use std::sync::Arc;
use std::time::Duration;

use model::OperationId;
use proto::postgres::estimate;
use proto::postgres::relay::Held;

use super::dial::Target;
use super::own::{Own, OwnError, Purpose, Statement};
use crate::services::Services;

/// How long the question may take in all: people are not asked before.
const ESTIMATE_MAX: Duration = Duration::from_secs(2);

/// Planning locks what it reads against changes of shape, and waits for those: not for long.
const PURPOSE: Purpose = Purpose {
    policy: "tidegate.estimate",
    settings: &[
        ("application_name", "tidegate-estimate"),
        ("lock_timeout", "200ms"),
        ("statement_timeout", "1s"),
    ],
};

/// A question to the upstream, ready to be put.
pub(super) struct Estimate {
    operation: OperationId,
    sql: String,
    messages: Vec<u8>,
    account: Arc<Target>,
    services: Arc<Services>,
}

impl Estimate {
    /// Prepares the question; `None` for what has no rows to count.
    pub(super) fn of(held: &Held<'_>, account: &Arc<Target>, services: Arc<Services>) -> Option<Self> {
        if !estimate::is_countable(&held.judged.analysis.facts) {
            return None;
        }
        let sql = std::str::from_utf8(held.sql).ok()?;
        Some(Self {
            operation: held.operation,
            messages: estimate::question(sql, held.declared_types, held.bound)?,
            sql: format!("{}{sql}", estimate::EXPLAIN),
            account: Arc::clone(account),
            services,
        })
    }

    /// Returns how many rows the upstream expects the statement to touch.
    pub(super) async fn rows(self) -> Option<u64> {
        let (operation, resource) = (self.operation, self.account.database.clone());
        let plan = match tokio::time::timeout(ESTIMATE_MAX, self.plan()).await {
            Ok(Ok(plan)) => plan,
            Ok(Err(error)) => {
                tracing::info!(%operation, resource, %error, "the rows of a held statement could not be estimated");
                return None;
            }
            Err(_) => {
                tracing::info!(%operation, resource, "estimating the rows of a held statement took too long");
                return None;
            }
        };
        estimate::rows(&plan)
    }

    async fn plan(self) -> Result<String, OwnError> {
        let mut own = Own::open(&self.account, PURPOSE, Some(self.services.record())).await?;
        own.run(Statement::open("a transaction", "BEGIN READ ONLY"))
            .await?;
        // The text is the client's, and in the journal as far as it may be.
        let shown = format!(
            "{}the statement of operation {}",
            estimate::EXPLAIN,
            self.operation
        );
        let statement = Statement {
            name: "a plan",
            sql: &self.sql,
            shown: &shown,
        };
        let rows = own.exchange(statement, self.messages).await?;
        own.close().await;
        let plan = rows.into_iter().next().and_then(|row| row.into_iter().next());
        Ok(plan.flatten().unwrap_or_default())
    }
}
