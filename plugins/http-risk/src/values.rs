//! What the values of a request look like.

use serde_json::Value;
use tidegate_sdk::classifier::HttpRequest;

/// Why a value is remarkable.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Suspect {
    /// The address of a machine that outsiders should not reach.
    Inner,
    /// The address of another server.
    Outside,
    /// A piece of a language, in words.
    Code(&'static str),
}

/// How deep values of bodies and arguments are looked into.
const DEPTH_MAX: usize = 8;

/// How much of a name is told.
const SHOWN_CHARACTERS: usize = 40;

/// Returns a name as it may be told: short and plain.
pub(crate) fn shown(name: &str) -> String {
    name.chars()
        .take(SHOWN_CHARACTERS)
        .map(|character| {
            if character.is_ascii_graphic() {
                character
            } else {
                '?'
            }
        })
        .collect()
}

/// Returns every value of a request with its name.
pub(crate) fn all(request: &HttpRequest) -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = Vec::new();
    for (key, values) in &request.query {
        all.extend(values.iter().map(|value| (key.clone(), value.clone())));
    }
    for (name, value) in &request.parameters {
        all.push((name.clone(), value.clone()));
    }
    for (path, value) in &request.body {
        texts(path, value, 0, &mut all);
    }
    if let Some(arguments) = request.call.as_ref().and_then(|call| call.arguments.as_ref()) {
        texts("arguments", arguments, 0, &mut all);
    }
    all
}

fn texts(name: &str, value: &Value, depth: usize, all: &mut Vec<(String, String)>) {
    if depth > DEPTH_MAX {
        return;
    }
    match value {
        Value::String(text) => all.push((name.to_owned(), text.clone())),
        Value::Array(items) => items.iter().for_each(|item| texts(name, item, depth + 1, all)),
        Value::Object(members) => {
            for (key, member) in members {
                texts(key, member, depth + 1, all);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Pieces of text that stand for more than a value, each with what it looks like.
const CODE: [(&str, &str); 20] = [
    ("' or ", "SQL"),
    ("' and ", "SQL"),
    ("union select", "SQL"),
    ("; drop ", "SQL"),
    ("'--", "SQL"),
    ("sleep(", "SQL"),
    ("$(", "a shell command"),
    ("; rm ", "a shell command"),
    ("| sh", "a shell command"),
    ("&& ", "a shell command"),
    ("/bin/sh", "a shell command"),
    ("{{", "a template"),
    ("${", "a template"),
    ("<%", "a template"),
    ("<script", "a script"),
    ("javascript:", "a script"),
    ("../", "another path"),
    ("..\\", "another path"),
    ("/etc/passwd", "another path"),
    ("<!entity", "an XML entity"),
];

/// Schemes by which servers fetch things.
const SCHEMES: [&str; 7] = [
    "http://",
    "https://",
    "ftp://",
    "gopher://",
    "file://",
    "dict://",
    "ldap://",
];

/// Says whether a value is remarkable.
pub(crate) fn suspect(value: &str) -> Option<Suspect> {
    let lower = value.to_lowercase();
    if let Some(scheme) = SCHEMES.iter().find(|scheme| lower.starts_with(**scheme)) {
        let rest = &lower[scheme.len()..];
        let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
        // What stands before an @ only looks like a host.
        let host = authority.rsplit('@').next().unwrap_or(authority);
        let inner = *scheme == "file://" || is_inner(host);
        return Some(if inner { Suspect::Inner } else { Suspect::Outside });
    }
    let code = CODE.iter().find(|(piece, _)| lower.contains(piece));
    code.map(|(_, what)| Suspect::Code(what))
}

/// Names and addresses of machines that outsiders should not reach, in any spelling of a number.
fn is_inner(host: &str) -> bool {
    let bracketed = host.strip_prefix('[').and_then(|rest| rest.split(']').next());
    if let Some(address) = bracketed {
        let address = address.split('%').next().unwrap_or(address);
        return match address.parse::<std::net::Ipv6Addr>() {
            Ok(address) => match address.to_ipv4() {
                Some(inner) => is_inner_v4(inner),
                None => {
                    let first = address.segments()[0];
                    address.is_loopback()
                        || address.is_unspecified()
                        || first & 0xFE00 == 0xFC00
                        || first & 0xFFC0 == 0xFE80
                }
            },
            Err(_) => true,
        };
    }
    let name = host.split(':').next().unwrap_or(host).trim_end_matches('.');
    let by_name = name == "localhost"
        || [".localhost", ".local", ".internal", ".lan", ".intranet"]
            .iter()
            .any(|end| name.ends_with(end));
    // A name without a dot is looked up nearby; a number is an address in disguise.
    by_name || !name.contains('.') || numeric(name)
}

fn numeric(name: &str) -> bool {
    let number =
        |part: &str| part.starts_with("0x") || (!part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()));
    if !name.split('.').all(number) {
        return false;
    }
    name.parse::<std::net::Ipv4Addr>().map_or(true, is_inner_v4)
}

fn is_inner_v4(address: std::net::Ipv4Addr) -> bool {
    let [first, second, ..] = address.octets();
    address.is_loopback()
        || address.is_private()
        || address.is_link_local()
        || address.is_unspecified()
        || (first == 100 && (64..128).contains(&second))
}
