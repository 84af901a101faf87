//! What the gateway has to remember and could not rebuild: how far exporters got, what people
//! were asked and answered, and the journal's latest checkpoint, kept apart from the journal.
//!
//! One SQLite file, one process. A write that returned is on the disk: write-ahead log,
//! `synchronous=FULL`, both read back at the start. Transactions are short; nothing is awaited
//! inside one but the database. It must never hold what only the journal may say.

mod anchor;
pub(crate) mod approvals;
mod console;
mod error;
mod grants;
mod locks;
mod read;
mod seen;
#[cfg(test)]
mod tests;
mod tickets;

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use model::PluginName;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions as _, SqlitePool};

use crate::clock;

pub use anchor::keep_anchor;
pub use approvals::{Filter, Kept, PAGE_MAX};
pub use console::{ConsoleSession, CookieHash, LOGIN_US, SESSION_US};
pub use error::StateError;
pub use read::{Anchor, read_anchors};

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/sqlite");

/// How long SQLite waits for another connection's lock. Only a reader of ours can hold one, and
/// only while it brings the write-ahead log home.
const BUSY_MAX: Duration = Duration::from_secs(5);

/// How long a call waits for the one connection. Calls take a millisecond; whoever waits
/// longer has a disk that does not answer.
const ACQUIRE_MAX: Duration = Duration::from_secs(10);

/// `PRAGMA synchronous` when it is FULL.
const SYNCHRONOUS_FULL: i64 = 2;

/// The open state database. Cheap to clone.
#[derive(Clone, Debug)]
pub struct State {
    pool: SqlitePool,
    /// Holds the lock for as long as there are handles.
    _lock: Arc<File>,
}

impl State {
    /// Opens the database in `path`, or makes one that only its owner can read, and brings its
    /// tables up to date.
    ///
    /// # Errors
    /// Another process has it open, it is of a newer version, it cannot be read or written, or
    /// it would not keep what was written through a loss of power.
    pub async fn open(path: &Path) -> Result<Self, StateError> {
        let lock = lock(path)?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY_MAX)
            .disable_statement_logging();
        let pool = SqlitePoolOptions::new()
            .max_connections(1)
            .acquire_timeout(ACQUIRE_MAX)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_with(options)
            .await
            .map_err(StateError::database("opened"))?;
        read_back(&pool, path).await?;
        MIGRATIONS.run(&pool).await.map_err(|error| match error {
            MigrateError::VersionMissing(version) => StateError::Newer {
                path: path.to_owned(),
                version,
            },
            source => StateError::Migration {
                path: path.to_owned(),
                source,
            },
        })?;
        Ok(Self {
            pool,
            _lock: Arc::new(lock),
        })
    }

    /// Lets nothing be read or written any more, as a disk does that fails.
    #[cfg(test)]
    pub(crate) async fn close(&self) {
        self.pool.close().await;
    }

    /// Returns the index of the first entry of `log` that `plugin` has not acknowledged; 0 if
    /// it never acknowledged any.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn cursor(&self, plugin: &PluginName, log: &str) -> Result<u64, StateError> {
        let next: Option<i64> =
            sqlx::query_scalar("SELECT next_index FROM export_cursor WHERE plugin = $1 AND log = $2")
                .bind(plugin.as_str())
                .bind(log)
                .fetch_optional(&self.pool)
                .await
                .map_err(StateError::database("read"))?;
        Ok(next.and_then(|next| u64::try_from(next).ok()).unwrap_or(0))
    }

    /// Remembers that `plugin` has acknowledged every entry of `log` before `next`. Durable
    /// when it returns.
    ///
    /// # Errors
    /// The database cannot be written.
    pub async fn save_cursor(&self, plugin: &PluginName, log: &str, next: u64) -> Result<(), StateError> {
        sqlx::query(
            "INSERT INTO export_cursor (plugin, log, next_index, updated_us) VALUES ($1, $2, $3, $4)
             ON CONFLICT (plugin, log)
             DO UPDATE SET next_index = excluded.next_index, updated_us = excluded.updated_us",
        )
        .bind(plugin.as_str())
        .bind(log)
        .bind(signed(next))
        .bind(signed(clock::unix_us()))
        .execute(&self.pool)
        .await
        .map_err(StateError::database("written"))?;
        Ok(())
    }
}

/// Takes the lock beside the database; its holder is the only process that may write.
fn lock(path: &Path) -> Result<File, StateError> {
    let io_error = |path: &Path, attempted| {
        let path = path.to_owned();
        move |source| StateError::Io {
            path,
            attempted,
            source,
        }
    };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(io_error(folder, "made"))?;
    }
    let lock_path = beside(path, ".lock");
    let open = |path: &Path| {
        OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(path)
    };
    let file = open(&lock_path).map_err(io_error(&lock_path, "opened"))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(StateError::InUse {
                path: path.to_owned(),
            });
        }
        Err(TryLockError::Error(source)) => return Err(io_error(&lock_path, "locked")(source)),
    }
    // SQLite would make it readable for everybody.
    open(path).map_err(io_error(path, "opened"))?;
    Ok(file)
}

/// Asks SQLite what it really does: a file system that cannot do it changes settings silently.
async fn read_back(pool: &SqlitePool, path: &Path) -> Result<(), StateError> {
    let mode: String = sqlx::query_scalar("PRAGMA journal_mode")
        .fetch_one(pool)
        .await
        .map_err(StateError::database("read"))?;
    let synchronous: i64 = sqlx::query_scalar("PRAGMA synchronous")
        .fetch_one(pool)
        .await
        .map_err(StateError::database("read"))?;
    durable(&mode, synchronous).map_err(|setting| StateError::NotDurable {
        path: path.to_owned(),
        setting,
    })
}

fn durable(journal_mode: &str, synchronous: i64) -> Result<(), &'static str> {
    if !journal_mode.eq_ignore_ascii_case("wal") {
        return Err("journal_mode=WAL");
    }
    if synchronous != SYNCHRONOUS_FULL {
        return Err("synchronous=FULL");
    }
    Ok(())
}

/// Returns `path` with `ending` after its name.
fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// SQLite counts in 63 bits; nothing here ever gets that far.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
