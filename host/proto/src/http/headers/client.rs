//! Towards the client: what the upstream answered, without what it says of itself.

use ::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use super::location::{self, Place};
use super::{Cookies, Cors, Downstream, Redirects, hop};

/// What never passes: what the upstream is, what it wants of its own clients, and where it would
/// lead them past the gateway.
const STRIPPED: [&str; 22] = [
    "alt-svc",
    "authentication-info",
    "nel",
    "proxy-status",
    "public-key-pins",
    "report-to",
    "reporting-endpoints",
    "server",
    "signature",
    "signature-input",
    "strict-transport-security",
    "via",
    "www-authenticate",
    "x-accel-expires",
    "x-accel-limit-rate",
    "x-accel-redirect",
    "x-aspnet-version",
    "x-backend-server",
    "x-powered-by",
    "x-runtime",
    "x-sendfile",
    "x-served-by",
];

/// What tells of the unmasked body: its length, its digests, its versions, its parts.
const STRIPPED_MASKED: [&str; 17] = [
    "accept-ranges",
    "age",
    "cache-control",
    "cdn-cache-control",
    "content-digest",
    "content-encoding",
    "content-length",
    "content-md5",
    "digest",
    "etag",
    "expires",
    "last-modified",
    "pragma",
    "repr-digest",
    "sourcemap",
    "surrogate-control",
    "x-goog-hash",
];

/// Digests under names of the storage services, by how they start.
const DIGEST_PREFIXES: [&str; 2] = ["x-amz-checksum-", "x-ms-content-"];

/// A response that must not pass.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ResponseFault {
    /// A part of what is masked as a whole, or a word on a validator that nobody sent.
    #[error("the upstream answered with a part of what is masked")]
    Part,
    /// A redirect to another host.
    #[error("the upstream redirects to another host")]
    ForeignRedirect,
    /// It switches to a protocol, or to extensions of one, that nobody asked for.
    #[error("the upstream switches to what nobody asked for")]
    Switch,
}

/// Builds the headers that go to the client. Where the body is masked, the driver has decoded it.
///
/// # Errors
/// [`ResponseFault`] for a response that must not pass.
pub fn client_headers(
    status: StatusCode,
    headers: &HeaderMap,
    to: &Downstream<'_>,
) -> Result<HeaderMap, ResponseFault> {
    if to.masked {
        check_whole(status, headers)?;
    }
    let nominated = hop::nominated(headers);
    let mut passed = HeaderMap::with_capacity(headers.len());
    for (name, value) in headers {
        if hop::is_hop_by_hop(name, &nominated) || is_stripped(name, to) {
            continue;
        }
        if let Some(value) = rewritten(status, name, value, to)? {
            passed.append(name, value);
        }
    }
    if status == StatusCode::SWITCHING_PROTOCOLS {
        switch(headers, &mut passed, to)?;
    }
    if let Cors::Replace(ours) = to.cors {
        for (name, value) in ours {
            passed.insert(name, value.clone());
        }
    }
    if to.masked {
        passed.insert(header::ACCEPT_RANGES, HeaderValue::from_static("none"));
        passed.insert(
            header::CACHE_CONTROL,
            HeaderValue::from_static("private, no-store"),
        );
        passed.append(header::VARY, HeaderValue::from_static("Authorization"));
        passed.insert(
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        );
    }
    Ok(passed)
}

/// No range and no validator goes upstream where the response is masked: an answer to one is a part
/// of the whole, or tells whether somebody's guess is right.
fn check_whole(status: StatusCode, headers: &HeaderMap) -> Result<(), ResponseFault> {
    let is_part = matches!(
        status,
        StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE | StatusCode::NOT_MODIFIED
    );
    let is_of_ranges = headers.get(header::CONTENT_TYPE).is_some_and(|value| {
        let multipart = b"multipart/byteranges";
        let start = value.as_bytes().get(..multipart.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(multipart))
    });
    if is_part || is_of_ranges || headers.contains_key(header::CONTENT_RANGE) {
        return Err(ResponseFault::Part);
    }
    Ok(())
}

fn is_stripped(name: &HeaderName, to: &Downstream<'_>) -> bool {
    let word = name.as_str();
    let replaced = matches!(to.cors, Cors::Replace(_))
        && (word.starts_with("access-control-") || word == "timing-allow-origin");
    let tells = to.masked
        && (STRIPPED_MASKED.contains(&word) || DIGEST_PREFIXES.iter().any(|prefix| word.starts_with(prefix)));
    replaced
        || tells
        || STRIPPED.contains(&word)
        || word.starts_with("x-forwarded")
        || word.starts_with("x-tidegate-")
}

/// Returns what a header becomes; `None` if nothing.
fn rewritten(
    status: StatusCode,
    name: &HeaderName,
    value: &HeaderValue,
    to: &Downstream<'_>,
) -> Result<Option<HeaderValue>, ResponseFault> {
    let text = value.to_str().ok();
    let header_of = |text: String| HeaderValue::try_from(text).ok();
    let changed = match name.as_str() {
        "location" => {
            let place = text.map_or(Place::Nowhere, |text| location::rewrite(text, to));
            match place {
                Place::Here(address) => header_of(address),
                Place::Foreign if to.redirects == Redirects::Pass => Some(value.clone()),
                Place::Foreign if status.is_redirection() => return Err(ResponseFault::ForeignRedirect),
                Place::Foreign | Place::Nowhere => None,
            }
        }
        "content-location" => match text.map(|text| location::rewrite(text, to)) {
            Some(Place::Here(address)) => header_of(address),
            Some(Place::Foreign | Place::Nowhere) | None => None,
        },
        "link" => text
            .and_then(|text| location::links(text, to))
            .and_then(header_of),
        "refresh" => text
            .and_then(|text| location::refresh(text, to))
            .and_then(header_of),
        "set-cookie" => match (to.cookies, text) {
            (Cookies::Localise, Some(text)) => header_of(location::cookie(text, to)),
            (Cookies::Localise, None) | (Cookies::Strip, _) => None,
        },
        _ => Some(value.clone()),
    };
    Ok(changed)
}

/// Says again to what the connection switches, if that is what was asked for.
fn switch(headers: &HeaderMap, passed: &mut HeaderMap, to: &Downstream<'_>) -> Result<(), ResponseFault> {
    let mut offers = headers.get_all(header::UPGRADE).iter();
    let (Some(asked), Some(offer), None) = (to.upgrade, offers.next(), offers.next()) else {
        return Err(ResponseFault::Switch);
    };
    let is_asked = offer.as_bytes().eq_ignore_ascii_case(asked.as_bytes());
    if !is_asked || headers.contains_key(header::SEC_WEBSOCKET_EXTENSIONS) {
        return Err(ResponseFault::Switch);
    }
    passed.insert(header::UPGRADE, offer.clone());
    passed.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    Ok(())
}
