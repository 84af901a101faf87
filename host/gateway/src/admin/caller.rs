//! Who asks: taken from a bearer token and from nothing else. A cookie is never a credential
//! here, and a token never one on a page.

use std::sync::Arc;

use axum::extract::{FromRequestParts, Request};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{AUTHORIZATION, HeaderValue, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use model::{Principal, ResourceName};

use super::Site;
use super::listener::Peer;
use super::problem::Problem;
use crate::clock;
use crate::identity::{FOR_CLIENT, Login};
use crate::services::Services;

/// The challenge to whoever brings no token.
const CHALLENGE: HeaderValue = HeaderValue::from_static(r#"Bearer realm="tidegate""#);

/// The challenge to whoever brings one that is not accepted (RFC 6750, section 3).
const CHALLENGE_INVALID: HeaderValue =
    HeaderValue::from_static(r#"Bearer realm="tidegate", error="invalid_token""#);

/// Somebody whose token was accepted, and who is not shut out.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// Who it is.
    pub(crate) principal: Arc<Principal>,
    /// When the token ends, in seconds of Unix time.
    pub(crate) expires: u64,
    /// What is known of the login behind the token.
    pub(crate) login: Login,
}

impl FromRequestParts<Site> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, site: &Site) -> Result<Self, Problem> {
        let Some(token) = bearer(&parts.headers)? else {
            return Err(unauthorized(
                "a bearer token is needed: Authorization: Bearer TOKEN",
                CHALLENGE,
            ));
        };
        let services = &site.services;
        let verified = match services.identity.verify(token, clock::unix_seconds()).await {
            Ok(verified) => verified,
            Err(error) => {
                let peer = parts.extensions.get::<Peer>();
                let own = ResourceName::new(ResourceName::GATEWAY);
                let client = peer.map_or("unknown", Peer::as_str);
                services.login_refused(client, Some(&own), &error.to_string());
                return Err(unauthorized(FOR_CLIENT, CHALLENGE_INVALID));
            }
        };
        shut_out(services, &verified.principal)?;
        // Whoever answers through a channel may never connect to anything else.
        let own = ResourceName::new(ResourceName::GATEWAY);
        services.access.note(&verified.principal, &own, clock::unix_us());
        Ok(Self {
            principal: Arc::new(verified.principal),
            expires: verified.expires,
            login: verified.login,
        })
    }
}

/// Refuses whoever a lock shuts out of the gateway's own doors.
pub(crate) fn shut_out(services: &Services, principal: &Principal) -> Result<(), Problem> {
    let own = ResourceName::new(ResourceName::GATEWAY);
    services.locks.check(principal, &own).map_err(Problem::from)
}

/// Refuses a token on a page: what a browser does there goes by its cookie alone.
pub(crate) async fn no_token(request: Request, next: Next) -> Response {
    if request.headers().contains_key(AUTHORIZATION) {
        return Problem::bad_request("token-on-page", "tokens are for the API, not for pages")
            .into_response();
    }
    next.run(request).await
}

/// Returns the token of a request; `None` where it brings none.
fn bearer(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (Some(value), rest) = (values.next(), values.next()) else {
        return Ok(None);
    };
    let malformed = || {
        Problem::bad_request(
            "malformed-authorization",
            "one header is expected: Authorization: Bearer TOKEN",
        )
    };
    let text = value.to_str().ok().filter(|_| rest.is_none());
    let (scheme, token) = text.and_then(|text| text.split_once(' ')).ok_or_else(malformed)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(malformed());
    }
    Ok(Some(token.trim_matches(' ')))
}

fn unauthorized(detail: &str, challenge: HeaderValue) -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, "unauthenticated", detail).header(WWW_AUTHENTICATE, challenge)
}
