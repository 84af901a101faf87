//! Where an identity provider says that somebody has logged out (OIDC Back-Channel Logout).
//!
//! Nobody needs a token of ours here: the logout token is the proof. Whoever sends bad ones is
//! not listened to for a while; whoever sends good ones always is.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, StatusCode};
use serde_json::json;
use url::form_urlencoded::parse;

use super::listener::Peer;
use crate::clock;
use crate::identity::FOR_CLIENT;
use crate::network::Allowances;
use crate::services::Services;

/// The largest form, in bytes: the longest token, and what encoding may add.
const FORM_BYTES_MAX: usize = 24 << 10;

/// How long a logout may take to be carried out, less than its connection may live.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(20);

/// How many bad tokens may come from a network at once, and how long until one more may, in
/// seconds: each costs a signature, and a provider sends none.
const BAD_MAX: u64 = 20;
const BAD_EVERY: u64 = 3;

#[derive(Clone)]
struct Intake {
    services: Arc<Services>,
    /// What is left of bad tokens.
    bad: Arc<Allowances>,
}

/// Returns the route.
pub(super) fn router(services: Arc<Services>) -> Router {
    let intake = Intake {
        services,
        bad: Arc::new(Allowances::new(BAD_MAX, BAD_EVERY)),
    };
    Router::new()
        .route("/auth/backchannel", post(receive))
        .layer(DefaultBodyLimit::max(FORM_BYTES_MAX))
        .layer(from_fn(unstored))
        .with_state(intake)
}

/// No answer of this route is to be kept by anybody.
async fn unstored(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

async fn receive(
    State(intake): State<Intake>,
    peer: Option<Extension<Peer>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let peer = peer.as_ref().map(|Extension(peer)| peer);
    let (network, peer) = (Peer::network(peer), peer.map_or("unknown", Peer::as_str));
    let now = clock::unix_seconds();
    if let Some(wait) = intake.bad.wait(network, now) {
        let text = "too many bad tokens came from this network";
        let mut refused = refuse(StatusCode::TOO_MANY_REQUESTS, "temporarily_unavailable", text);
        refused.headers_mut().insert(RETRY_AFTER, wait.into());
        return refused;
    }
    let Some(token) = logout_token(&headers, &body) else {
        intake.bad.spend(network, now);
        let text = "a form with one logout_token is expected";
        return refuse(StatusCode::BAD_REQUEST, "invalid_request", text);
    };
    let logout = match intake.services.identity.verify_logout(&token, now).await {
        Ok(logout) => logout,
        Err(error) => {
            tracing::warn!(peer, %error, fault = error.fault().label(), "a logout token was refused");
            intake.bad.spend(network, now);
            return refuse(StatusCode::BAD_REQUEST, "invalid_request", FOR_CLIENT);
        }
    };
    // A task of its own: a provider that leaves early has logged somebody out all the same.
    let done = tokio::spawn(async move {
        let (logins, identity) = (&intake.services.logins, &intake.services.identity);
        let done = logins.log_out(&logout).await;
        if let Err(error) = &done {
            tracing::error!(%error, fault = error.fault().label(), "a logout was not carried out to its end");
            identity.forget_logout_token(&logout);
        }
        done.is_ok()
    });
    match tokio::time::timeout(ANSWER_TIME_MAX, done).await {
        Ok(Ok(true)) => StatusCode::OK.into_response(),
        _ => {
            let text = "the logout was not carried out to its end; send it again";
            refuse(StatusCode::SERVICE_UNAVAILABLE, "server_error", text)
        }
    }
}

/// Returns the token of a form that has one. One that stands twice has two meanings, so none.
fn logout_token(headers: &HeaderMap, body: &[u8]) -> Option<String> {
    let kind = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    let kind = kind.split(';').next()?.trim();
    if !kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return None;
    }
    let mut tokens = parse(body).filter(|(name, _)| name == "logout_token");
    let (_, token) = tokens.next()?;
    tokens.next().is_none().then(|| token.into_owned())
}

/// Says no as OAuth does (RFC 6749, 5.2).
fn refuse(status: StatusCode, error: &str, description: &str) -> Response {
    let body = json!({"error": error, "error_description": description}).to_string();
    (status, [(CONTENT_TYPE, "application/json")], body).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_carries_one_logout_token() {
        let token = |kind: &'static str, body: &str| {
            let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(kind))]);
            logout_token(&headers, body.as_bytes())
        };
        let form = "application/x-www-form-urlencoded";
        assert_eq!(token(form, "logout_token=a.b.c").as_deref(), Some("a.b.c"));
        assert_eq!(
            token(
                "Application/X-WWW-Form-Urlencoded; charset=utf-8",
                "x=1&logout_token=a"
            )
            .as_deref(),
            Some("a")
        );
        for (kind, body) in [
            (form, ""),
            (form, "token=a"),
            (form, "logout_token=a&logout_token=b"),
            ("application/json", "logout_token=a"),
            ("text/plain", "logout_token=a"),
        ] {
            assert_eq!(token(kind, body), None, "{kind} {body}");
        }
        assert_eq!(logout_token(&HeaderMap::new(), b"logout_token=a"), None);
    }
}
