//! Reads an upstream's catalog on a connection of the gateway's own.

use std::sync::Arc;

use bytes::BytesMut;
use journal::Journal;
use model::event::{Intent, Judged as Rendered, Judgement, Outcome};
use model::{Assessment, Facts, OperationId, SessionId, Verdict};
use proto::postgres::catalog::{CatalogError, CatalogQuery, PREPARE, QUERIES};
use proto::postgres::frame::{self, Body, FrameError};
use sha2::{Digest as _, Sha256};

use super::dial::{DialError, Target};
use super::wire::Wire;
use crate::clock;
use crate::services::random;

/// The largest message of a catalog: a view's definition can be long.
const FRAME_BYTES_MAX: usize = 16 << 20;

/// The most rows one query may yield: two million columns take about a gigabyte, and a catalog
/// of that size is no accident anyone should have to pay for silently.
const ROWS_MAX: usize = 2_000_000;

/// The settings of the gateway's own connection. Reading a view's definition waits for whoever
/// is changing it: not for long, because sessions wait for the catalog.
const SETTINGS: [(&str, &str); 3] = [
    ("application_name", "tidegate-catalog"),
    ("lock_timeout", "3s"),
    ("statement_timeout", "15s"),
];

/// Why a catalog could not be read. For the log.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    #[error(transparent)]
    Dial(#[from] DialError),
    #[error("the connection broke: {0}")]
    Io(#[from] std::io::Error),
    #[error("the upstream broke the protocol: {0}")]
    Frame(#[from] FrameError),
    #[error("the query for {0} failed: {1}")]
    Query(&'static str, String),
    #[error("the query for {0} yields more than {ROWS_MAX} rows")]
    TooLarge(&'static str),
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    #[error("the journal cannot be written")]
    Journal,
}

/// The rows of all queries of [`QUERIES`], in its order.
pub(crate) type Rows = Vec<Vec<Vec<Option<String>>>>;

/// Where the gateway's own statements are written down.
#[derive(Clone, Copy)]
pub(crate) struct Record<'a> {
    pub(crate) journal: &'a Journal,
    /// SHA-256 of the policies in force.
    pub(crate) policy: &'a str,
}

/// Reads everything a catalog is built from, in one transaction. What the gateway runs for
/// itself is in the journal like everything else that runs under the stored credential; only
/// an operator at the command line goes without.
pub(crate) async fn read(target: &Target, record: Option<Record<'_>>) -> Result<Rows, ReadError> {
    let settings = SETTINGS
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec();
    let (wire, _) = target.log_in(settings).await?;
    let session = SessionId::new(clock::unix_us() / 1000, random());
    let mut reader = Reader {
        wire,
        input: BytesMut::new(),
        record,
        session,
    };
    let begin = "BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY";
    reader
        .run(&CatalogQuery {
            name: "session",
            sql: PREPARE,
            columns: 0,
        })
        .await?;
    reader
        .run(&CatalogQuery {
            name: "transaction",
            sql: begin,
            columns: 0,
        })
        .await?;
    let mut rows = Vec::with_capacity(QUERIES.len());
    for query in QUERIES {
        rows.push(reader.run(query).await?);
    }
    reader
        .run(&CatalogQuery {
            name: "transaction",
            sql: "COMMIT",
            columns: 0,
        })
        .await?;
    let _ = reader.wire.send(&mut b"X\0\0\0\x04".to_vec()).await;
    Ok(rows)
}

struct Reader<'a> {
    wire: Wire,
    input: BytesMut,
    record: Option<Record<'a>>,
    session: SessionId,
}

impl Reader<'_> {
    async fn run(&mut self, query: &CatalogQuery) -> Result<Vec<Vec<Option<String>>>, ReadError> {
        let operation = OperationId::new(clock::unix_us() / 1000, random());
        self.write_intent(operation, query.sql).await?;
        let started_us = clock::unix_us();
        let mut out = Vec::new();
        frame::put(&mut out, b'Q', |body| {
            frame::put_string(body, query.sql.as_bytes())
        });
        self.wire.send(&mut out).await?;
        let (mut rows, mut failure) = (Vec::new(), None);
        loop {
            let message = self
                .wire
                .read_frame(&mut self.input, FRAME_BYTES_MAX, frame::backend_header)
                .await?;
            match message[0] {
                b'D' if rows.len() >= ROWS_MAX => return Err(ReadError::TooLarge(query.name)),
                b'D' => rows.push(row(&message)?),
                b'E' => failure = Some(error_text(&message)),
                b'Z' => break,
                _ => {}
            }
        }
        let result = if failure.is_none() { "ok" } else { "error" };
        self.write_outcome(operation, result, rows.len(), clock::unix_us() - started_us);
        match failure {
            Some(text) => Err(ReadError::Query(query.name, text)),
            None => Ok(rows),
        }
    }

    async fn write_intent(&self, operation: OperationId, sql: &str) -> Result<(), ReadError> {
        let Some(Record { journal, policy }) = self.record else {
            return Ok(());
        };
        let judgement = Judgement::render(Rendered {
            statement: sql,
            statement_sha256: &hex::encode(Sha256::digest(sql)),
            facts: &Facts::default(),
            assessment: &Assessment::default(),
            verdict: &Verdict::Run {
                policies: vec!["tidegate.catalog".to_owned()],
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
            .map_err(|_| ReadError::Journal)?;
        journal.durable(ticket).await.map_err(|_| ReadError::Journal)
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
            rows: rows as u64,
            bytes: 0,
            masked: 0,
            took_us,
        };
        let _ = journal.append(|out| outcome.encode(clock::unix_us(), out));
    }
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

fn error_text(message: &[u8]) -> String {
    let fields = proto::postgres::mask::error_fields(&message[frame::HEADER_BYTES..]);
    String::from_utf8_lossy(fields.message.unwrap_or_default())
        .chars()
        .take(300)
        .collect()
}

/// Shared between the sessions of one upstream.
pub(crate) type SharedRows = Arc<Rows>;
