//! What only an HTTP resource has.

use std::path::{Path, PathBuf};
use std::time::Duration;

use http::header::{AUTHORIZATION, HeaderName};
use http::uri::Uri;

use super::super::quantity::{duration, size, text};
use super::super::report::{Problem, problem};
use super::super::section::Section;
use super::super::settings::{choice, secret};
use super::super::upstream::is_loopback;
use crate::secret::SecretRef;

/// What only an HTTP resource has.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HttpConfig {
    /// Whether it is reached by TLS.
    pub tls: bool,
    /// A host name or an IP address, without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// What stands before every path, without a slash at its end; often nothing.
    pub base: String,
    /// Authorities that vouch for its certificate, in PEM; `None` for the system's own.
    pub root_certificate: Option<PathBuf>,
    /// Whether the upstream is spoken to in HTTP/2 although nobody negotiates it: only without TLS.
    pub http2: bool,
    /// How the gateway proves itself there; `None` where nobody asks.
    pub login: Option<HttpLogin>,
    /// The names by which clients reach it (`Host`), in lower case, without a port. Empty: the
    /// first segment of the path is the resource's name.
    pub hosts: Vec<String>,
    /// The header that carries the client's token: `authorization` unless set.
    pub token_header: HeaderName,
    /// The methods that are let through at all.
    pub methods: Vec<String>,
    /// The OpenAPI document (JSON) whose paths are the templates of routes.
    pub openapi: Option<PathBuf>,
    /// What policies and classifiers get to see of a JSON body, by JSON path.
    pub body_facts: Vec<String>,
    /// Whether texts without a tag go to the maskers as well.
    pub scan_untagged: bool,
    /// Whether bodies of requests go to the maskers, too.
    pub mask_requests: bool,
    /// What becomes of an answer that no masker can read, where answers are masked.
    pub unknown_content: UnknownContent,
    /// The names of the cookies that pass; they are credentials of the upstream's own, and all
    /// others are taken out, both ways.
    pub cookies: Vec<String>,
    /// Whether connections may be switched to WebSocket.
    pub websocket: bool,
    /// The longest body that is read whole, for facts, for approval or for masking it as a whole.
    pub body_max: u64,
    /// How long the upstream may take to begin its answer, and between two parts of it.
    pub timeout: Duration,
    /// Whether it speaks the Model Context Protocol: `kind = "mcp"`.
    pub mcp: bool,
}

impl HttpConfig {
    pub(super) fn secrets(&self) -> Vec<(&'static str, &SecretRef)> {
        match &self.login {
            Some(HttpLogin::Bearer(token)) => vec![("login.bearer", token)],
            Some(HttpLogin::Basic { password, .. }) => vec![("login.password", password)],
            Some(HttpLogin::Header { value, .. }) => vec![("login.value", value)],
            Some(HttpLogin::Certificate { .. }) | None => Vec::new(),
        }
    }

    pub(super) fn files(&self) -> Vec<(&'static str, &PathBuf)> {
        let mut files: Vec<(&'static str, &PathBuf)> = Vec::new();
        files.extend(
            self.root_certificate
                .iter()
                .map(|path| ("root_certificate", path)),
        );
        files.extend(self.openapi.iter().map(|path| ("openapi", path)));
        if let Some(HttpLogin::Certificate { certificate, key }) = &self.login {
            files.push(("login.certificate", certificate));
            files.push(("login.key", key));
        }
        files
    }
}

/// How the gateway proves itself to an HTTP upstream. The client never learns it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum HttpLogin {
    /// `Authorization: Bearer …`.
    Bearer(SecretRef),
    /// `Authorization: Basic …`.
    Basic {
        /// The user.
        user: String,
        /// The password.
        password: SecretRef,
    },
    /// A header of the upstream's own.
    Header {
        /// Its name.
        name: HeaderName,
        /// Its value.
        value: SecretRef,
    },
    /// A client certificate.
    Certificate {
        /// The chain in PEM, leaf first.
        certificate: PathBuf,
        /// The private key in PEM.
        key: PathBuf,
    },
}

/// What becomes of an answer that no masker can read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum UnknownContent {
    /// It is refused.
    Refuse,
    /// It passes as it is.
    Pass,
}

/// The default of `methods`: what APIs use. CONNECT and TRACE are never let through.
const METHODS: [&str; 7] = ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"];

/// The default of `body_max`.
const BODY_MAX: u64 = 1 << 20;

/// The default of `timeout`: what other gateways use.
const TIMEOUT: Duration = Duration::from_secs(60);

pub(super) fn read(section: &Section<'_>, folder: &Path) -> Option<HttpConfig> {
    let insecure = section.flag("insecure");
    let shape = "write https://HOST:PORT/BASE";
    let upstream = section.require("upstream", shape, |text| address(text, insecure));
    let path = |value: &str| text(value).map(|value| folder.join(value));
    let root_certificate = section.parse("root_certificate", path);
    let login = section.table("login").map(|login| read_login(login, folder));
    let hosts = section.list("hosts", host);
    let token_header = section.parse("token_header", header_name);
    let methods = section.list("methods", method);
    let openapi = section.parse("openapi", path);
    let body_facts = section.list("body_facts", selector);
    let scan_untagged = section.flag("scan_untagged");
    let mask_requests = section.flag("mask_requests");
    let contents = [("refuse", UnknownContent::Refuse), ("pass", UnknownContent::Pass)];
    let unknown_content = section.parse("unknown_content", choice(&contents));
    let cookies = section.list("cookies", text);
    let websocket = section.flag("websocket");
    let http2 = section.flag("http2");
    let body_max = section.parse("body_max", size(1 << 10..=64 << 20));
    let timeout = section.parse(
        "timeout",
        duration(Duration::from_secs(1)..=Duration::from_hours(24)),
    );
    let (tls, host, port, base) = upstream?;
    if http2 && tls {
        let remedy = "take it out: over TLS both sides agree on HTTP/2 by themselves";
        section.fault("http2", problem("is for upstreams without TLS", remedy));
    }
    Some(HttpConfig {
        tls,
        host,
        port,
        base,
        root_certificate,
        http2,
        login: match login {
            Some(login) => Some(login?),
            None => None,
        },
        hosts,
        token_header: token_header.unwrap_or(AUTHORIZATION),
        methods: if methods.is_empty() {
            METHODS.map(str::to_owned).to_vec()
        } else {
            methods
        },
        openapi,
        body_facts,
        scan_untagged,
        mask_requests,
        unknown_content: unknown_content.unwrap_or(UnknownContent::Refuse),
        cookies,
        websocket,
        body_max: body_max.unwrap_or(BODY_MAX),
        timeout: timeout.unwrap_or(TIMEOUT),
        mcp: false,
    })
}

/// Reads `http[s]://HOST[:PORT][/BASE]`.
///
/// The text is not repeated in a fault: somebody may have put a password into it.
fn address(text: &str, insecure: bool) -> Result<(bool, String, u16, String), Problem> {
    let shape = "write https://HOST:PORT/BASE";
    let uri: Uri = text.parse().map_err(|_| problem("is not a URL", shape))?;
    let tls = match uri.scheme_str() {
        Some("https") => true,
        Some("http") => false,
        _ => return Err(problem("is not an http:// or https:// URL", shape)),
    };
    let authority = uri.authority().ok_or_else(|| problem("names no host", shape))?;
    if authority.as_str().contains('@') {
        return Err(problem(
            "carries a user or a password",
            "take them out of the URL and set login = { user = \"…\", password = \"env:…\" }",
        ));
    }
    if uri.query().is_some() {
        return Err(problem("carries a query", shape));
    }
    let host = authority
        .host()
        .trim_start_matches('[')
        .trim_end_matches(']')
        .to_owned();
    if host.is_empty() {
        return Err(problem("names no host", shape));
    }
    if !tls && !insecure && !is_loopback(&host) {
        return Err(problem(
            "http:// sends the credential and all data in clear text",
            "use https://, or set insecure = true for this resource",
        ));
    }
    let port = authority.port_u16().unwrap_or(if tls { 443 } else { 80 });
    Ok((tls, host, port, uri.path().trim_end_matches('/').to_owned()))
}

fn read_login(section: Section<'_>, folder: &Path) -> Option<HttpLogin> {
    let reference = |value: &str| secret(value, folder);
    let path = |value: &str| text(value).map(|value| folder.join(value));
    let ways = ["bearer", "user", "header", "certificate"];
    let login = match ways.map(|way| section.has(way)) {
        [true, false, false, false] => section.parse("bearer", reference).map(HttpLogin::Bearer),
        [false, true, false, false] => {
            let user = section.parse("user", user);
            let password = section.require("password", "write \"env:NAME\" or \"file:PATH\"", reference);
            user.zip(password)
                .map(|(user, password)| HttpLogin::Basic { user, password })
        }
        [false, false, true, false] => {
            let name = section.parse("header", header_name);
            let value = section.require("value", "write \"env:NAME\" or \"file:PATH\"", reference);
            name.zip(value)
                .map(|(name, value)| HttpLogin::Header { name, value })
        }
        [false, false, false, true] => {
            let certificate = section.parse("certificate", path);
            let key = section.require("key", "name the PEM file of the private key", path);
            certificate
                .zip(key)
                .map(|(certificate, key)| HttpLogin::Certificate { certificate, key })
        }
        _ => {
            section.fault(
                "login",
                problem(
                    "is none or several of the ways to log in",
                    "set one of { bearer = … }, { user = …, password = … }, { header = …, value = … }, \
                     { certificate = …, key = … }",
                ),
            );
            section.pass_over();
            None
        }
    };
    section.finish();
    login
}

fn user(name: &str) -> Result<String, Problem> {
    // Basic authentication ends the user at the first colon.
    if name.contains(':') {
        return Err(problem(
            "holds a colon, which ends a user's name",
            "name the account",
        ));
    }
    text(name)
}

fn header_name(name: &str) -> Result<HeaderName, Problem> {
    let parsed = HeaderName::from_bytes(name.as_bytes());
    parsed.map_err(|_| {
        problem(
            format!("\"{name}\" is not a header's name"),
            "write a name, e.g. \"X-Api-Key\"",
        )
    })
}

fn method(name: &str) -> Result<String, Problem> {
    let plain = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-');
    match name {
        "CONNECT" | "TRACE" => Err(problem(format!("{name} is never let through"), "take it out")),
        _ if plain => Ok(name.to_owned()),
        _ => Err(problem(
            format!("\"{name}\" is not a method"),
            "write it in capitals, e.g. \"GET\"",
        )),
    }
}

fn host(name: &str) -> Result<String, Problem> {
    let lower = name.to_ascii_lowercase();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b':' | b'[' | b']');
    if lower.is_empty() || !lower.bytes().all(plain) || lower.ends_with('.') {
        return Err(problem(
            format!("\"{name}\" is not a host's name"),
            "write the name that clients use, e.g. \"orders.agents.example.com\"",
        ));
    }
    Ok(lower)
}

fn selector(path: &str) -> Result<String, Problem> {
    if !path.starts_with('$') {
        return Err(problem(
            format!("\"{path}\" is not a JSON path"),
            "write e.g. \"$.order.amount\"",
        ));
    }
    Ok(path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_scheme_a_host_and_maybe_a_base() {
        let read = |text| address(text, false).ok();
        assert_eq!(
            read("https://api.internal/v1/"),
            Some((true, "api.internal".into(), 443, "/v1".into()))
        );
        assert_eq!(
            read("http://[::1]:8080"),
            Some((false, "::1".into(), 8080, String::new()))
        );
        for bad in [
            "",
            "api",
            "ftp://api",
            "https://user:secret@api",
            "https://api/x?y=1",
            "http://api.internal",
        ] {
            assert!(address(bad, false).is_err(), "{bad}");
        }
        assert!(address("http://api.internal", true).is_ok());
    }

    #[test]
    fn a_password_in_the_address_is_not_repeated() {
        let fault = address("https://app:hunter2@api", false).expect_err("refused");
        assert!(!format!("{fault:?}").contains("hunter2"));
    }
}
