//! Where an identity provider says that somebody has logged out (OIDC Back-Channel Logout).
//!
//! Nobody needs a token of ours here: the logout token is the proof. Whoever sends bad ones is
//! not listened to for a while; whoever sends good ones always is.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Extension;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, StatusCode};
use serde_json::json;
use url::form_urlencoded::parse;

use super::listener::Peer;
use crate::clock;
use crate::identity::FOR_CLIENT;
use crate::services::Services;

/// The largest form, in bytes: the longest token, and what encoding may add.
const FORM_BYTES_MAX: usize = 24 << 10;

/// How long a logout may take to be carried out, less than its connection may live.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(20);

/// How many bad tokens an address may send at once, and how long until it may send one more,
/// in seconds: each costs a signature, and a provider sends none.
const BAD_MAX: u64 = 20;
const BAD_EVERY: u64 = 3;

/// How many addresses are remembered for their bad tokens; past that, the one that is listened
/// to again first is forgotten.
const ADDRESSES_MAX: usize = 1_024;

#[derive(Clone)]
struct Intake {
    services: Arc<Services>,
    senders: Arc<Mutex<Senders>>,
}

/// Returns the route.
pub(super) fn router(services: Arc<Services>) -> Router {
    let intake = Intake {
        services,
        senders: Arc::default(),
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
    let peer = peer.map_or_else(
        || "unknown".to_owned(),
        |Extension(peer)| peer.as_str().to_owned(),
    );
    let address = peer.parse::<SocketAddr>().ok().map(|peer| peer.ip());
    let now = clock::unix_seconds();
    if !intake.listens(address, now) {
        let text = "too many bad tokens came from this address";
        return refuse(StatusCode::TOO_MANY_REQUESTS, "temporarily_unavailable", text);
    }
    let Some(token) = logout_token(&headers, &body) else {
        intake.bad(address, now);
        let text = "a form with one logout_token is expected";
        return refuse(StatusCode::BAD_REQUEST, "invalid_request", text);
    };
    let logout = match intake.services.identity.verify_logout(&token, now).await {
        Ok(logout) => logout,
        Err(error) => {
            tracing::warn!(peer, %error, fault = error.fault().label(), "a logout token was refused");
            intake.bad(address, now);
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

impl Intake {
    fn listens(&self, address: Option<IpAddr>, now: u64) -> bool {
        self.senders
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .listens(address, now)
    }

    fn bad(&self, address: Option<IpAddr>, now: u64) {
        self.senders
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .bad(address, now);
    }
}

/// Who has sent bad tokens: each address's are forgiven one by one.
#[derive(Debug, Default)]
struct Senders {
    /// When all are forgiven, in seconds.
    forgiven_at: HashMap<Option<IpAddr>, u64>,
}

impl Senders {
    fn listens(&self, address: Option<IpAddr>, now: u64) -> bool {
        let forgiven_at = self.forgiven_at.get(&address).copied().unwrap_or(now);
        forgiven_at.saturating_sub(now) <= (BAD_MAX - 1) * BAD_EVERY
    }

    fn bad(&mut self, address: Option<IpAddr>, now: u64) {
        if self.forgiven_at.len() >= ADDRESSES_MAX && !self.forgiven_at.contains_key(&address) {
            self.forgiven_at.retain(|_, at| now < *at);
            let first = self.forgiven_at.iter().min_by_key(|(_, at)| **at);
            if let Some(first) = first.map(|(address, _)| *address)
                && self.forgiven_at.len() >= ADDRESSES_MAX
            {
                self.forgiven_at.remove(&first);
            }
        }
        let at = self.forgiven_at.entry(address).or_insert(now);
        *at = (*at).max(now).saturating_add(BAD_EVERY);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u16) -> Option<IpAddr> {
        Some(IpAddr::from([0, 0, 0, 0, 0, 0, 0, last]))
    }

    #[test]
    fn whoever_sends_bad_tokens_is_not_listened_to_for_a_while() {
        let mut senders = Senders::default();
        for _ in 0..BAD_MAX {
            assert!(senders.listens(address(1), 100));
            senders.bad(address(1), 100);
        }
        assert!(!senders.listens(address(1), 100));
        assert!(senders.listens(address(2), 100), "others are");
        assert!(senders.listens(None, 100));
        assert!(!senders.listens(address(1), 100 + BAD_EVERY - 1));
        assert!(senders.listens(address(1), 100 + BAD_EVERY));
        senders.bad(address(1), 100 + BAD_EVERY);
        assert!(!senders.listens(address(1), 100 + BAD_EVERY));
        assert!(senders.listens(address(1), 100 + 2 * BAD_EVERY));
    }

    #[test]
    fn only_so_many_addresses_are_remembered_the_worst_longest() {
        let mut senders = Senders::default();
        for _ in 0..=BAD_MAX {
            senders.bad(address(0), 100);
        }
        for last in 1..3_000 {
            senders.bad(address(last), 100);
        }
        assert_eq!(senders.forgiven_at.len(), ADDRESSES_MAX);
        assert!(!senders.listens(address(0), 100));
        senders.bad(address(3_001), 10_000);
        assert_eq!(senders.forgiven_at.len(), 1, "what is forgiven goes first");
    }

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
