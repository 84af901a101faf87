//! Reads an upstream's catalog on a connection of the gateway's own.

use std::sync::Arc;

use proto::postgres::catalog::{CatalogError, PREPARE, QUERIES};

use super::dial::Target;
pub(crate) use super::own::Record;
use super::own::{self, Own, OwnError, Purpose, Statement};

/// Reading a view's definition waits for whoever is changing it: not for long, because sessions
/// wait for the catalog.
const PURPOSE: Purpose = Purpose {
    policy: "tidegate.catalog",
    settings: &[
        ("application_name", "tidegate-catalog"),
        ("lock_timeout", "3s"),
        ("statement_timeout", "15s"),
    ],
};

/// Why a catalog could not be read. For the log.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    #[error(transparent)]
    Own(#[from] OwnError),
    #[error(transparent)]
    Catalog(#[from] CatalogError),
}

/// The rows of all queries of [`QUERIES`], in its order.
pub(crate) type Rows = Vec<own::Rows>;

/// Shared between the sessions of one upstream.
pub(crate) type SharedRows = Arc<Rows>;

/// Reads everything a catalog is built from, in one transaction.
pub(crate) async fn read(target: &Target, record: Option<Record<'_>>) -> Result<Rows, ReadError> {
    let mut own = Own::open(target, PURPOSE, record).await.map_err(OwnError::from)?;
    let begin = "BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY";
    own.run(Statement::open("session", PREPARE)).await?;
    own.run(Statement::open("transaction", begin)).await?;
    let mut rows = Vec::with_capacity(QUERIES.len());
    for query in QUERIES {
        rows.push(own.run(Statement::open(query.name, query.sql)).await?);
    }
    own.run(Statement::open("transaction", "COMMIT")).await?;
    own.close().await;
    Ok(rows)
}
