//! Who is logged in to the console, and who is about to be.
//!
//! Cookies are never stored, only their SHA-256: whoever reads the database can't be anybody.

use model::Principal;
use sha2::{Digest as _, Sha256};
use sqlx::Row as _;

use super::{State, StateError, signed};
use crate::identity::LoggedIn;
use crate::identity::login::Attempt;

/// How long a login may take at the provider, in microseconds: ten minutes, for whoever has to
/// find a second factor first.
pub const LOGIN_US: u64 = 600 * 1_000_000;

/// How long a session lives without being used, in microseconds: half an hour.
const IDLE_US: u64 = 1_800 * 1_000_000;

/// How long a session lives at the most, in microseconds: an hour. Its groups are those of the
/// login, so this is how old they can be; logging in again is a click where the provider still
/// knows the person.
pub const SESSION_US: u64 = 3_600 * 1_000_000;

/// How many logins may be under way. Anybody can begin one: past that, the oldest are forgotten.
const LOGINS_MAX: i64 = 10_000;

/// How many sessions one person may have: some browsers on some machines. Past that, the oldest
/// end.
const SESSIONS_OF_ONE_MAX: i64 = 20;

/// How old the note of a session's last use may be, in microseconds: a write for each page
/// would be a sync of the disk each.
const USE_NOTED_US: u64 = 60 * 1_000_000;

/// What a cookie is stored as.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct CookieHash([u8; 32]);

impl CookieHash {
    /// Returns what `cookie` is stored as.
    #[must_use]
    pub fn of(cookie: &str) -> Self {
        Self(Sha256::digest(cookie.as_bytes()).into())
    }

    fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// One person logged in with one browser.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ConsoleSession {
    /// Who.
    pub principal: Principal,
    /// Since when, in microseconds of Unix time.
    pub begun_us: u64,
    /// Until when at the most, likewise.
    pub ends_us: u64,
}

impl State {
    /// Remembers a login that a browser began.
    ///
    /// # Errors
    /// The database cannot be written.
    pub async fn begin_login(
        &self,
        id: CookieHash,
        attempt: &Attempt,
        now_us: u64,
    ) -> Result<(), StateError> {
        let mut transaction = self.pool.begin().await.map_err(StateError::database("written"))?;
        sqlx::query(
            "DELETE FROM console_login WHERE ends_us <= $1 OR id IN
             (SELECT id FROM console_login ORDER BY ends_us DESC LIMIT -1 OFFSET $2)",
        )
        .bind(signed(now_us))
        .bind(LOGINS_MAX - 1)
        .execute(&mut *transaction)
        .await
        .map_err(StateError::database("written"))?;
        sqlx::query(
            "INSERT INTO console_login (id, state, nonce, verifier, return_to, ends_us)
             VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(id.bytes())
        .bind(&attempt.state)
        .bind(&attempt.nonce)
        .bind(&attempt.verifier)
        .bind(&attempt.return_to)
        .bind(signed(now_us.saturating_add(LOGIN_US)))
        .execute(&mut *transaction)
        .await
        .map_err(StateError::database("written"))?;
        transaction
            .commit()
            .await
            .map_err(StateError::database("written"))
    }

    /// Takes out the login that a browser began; it is not there a second time.
    ///
    /// # Errors
    /// The database cannot be written.
    pub async fn take_login(&self, id: CookieHash, now_us: u64) -> Result<Option<Attempt>, StateError> {
        let row = sqlx::query(
            "DELETE FROM console_login WHERE id = $1 AND ends_us > $2
             RETURNING state, nonce, verifier, return_to",
        )
        .bind(id.bytes())
        .bind(signed(now_us))
        .fetch_optional(&self.pool)
        .await
        .map_err(StateError::database("written"))?;
        let read = |row: sqlx::sqlite::SqliteRow| {
            Ok(Attempt {
                state: row.try_get(0)?,
                nonce: row.try_get(1)?,
                verifier: row.try_get(2)?,
                return_to: row.try_get(3)?,
            })
        };
        row.map(read).transpose().map_err(StateError::database("read"))
    }

    /// Remembers who has logged in, and ends the session of this browser's former cookie.
    ///
    /// # Errors
    /// The database cannot be written.
    pub async fn begin_console_session(
        &self,
        id: CookieHash,
        former: Option<CookieHash>,
        who: &LoggedIn,
        now_us: u64,
    ) -> Result<(), StateError> {
        let principal = &who.principal;
        let mut transaction = self.pool.begin().await.map_err(StateError::database("written"))?;
        sqlx::query(
            "DELETE FROM console_session WHERE ends_us <= $1 OR used_us <= $2 OR id = $3 OR id IN
             (SELECT id FROM console_session WHERE issuer = $4 AND subject = $5
              ORDER BY begun_us DESC LIMIT -1 OFFSET $6)",
        )
        .bind(signed(now_us))
        .bind(signed(now_us.saturating_sub(IDLE_US)))
        .bind(former.as_ref().map(CookieHash::bytes))
        .bind(&principal.issuer)
        .bind(&principal.subject)
        .bind(SESSIONS_OF_ONE_MAX - 1)
        .execute(&mut *transaction)
        .await
        .map_err(StateError::database("written"))?;
        sqlx::query(
            "INSERT INTO console_session
             (id, issuer, subject, provider_session, principal, begun_us, used_us, ends_us)
             VALUES ($1, $2, $3, $4, $5, $6, $6, $7)",
        )
        .bind(id.bytes())
        .bind(&principal.issuer)
        .bind(&principal.subject)
        .bind(&who.provider_session)
        // A principal is texts and lists of texts: it always serialises.
        .bind(serde_json::to_string(principal).unwrap_or_default())
        .bind(signed(now_us))
        .bind(signed(now_us.saturating_add(SESSION_US)))
        .execute(&mut *transaction)
        .await
        .map_err(StateError::database("written"))?;
        transaction
            .commit()
            .await
            .map_err(StateError::database("written"))
    }

    /// Returns the session of a cookie, if it lives. A session unused for half an hour, or
    /// an hour old, is over.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn console_session(
        &self,
        id: CookieHash,
        now_us: u64,
    ) -> Result<Option<ConsoleSession>, StateError> {
        let row = sqlx::query(
            "SELECT principal, begun_us, ends_us FROM console_session
             WHERE id = $1 AND ends_us > $2 AND used_us > $3",
        )
        .bind(id.bytes())
        .bind(signed(now_us))
        .bind(signed(now_us.saturating_sub(IDLE_US)))
        .fetch_optional(&self.pool)
        .await
        .map_err(StateError::database("read"))?;
        let Some(row) = row else { return Ok(None) };
        let number = |at: usize| row.try_get::<i64, _>(at).map(i64::unsigned_abs);
        let read = || Ok((row.try_get::<String, _>(0)?, number(1)?, number(2)?));
        let (principal, begun_us, ends_us) = read().map_err(StateError::database("read"))?;
        // What can't be read is nobody.
        let Ok(principal) = serde_json::from_str(&principal) else {
            return Ok(None);
        };
        Ok(Some(ConsoleSession {
            principal,
            begun_us,
            ends_us,
        }))
    }

    /// Takes note that the session of a cookie was used, to the minute.
    ///
    /// # Errors
    /// The database cannot be written.
    pub async fn note_console_use(&self, id: CookieHash, now_us: u64) -> Result<(), StateError> {
        sqlx::query("UPDATE console_session SET used_us = $2 WHERE id = $1 AND used_us <= $3")
            .bind(id.bytes())
            .bind(signed(now_us))
            .bind(signed(now_us.saturating_sub(USE_NOTED_US)))
            .execute(&self.pool)
            .await
            .map_err(StateError::database("written"))?;
        Ok(())
    }

    /// Ends the session of a cookie; returns whether there was one.
    ///
    /// # Errors
    /// The database cannot be written.
    pub async fn end_console_session(&self, id: CookieHash) -> Result<bool, StateError> {
        let done = sqlx::query("DELETE FROM console_session WHERE id = $1")
            .bind(id.bytes())
            .execute(&self.pool)
            .await
            .map_err(StateError::database("written"))?;
        Ok(done.rows_affected() > 0)
    }

    /// Ends the sessions that the provider `issuer` says are over: those of `subject`, of its
    /// own session `provider_session`, or where both are given, of both, and those of `subject`
    /// that do not say of which session they are; returns how many. With neither it ends none.
    ///
    /// # Errors
    /// The database cannot be written.
    pub async fn end_console_sessions_of(
        &self,
        issuer: &str,
        subject: Option<&str>,
        provider_session: Option<&str>,
    ) -> Result<u64, StateError> {
        if subject.is_none() && provider_session.is_none() {
            return Ok(0);
        }
        let done = sqlx::query(
            "DELETE FROM console_session WHERE issuer = $1
             AND ($2 IS NULL OR subject = $2)
             AND ($3 IS NULL OR provider_session = $3 OR ($2 IS NOT NULL AND provider_session IS NULL))",
        )
        .bind(issuer)
        .bind(subject)
        .bind(provider_session)
        .execute(&self.pool)
        .await
        .map_err(StateError::database("written"))?;
        Ok(done.rows_affected())
    }
}

#[cfg(test)]
mod tests;
