//! What every request to the API goes through, before and after it is handled.
//!
//! Each gets a number of its own, a time within which it is answered, and headers that keep
//! browsers from doing anything with the answer but what was meant.

use std::fmt;
use std::time::Duration;

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, HeaderName, HeaderValue, ORIGIN, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, StatusCode};

use super::problem::{self, Problem};
use crate::services::random;

/// How long a request may take to be answered, less than its connection may live. What it has
/// begun by then ends all the same.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(20);

/// The header that carries a request's number.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The header that tells the gateway's version.
const VERSION: HeaderName = HeaderName::from_static("gateway-version");

/// The header with which a browser says where a request comes from.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// A request's number: made here, never taken from whoever asks.
#[derive(Clone, Debug)]
pub(crate) struct RequestId(String);

impl RequestId {
    pub(crate) fn new() -> Self {
        Self(format!("req_{}", hex::encode(random::<12>())))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Handles one request to the API.
pub(super) async fn pass(mut request: Request, next: Next) -> Response {
    let id = RequestId::new();
    let instance = request.uri().path().to_owned();
    request.extensions_mut().insert(id.clone());
    let answered = if is_cross_site(request.headers()) {
        Problem::new(
            StatusCode::FORBIDDEN,
            "cross-site",
            "the API is not for pages of other sites",
        )
        .into_response()
    } else {
        match tokio::time::timeout(ANSWER_TIME_MAX, next.run(request)).await {
            Ok(response) => response,
            Err(_) => Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "timed-out",
                "it took too long; what was begun ends by itself",
            )
            .into_response(),
        }
    };
    let mut response = problem::complete(answered, &instance, id.as_str());
    let headers = response.headers_mut();
    for (name, value) in [
        (CACHE_CONTROL, "no-store"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (VERSION, env!("CARGO_PKG_VERSION")),
        (
            http::header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; frame-ancestors 'none'",
        ),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
        (http::header::REFERRER_POLICY, "no-referrer"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if let Ok(value) = HeaderValue::from_str(id.as_str()) {
        headers.insert(REQUEST_ID, value);
    }
    response
}

/// Whether a browser says that a page of another site is behind a request. Programs say
/// nothing, and their token says enough.
fn is_cross_site(headers: &HeaderMap) -> bool {
    match headers.get(SEC_FETCH_SITE) {
        Some(site) => !matches!(site.as_bytes(), b"same-origin" | b"none"),
        // Old browsers name an origin only where it matters, and then the API is not meant.
        None => headers.contains_key(ORIGIN),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_other_sites_are_told_from_programs() {
        let of = |pairs: &[(HeaderName, &str)]| {
            let pairs = pairs.iter().map(|(name, value)| {
                let value = HeaderValue::from_str(value).expect("a value");
                (name.clone(), value)
            });
            is_cross_site(&pairs.collect())
        };
        assert!(!of(&[]));
        assert!(!of(&[
            (SEC_FETCH_SITE, "same-origin"),
            (ORIGIN, "https://gateway")
        ]));
        assert!(!of(&[(SEC_FETCH_SITE, "none")]));
        assert!(of(&[(SEC_FETCH_SITE, "cross-site")]));
        assert!(of(&[(SEC_FETCH_SITE, "same-site")]));
        assert!(of(&[(ORIGIN, "https://evil.example")]));
        assert!(of(&[(ORIGIN, "null")]));
    }
}
