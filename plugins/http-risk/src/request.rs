//! What one request shows.

use tidegate_sdk::classifier::{Facts, HttpRequest};

use crate::Config;
use crate::values::{self, Suspect};

/// One finding before its score.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) id: &'static str,
    pub(crate) message: String,
    pub(crate) labels: &'static [&'static str],
}

/// Every finding's usual score.
pub(crate) const SCORES: &[(&str, u8)] = &[
    ("http.unknown", 90),
    ("http.privilege", 90),
    ("http.inner-address", 90),
    ("http.injection", 85),
    ("http.collection-delete", 85),
    ("http.admin", 70),
    ("http.export", 70),
    ("http.delete", 60),
    ("http.tool-call", 50),
    ("http.outside-address", 50),
    ("http.large-upload", 50),
    ("http.upgrade", 40),
    ("http.write", 30),
];

/// Methods that read.
const READS: [&str; 3] = ["GET", "HEAD", "OPTIONS"];

/// Methods that write.
const WRITES: [&str; 4] = ["POST", "PUT", "PATCH", "DELETE"];

/// Segments of paths below which things are kept that give power.
const PRIVILEGE: [&str; 20] = [
    "acl",
    "acls",
    "api-keys",
    "apikeys",
    "credentials",
    "grants",
    "impersonate",
    "invitations",
    "keys",
    "members",
    "passwords",
    "permissions",
    "policies",
    "roles",
    "secrets",
    "sessions",
    "sso",
    "tokens",
    "users",
    "webhooks",
];

/// Segments of paths of administration and diagnosis.
const ADMIN: [&str; 14] = [
    "actuator",
    "admin",
    "console",
    "debug",
    "env",
    "graphql",
    "heapdump",
    "internal",
    "manage",
    "metrics",
    "phpinfo",
    "pprof",
    "server-status",
    "swagger",
];

/// Keys of queries that say how much is wanted.
const SIZES: [&str; 8] = [
    "limit",
    "count",
    "size",
    "page_size",
    "pagesize",
    "per_page",
    "max_results",
    "top",
];

/// Segments and values that ask for everything.
const EVERYTHING: [&str; 5] = ["export", "dump", "backup", "all", "download"];

/// Returns what a request shows, gravest first.
pub(crate) fn findings(facts: &Facts, config: &Config) -> Vec<Found> {
    let Some(request) = &facts.request else {
        return vec![found(
            "http.unknown",
            "Nothing is known of the request.".to_owned(),
            &[],
        )];
    };
    let mut all = Vec::new();
    let method = request.method.as_str();
    let (reads, writes) = (READS.contains(&method), WRITES.contains(&method));
    if !reads && !writes {
        let message = format!("{method} is no method whose meaning is known.");
        all.push(found("http.unknown", message, &[]));
    }
    if !reads {
        privilege(request, &mut all);
    }
    suspects(request, &mut all);
    if method == "DELETE" {
        delete(request, &mut all);
    }
    if let Some(segment) = segments(request).find(|segment| ADMIN.contains(&segment.as_str())) {
        let message = format!("The path leads to administration or diagnosis ({segment}).");
        all.push(found("http.admin", message, &["admin"]));
    }
    if reads {
        export(request, config, &mut all);
    }
    if let Some(call) = &request.call {
        let name = call.name.as_deref().unwrap_or("?");
        if call.method == "tools/call" {
            let message = format!("Calls the tool {}.", values::shown(name));
            all.push(found("http.tool-call", message, &["tool"]));
        }
    }
    if writes && request.body_bytes.is_none_or(|bytes| bytes > config.upload_max) {
        let message = match request.body_bytes {
            Some(bytes) => format!("Sends {bytes} bytes."),
            None => "Sends a body of unknown length.".to_owned(),
        };
        all.push(found("http.large-upload", message, &["upload"]));
    }
    if let Some(protocol) = &request.upgrade {
        let message = format!("Asks to switch to {}.", values::shown(protocol));
        all.push(found("http.upgrade", message, &[]));
    }
    if writes {
        all.push(found(
            "http.write",
            format!("{method} changes something."),
            &["write"],
        ));
    }
    all
}

fn found(id: &'static str, message: String, labels: &'static [&'static str]) -> Found {
    Found { id, message, labels }
}

/// The segments of the path in lower case.
fn segments(request: &HttpRequest) -> impl Iterator<Item = String> {
    request
        .path
        .split('/')
        .filter(|segment| !segment.is_empty())
        .map(str::to_lowercase)
}

fn privilege(request: &HttpRequest, all: &mut Vec<Found>) {
    if let Some(segment) = segments(request).find(|segment| PRIVILEGE.contains(&segment.as_str())) {
        let message = format!("{} below {segment} changes who may do what.", request.method);
        all.push(found("http.privilege", message, &["privilege"]));
    }
}

fn suspects(request: &HttpRequest, all: &mut Vec<Found>) {
    for (name, value) in values::all(request) {
        let Some(suspect) = values::suspect(&value) else {
            continue;
        };
        let name = values::shown(&name);
        all.push(match suspect {
            Suspect::Inner => {
                let message = format!("{name} is the address of an inner machine.");
                found("http.inner-address", message, &["ssrf"])
            }
            Suspect::Outside => {
                let message = format!("{name} is the address of another server.");
                found("http.outside-address", message, &["outside"])
            }
            Suspect::Code(what) => {
                let message = format!("{name} looks like {what}.");
                found("http.injection", message, &["injection"])
            }
        });
    }
    // The gravest of each kind is told once.
    all.dedup_by(|next, last| next.id == last.id);
}

fn delete(request: &HttpRequest, all: &mut Vec<Found>) {
    let last = segments(request).last().unwrap_or_default();
    let single =
        !request.parameters.is_empty() && request.route.as_ref().is_some_and(|route| route.ends_with('}'));
    let looks_single = last.bytes().any(|byte| byte.is_ascii_digit());
    if single || looks_single {
        all.push(found(
            "http.delete",
            "DELETE removes something.".to_owned(),
            &["delete"],
        ));
    } else {
        let message = "DELETE names no single thing and may remove them all.".to_owned();
        all.push(found("http.collection-delete", message, &["delete"]));
    }
}

fn export(request: &HttpRequest, config: &Config, all: &mut Vec<Found>) {
    let everything = |text: &str| EVERYTHING.contains(&text.to_lowercase().as_str());
    let by_path = segments(request).any(|segment| everything(&segment));
    let mut by_query = None;
    for (key, values) in &request.query {
        let key = key.to_lowercase();
        let is_size = SIZES.contains(&key.trim_start_matches('$'));
        for value in values {
            let number = value.parse::<i64>();
            let large = match number {
                Ok(number) => number < 0 || number.unsigned_abs() > config.page_max,
                Err(_) => everything(value),
            };
            if is_size && large {
                by_query = Some(key.clone());
            }
        }
    }
    if by_path || by_query.is_some() {
        let message = match by_query {
            Some(key) => format!("{} asks for very much at once.", values::shown(&key)),
            None => "The path asks for everything at once.".to_owned(),
        };
        all.push(found("http.export", message, &["export"]));
    }
}
