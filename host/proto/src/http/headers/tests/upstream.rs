//! Towards the upstream.

use std::net::Ipv6Addr;

use ::http::{Method, StatusCode, Uri, Version};

use super::super::super::admit::{AdmitOptions, Admitted, admit};
use super::*;

fn admitted(method: Method, headers: &[(&'static str, &str)]) -> Admitted {
    let mut headers = map(headers);
    headers.insert("host", HeaderValue::from_static("public.example"));
    let uri = Uri::from_static("/a");
    admit(
        &method,
        &uri,
        Version::HTTP_11,
        &headers,
        &AdmitOptions::default(),
    )
    .expect("a good request")
}

fn towards<'a>(host: &'a Authority) -> Upstream<'a> {
    Upstream {
        host,
        http2: false,
        injected: &[],
        client: IpAddr::from([192, 0, 2, 7]),
        scheme: "https",
        masked: false,
        cookies: &[],
        upgrade: false,
    }
}

const OURS: [&str; 6] = [
    "forwarded: for=192.0.2.7;host=\"public.example\";proto=https",
    "host: api.internal:8080",
    "via: 1.1 tidegate",
    "x-forwarded-for: 192.0.2.7",
    "x-forwarded-host: public.example",
    "x-forwarded-proto: https",
];

fn sent(headers: &[(&'static str, &str)], change: impl Fn(&mut Upstream<'_>)) -> Vec<String> {
    let host = authority("api.internal:8080");
    let mut upstream = towards(&host);
    change(&mut upstream);
    let headers = upstream_headers(&admitted(Method::GET, headers), &upstream).expect("headers");
    let mut lines = lines(&headers);
    lines.retain(|line| !OURS.contains(&line.as_str()));
    lines
}

#[test]
fn ours_replace_what_the_client_says_of_itself() {
    let host = authority("api.internal:8080");
    let lies = admitted(
        Method::GET,
        &[
            ("forwarded", "for=1.1.1.1"),
            ("x-forwarded-for", "1.1.1.1"),
            ("x-forwarded-for", "2.2.2.2"),
            ("x-forwarded-host", "evil"),
            ("x-forwarded-proto", "http"),
            ("x-forwarded-prefix", "/admin"),
            ("x-forwarded-user", "root"),
            ("x-real-ip", "1.1.1.1"),
            ("true-client-ip", "1.1.1.1"),
            ("via", "1.1 other"),
            ("cdn-loop", "other"),
        ],
    );
    let headers = upstream_headers(&lies, &towards(&host)).expect("headers");
    assert_eq!(lines(&headers), OURS);
    let mut by_http2 = towards(&host);
    by_http2.http2 = true;
    by_http2.client = IpAddr::from(Ipv6Addr::LOCALHOST);
    let headers = upstream_headers(&lies, &by_http2).expect("headers");
    assert!(!headers.contains_key("host"));
    assert_eq!(
        headers["forwarded"],
        "for=\"[::1]\";host=\"public.example\";proto=https"
    );
    assert_eq!(headers["x-forwarded-for"], "::1");
}

#[test]
fn credentials_and_second_meanings_stay_here() {
    for name in [
        "authorization",
        "proxy-authorization",
        "cookie",
        "signature",
        "x-http-method-override",
        "x-method-override",
        "x-original-url",
        "x-rewrite-url",
        "x-amzn-oidc-data",
        "x-remote-user",
        "remote-user",
        "client-cert",
        "x-tidegate-principal",
        "approval-id",
        "proxy",
        "te",
        "keep-alive",
        "proxy-connection",
        "trailer",
        "sec-websocket-extensions",
    ] {
        let value = if name == "authorization" { "Bearer x" } else { "x" };
        assert_eq!(
            sent(&[(name, value), ("x-mine", "1")], |_| {}),
            ["x-mine: 1"],
            "{name}"
        );
    }
}

#[test]
fn what_is_injected_comes_last_and_nobody_takes_it_away() {
    let injected = [
        (
            HeaderName::from_static("authorization"),
            HeaderValue::from_static("Bearer upstream"),
        ),
        (
            HeaderName::from_static("x-api-key"),
            HeaderValue::from_static("key"),
        ),
    ];
    let host = authority("api.internal:8080");
    let mut upstream = towards(&host);
    upstream.injected = &injected;
    let greedy = admitted(
        Method::GET,
        &[
            ("authorization", "Bearer client"),
            ("connection", "x-api-key, x-mine"),
            ("x-api-key", "mine"),
            ("x-mine", "1"),
        ],
    );
    let headers = upstream_headers(&greedy, &upstream).expect("headers");
    assert_eq!(headers.get_all("authorization").iter().count(), 1);
    assert_eq!(headers["authorization"], "Bearer upstream");
    assert_eq!(headers["x-api-key"], "key");
    assert!(headers["authorization"].is_sensitive() && headers["x-api-key"].is_sensitive());
    assert!(!headers.contains_key("x-mine") && !headers.contains_key("connection"));
    for (_, value) in &headers {
        assert!(!value.as_bytes().windows(6).any(|word| word == b"client"));
    }
}

#[test]
fn nothing_asks_around_a_mask() {
    let asked = [
        ("accept-encoding", "gzip, br"),
        ("range", "bytes=0-9"),
        ("if-range", "\"a\""),
        ("if-none-match", "\"a\""),
        ("if-modified-since", "Thu, 01 Jan 2026 00:00:00 GMT"),
        ("want-digest", "sha-256"),
        ("want-repr-digest", "sha-256=1"),
        ("accept", "application/json"),
    ];
    assert_eq!(
        sent(&asked, |upstream| upstream.masked = true),
        ["accept-encoding: identity", "accept: application/json"]
    );
    assert_eq!(sent(&asked, |_| {}).len(), asked.len());
}

#[test]
fn a_write_under_a_condition_nobody_can_know_is_refused() {
    let host = authority("api.internal:8080");
    let mut upstream = towards(&host);
    upstream.masked = true;
    for (name, value, expected) in [
        ("if-match", "\"a\"", Some(StatusCode::PRECONDITION_FAILED)),
        ("if-match", "*", Some(StatusCode::PRECONDITION_FAILED)),
        ("if-unmodified-since", "x", Some(StatusCode::PRECONDITION_FAILED)),
        ("if-none-match", "*", None),
    ] {
        let headers = upstream_headers(&admitted(Method::PUT, &[(name, value)]), &upstream);
        assert_eq!(
            headers.as_ref().err().map(|rejection| rejection.status),
            expected,
            "{name}"
        );
        if let Ok(headers) = headers {
            assert_eq!(headers[name], value);
        }
    }
}

#[test]
fn cookies_go_on_by_name() {
    let names = ["theme".to_owned(), "locale".to_owned()];
    let cookies = [("cookie", "session=1; theme=dark;locale=de; Theme=x; themex=1")];
    assert_eq!(sent(&cookies, |_| {}), [""; 0]);
    let host = authority("api.internal:8080");
    let mut upstream = towards(&host);
    upstream.cookies = &names;
    let headers = upstream_headers(&admitted(Method::GET, &cookies), &upstream).expect("headers");
    assert_eq!(headers["cookie"], "theme=dark; locale=de");
}

#[test]
fn trailers_are_taken_for_grpc_alone() {
    for (content, expected) in [("application/grpc+proto", true), ("application/json", false)] {
        let lines = sent(&[("te", "trailers"), ("content-type", content)], |_| {});
        assert_eq!(lines.contains(&"te: trailers".to_owned()), expected, "{content}");
    }
}

#[test]
fn an_upgrade_goes_on_where_it_may() {
    let asked = [
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-key", "x"),
        ("sec-websocket-extensions", "permessage-deflate"),
    ];
    assert_eq!(sent(&asked, |_| {}), ["sec-websocket-key: x"]);
    assert_eq!(
        sent(&asked, |upstream| upstream.upgrade = true),
        [
            "connection: upgrade",
            "sec-websocket-key: x",
            "upgrade: websocket"
        ]
    );
}
