//! `GET /api/v1/sessions/{id}/recording`: what a session sent and saw.

use std::io::{self, BufWriter, Write as _};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::Response;
use futures_util::stream::unfold;
use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderValue};
use model::SessionId;
use serde::Deserialize;
use tokio::runtime::Handle;
use utoipa::IntoParams;

use crate::admin::Site;
use crate::admin::caller::Caller;
use crate::admin::input::{Id, Parameters};
use crate::admin::listener::Life;
use crate::admin::operation::{Deed, Door, Running, begin};
use crate::admin::problem::{Problem, ProblemBody};
use crate::cli::replay::{Place, Shape, replay};
use crate::services::Services;

/// How long a recording may take to be sent.
const SENT_WITHIN: Duration = Duration::from_mins(5);

/// How many pieces wait for a slow reader; reading the recording waits then, too.
const PIECES_MAX: usize = 8;

/// The size of a piece, in bytes.
const PIECE_BYTES: usize = 64 << 10;

/// How many rows of each result are shown where the caller does not say, and at the most.
const ROWS: usize = 20;
const ROWS_MAX: usize = 10_000;

/// How much to show.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(crate) struct Query {
    /// How many rows of each result, up to 10000; 20 if not given.
    rows: Option<usize>,
}

/// Sends a session's recording, checked against the journal, as JSON lines: what
/// `tidegate replay --json` prints. The journal names whoever read it.
#[utoipa::path(
    get,
    path = "/api/v1/sessions/{id}/recording",
    operation_id = "recording_read",
    tag = "sessions",
    params(("id" = String, Path, description = "The session's id."), Query),
    responses(
        (status = 200, description = "The recording, one JSON object a line.", content_type = "application/x-ndjson", body = String),
        (status = "default", description = "Why not.", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn read(
    State(site): State<Site>,
    caller: Caller,
    Id(id): Id<SessionId>,
    Parameters(query): Parameters<Query>,
    life: Option<Extension<Life>>,
) -> Result<Response, Problem> {
    let rows = query.rows.unwrap_or(ROWS);
    if rows > ROWS_MAX {
        return Err(Problem::bad_request(
            "invalid-parameters",
            format!("rows is a number from 0 to {ROWS_MAX}"),
        ));
    }
    let deed = Deed::read("read recording", format!("session/{id}"));
    let running = begin(&site.services, &caller.principal, Door::Api, &deed).await?;
    let pieces = pieces(&site, running, id, rows)?;
    // What is missing or was changed shows before the first piece.
    let Some((Ok(first), pieces)) = next(pieces).await else {
        return Err(Problem::new(
            StatusCode::NOT_FOUND,
            "no-recording",
            "there is no recording of this session that agrees with the journal",
        )
        .hint("tidegate replay tells the operator what is wrong with it"));
    };
    if let Some(Extension(life)) = life {
        life.extend(SENT_WITHIN);
    }
    let rest = unfold((Some(first), pieces), |(first, pieces)| async {
        match first {
            Some(first) => Some((Ok(first), (None, pieces))),
            None => next(pieces).await.map(|(piece, pieces)| (piece, (None, pieces))),
        }
    });
    let mut response = Response::new(Body::from_stream(rest));
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    Ok(response)
}

type Piece = Result<Bytes, io::Error>;

/// Begins to replay on a thread that may block; it ends when nobody reads any more.
fn pieces(site: &Site, running: Running, id: SessionId, rows: usize) -> Result<Receiver<Piece>, Problem> {
    let Ok(slot) = site.replays.clone().try_acquire_owned() else {
        running.end(false);
        return Err(Problem::new(
            StatusCode::TOO_MANY_REQUESTS,
            "too-many-replays",
            "too many recordings are being read; try again later",
        ));
    };
    let (sender, receiver) = sync_channel(PIECES_MAX);
    let (services, starts) = (site.services.clone(), site.starts.clone());
    let runtime = Handle::current();
    tokio::task::spawn_blocking(move || {
        let _slot = slot;
        let session = id.to_string();
        let begun = starts.find(&services.journal.reader(), &session, &mut 0);
        let well = match begun {
            Ok(Some(begun)) => runtime.block_on(write(&services, begun.index, &session, rows, &sender)),
            Ok(None) => false,
            Err(error) => {
                tracing::error!(%error, %session, "a recording could not be looked for");
                false
            }
        };
        running.end(well);
        if !well {
            let broken = io::Error::other("the recording could not be read to its end");
            // Whoever left does not want to know.
            let _ = sender.send(Err(broken));
        }
    });
    Ok(receiver)
}

/// Waits for the next piece; `None` after the last.
async fn next(pieces: Receiver<Piece>) -> Option<(Piece, Receiver<Piece>)> {
    let waiting = tokio::task::spawn_blocking(move || Some((pieces.recv().ok()?, pieces)));
    waiting.await.ok()?
}

async fn write(
    services: &Services,
    from: u64,
    session: &str,
    rows: usize,
    sender: &SyncSender<Piece>,
) -> bool {
    let place = Place {
        reader: services.journal.reader(),
        recordings: services.recordings_place.clone(),
    };
    let shape = Shape {
        json: true,
        rows,
        speed: None,
    };
    let mut out = BufWriter::with_capacity(PIECE_BYTES, Pieces(sender));
    let replayed = replay(&place, (from, session), &shape, &mut out).await;
    match replayed {
        Ok(()) => out.flush().is_ok(),
        Err(failure) => {
            tracing::warn!(session, reason = failure.reason, "a recording was not replayed");
            // What was written so far is no replay: it must not look like one.
            let _ = out.into_parts();
            false
        }
    }
}

/// Hands on what is written, piece by piece.
struct Pieces<'a>(&'a SyncSender<Piece>);

impl io::Write for Pieces<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.0.send(Ok(Bytes::copy_from_slice(bytes))) {
            Ok(()) => Ok(bytes.len()),
            Err(_) => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
