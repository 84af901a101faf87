//! The address of a PostgreSQL upstream, written as a URL, and how far its TLS is trusted.

use std::net::IpAddr;

use url::Url;

use super::report::{Problem, nearest, problem};

/// Where an upstream is and how it is reached. Never shown to clients.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Upstream {
    /// A host name or an IP address, without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The database.
    pub database: String,
    /// How the connection is secured.
    pub sslmode: SslMode,
}

/// How a connection to an upstream is secured, in libpq's words. `allow` and `prefer` are
/// missing: they give way to anybody in between.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SslMode {
    /// Plain text: on the loopback, or where the operator insists.
    Disable,
    /// TLS with any certificate: safe from listeners, not from impostors.
    Require,
    /// TLS with a certificate of a known authority, for any name.
    VerifyCa,
    /// TLS with a certificate of a known authority for this very host.
    VerifyFull,
}

/// Reads `postgres://HOST[:PORT]/DATABASE[?sslmode=…]`.
///
/// The text is not repeated in a fault: somebody may have put a password into it.
pub(super) fn parse(text: &str, insecure: bool) -> Result<Upstream, Problem> {
    let shape = "write postgres://HOST:PORT/DATABASE?sslmode=verify-full";
    let url = Url::parse(text).map_err(|error| problem(format!("is not a URL: {error}"), shape))?;
    if !matches!(url.scheme(), "postgres" | "postgresql") {
        return Err(problem("is not a postgres:// URL", shape));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(problem(
            "carries a user or a password",
            "take them out of the URL and set login = { user = \"…\", password = \"env:…\" }",
        ));
    }
    let host = url
        .host_str()
        .unwrap_or("")
        .trim_start_matches('[')
        .trim_end_matches(']')
        .to_owned();
    if host.is_empty() || host.contains('%') {
        return Err(problem("names no host", shape));
    }
    let database = url.path().trim_start_matches('/').to_owned();
    let plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'/' | b'%' | b'\\');
    if database.is_empty() || !database.bytes().all(plain) {
        return Err(problem(
            "names no database, or one with special characters",
            shape,
        ));
    }
    if url.fragment().is_some() {
        return Err(problem("carries a #fragment", shape));
    }
    let sslmode = sslmode(&url)?;
    if sslmode == SslMode::Disable && !insecure && !is_loopback(&host) {
        return Err(problem(
            "sslmode=disable sends the password and all data in clear text",
            "use sslmode=verify-full, or set insecure = true for this resource",
        ));
    }
    Ok(Upstream {
        host,
        port: url.port().unwrap_or(5432),
        database,
        sslmode,
    })
}

fn sslmode(url: &Url) -> Result<SslMode, Problem> {
    let mut mode = None;
    for (key, value) in url.query_pairs() {
        if key != "sslmode" {
            let remedy = match nearest(&key, ["sslmode"]) {
                Some(_) => "did you mean sslmode?",
                None => "only sslmode can be set here",
            };
            return Err(problem(
                format!("carries the unknown parameter \"{key}\""),
                remedy,
            ));
        }
        let parsed = match value.as_ref() {
            "disable" => SslMode::Disable,
            "require" => SslMode::Require,
            "verify-ca" => SslMode::VerifyCa,
            "verify-full" => SslMode::VerifyFull,
            "allow" | "prefer" => {
                return Err(problem(
                    format!("sslmode={value} falls back to clear text"),
                    "use sslmode=verify-full",
                ));
            }
            _ => {
                return Err(problem(
                    format!("sslmode={value} is not known"),
                    "use verify-full, verify-ca, require or disable",
                ));
            }
        };
        if mode.replace(parsed).is_some() {
            return Err(problem("sets sslmode twice", "set it once"));
        }
    }
    Ok(mode.unwrap_or(SslMode::VerifyFull))
}

/// Returns whether `host` is this machine by its address or by the one name reserved for it.
pub(super) fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upstream_reads_with_verify_full_as_the_default() {
        let upstream = parse("postgres://db.internal/customers", false).expect("valid");
        assert_eq!(
            upstream,
            Upstream {
                host: "db.internal".into(),
                port: 5432,
                database: "customers".into(),
                sslmode: SslMode::VerifyFull,
            }
        );
        let v6 = parse("postgresql://[::1]:6432/x?sslmode=disable", false).expect("valid");
        assert_eq!(
            (v6.host.as_str(), v6.port, v6.sslmode),
            ("::1", 6432, SslMode::Disable)
        );
    }

    #[test]
    fn clear_text_is_for_the_loopback_or_on_demand() {
        let text = "postgres://db.internal/customers?sslmode=disable";
        assert!(parse(text, false).is_err());
        assert!(parse(text, true).is_ok());
        assert!(parse("postgres://localhost/customers?sslmode=disable", false).is_ok());
    }

    #[test]
    fn a_password_in_the_url_is_refused_and_not_repeated() {
        let fault = parse("postgres://app:hunter2@db/customers", false).expect_err("refused");
        assert!(!format!("{fault:?}").contains("hunter2"));
    }

    #[test]
    fn what_is_no_upstream_is_refused() {
        for bad in [
            "",
            "db",
            "mysql://db/x",
            "postgres:///x",
            "postgres://db",
            "postgres://db/",
            "postgres://db/a/b",
            "postgres://db/x?sslmode=prefer",
            "postgres://db/x?sslmode=allow",
            "postgres://db/x?sslmode=on",
            "postgres://db/x?sslmode=require&sslmode=disable",
            "postgres://db/x?host=other",
            "postgres://db/x#y",
        ] {
            assert!(parse(bad, true).is_err(), "{bad}");
        }
    }
}
