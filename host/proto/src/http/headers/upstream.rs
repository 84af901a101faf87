//! Towards the upstream: what the client meant, said by us.

use std::net::IpAddr;

use ::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};

use super::super::admit::Admitted;
use super::super::rejection::Rejection;
use super::{PSEUDONYM, Upstream};

/// What never goes on: credentials, who the client is or was, and what makes a request mean
/// something else than what was judged.
const STRIPPED: [&str; 32] = [
    "alt-used",
    "approval-id",
    "authorization",
    "cdn-loop",
    "cf-connecting-ip",
    "client-cert",
    "client-cert-chain",
    "client-ip",
    "cookie",
    "dpop",
    "early-data",
    "fastly-client-ip",
    "forwarded",
    "front-end-https",
    "proxy-authorization",
    "proxy",
    "remote-user",
    "signature",
    "signature-input",
    "ssl-client-cert",
    "true-client-ip",
    "via",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-original-host",
    "x-original-uri",
    "x-original-url",
    "x-real-ip",
    "x-rewrite-url",
];

/// What never goes on, by how the name starts.
const STRIPPED_PREFIXES: [&str; 7] = [
    "x-amzn-oidc-",
    "x-client-cert",
    "x-forwarded",
    "x-goog-iap-",
    "x-remote-",
    "x-ssl-",
    "x-tidegate-",
];

/// What asks for a part of a response, or for one that differs from what the client has: around a
/// mask both tell what it hides.
const CONDITIONS: [&str; 4] = ["if-modified-since", "if-none-match", "if-range", "range"];

/// What asks for a digest of what is masked.
const DIGEST_WISHES: [&str; 3] = ["want-content-digest", "want-digest", "want-repr-digest"];

/// Builds the headers that go upstream. The length of the body is the driver's to say.
///
/// # Errors
/// [`Rejection`] for a write under a condition that cannot be told on a masked resource.
pub fn upstream_headers(admitted: &Admitted, upstream: &Upstream<'_>) -> Result<HeaderMap, Rejection> {
    if upstream.masked {
        check_conditions(admitted)?;
    }
    let mut headers = HeaderMap::with_capacity(admitted.headers.len() + upstream.injected.len() + 8);
    for (name, value) in &admitted.headers {
        if passes(name, value, admitted, upstream) {
            headers.append(name, value.clone());
        }
    }
    if let Some(cookies) = cookies(admitted, upstream.cookies) {
        headers.insert(header::COOKIE, cookies);
    }
    if upstream.masked {
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    }
    if admitted.is_grpc() && admitted.accepts_trailers {
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
    }
    forwarded(&mut headers, admitted, upstream);
    if let Some(protocol) = admitted.upgrade.as_deref().filter(|_| upstream.upgrade)
        && let Ok(protocol) = HeaderValue::from_str(protocol)
    {
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(header::UPGRADE, protocol);
    }
    for (name, value) in upstream.injected {
        let mut value = value.clone();
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    Ok(headers)
}

fn passes(name: &HeaderName, value: &HeaderValue, admitted: &Admitted, upstream: &Upstream<'_>) -> bool {
    let word = name.as_str();
    if STRIPPED.contains(&word) || STRIPPED_PREFIXES.iter().any(|prefix| word.starts_with(prefix)) {
        return false;
    }
    // Frames that are compressed cannot be read on the way.
    if *name == header::SEC_WEBSOCKET_EXTENSIONS {
        return false;
    }
    if !upstream.masked {
        return true;
    }
    // `*` asks whether there is anything, which no mask hides.
    let creates = *name == header::IF_NONE_MATCH && value == "*" && !is_safe(&admitted.method);
    creates || !(CONDITIONS.contains(&word) || DIGEST_WISHES.contains(&word))
}

/// A write that is to happen only if nothing has changed would happen anyway without its condition,
/// and the client cannot know the condition: it has never seen a validator.
fn check_conditions(admitted: &Admitted) -> Result<(), Rejection> {
    let conditions = [header::IF_MATCH, header::IF_UNMODIFIED_SINCE];
    if conditions.iter().any(|name| admitted.header(name).is_some()) {
        let message = "what is masked has no validators, so that no condition on them can hold";
        let rejection = Rejection::new(StatusCode::PRECONDITION_FAILED, "condition", message);
        return Err(rejection.hint("send the request without If-Match and If-Unmodified-Since"));
    }
    Ok(())
}

/// Says who asked whom, and by which scheme: what the client says of that is not believed.
fn forwarded(headers: &mut HeaderMap, admitted: &Admitted, upstream: &Upstream<'_>) {
    let client = upstream.client;
    let (host, scheme) = (admitted.authority.to_string(), upstream.scheme);
    let node = match client {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("\"[{address}]\""),
    };
    let forwarded = format!("for={node};host=\"{host}\";proto={scheme}");
    let ours = [
        (header::FORWARDED, forwarded),
        (HeaderName::from_static("x-forwarded-for"), client.to_string()),
        (HeaderName::from_static("x-forwarded-host"), host),
        (HeaderName::from_static("x-forwarded-proto"), scheme.to_owned()),
        (header::VIA, format!("1.1 {PSEUDONYM}")),
    ];
    for (name, text) in ours {
        if let Ok(value) = HeaderValue::from_str(&text) {
            headers.insert(name, value);
        }
    }
    if !upstream.http2
        && let Ok(host) = HeaderValue::from_str(&upstream.host.to_string())
    {
        headers.insert(header::HOST, host);
    }
}

/// Returns the cookies that go on, as one header.
fn cookies(admitted: &Admitted, allowed: &[String]) -> Option<HeaderValue> {
    let pairs = admitted
        .headers
        .iter()
        .filter(|(name, _)| *name == header::COOKIE)
        .flat_map(|(_, value)| value.as_bytes().split(|&byte| byte == b';'))
        .map(<[u8]>::trim_ascii)
        .filter(|pair| {
            let name = pair.split(|&byte| byte == b'=').next().unwrap_or(pair);
            allowed
                .iter()
                .any(|allowed| allowed.as_bytes() == name.trim_ascii())
        });
    let cookies = pairs.collect::<Vec<_>>().join(&b"; "[..]);
    if cookies.is_empty() {
        return None;
    }
    HeaderValue::from_bytes(&cookies).ok()
}

fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}
