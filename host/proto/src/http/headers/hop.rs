//! What belongs to one hop and ends with it.

use ::http::{HeaderMap, HeaderName, HeaderValue, header};

use super::super::rejection::Rejection;
use super::super::token::TokenSource;

/// What `Connection` removes with it, nominated or not.
const HOP_BY_HOP: [&str; 10] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authentication-info",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "http2-settings",
];

/// What no client may nominate for removal: it decides what the request means, or who sent it.
const NOT_NOMINATED: [&str; 14] = [
    "authorization",
    "cache-control",
    "content-encoding",
    "content-length",
    "content-type",
    "cookie",
    "dpop",
    "expect",
    "host",
    "idempotency-key",
    "if-match",
    "origin",
    "forwarded",
    "via",
];

/// Returns the headers of a request that are not for this hop alone: none of framing, none that
/// the client nominated, no `Host`, no `Expect`, no token.
///
/// # Errors
/// [`Rejection`] where the client nominates what it may not.
pub(in super::super) fn end_to_end(
    headers: &HeaderMap,
    token: &TokenSource,
) -> Result<Vec<(HeaderName, HeaderValue)>, Rejection> {
    let nominated = nominated(headers);
    for name in &nominated {
        let is_ours = name.starts_with("x-forwarded-") || name.starts_with("mcp-");
        if is_ours || NOT_NOMINATED.contains(&name.as_str()) || name == token.name().as_str() {
            let message = "the Connection header names a header that is not for one hop alone";
            return Err(Rejection::malformed("connection", message));
        }
    }
    Ok(headers
        .iter()
        .filter(|(name, _)| {
            !is_hop_by_hop(name, &nominated)
                && **name != header::HOST
                && **name != header::EXPECT
                && **name != header::CONTENT_LENGTH
                && *name != token.name()
        })
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect())
}

/// Returns the names in all `Connection` headers, in lower case.
pub(in super::super) fn nominated(headers: &HeaderMap) -> Vec<String> {
    headers
        .get_all(header::CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|&byte| byte == b','))
        .map(|name| String::from_utf8_lossy(name.trim_ascii()).to_ascii_lowercase())
        .filter(|name| !name.is_empty())
        .collect()
}

/// Returns whether a header ends with this hop.
pub(super) fn is_hop_by_hop(name: &HeaderName, nominated: &[String]) -> bool {
    HOP_BY_HOP.contains(&name.as_str()) || nominated.iter().any(|nominated| nominated == name.as_str())
}
