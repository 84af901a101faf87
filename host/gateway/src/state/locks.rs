//! Locks, in force and lifted.

use model::{Lock, LockId, LockTarget, ResourceName};
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::{State, StateError, signed};

impl State {
    /// Stores a lock. Durable when it returns.
    pub(crate) async fn insert_lock(&self, lock: &Lock) -> Result<(), StateError> {
        let (kind, value) = match &lock.target {
            LockTarget::Principal(key) => ("principal", key.as_str()),
            LockTarget::Resource(name) => ("resource", name.as_str()),
            LockTarget::All => ("all", ""),
        };
        sqlx::query(
            "INSERT INTO locks (id, kind, value, reason, set_by, since_us) VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(lock.id.to_string())
        .bind(kind)
        .bind(value)
        .bind(&lock.reason)
        .bind(&lock.by)
        .bind(signed(lock.since_us))
        .execute(&self.pool)
        .await
        .map_err(StateError::database("written"))?;
        Ok(())
    }

    /// Stores that a lock was lifted; `false` if it was not in force.
    pub(crate) async fn lift_lock(&self, id: LockId, by: &str, now_us: u64) -> Result<bool, StateError> {
        let lifted = sqlx::query(
            "UPDATE locks SET lifted_us = $1, lifted_by = $2 WHERE id = $3 AND lifted_us IS NULL",
        )
        .bind(signed(now_us))
        .bind(by)
        .bind(id.to_string())
        .execute(&self.pool)
        .await
        .map_err(StateError::database("written"))?;
        Ok(lifted.rows_affected() == 1)
    }

    /// Returns the locks in force, the oldest first.
    ///
    /// # Errors
    /// They cannot all be read: who is shut out would be let in.
    pub(crate) async fn locks_in_force(&self) -> Result<Vec<Lock>, StateError> {
        let rows = sqlx::query(
            "SELECT id, kind, value, reason, set_by, since_us FROM locks
             WHERE lifted_us IS NULL ORDER BY since_us, id",
        )
        .fetch_all(&self.pool)
        .await
        .map_err(StateError::database("read"))?;
        rows.iter()
            .map(|row| lock(row).map_err(StateError::database("read")))
            .collect()
    }
}

fn lock(row: &SqliteRow) -> Result<Lock, sqlx::Error> {
    let id: String = row.try_get("id")?;
    let kind: String = row.try_get("kind")?;
    let value: String = row.try_get("value")?;
    let target = match kind.as_str() {
        "principal" => LockTarget::Principal(value),
        "resource" => LockTarget::Resource(ResourceName::new(value)),
        "all" => LockTarget::All,
        other => return Err(sqlx::Error::Decode(format!("a lock of kind {other}").into())),
    };
    let since: i64 = row.try_get("since_us")?;
    Ok(Lock {
        id: LockId::parse(&id).ok_or_else(|| sqlx::Error::Decode("a lock's id".into()))?,
        target,
        reason: row.try_get("reason")?,
        by: row.try_get("set_by")?,
        since_us: since.unsigned_abs(),
        lifted: None,
    })
}
