//! `GET /api/v1/events`: that something has changed, as server-sent events.

use std::time::Duration;

use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::Response;
use futures_util::stream::unfold;
use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderValue};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{OwnedSemaphorePermit, broadcast};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::admin::Site;
use crate::admin::caller::Caller;
use crate::admin::feed::Change;
use crate::admin::listener::Life;
use crate::admin::operation::{Deed, Door, may};
use crate::admin::problem::{Problem, ProblemBody};
use crate::clock;

/// How long one stream lasts; whoever listens then comes again.
pub(crate) const STREAM_MAX: Duration = Duration::from_mins(5);

/// How often a silent stream says that it lives.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// The answer ends before its connection is cut.
const SPARE: Duration = Duration::from_secs(5);

/// Tells what changes from now on: each event has the kind of what happened as its name, e.g.
/// `approval.asked`, and its place in the journal as its id; it carries nothing else. Whoever
/// may not list sessions is told of approvals and grants only. `missed` says that some were
/// left out. The stream ends with the token, after five minutes at the latest.
#[utoipa::path(
    get,
    path = "/api/v1/events",
    operation_id = "events_follow",
    tag = "events",
    responses(
        (status = 200, description = "A stream of events.", content_type = "text/event-stream", body = String),
        (status = "default", description = "Why not.", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn follow(
    State(site): State<Site>,
    caller: Caller,
    life: Option<Extension<Life>>,
) -> Result<Response, Problem> {
    let all = Deed::read("list sessions", "sessions");
    let all = may(&site.services, &caller.principal, Door::Api, &all);
    let left = Duration::from_secs(caller.expires.saturating_sub(clock::unix_seconds()));
    stream(&site, all, left, life.map(|Extension(life)| life))
}

/// Returns a stream of changes that lasts for as long as `left`. Without `all`, only of
/// approvals and grants.
pub(crate) fn stream(
    site: &Site,
    all: bool,
    left: Duration,
    life: Option<Life>,
) -> Result<Response, Problem> {
    let Ok(slot) = site.listeners.clone().try_acquire_owned() else {
        return Err(Problem::new(
            StatusCode::TOO_MANY_REQUESTS,
            "too-many-listeners",
            "too many listen already; ask again every now and then instead",
        ));
    };
    let lasts = left.min(STREAM_MAX);
    if let Some(life) = life {
        life.extend(lasts + SPARE);
    }
    let listener = Listener {
        changes: site.feed.subscribe(),
        until: Instant::now() + lasts,
        stop: site.stop.clone(),
        all,
        begun: false,
        _slot: slot,
    };
    let events = unfold(listener, |mut listener| async {
        let event = listener.next().await?;
        Some((Ok::<_, std::convert::Infallible>(Bytes::from(event)), listener))
    });
    let mut response = Response::new(Body::from_stream(events));
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    Ok(response)
}

struct Listener {
    changes: broadcast::Receiver<Change>,
    until: Instant,
    stop: CancellationToken,
    all: bool,
    begun: bool,
    _slot: OwnedSemaphorePermit,
}

impl Listener {
    /// Returns the next piece of the stream; `None` at its end.
    async fn next(&mut self) -> Option<String> {
        if !self.begun {
            self.begun = true;
            // Whoever reads knows at once that it works, and when to come again.
            return Some("retry: 2000\n\n".to_owned());
        }
        let beat = Instant::now() + HEARTBEAT;
        loop {
            let change = tokio::select! {
                () = self.stop.cancelled() => return None,
                () = tokio::time::sleep_until(self.until) => return None,
                () = tokio::time::sleep_until(beat) => return Some(": alive\n\n".to_owned()),
                change = self.changes.recv() => change,
            };
            match change {
                Ok(change) if self.tells(&change) => {
                    return Some(format!("id: {}\nevent: {}\ndata\n\n", change.index, change.kind));
                }
                Ok(_) => {}
                Err(RecvError::Lagged(_)) => return Some("event: missed\ndata\n\n".to_owned()),
                Err(RecvError::Closed) => return None,
            }
        }
    }

    fn tells(&self, change: &Change) -> bool {
        self.all || change.kind.starts_with("approval.") || change.kind.starts_with("grant.")
    }
}
