//! `[journal]`, `[masking]`, `[limits]`, `[log]` and `[serve]`: settings with defaults.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::quantity::{duration, size, text};
use super::report::{Problem, problem};
use super::section::Section;
use super::state::StateConfig;
use crate::secret::{KEY_BYTES, Secret, SecretError, SecretRef, own_key};

/// What the journal shows of statements.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct JournalConfig {
    /// How much of a statement's text is written.
    pub statements: StatementDetail,
}

/// How much of a statement's text the journal holds; its hash and facts are always there.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum StatementDetail {
    /// The text, without the secrets the parser knows of.
    Full,
    /// Nothing.
    None,
}

pub(super) fn journal(root: &Section<'_>) -> JournalConfig {
    let mut journal = JournalConfig {
        statements: StatementDetail::Full,
    };
    if let Some(section) = root.table("journal") {
        let read = choice(&[("full", StatementDetail::Full), ("none", StatementDetail::None)]);
        if let Some(statements) = section.parse("statements", read) {
            journal.statements = statements;
        }
        section.finish();
    }
    journal
}

/// Where the key of the pseudonyms comes from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum MaskingKey {
    /// The operator's own key: any text of at least [`KEY_BYTES`] bytes.
    Given(SecretRef),
    /// A key the gateway makes and keeps in this file.
    Own(PathBuf),
}

impl MaskingKey {
    /// Fetches the key, or makes it.
    ///
    /// # Errors
    /// The reference cannot be resolved, the key is too short, or the file cannot be made.
    pub fn load(&self) -> Result<Secret, MaskingKeyError> {
        match self {
            Self::Own(path) => Ok(own_key(path)?),
            Self::Given(reference) => {
                let key = reference.resolve()?;
                if key.expose().len() < KEY_BYTES {
                    return Err(MaskingKeyError::TooShort(reference.clone()));
                }
                Ok(key)
            }
        }
    }
}

/// Why there is no key for pseudonyms.
#[derive(Debug, thiserror::Error)]
pub enum MaskingKeyError {
    /// The key could not be fetched or made.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The key could be guessed.
    #[error("the masking key {0} is shorter than {KEY_BYTES} bytes")]
    TooShort(SecretRef),
}

pub(super) fn masking_key(root: &Section<'_>, folder: &Path, state: &StateConfig) -> MaskingKey {
    let given = root.table("masking").and_then(|section| {
        let key = section.parse("key", |text| secret(text, folder));
        section.finish();
        key
    });
    given.map_or_else(
        || MaskingKey::Own(state.database.with_file_name("masking.key")),
        MaskingKey::Given,
    )
}

/// The gateway's own keys of SSH, each in a file; made where there is none.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SshKeys {
    /// By which clients know the gateway.
    pub host_key: PathBuf,
    /// With which it signs the certificates of users. No host should trust it: what it signs is for
    /// the gateway alone.
    pub authority: PathBuf,
}

pub(super) fn ssh(root: &Section<'_>, folder: &Path, state: &StateConfig) -> SshKeys {
    let beside = |name| state.database.with_file_name(name);
    let mut keys = SshKeys {
        host_key: beside("ssh_host.key"),
        authority: beside("ssh_authority.key"),
    };
    if let Some(section) = root.table("ssh") {
        let path = |path: &str| text(path).map(|path| folder.join(path));
        if let Some(host_key) = section.parse("host_key", path) {
            keys.host_key = host_key;
        }
        if let Some(authority) = section.parse("authority", path) {
            keys.authority = authority;
        }
        section.finish();
    }
    keys
}

/// Reads a reference to a secret.
pub(super) fn secret(text: &str, folder: &Path) -> Result<SecretRef, Problem> {
    SecretRef::parse(text, folder)
        .map_err(|error| problem(error.to_string(), "write \"env:NAME\" or \"file:PATH\""))
}

/// How much of everything at once.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct LimitsConfig {
    /// Sessions at the same time, over all resources.
    pub sessions: u64,
    /// How long a client may take from connecting to being logged in.
    pub login: Duration,
    /// The largest statement that is judged, in bytes; larger ones are refused.
    pub statement: u64,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            // A session costs some 100 kB and two file descriptors.
            sessions: 2_000,
            // Covers a slow TLS handshake and one fetch of the identity provider's keys.
            login: Duration::from_secs(10),
            // Far above any statement written by hand, below what makes parsing slow.
            statement: 1024 * 1024,
        }
    }
}

pub(super) fn limits(root: &Section<'_>) -> LimitsConfig {
    let mut limits = LimitsConfig::default();
    let Some(section) = root.table("limits") else {
        return limits;
    };
    if let Some(sessions) = section.number("sessions", 1..=100_000) {
        limits.sessions = sessions;
    }
    let login_range = Duration::from_secs(1)..=Duration::from_secs(120);
    if let Some(login) = section.parse("login", duration(login_range)) {
        limits.login = login;
    }
    if let Some(statement) = section.parse("statement", size(1024..=64 * 1024 * 1024)) {
        limits.statement = statement;
    }
    section.finish();
    limits
}

/// How the gateway logs, to its standard error.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct LogConfig {
    /// Lines for people or for machines.
    pub format: LogFormat,
    /// The least grave line that is written.
    pub level: LogLevel,
}

/// For whom log lines are written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LogFormat {
    /// One line of text each.
    Text,
    /// One JSON object each.
    Json,
}

/// How grave a log line is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LogLevel {
    /// The gateway itself is broken.
    Error,
    /// Somebody must act.
    Warn,
    /// Something changed.
    Info,
    /// A branch was taken.
    Debug,
    /// A message went by.
    Trace,
}

impl LogLevel {
    /// Returns the word for the log filter, e.g. `info`.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

pub(super) fn log(root: &Section<'_>) -> LogConfig {
    let mut log = LogConfig {
        // Whoever looks on reads text; whatever collects the log wants fields.
        format: if std::io::stderr().is_terminal() {
            LogFormat::Text
        } else {
            LogFormat::Json
        },
        level: LogLevel::Info,
    };
    let Some(section) = root.table("log") else {
        return log;
    };
    let formats = choice(&[("text", LogFormat::Text), ("json", LogFormat::Json)]);
    if let Some(format) = section.parse("format", formats) {
        log.format = format;
    }
    let levels = choice(&[
        ("error", LogLevel::Error),
        ("warn", LogLevel::Warn),
        ("info", LogLevel::Info),
        ("debug", LogLevel::Debug),
        ("trace", LogLevel::Trace),
    ]);
    if let Some(level) = section.parse("level", levels) {
        log.level = level;
    }
    section.finish();
    log
}

/// How the gateway runs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ServeConfig {
    /// Worker threads; `None` for one a processor.
    pub workers: Option<usize>,
    /// How long sessions may go on after the gateway was told to stop.
    pub drain: Duration,
}

pub(super) fn serve(root: &Section<'_>) -> ServeConfig {
    let mut serve = ServeConfig {
        workers: None,
        // Below the 90 s after which systemd kills what it stops.
        drain: Duration::from_secs(30),
    };
    let Some(section) = root.table("serve") else {
        return serve;
    };
    serve.workers = section
        .number("workers", 1..=1024)
        .and_then(|workers| usize::try_from(workers).ok());
    let drain_range = Duration::ZERO..=Duration::from_hours(1);
    if let Some(drain) = section.parse("drain", duration(drain_range)) {
        serve.drain = drain;
    }
    section.finish();
    serve
}

/// Reads one of a few words.
pub(super) fn choice<'c, T: Copy>(choices: &'c [(&str, T)]) -> impl Fn(&str) -> Result<T, Problem> + 'c {
    move |text| {
        let found = choices.iter().find(|(word, _)| *word == text);
        found.map(|(_, value)| *value).ok_or_else(|| {
            let words: Vec<_> = choices.iter().map(|(word, _)| format!("\"{word}\"")).collect();
            problem(
                format!("\"{text}\" is not known"),
                format!("use {}", words.join(" or ")),
            )
        })
    }
}
