//! A connection of the gateway's own to an upstream. What runs on it is in the journal like
//! everything else that runs there; only an operator at the command line goes without.

use std::io;

use bytes::BytesMut;
use journal::Journal;
use model::event::{Intent, Judged as Rendered, Judgement, Outcome};
use model::{Assessment, Facts, OperationId, SessionId, Verdict};
use proto::postgres::frame::{self, Body, FrameError};
use sha2::{Digest as _, Sha256};

use super::dial::{DialError, Target};
use crate::clock;
use crate::services::random;
use crate::wire::Wire;

/// The largest message of an answer: a view's definition can be long.
const FRAME_BYTES_MAX: usize = 16 << 20;

/// The most rows one query may yield: two million columns take about a gigabyte, and a catalog
/// of that size is no accident anyone should have to pay for silently.
const ROWS_MAX: usize = 2_000_000;

/// How much of a server's own words goes into the log, in characters.
const WORDS_MAX: usize = 300;

/// Why something could not be done on a connection of the gateway's own. For the log.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OwnError {
    #[error(transparent)]
    Dial(#[from] DialError),
    #[error("the connection broke: {0}")]
    Io(#[from] io::Error),
    #[error("the upstream broke the protocol: {0}")]
    Frame(#[from] FrameError),
    #[error("the query for {name} failed: {sqlstate} {words}")]
    Query {
        name: &'static str,
        sqlstate: String,
        words: String,
    },
    #[error("the query for {0} yields more than {ROWS_MAX} rows")]
    TooLarge(&'static str),
    #[error("the journal cannot be written")]
    Journal,
    #[error("it took too long")]
    TimedOut,
}

impl OwnError {
    /// Returns the code with which the server refused a statement, if that is what happened.
    pub(crate) fn sqlstate(&self) -> Option<&str> {
        match self {
            Self::Query { sqlstate, .. } => Some(sqlstate),
            _ => None,
        }
    }

    /// Returns who must act.
    pub(crate) fn fault(&self) -> model::Fault {
        match self {
            Self::Dial(error) => error.fault(),
            Self::Query { .. } | Self::TooLarge(_) => model::Fault::Operator,
            Self::Io(_) | Self::Frame(_) | Self::TimedOut => model::Fault::Upstream,
            Self::Journal => model::Fault::Gateway,
        }
    }
}

/// The rows of an answer, each column as text.
pub(crate) type Rows = Vec<Vec<Option<String>>>;

/// Where the gateway's own statements are written down.
#[derive(Clone, Copy)]
pub(crate) struct Record<'a> {
    pub(crate) journal: &'a Journal,
    /// SHA-256 of the policies in force.
    pub(crate) policy: &'a str,
}

/// For what a connection is, and how its settings and its statements are marked.
#[derive(Clone, Copy)]
pub(crate) struct Purpose {
    /// Stands for the policy in the journal: the gateway permits this to itself.
    pub(crate) policy: &'static str,
    /// The settings of the connection.
    pub(crate) settings: &'static [(&'static str, &'static str)],
}

/// One statement of the gateway's own.
#[derive(Clone, Copy)]
pub(crate) struct Statement<'a> {
    /// What it is for, in a word.
    pub(crate) name: &'static str,
    /// What runs.
    pub(crate) sql: &'a str,
    /// What the journal shows of it: without secrets.
    pub(crate) shown: &'a str,
}

impl<'a> Statement<'a> {
    /// A statement that holds no secret.
    pub(crate) fn open(name: &'static str, sql: &'a str) -> Self {
        Self {
            name,
            sql,
            shown: sql,
        }
    }
}

/// A connection of the gateway's own.
pub(crate) struct Own<'a> {
    wire: Wire,
    input: BytesMut,
    record: Option<Record<'a>>,
    session: SessionId,
    policy: &'static str,
    version: u32,
}

impl<'a> Own<'a> {
    /// Connects and logs in.
    pub(crate) async fn open(
        target: &Target,
        purpose: Purpose,
        record: Option<Record<'a>>,
    ) -> Result<Self, DialError> {
        let settings = purpose
            .settings
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let (wire, established) = target.log_in(settings.collect()).await?;
        let version = established
            .parameters
            .iter()
            .find(|(name, _)| name == &b"server_version"[..])
            .and_then(|(_, value)| major(value));
        Ok(Self {
            wire,
            input: BytesMut::new(),
            record,
            session: SessionId::new(clock::unix_us() / 1000, random()),
            policy: purpose.policy,
            // A server that does not say is taken for an old one.
            version: version.unwrap_or(0),
        })
    }

    /// Returns the server's major version.
    pub(crate) fn version(&self) -> u32 {
        self.version
    }

    /// Runs one simple query, once it is in the journal.
    pub(crate) async fn run(&mut self, statement: Statement<'_>) -> Result<Rows, OwnError> {
        let mut out = Vec::new();
        frame::put(&mut out, b'Q', |body| {
            frame::put_string(body, statement.sql.as_bytes())
        });
        self.exchange(statement, out).await
    }

    /// Sends messages that run one statement and end in one `ReadyForQuery`, once the statement
    /// is in the journal.
    pub(crate) async fn exchange(
        &mut self,
        statement: Statement<'_>,
        mut messages: Vec<u8>,
    ) -> Result<Rows, OwnError> {
        let operation = OperationId::new(clock::unix_us() / 1000, random());
        self.write_intent(operation, statement).await?;
        let started_us = clock::unix_us();
        self.wire.send(&mut messages).await?;
        let (mut rows, mut failure) = (Vec::new(), None);
        loop {
            let message = self
                .wire
                .read_frame(&mut self.input, FRAME_BYTES_MAX, frame::backend_header)
                .await?;
            match message[0] {
                b'D' if rows.len() >= ROWS_MAX => return Err(OwnError::TooLarge(statement.name)),
                b'D' => rows.push(row(&message)?),
                b'E' => failure = Some(failed(statement.name, &message)),
                b'Z' => break,
                _ => {}
            }
        }
        let result = if failure.is_none() { "ok" } else { "error" };
        self.write_outcome(operation, result, rows.len(), clock::unix_us() - started_us);
        match failure {
            Some(error) => Err(error),
            None => Ok(rows),
        }
    }

    /// Says goodbye.
    pub(crate) async fn close(mut self) {
        let _ = self.wire.send(&mut b"X\0\0\0\x04".to_vec()).await;
    }

    async fn write_intent(&self, operation: OperationId, statement: Statement<'_>) -> Result<(), OwnError> {
        let Some(Record { journal, policy }) = self.record else {
            return Ok(());
        };
        let judgement = Judgement::render(Rendered {
            statement: statement.shown,
            statement_sha256: &hex::encode(Sha256::digest(statement.sql)),
            facts: &Facts::default(),
            assessment: &Assessment::default(),
            verdict: &Verdict::Run {
                policies: vec![self.policy.to_owned()],
            },
            policy,
        });
        let intent = Intent {
            operation,
            session: self.session,
            judgement: &judgement,
            binds: None,
            bind_commitment: None,
            approval: None,
        };
        let ticket = journal
            .append(|out| intent.encode(clock::unix_us(), out))
            .map_err(|_| OwnError::Journal)?;
        journal.durable(ticket).await.map_err(|_| OwnError::Journal)
    }

    fn write_outcome(&self, operation: OperationId, result: &'static str, rows: usize, took_us: u64) {
        let Some(Record { journal, .. }) = self.record else {
            return;
        };
        let outcome = Outcome {
            operation,
            session: self.session,
            result,
            sqlstate: None,
            status: None,
            rows: rows as u64,
            bytes: 0,
            masked: 0,
            took_us,
        };
        let _ = journal.append(|out| outcome.encode(clock::unix_us(), out));
    }
}

/// Reads the major version of what a server says of itself, e.g. `15.18 (Debian 15.18-1)`.
fn major(version: &[u8]) -> Option<u32> {
    let digits = version.iter().take_while(|byte| byte.is_ascii_digit()).count();
    std::str::from_utf8(&version[..digits]).ok()?.parse().ok()
}

fn row(message: &[u8]) -> Result<Vec<Option<String>>, FrameError> {
    let mut body = Body::of(message);
    let cells = (0..body.count()?)
        .map(|_| {
            Ok(body
                .value()?
                .map(|cell| String::from_utf8_lossy(cell).into_owned()))
        })
        .collect::<Result<_, FrameError>>()?;
    body.end()?;
    Ok(cells)
}

fn failed(name: &'static str, message: &[u8]) -> OwnError {
    let fields = proto::postgres::mask::error_fields(&message[frame::HEADER_BYTES..]);
    let text = |field: Option<&[u8]>| -> String {
        String::from_utf8_lossy(field.unwrap_or_default())
            .chars()
            .take(WORDS_MAX)
            .collect()
    };
    OwnError::Query {
        name,
        sqlstate: text(fields.code),
        words: text(fields.message),
    }
}

#[cfg(test)]
mod tests {
    use super::major;

    #[test]
    fn the_major_version_is_read_from_what_servers_say() {
        assert_eq!(major(b"15.18 (Debian 15.18-0+deb12u1)"), Some(15));
        assert_eq!(major(b"18beta1"), Some(18));
        assert_eq!(major(b"PostgreSQL"), None);
        assert_eq!(major(b""), None);
    }
}
