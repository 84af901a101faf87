//! Where clients get a token: the metadata of a protected resource (RFC 9728), for whoever asks.
//!
//! The same is told of every path, whether there is a resource or not: nobody learns from it what
//! is there.

use http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method, Response};
use proto::http::admit::Admitted;
use serde_json::json;

use super::body::ResponseBody;
use super::connection::{Connection, Running};

/// Where the metadata of a resource lies: before the resource's own path.
const PLACE: &str = "/.well-known/oauth-protected-resource";

/// How long clients may keep it: providers change rarely, and a stale one only costs a login.
const KEPT: HeaderValue = HeaderValue::from_static("max-age=300");

/// Returns the address of the metadata of what was asked for.
pub(super) fn address(connection: &Connection, admitted: &Admitted) -> String {
    let path = admitted.path.as_str();
    let path = if path == "/" { "" } else { path };
    format!("{}{PLACE}{path}", origin(connection, admitted))
}

/// Returns the metadata, if it is asked for.
pub(super) fn document(connection: &Connection, admitted: &Admitted) -> Option<Vec<u8>> {
    let path = admitted.path.as_str().strip_prefix(PLACE)?;
    if !matches!(admitted.method, Method::GET | Method::HEAD) || !(path.is_empty() || path.starts_with('/')) {
        return None;
    }
    let issuers: Vec<&str> = connection.services.identity.issuers().collect();
    let metadata = json!({
        "resource": format!("{}{path}", origin(connection, admitted)),
        "authorization_servers": issuers,
        "bearer_methods_supported": ["header"],
    });
    // Serialising into memory has no way to fail.
    Some(serde_json::to_vec(&metadata).unwrap_or_default())
}

/// Answers with the metadata.
pub(super) fn answer(document: Vec<u8>, running: Running) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::own(document, Some(running)));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, KEPT);
    // Clients in web pages look for it, too; there is nothing in it that not everybody may know.
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    response
}

fn origin(connection: &Connection, admitted: &Admitted) -> String {
    let scheme = if connection.is_tls { "https" } else { "http" };
    format!("{scheme}://{}", admitted.authority)
}
