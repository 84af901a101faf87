//! The checks of a head, one by one.

use ::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, Version, header};

use super::super::authority::Authority;
use super::super::guard::{HEAD_BYTES_MAX, HEADERS_MAX, TARGET_BYTES_MAX};
use super::super::headers::hop;
use super::super::rejection::Rejection;
use super::super::token::TOKEN_KEY;
use super::{AdmitOptions, BodyLength, not_allowed};

/// The headers of which a second one could be the one that the upstream goes by.
const SINGLETONS: [&str; 22] = [
    "access-control-request-method",
    "approval-id",
    "authorization",
    "content-encoding",
    "content-length",
    "content-type",
    "date",
    "dpop",
    "expect",
    "from",
    "host",
    "idempotency-key",
    "if-modified-since",
    "if-range",
    "if-unmodified-since",
    "origin",
    "proxy-authorization",
    "range",
    "referer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
];

pub(super) fn method(method: &Method, options: &AdmitOptions) -> Result<(), Rejection> {
    if matches!(*method, Method::CONNECT | Method::TRACE) || !options.methods.contains(method) {
        let allowed: Vec<_> = options.methods.iter().map(Method::as_str).collect();
        return Err(not_allowed("the method is not allowed here".to_owned())
            .hint(format!("allowed are {}", allowed.join(", "))));
    }
    Ok(())
}

/// HTTP/2 does not pass the guard: its heads have the same limits here.
pub(super) fn size(headers: &HeaderMap) -> Result<(), Rejection> {
    let bytes: usize = headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len())
        .sum();
    if headers.len() > HEADERS_MAX || bytes > HEAD_BYTES_MAX {
        let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        return Err(Rejection::new(
            status,
            "header",
            "the request's head is too large",
        ));
    }
    Ok(())
}

/// Some servers read `X_User` as `X-User`, and some do not.
pub(super) fn names(headers: &HeaderMap) -> Result<(), Rejection> {
    if headers.keys().any(|name| name.as_str().contains('_')) {
        let rejection = Rejection::malformed("header", "a header's name holds an underscore");
        return Err(rejection.hint("spell the header's name with hyphens"));
    }
    Ok(())
}

pub(super) fn singletons(headers: &HeaderMap, version: Version) -> Result<(), Rejection> {
    for name in headers.keys() {
        let word = name.as_str();
        // HTTP/2 may send the pieces of one cookie header apart.
        let is_single = SINGLETONS.contains(&word)
            || word.starts_with("mcp-")
            || (*name == header::COOKIE && version != Version::HTTP_2);
        if is_single && headers.get_all(name).iter().nth(1).is_some() {
            let message = format!("the header `{word}` is there twice");
            return Err(Rejection::malformed("duplicate-header", message).hint("send it once"));
        }
    }
    Ok(())
}

/// Finds whom the request is for. HTTP/2 names it in `:authority`, HTTP/1 in `Host`; what names it
/// twice names one.
pub(super) fn authority(
    uri: &Uri,
    headers: &HeaderMap,
    options: &AdmitOptions,
) -> Result<Authority, Rejection> {
    let port = if options.tls { 443 } else { 80 };
    let parse = |text: &[u8]| {
        Authority::parse(text)
            .map(|authority| authority.without_default_port(port))
            .map_err(|error| Rejection::malformed("host", error.to_string()))
    };
    let target = uri
        .authority()
        .map(|authority| parse(authority.as_str().as_bytes()))
        .transpose()?;
    let host = headers
        .get(header::HOST)
        .map(|host| parse(host.as_bytes()))
        .transpose()?;
    match (target, host) {
        (Some(target), Some(host)) if target != host => Err(Rejection::malformed(
            "host",
            "the request target and the Host header differ",
        )),
        (Some(authority), _) | (None, Some(authority)) => Ok(authority),
        (None, None) => Err(Rejection::malformed("host", "the request names no host")),
    }
}

/// Says why a token in a cookie does nothing, instead of that there is none.
pub(super) fn no_token_in_cookies(headers: &HeaderMap) -> Result<(), Rejection> {
    let is_token = |pair: &[u8]| {
        let name = pair.split(|&byte| byte == b'=').next().unwrap_or(pair);
        name.trim_ascii().eq_ignore_ascii_case(TOKEN_KEY.as_bytes())
    };
    let mut cookies = headers
        .get_all(header::COOKIE)
        .iter()
        .flat_map(|value| value.as_bytes().split(|&byte| byte == b';'));
    if cookies.any(is_token) {
        let rejection = Rejection::new(
            StatusCode::UNAUTHORIZED,
            "token",
            "a token in a cookie is not taken",
        );
        return Err(rejection.hint("send the token as `Authorization: Bearer <token>`"));
    }
    Ok(())
}

pub(super) fn upgrade(
    method: &Method,
    version: Version,
    headers: &HeaderMap,
) -> Result<Option<String>, Rejection> {
    let Some(value) = headers.get(header::UPGRADE) else {
        return Ok(None);
    };
    let refused = |message: &'static str| Err(Rejection::malformed("upgrade", message));
    if version != Version::HTTP_11 || *method != Method::GET {
        return refused("only a GET of HTTP/1.1 can switch protocols");
    }
    if !hop::nominated(headers).iter().any(|name| name == "upgrade") {
        return refused("Upgrade without `Connection: upgrade` means nothing");
    }
    let protocol = value.to_str().unwrap_or_default().trim().to_ascii_lowercase();
    if protocol.is_empty() || protocol.contains([',', ' ', '\t']) || protocol.starts_with("h2") {
        return refused("the upgrade is not exactly one protocol, or is HTTP/2");
    }
    Ok(Some(protocol))
}

pub(super) fn expectation(headers: &HeaderMap) -> Result<bool, Rejection> {
    match headers.get(header::EXPECT) {
        None => Ok(false),
        Some(value) if value.as_bytes().eq_ignore_ascii_case(b"100-continue") => Ok(true),
        Some(_) => Err(Rejection::new(
            StatusCode::EXPECTATION_FAILED,
            "expectation",
            "the expectation is not 100-continue",
        )),
    }
}

pub(super) fn accepts_trailers(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::TE)
        .iter()
        .flat_map(|value| value.as_bytes().split(|&byte| byte == b','))
        .any(|coding| coding.trim_ascii().eq_ignore_ascii_case(b"trailers"))
}

/// Finds how long the body is. The guard has seen to HTTP/1 before; where it was forgotten, or the
/// library changes, the same is refused here.
pub(super) fn body_length(version: Version, headers: &HeaderMap) -> Result<BodyLength, Rejection> {
    let coding = headers.get(header::TRANSFER_ENCODING);
    let length = headers.get(header::CONTENT_LENGTH);
    match (coding, length) {
        (Some(_), Some(_)) => Err(Rejection::malformed(
            "framing",
            "the request has both Content-Length and Transfer-Encoding",
        )),
        (Some(coding), None) if is_chunked(coding) && version == Version::HTTP_11 => Ok(BodyLength::Unknown),
        (Some(_), None) => Err(Rejection::malformed(
            "framing",
            "the transfer coding is not exactly one `chunked`",
        )),
        (None, Some(length)) => match parse_length(length) {
            Some(0) => Ok(BodyLength::Empty),
            Some(length) => Ok(BodyLength::Exact(length)),
            None => Err(Rejection::malformed("framing", "Content-Length is not a number")),
        },
        (None, None) if version == Version::HTTP_2 => Ok(BodyLength::Unknown),
        (None, None) => Ok(BodyLength::Empty),
    }
}

fn is_chunked(coding: &HeaderValue) -> bool {
    coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked")
}

fn parse_length(value: &HeaderValue) -> Option<u64> {
    let text = value.to_str().ok()?;
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}

/// What the guard does to the target of HTTP/1, for the target of HTTP/2.
pub(super) fn target(uri: &Uri) -> Result<(), Rejection> {
    let length = uri.path_and_query().map_or(0, |target| target.as_str().len());
    if length > TARGET_BYTES_MAX {
        let status = StatusCode::URI_TOO_LONG;
        return Err(Rejection::new(
            status,
            "path",
            "the request target is longer than 8 KiB",
        ));
    }
    Ok(())
}
