//! Addresses that an upstream tells: what is at the upstream is told as the client finds it.

use super::super::authority::Authority;
use super::{Downstream, Origin};

/// The longest address that is rewritten; browsers go no further.
const ADDRESS_BYTES_MAX: usize = 8 * 1024;

/// The most links in one header: lists of pages have four or five.
const LINKS_MAX: usize = 64;

/// What an address becomes.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Place {
    /// This, on the client's side.
    Here(String),
    /// It is somewhere else: another host, or no web address at all.
    Foreign,
    /// It is at the upstream where the client cannot go, or nothing that everybody reads alike.
    Nowhere,
}

/// Rewrites one address.
pub(super) fn rewrite(address: &str, to: &Downstream<'_>) -> Place {
    let is_plain = address
        .bytes()
        .all(|byte| matches!(byte, b'!'..=b'~') && byte != b'\\');
    if !is_plain || address.len() > ADDRESS_BYTES_MAX {
        return Place::Nowhere;
    }
    if let Some(rest) = address.strip_prefix("//") {
        return absolute(to.upstream.scheme, rest, to);
    }
    if address.starts_with('/') {
        return path(address, to).map_or(Place::Nowhere, Place::Here);
    }
    let end = address.find(['/', '?', '#']).unwrap_or(address.len());
    match address[..end].split_once(':') {
        // Relative addresses mean the same on both sides.
        None => Place::Here(address.to_owned()),
        Some((scheme, _)) => match scheme.to_ascii_lowercase().as_str() {
            scheme @ ("http" | "https") => match address[scheme.len()..].strip_prefix("://") {
                Some(rest) => absolute(scheme, rest, to),
                None => Place::Nowhere,
            },
            _ => Place::Foreign,
        },
    }
}

/// Rewrites what stands behind `scheme://`.
fn absolute(scheme: &str, rest: &str, to: &Downstream<'_>) -> Place {
    let (host, target) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let Ok(authority) = Authority::parse(host.as_bytes()) else {
        return Place::Nowhere;
    };
    let authority = authority.without_default_port(default_port(scheme));
    // An upstream that reads X-Forwarded-Host calls itself as the client does.
    if !is_at(&to.upstream, &authority) && !is_at(&to.public, &authority) {
        return Place::Foreign;
    }
    let target = if target.starts_with('/') {
        target.to_owned()
    } else {
        format!("/{target}")
    };
    match path(&target, to) {
        Some(path) => Place::Here(format!("{}://{}{path}", to.public.scheme, to.public.authority)),
        None => Place::Nowhere,
    }
}

fn is_at(origin: &Origin<'_>, authority: &Authority) -> bool {
    let port = default_port(origin.scheme);
    origin.authority.clone().without_default_port(port) == *authority
}

fn default_port(scheme: &str) -> u16 {
    if scheme == "https" { 443 } else { 80 }
}

/// Moves a path from below the upstream's base to below the public one.
fn path(target: &str, to: &Downstream<'_>) -> Option<String> {
    let (path, rest) = target.split_at(target.find(['?', '#']).unwrap_or(target.len()));
    // Dots could lead out of either base.
    if path
        .to_ascii_lowercase()
        .replace("%2e", ".")
        .split('/')
        .any(|segment| matches!(segment, "." | ".."))
    {
        return None;
    }
    let base = to.upstream.base.as_str().trim_end_matches('/');
    let below = path.strip_prefix(base)?;
    if !below.is_empty() && !below.starts_with('/') {
        return None;
    }
    let public = to.public.base.as_str().trim_end_matches('/');
    match format!("{public}{below}{rest}") {
        moved if moved.starts_with('/') && !moved.starts_with("//") => Some(moved),
        moved if moved.starts_with("//") => None,
        moved => Some(format!("/{moved}")),
    }
}

/// Rewrites the addresses of a `Link` header; links that lead nowhere are left out. `None` if
/// nothing remains, or the header is malformed.
pub(super) fn links(value: &str, to: &Downstream<'_>) -> Option<String> {
    let mut links = Vec::new();
    for link in split_links(value)? {
        let (address, parameters) = link.strip_prefix('<')?.split_once('>')?;
        match rewrite(address, to) {
            Place::Here(address) => links.push(format!("<{address}>{parameters}")),
            Place::Foreign => links.push(link.to_owned()),
            Place::Nowhere => {}
        }
    }
    (!links.is_empty()).then(|| links.join(", "))
}

/// Splits at commas that stand neither in an address nor in quotes.
fn split_links(value: &str) -> Option<Vec<&str>> {
    let mut links = Vec::new();
    let (mut start, mut in_address, mut in_quotes, mut escaped) = (0, false, false, false);
    for (at, byte) in value.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_quotes => escaped = true,
            b'"' if !in_address => in_quotes = !in_quotes,
            b'<' if !in_quotes => in_address = true,
            b'>' if !in_quotes => in_address = false,
            b',' if !in_address && !in_quotes => {
                links.push(value[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
        if links.len() > LINKS_MAX {
            return None;
        }
    }
    links.push(value[start..].trim());
    (!in_address && !in_quotes).then_some(links)
}

/// Rewrites `Refresh: 5; url=…`; `None` if it leads away or is malformed.
pub(super) fn refresh(value: &str, to: &Downstream<'_>) -> Option<String> {
    let (seconds, target) = match value.split_once([';', ',']) {
        Some((seconds, target)) => (seconds.trim(), Some(target.trim())),
        None => (value.trim(), None),
    };
    if seconds.is_empty() || !seconds.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return None;
    }
    let Some(target) = target else {
        return Some(seconds.to_owned());
    };
    let (key, address) = target.split_once('=')?;
    if !key.trim().eq_ignore_ascii_case("url") {
        return None;
    }
    match rewrite(address.trim().trim_matches(['"', '\'']), to) {
        Place::Here(address) => Some(format!("{seconds}; url={address}")),
        Place::Foreign | Place::Nowhere => None,
    }
}

/// Takes the domain out of a cookie and moves its path. A path that is not below the upstream's
/// base becomes the whole public one.
pub(super) fn cookie(value: &str, to: &Downstream<'_>) -> String {
    let mut parts = value.split(';').map(str::trim);
    let mut cookie = parts.next().unwrap_or_default().to_owned();
    let mut place = to.public.base.as_str().to_owned();
    for part in parts {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        match name.trim().to_ascii_lowercase().as_str() {
            "domain" | "" => {}
            "path" => {
                if let Some(moved) = path(value.trim(), to) {
                    place = moved;
                }
            }
            _ => {
                cookie.push_str("; ");
                cookie.push_str(part);
            }
        }
    }
    format!("{cookie}; Path={place}")
}
