//! `POST /channels/NAME`: where outside systems report to approver plugins.
//!
//! Whoever posts here is not known: the plugin proves the message or answers 401. The route only
//! bounds it, hands it over, and sees to it that no browser makes anything of the answer.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{RequestExt as _, body::Body};
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderName, HeaderValue, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, StatusCode, Uri};
use plugin::{Message, Reply};

use super::Site;
use super::listener::Peer;
use crate::approvals::channels::MESSAGE_BYTES_MAX;
use crate::clock;
use crate::network::Allowances;

/// How many messages that are not what they should be may come from one network at once, and
/// how long until one more may, in seconds: each costs the plugin a turn of what it takes from
/// everybody, and an outside system sends none. Its good ones are not counted.
pub(super) const BAD_MAX: u64 = 20;
const BAD_EVERY: u64 = 3;

/// Below what every plugin has its own address.
const ROOT: &str = "/channels/";

#[derive(Clone)]
struct Intake {
    site: Site,
    /// What is left of bad messages.
    bad: Arc<Allowances>,
}

pub(super) fn router(site: Site) -> Router {
    let intake = Intake {
        site,
        bad: Arc::new(Allowances::new(BAD_MAX, BAD_EVERY)),
    };
    Router::new()
        .route("/channels/{name}", post(take))
        .route("/channels/{name}/{*rest}", post(take))
        .layer(DefaultBodyLimit::max(MESSAGE_BYTES_MAX))
        .with_state(intake)
}

async fn take(State(intake): State<Intake>, mut request: Request) -> Response {
    let network = Peer::network(request.extensions().get());
    if let Some(wait) = intake.bad.wait(network, clock::unix_seconds()) {
        let mut response = closed(StatusCode::TOO_MANY_REQUESTS, Vec::new());
        response.headers_mut().insert(RETRY_AFTER, wait.into());
        return response;
    }
    let Ok(Path(parts)) = request.extract_parts::<Path<Vec<(String, String)>>>().await else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let Some((_, name)) = parts.into_iter().next() else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let (path, headers) = (rest(request.uri()), headers(request.headers()));
    let method = request.method().as_str().to_owned();
    let body = match request.extract::<Bytes, _>().await {
        Ok(body) => body.to_vec(),
        Err(rejection) => return closed(rejection.into_response().status(), Vec::new()),
    };
    let message = Message {
        method,
        path,
        headers,
        body,
    };
    let reply = intake.site.services.channels.callback(&name, &message).await;
    if is_bad(reply.status) {
        intake.bad.spend(network, clock::unix_seconds());
    }
    response(reply)
}

/// Whether a message was not what it should be, by what is answered to it. That the gateway can
/// take in nothing now is nobody's fault out there.
fn is_bad(status: u16) -> bool {
    status >= 400 && !matches!(status, 429 | 503)
}

/// Returns what follows the plugin's own address, as it was sent.
fn rest(uri: &Uri) -> String {
    let sent = uri.path_and_query().map_or("", |sent| sent.as_str());
    let after = sent.strip_prefix(ROOT).unwrap_or_default();
    let end = after.find(['/', '?']).unwrap_or(after.len());
    after[end..].to_owned()
}

fn headers(headers: &HeaderMap) -> Vec<(String, String)> {
    let pair = |(name, value): (&HeaderName, &HeaderValue)| {
        let value = String::from_utf8_lossy(value.as_bytes());
        (name.as_str().to_owned(), value.into_owned())
    };
    headers.iter().map(pair).collect()
}

fn response(reply: Reply) -> Response {
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = closed(status, reply.body);
    for (name, value) in reply.headers {
        // The sandbox passes no other headers than these on.
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// An answer of which a browser makes nothing: it comes from the console's own address.
fn closed(status: StatusCode, body: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    for (name, value) in [
        (CACHE_CONTROL, "no-store"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (
            CONTENT_SECURITY_POLICY,
            "default-src 'none'; frame-ancestors 'none'; sandbox",
        ),
    ] {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugin_gets_what_follows_its_address() {
        for (sent, expected) in [
            ("/channels/slack", ""),
            ("/channels/slack?x=1", "?x=1"),
            ("/channels/slack/actions/2?x=%20", "/actions/2?x=%20"),
        ] {
            assert_eq!(rest(&Uri::from_static(sent)), expected);
        }
    }

    #[test]
    fn what_is_proven_and_what_is_the_gateways_own_fault_is_not_held_against_anybody() {
        for (status, bad) in [
            (200, false),
            (401, true),
            (413, true),
            (429, false),
            (500, true),
            (503, false),
        ] {
            assert_eq!(is_bad(status), bad, "{status}");
        }
    }

    #[test]
    fn no_browser_makes_anything_of_an_answer() {
        let reply = Reply {
            status: 200,
            headers: vec![("content-type".to_owned(), "text/html".to_owned())],
            body: b"<script>".to_vec(),
        };
        let answered = response(reply);
        let policy = answered.headers()[CONTENT_SECURITY_POLICY].to_str();
        assert!(
            policy.is_ok_and(|policy| policy.contains("default-src 'none'") && policy.contains("sandbox"))
        );
        assert_eq!(answered.headers()[X_CONTENT_TYPE_OPTIONS], "nosniff");
        assert_eq!(answered.headers()["content-type"], "text/html");
    }
}
