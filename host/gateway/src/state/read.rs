//! Looks into the state database from outside: beside a gateway that has it open, or after one.

use std::path::Path;

use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{ConnectOptions as _, Row as _, SqlitePool};

use super::{ACQUIRE_MAX, BUSY_MAX, StateError, beside};

/// A checkpoint kept outside the journal.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Anchor {
    /// The journal's name.
    pub log: String,
    /// How many entries it had.
    pub size: u64,
    /// The signed note.
    pub note: Vec<u8>,
}

/// Returns the checkpoints that the state database in `path` remembers, without writing to it
/// and without its lock.
///
/// # Errors
/// There is no database, or it cannot be read.
pub async fn read_anchors(path: &Path) -> Result<Vec<Anchor>, StateError> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .read_only(true)
        .busy_timeout(BUSY_MAX)
        // A reader that may not make files in the folder can still read a database at rest.
        .immutable(!beside(path, "-wal").exists())
        .disable_statement_logging();
    let pool = SqlitePoolOptions::new()
        .max_connections(1)
        .acquire_timeout(ACQUIRE_MAX)
        .connect_with(options)
        .await
        .map_err(StateError::database("opened"))?;
    let anchors = anchors(&pool).await;
    pool.close().await;
    anchors
}

pub(super) async fn anchors(pool: &SqlitePool) -> Result<Vec<Anchor>, StateError> {
    let rows = sqlx::query("SELECT log, size, note FROM journal_anchor ORDER BY updated_us")
        .fetch_all(pool)
        .await
        .map_err(StateError::database("read"))?;
    let anchors = rows.iter().map(|row| {
        Ok(Anchor {
            log: row.try_get(0)?,
            size: row
                .try_get::<i64, _>(1)
                .map(|size| u64::try_from(size).unwrap_or(0))?,
            note: row.try_get(2)?,
        })
    });
    anchors
        .collect::<Result<_, sqlx::Error>>()
        .map_err(StateError::database("read"))
}
