//! Grants: those that hold, and those that did.

use model::{ApprovalId, Grant, GrantId, ResourceName};
use serde::de::DeserializeOwned;
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row as _, Sqlite};

use super::{State, StateError, signed};
use crate::grants::GrantFilter;

/// Everything that makes a grant.
const COLUMNS: &str = "id, principal, delegation, resource, terms, reason, approval, \
                       begins_us, ends_us, revoked_us, revoked_by, used_us";

/// How many grants one statement changes: SQLite binds 32,766 values at most.
const CHUNK: usize = 1_000;

impl State {
    /// Stores a grant; `false` if its approval has given one before. Durable when it returns.
    pub(crate) async fn insert_grant(&self, grant: &Grant) -> Result<bool, StateError> {
        let json = |value: serde_json::Result<String>| {
            value.map_err(|error| StateError::database("written")(sqlx::Error::Encode(error.into())))
        };
        let delegation = json(serde_json::to_string(&grant.delegation))?;
        let terms = json(serde_json::to_string(&grant.terms))?;
        let inserted = sqlx::query(
            "INSERT INTO grants (id, principal, delegation, resource, terms, reason, approval, begins_us, ends_us)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (approval) DO NOTHING",
        )
        .bind(grant.id.to_string())
        .bind(&grant.principal)
        .bind(delegation)
        .bind(grant.resource.as_str())
        .bind(terms)
        .bind(&grant.reason)
        .bind(grant.approval.to_string())
        .bind(signed(grant.begins_us))
        .bind(signed(grant.ends_us))
        .execute(&self.pool)
        .await
        .map_err(StateError::database("written"))?;
        Ok(inserted.rows_affected() == 1)
    }

    /// Stores that a grant was taken back; `false` if it was over before. Durable when it
    /// returns.
    pub(crate) async fn revoke_grant(&self, id: GrantId, by: &str, now_us: u64) -> Result<bool, StateError> {
        let revoked = sqlx::query(
            "UPDATE grants SET revoked_us = $1, revoked_by = $2, closed = 1 WHERE id = $3 AND closed = 0",
        )
        .bind(signed(now_us))
        .bind(by)
        .bind(id.to_string())
        .execute(&self.pool)
        .await
        .map_err(StateError::database("written"))?;
        Ok(revoked.rows_affected() == 1)
    }

    /// Stores that the end of these grants is written down.
    pub(crate) async fn close_grants(&self, ids: &[GrantId]) -> Result<(), StateError> {
        for chunk in ids.chunks(CHUNK) {
            let mut query = QueryBuilder::<Sqlite>::new("UPDATE grants SET closed = 1 WHERE id IN (");
            let mut separated = query.separated(", ");
            for id in chunk {
                separated.push_bind(id.to_string());
            }
            query
                .push(")")
                .build()
                .execute(&self.pool)
                .await
                .map_err(StateError::database("written"))?;
        }
        Ok(())
    }

    /// Stores when grants were used last.
    pub(crate) async fn save_grant_uses(&self, uses: &[(GrantId, u64)]) -> Result<(), StateError> {
        let mut transaction = self.pool.begin().await.map_err(StateError::database("written"))?;
        for (id, used_us) in uses {
            sqlx::query("UPDATE grants SET used_us = max(coalesce(used_us, 0), $1) WHERE id = $2")
                .bind(signed(*used_us))
                .bind(id.to_string())
                .execute(&mut *transaction)
                .await
                .map_err(StateError::database("written"))?;
        }
        transaction
            .commit()
            .await
            .map_err(StateError::database("written"))
    }

    /// Returns the grants whose end is not written down, the first to end first.
    ///
    /// # Errors
    /// They cannot all be read.
    pub(crate) async fn open_grants(&self) -> Result<Vec<Grant>, StateError> {
        let mut query = select();
        query.push(" WHERE closed = 0 ORDER BY ends_us, id");
        self.fetch_grants(query).await
    }

    /// Returns one grant.
    pub(crate) async fn grant(&self, id: GrantId) -> Result<Option<Grant>, StateError> {
        let mut query = select();
        query.push(" WHERE id = ").push_bind(id.to_string());
        Ok(self.fetch_grants(query).await?.pop())
    }

    /// Returns the grant that an approval gave.
    pub(crate) async fn grant_of(&self, approval: ApprovalId) -> Result<Option<Grant>, StateError> {
        let mut query = select();
        query.push(" WHERE approval = ").push_bind(approval.to_string());
        Ok(self.fetch_grants(query).await?.pop())
    }

    /// Returns a page of grants, the newest first.
    pub(crate) async fn grants(&self, filter: &GrantFilter, now_us: u64) -> Result<Vec<Grant>, StateError> {
        let mut query = select();
        query.push(" WHERE 1");
        if let Some(principal) = &filter.principal {
            query.push(" AND principal = ").push_bind(principal.clone());
        }
        if let Some(resource) = &filter.resource {
            query
                .push(" AND resource = ")
                .push_bind(resource.as_str().to_owned());
        }
        if filter.holding {
            query
                .push(" AND closed = 0 AND ends_us > ")
                .push_bind(signed(now_us));
        }
        if let Some(before) = filter.before {
            query.push(" AND id < ").push_bind(before.to_string());
        }
        let limit = i64::from(filter.limit.min(GrantFilter::PAGE_MAX));
        query.push(" ORDER BY id DESC LIMIT ").push_bind(limit);
        self.fetch_grants(query).await
    }

    /// Returns the grants given since `since_us` that nobody has used, at most `limit`, the
    /// newest first.
    pub(crate) async fn unused_grants(&self, since_us: u64, limit: u32) -> Result<Vec<Grant>, StateError> {
        let mut query = select();
        query
            .push(" WHERE used_us IS NULL AND begins_us >= ")
            .push_bind(signed(since_us));
        query.push(" ORDER BY id DESC LIMIT ").push_bind(i64::from(limit));
        self.fetch_grants(query).await
    }

    async fn fetch_grants(&self, mut query: QueryBuilder<Sqlite>) -> Result<Vec<Grant>, StateError> {
        let rows = query
            .build()
            .fetch_all(&self.pool)
            .await
            .map_err(StateError::database("read"))?;
        rows.iter()
            .map(|row| grant(row).map_err(StateError::database("read")))
            .collect()
    }
}

fn select() -> QueryBuilder<Sqlite> {
    let mut query = QueryBuilder::new("SELECT ");
    query.push(COLUMNS).push(" FROM grants");
    query
}

fn grant(row: &SqliteRow) -> Result<Grant, sqlx::Error> {
    let time = |column| row.try_get::<i64, _>(column).map(i64::unsigned_abs);
    let maybe_time = |column| {
        row.try_get::<Option<i64>, _>(column)
            .map(|time| time.map(i64::unsigned_abs))
    };
    let (id, approval): (String, String) = (row.try_get("id")?, row.try_get("approval")?);
    let revoked_by: Option<String> = row.try_get("revoked_by")?;
    Ok(Grant {
        id: GrantId::parse(&id).ok_or_else(|| decode("a grant's id"))?,
        principal: row.try_get("principal")?,
        delegation: json(row, "delegation")?,
        resource: ResourceName::new(row.try_get::<String, _>("resource")?),
        terms: json(row, "terms")?,
        reason: row.try_get("reason")?,
        approval: ApprovalId::parse(&approval).ok_or_else(|| decode("an approval's id"))?,
        begins_us: time("begins_us")?,
        ends_us: time("ends_us")?,
        revoked: maybe_time("revoked_us")?.zip(revoked_by),
        used_us: maybe_time("used_us")?,
    })
}

fn json<T: DeserializeOwned>(row: &SqliteRow, column: &'static str) -> Result<T, sqlx::Error> {
    let text: String = row.try_get(column)?;
    serde_json::from_str(&text).map_err(|error| sqlx::Error::Decode(error.into()))
}

fn decode(what: &'static str) -> sqlx::Error {
    sqlx::Error::Decode(what.into())
}
