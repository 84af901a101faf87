//! What can be wrong with the state database.

use std::io;
use std::path::PathBuf;

use journal::AppendError;
use model::Fault;
use sqlx::migrate::MigrateError;

/// Why the state database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// Another process has it open.
    #[error("the state database {} is in use by another process; each gateway needs its own", path.display())]
    InUse {
        /// The database.
        path: PathBuf,
    },
    /// A file beside it, or the file itself, could not be used.
    #[error("{} could not be {attempted}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried.
        attempted: &'static str,
        /// The system's error.
        source: io::Error,
    },
    /// SQLite failed.
    #[error("the state database could not be {attempted}")]
    Database {
        /// What was tried.
        attempted: &'static str,
        /// SQLite's error.
        source: sqlx::Error,
    },
    /// Its tables could not be brought up to date.
    #[error("the tables of the state database {} could not be brought up to date", path.display())]
    Migration {
        /// The database.
        path: PathBuf,
        /// What went wrong.
        source: MigrateError,
    },
    /// A newer gateway has used it.
    #[error("the state database {} is of version {version}, which this gateway does not know; use a newer one", path.display())]
    Newer {
        /// The database.
        path: PathBuf,
        /// The version this program does not have.
        version: i64,
    },
    /// What was written could be lost with the power.
    #[error("SQLite refuses {setting} for {}; put the database on a local disk", path.display())]
    NotDurable {
        /// The database.
        path: PathBuf,
        /// The setting that did not take.
        setting: &'static str,
    },
    /// The journal is not the one this database belongs to.
    #[error(
        "the journal is {found}, but the state database belongs to the journal {known} of {size} entries or more: \
         its folder was replaced or emptied; restore it, or begin a new journal with a new state database"
    )]
    OtherJournal {
        /// The journal that was opened.
        found: String,
        /// The journal that is remembered.
        known: String,
        /// The remembered number of entries.
        size: u64,
    },
    /// It could not be written down, and nothing happens before that.
    #[error("it could not be written down in the journal, so it was not done")]
    Journal(#[source] AppendError),
    /// There is no room for more.
    #[error("there are {max} {what} already; lift some that are no longer needed")]
    Full {
        /// Of what.
        what: &'static str,
        /// How many there may be.
        max: usize,
    },
    /// It holds what this gateway cannot make sense of.
    #[error(
        "the state database holds {what} that cannot be read; it was changed from outside, or is damaged"
    )]
    Unreadable {
        /// What it holds.
        what: &'static str,
    },
    /// What should be kept is not a checkpoint.
    #[error("a checkpoint that was to be remembered is not one")]
    Note,
}

impl StateError {
    /// Returns who must act.
    #[must_use]
    pub const fn fault(&self) -> Fault {
        match self {
            Self::Note => Fault::Gateway,
            _ => Fault::Operator,
        }
    }

    pub(super) fn database(attempted: &'static str) -> impl FnOnce(sqlx::Error) -> Self {
        move |source| Self::Database { attempted, source }
    }
}
