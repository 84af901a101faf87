//! Requests that proxies and servers have been known to read differently. Each is stopped by the
//! guard, stopped by the admission, or has one meaning.

use ::http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, Version};

use super::super::super::admit::{AdmitOptions, Admitted, admit};
use super::super::super::rejection::Rejection;
use super::*;

#[derive(Debug, Eq, PartialEq)]
enum Stopped {
    Guard(Violation),
    /// By the label.
    Admit(&'static str),
    Nowhere,
}
use Stopped::{Admit, Guard as By, Nowhere};

/// Reads a head that has passed the guard, as a library would that takes everything.
fn admitted(head: &[u8]) -> Result<Admitted, Rejection> {
    let text = head
        .split(|&byte| byte == b'\n')
        .map(|line| line.trim_ascii_end());
    let mut lines = text.take_while(|line| !line.is_empty());
    let line = std::str::from_utf8(lines.next().expect("a request line")).expect("ASCII");
    let words: Vec<_> = line.split(' ').collect();
    let mut headers = HeaderMap::new();
    for line in lines {
        let colon = line.iter().position(|&byte| byte == b':').expect("a colon");
        headers.append(
            HeaderName::from_bytes(&line[..colon]).expect("a name"),
            HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).expect("a value"),
        );
    }
    let method = Method::from_bytes(words[0].as_bytes()).expect("a method");
    let version = if words[2] == "HTTP/1.0" {
        Version::HTTP_10
    } else {
        Version::HTTP_11
    };
    // What the library refuses itself needs nobody else to refuse it.
    let Ok(uri) = words[1].parse::<Uri>() else {
        return Err(Rejection::malformed("path", "not a target"));
    };
    let options = AdmitOptions {
        tls: false,
        ..AdmitOptions::default()
    };
    admit(&method, &uri, version, &headers, &options)
}

fn stopped(input: &[u8]) -> Stopped {
    let outcome = both_ways(input);
    match outcome.ended {
        Err(violation) => {
            assert!(outcome.heads == 0 || !violation.is_in_head(), "{violation:?}");
            By(violation)
        }
        Ok(()) => match admitted(&outcome.passed) {
            Ok(_) => Nowhere,
            Err(rejection) => Admit(rejection.label),
        },
    }
}

fn check(probes: &[(&str, Stopped)]) {
    for (probe, expected) in probes {
        // Latin-1: one character, one byte.
        let bytes: Vec<u8> = probe
            .chars()
            .map(|character| u8::try_from(u32::from(character)).expect("Latin-1"))
            .collect();
        assert_eq!(stopped(&bytes), *expected, "{probe:?}");
    }
}

/// A request with these headers besides `Host`.
macro_rules! post {
    ($headers:literal) => {
        concat!("POST /a HTTP/1.1\r\nHost: a\r\n", $headers, "\r\n")
    };
}

/// A request for this target.
macro_rules! get {
    ($target:literal) => {
        concat!("GET ", $target, " HTTP/1.1\r\nHost: a\r\n\r\n")
    };
}

#[test]
fn bodies_have_one_length() {
    check(&[
        (
            post!("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"),
            By(Violation::LengthAndCoding),
        ),
        (
            post!("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"),
            By(Violation::LengthAndCoding),
        ),
        (
            post!("Transfer-Encoding: gzip, chunked\r\n"),
            By(Violation::Coding),
        ),
        (
            post!("Transfer-Encoding: chunked, chunked\r\n"),
            By(Violation::Coding),
        ),
        (
            post!("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
            By(Violation::Coding),
        ),
        (
            post!("Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n"),
            By(Violation::Coding),
        ),
        (
            post!("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n"),
            By(Violation::Coding),
        ),
        (post!("Transfer-Encoding: xchunked\r\n"), By(Violation::Coding)),
        (post!("Transfer-Encoding: identity\r\n"), By(Violation::Coding)),
        (post!("Transfer-Encoding: \r\n"), By(Violation::Coding)),
        (post!("Transfer-Encoding : chunked\r\n"), By(Violation::FieldName)),
        (
            post!("Transfer-Encoding: \x0bchunked\r\n"),
            By(Violation::FieldValue),
        ),
        (post!("Transfer-Encoding:\r\n chunked\r\n"), By(Violation::Coding)),
        (post!("Transfer-Encoding: chunked\t\r\n"), Nowhere),
        (
            post!("X: a\r\n\tTransfer-Encoding: chunked\r\n"),
            By(Violation::FoldedField),
        ),
        (
            "POST /a HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
            By(Violation::CodingVersion),
        ),
        (post!("Content-Length: +5\r\n"), By(Violation::Length)),
        (post!("Content-Length: -5\r\n"), By(Violation::Length)),
        (post!("Content-Length: 0x5\r\n"), By(Violation::Length)),
        (post!("Content-Length: 5, 5\r\n"), By(Violation::Length)),
        (post!("Content-Length: 5 5\r\n"), By(Violation::Length)),
        (post!("Content-Length: \r\n"), By(Violation::Length)),
        (
            post!("Content-Length: 9999999999999999999\r\n"),
            By(Violation::Length),
        ),
        (
            post!("Content-Length: 5\r\nContent-Length: 5\r\n"),
            By(Violation::Length),
        ),
        (
            post!("Content-Length: 5\r\nContent-Length: 6\r\n"),
            By(Violation::Length),
        ),
        (post!("Content-Length: 5\r\n"), Nowhere),
        (
            "GET /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
            Admit("body"),
        ),
        (
            "DELETE /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            Admit("body"),
        ),
        ("GET /a HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", Nowhere),
    ]);
}

#[test]
fn lines_have_one_end() {
    check(&[
        ("GET /a HTTP/1.1\nHost: a\n\n", By(Violation::BareLineFeed)),
        ("GET /a HTTP/1.1\r\nHost: a\n\r\n", By(Violation::BareLineFeed)),
        ("GET /a HTTP/1.1\r\nHost: a\r\n\n", By(Violation::BareLineFeed)),
        (
            "\r\nGET /a HTTP/1.1\r\nHost: a\r\n\r\n",
            By(Violation::RequestLine),
        ),
        (post!("X: a\rb\r\n"), By(Violation::BareCarriageReturn)),
        (post!("X: a\r\r\n"), By(Violation::BareCarriageReturn)),
        (post!("X: a\0b\r\n"), By(Violation::FieldValue)),
        (post!("X: a\x7fb\r\n"), By(Violation::FieldValue)),
        (post!("X: a\x1b[2Jb\r\n"), By(Violation::FieldValue)),
        (post!(": a\r\n"), By(Violation::FieldName)),
        (post!("X\r\n"), By(Violation::FieldName)),
        (post!("X Y: a\r\n"), By(Violation::FieldName)),
        (post!("X\0: a\r\n"), By(Violation::FieldName)),
        (post!(" X: a\r\n"), By(Violation::FoldedField)),
        (post!("X_User: a\r\nX-User: b\r\n"), Admit("header")),
    ]);
}

#[test]
fn request_lines_have_one_reading() {
    check(&[
        ("GET  /a HTTP/1.1\r\nHost: a\r\n\r\n", By(Violation::RequestLine)),
        ("GET /a  HTTP/1.1\r\nHost: a\r\n\r\n", By(Violation::RequestLine)),
        ("GET\t/a\tHTTP/1.1\r\nHost: a\r\n\r\n", By(Violation::RequestLine)),
        ("GET /a HTTP/1.1 \r\nHost: a\r\n\r\n", By(Violation::RequestLine)),
        (" GET /a HTTP/1.1\r\nHost: a\r\n\r\n", By(Violation::RequestLine)),
        ("GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", By(Violation::RequestLine)),
        ("GET /a\r\n\r\n", By(Violation::RequestLine)),
        ("GET /a HTTP/1.2\r\nHost: a\r\n\r\n", By(Violation::Version)),
        ("GET /a HTTP/2.0\r\nHost: a\r\n\r\n", By(Violation::Version)),
        ("GET /a HTTP/01.1\r\nHost: a\r\n\r\n", By(Violation::Version)),
        ("GET /a http/1.1\r\nHost: a\r\n\r\n", By(Violation::RequestLine)),
        ("get /a HTTP/1.1\r\nHost: a\r\n\r\n", Admit("method")),
        ("G!T /a HTTP/1.1\r\nHost: a\r\n\r\n", Admit("method")),
        ("G(T /a HTTP/1.1\r\nHost: a\r\n\r\n", By(Violation::RequestLine)),
        ("CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", By(Violation::Method)),
        ("TRACE /a HTTP/1.1\r\nHost: a\r\n\r\n", By(Violation::Method)),
        (get!("a"), By(Violation::Target)),
        (get!("*"), By(Violation::Target)),
        ("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", Admit("path")),
        (get!("/a#b"), By(Violation::Target)),
        (get!("/a\0"), By(Violation::Target)),
        (get!("/a\u{ff}"), By(Violation::Target)),
        (get!("ftp://a/b"), By(Violation::Target)),
    ]);
}

#[test]
fn a_request_is_for_one_host() {
    check(&[
        ("GET /a HTTP/1.1\r\n\r\n", By(Violation::Host)),
        ("GET /a HTTP/1.0\r\n\r\n", Admit("host")),
        ("GET /a HTTP/1.0\r\nHost: a\r\n\r\n", Nowhere),
        (
            "GET /a HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
            By(Violation::Host),
        ),
        (
            "GET /a HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n",
            By(Violation::Host),
        ),
        ("GET /a HTTP/1.1\r\nHost: a/../b?x\r\n\r\n", By(Violation::Host)),
        ("GET /a HTTP/1.1\r\nHost: u@a\r\n\r\n", By(Violation::Host)),
        ("GET /a HTTP/1.1\r\nHost: a, b\r\n\r\n", By(Violation::Host)),
        ("GET /a HTTP/1.1\r\nHost: \r\n\r\n", By(Violation::Host)),
        (get!("http://a/b"), Nowhere),
        (get!("http://A.:80/b"), Nowhere),
        (get!("http://a?b"), Nowhere),
        (get!("http://b/x"), By(Violation::HostMismatch)),
        (get!("http://a:81/x"), By(Violation::HostMismatch)),
        (get!("http://u:p@a/x"), By(Violation::UserInfo)),
        (get!("http:///x"), By(Violation::Target)),
        (
            "GET /a HTTP/1.1\r\nHost: a\r\nConnection: Host\r\n\r\n",
            Admit("connection"),
        ),
    ]);
}

#[test]
fn paths_have_one_form() {
    check(&[
        (get!("/a/../b"), Admit("path")),
        (get!("/a/./b"), Admit("path")),
        (get!("/a//b"), Admit("path")),
        (get!("//evil/x"), Admit("path")),
        (get!("/%2e%2e/b"), Admit("path")),
        (get!("/a%2fb"), Admit("path")),
        (get!("/a%5cb"), Admit("path")),
        (get!("/a\\b"), Admit("path")),
        (get!("/a%00b"), Admit("path")),
        (get!("/a;x=1"), Admit("path")),
        (get!("/..;/b"), Admit("path")),
        (get!("/a%zz"), Admit("path")),
        (get!("/a<b>"), Admit("path")),
        (get!("/a?access_token=x"), Admit("query")),
    ]);
}

#[test]
fn what_decides_is_said_once() {
    check(&[
        (
            post!("Authorization: Bearer a\r\nAuthorization: Bearer b\r\n"),
            Admit("duplicate-header"),
        ),
        (
            post!("Content-Type: text/plain\r\nContent-Type: text/html\r\n"),
            Admit("duplicate-header"),
        ),
        (
            post!("Origin: https://a\r\nOrigin: null\r\n"),
            Admit("duplicate-header"),
        ),
        (post!("Cookie: a=b\r\nCookie: c=d\r\n"), Admit("duplicate-header")),
        (
            post!("Idempotency-Key: a\r\nIdempotency-Key: b\r\n"),
            Admit("duplicate-header"),
        ),
        (
            post!("Mcp-Method: a\r\nMcp-Method: b\r\n"),
            Admit("duplicate-header"),
        ),
        (post!("Accept: a/b\r\nAccept: c/d\r\n"), Nowhere),
        (post!("Expect: 200-ok\r\n"), By(Violation::Expectation)),
        (
            post!("Expect: 100-continue\r\nExpect: 100-continue\r\n"),
            By(Violation::Expectation),
        ),
        (post!("Expect: 100-Continue\r\nContent-Length: 3\r\n"), Nowhere),
        (
            post!("Connection: Authorization\r\nAuthorization: Bearer a\r\n"),
            Admit("connection"),
        ),
    ]);
}

#[test]
fn a_connection_switches_to_one_protocol_and_not_with_a_body() {
    check(&[
        (
            post!("Connection: Upgrade\r\nUpgrade: h2c\r\n"),
            By(Violation::Upgrade),
        ),
        (
            post!("Connection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AA\r\n"),
            By(Violation::Upgrade),
        ),
        (
            post!("Connection: Upgrade\r\nUpgrade: websocket, h2c\r\n"),
            By(Violation::Upgrade),
        ),
        (
            post!("Connection: Upgrade\r\nUpgrade: a\r\nUpgrade: b\r\n"),
            By(Violation::Upgrade),
        ),
        (post!("Upgrade: websocket\r\n"), By(Violation::Upgrade)),
        (
            post!("Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 5\r\n"),
            By(Violation::UpgradeBody),
        ),
        (
            post!("Connection: Upgrade\r\nUpgrade: websocket\r\nTransfer-Encoding: chunked\r\n"),
            By(Violation::UpgradeBody),
        ),
        (
            post!("Connection: Upgrade\r\nUpgrade: websocket\r\n"),
            Admit("upgrade"),
        ),
        (
            "GET /a HTTP/1.0\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
            By(Violation::Upgrade),
        ),
        (
            "GET /a HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
            Nowhere,
        ),
    ]);
}
