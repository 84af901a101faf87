//! When each principal was last let in.

use model::{PrincipalKind, ResourceName};
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::{State, StateError, signed};
use crate::access::Seen;

impl State {
    /// Stores when these principals were last let in. One transaction: nobody waits for it.
    pub(crate) async fn save_seen(&self, all: &[Seen]) -> Result<(), StateError> {
        let mut transaction = self.pool.begin().await.map_err(StateError::database("written"))?;
        for seen in all {
            let groups = serde_json::to_string(&seen.groups).unwrap_or_else(|_| "[]".to_owned());
            sqlx::query(
                "INSERT INTO principal_seen (principal, resource, kind, identity, groups, last_us)
                 VALUES ($1, $2, $3, $4, $5, $6)
                 ON CONFLICT (principal, resource)
                 DO UPDATE SET kind = excluded.kind, identity = excluded.identity,
                               groups = excluded.groups, last_us = excluded.last_us
                 WHERE excluded.last_us >= last_us",
            )
            .bind(&seen.principal)
            .bind(seen.resource.as_str())
            .bind(kind_label(seen.kind))
            .bind(&seen.identity)
            .bind(groups)
            .bind(signed(seen.last_us))
            .execute(&mut *transaction)
            .await
            .map_err(StateError::database("written"))?;
        }
        transaction
            .commit()
            .await
            .map_err(StateError::database("written"))
    }

    /// Returns the principals that no resource has seen since `since_us`, each with the last
    /// place it was seen at, at most `limit`, those gone longest first.
    pub(crate) async fn dormant(&self, since_us: u64, limit: u32) -> Result<Vec<Seen>, StateError> {
        let rows = sqlx::query(
            "SELECT principal, resource, kind, identity, groups, last_us FROM principal_seen AS seen
             WHERE last_us < $1 AND NOT EXISTS (
                 SELECT 1 FROM principal_seen AS later
                 WHERE later.principal = seen.principal
                   AND (later.last_us, later.resource) > (seen.last_us, seen.resource))
             ORDER BY last_us, principal LIMIT $2",
        )
        .bind(signed(since_us))
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await
        .map_err(StateError::database("read"))?;
        rows.iter()
            .map(|row| seen(row).map_err(StateError::database("read")))
            .collect()
    }

    /// Returns when and where a person (`issuer|subject`) was last let in.
    pub(crate) async fn last_seen(&self, principal: &str) -> Result<Option<Seen>, StateError> {
        let row = sqlx::query(
            "SELECT principal, resource, kind, identity, groups, last_us FROM principal_seen
             WHERE principal = $1 AND kind = $2 ORDER BY last_us DESC LIMIT 1",
        )
        .bind(principal)
        .bind(kind_label(PrincipalKind::Person))
        .fetch_optional(&self.pool)
        .await
        .map_err(StateError::database("read"))?;
        row.as_ref()
            .map(|row| seen(row).map_err(StateError::database("read")))
            .transpose()
    }

    /// Forgets whoever was last let in before `before_us`.
    pub(crate) async fn forget_seen(&self, before_us: u64) -> Result<(), StateError> {
        sqlx::query("DELETE FROM principal_seen WHERE last_us < $1")
            .bind(signed(before_us))
            .execute(&self.pool)
            .await
            .map_err(StateError::database("written"))?;
        Ok(())
    }
}

fn seen(row: &SqliteRow) -> Result<Seen, sqlx::Error> {
    let groups: String = row.try_get("groups")?;
    let kind: String = row.try_get("kind")?;
    let last: i64 = row.try_get("last_us")?;
    Ok(Seen {
        principal: row.try_get("principal")?,
        // The table has no other words.
        kind: if kind == kind_label(PrincipalKind::Person) {
            PrincipalKind::Person
        } else {
            PrincipalKind::Agent
        },
        identity: row.try_get("identity")?,
        groups: serde_json::from_str(&groups).map_err(|error| sqlx::Error::Decode(error.into()))?,
        last_us: last.unsigned_abs(),
        resource: ResourceName::new(row.try_get::<String, _>("resource")?),
    })
}

const fn kind_label(kind: PrincipalKind) -> &'static str {
    match kind {
        PrincipalKind::Agent => "agent",
        PrincipalKind::Person => "person",
    }
}
