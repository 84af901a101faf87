//! Towards the client.

use ::http::StatusCode;

use super::super::location::{Place, rewrite};
use super::*;

/// Runs with the upstream at `https://api.internal:8443/v2`, which the client knows as
/// `https://gate.example/crm`.
fn towards<T>(run: impl FnOnce(Downstream<'_>) -> T) -> T {
    let (inner, outer) = (authority("api.internal:8443"), authority("gate.example"));
    let (inner_base, outer_base) = (path("/v2"), path("/crm"));
    run(Downstream {
        upstream: Origin {
            scheme: "https",
            authority: &inner,
            base: &inner_base,
        },
        public: Origin {
            scheme: "https",
            authority: &outer,
            base: &outer_base,
        },
        masked: false,
        cookies: Cookies::Strip,
        redirects: Redirects::Refuse,
        cors: Cors::Pass,
        upgrade: None,
    })
}

fn answered(
    status: u16,
    headers: &[(&'static str, &str)],
    change: impl FnOnce(&mut Downstream<'_>),
) -> Result<Vec<String>, ResponseFault> {
    let status = StatusCode::from_u16(status).expect("a status");
    towards(|mut to| {
        change(&mut to);
        client_headers(status, &map(headers), &to).map(|headers| lines(&headers))
    })
}

#[test]
fn the_upstream_does_not_tell_of_itself() {
    for name in [
        "server",
        "via",
        "alt-svc",
        "strict-transport-security",
        "www-authenticate",
        "proxy-authenticate",
        "x-powered-by",
        "set-cookie",
        "proxy-status",
        "connection",
        "keep-alive",
        "transfer-encoding",
        "trailer",
        "upgrade",
        "x-nominated",
    ] {
        let value = if name == "connection" { "close" } else { "x" };
        let headers = [(name, value), ("connection", "x-nominated"), ("x-other", "1")];
        assert_eq!(
            answered(200, &headers, |_| {}),
            Ok(vec!["x-other: 1".to_owned()]),
            "{name}"
        );
    }
}

#[test]
fn what_is_masked_has_no_version_no_digest_and_no_parts() {
    let headers = [
        ("content-type", "application/json"),
        ("content-length", "17"),
        ("content-encoding", "gzip"),
        ("content-digest", "x"),
        ("repr-digest", "x"),
        ("digest", "x"),
        ("content-md5", "x"),
        ("etag", "\"a\""),
        ("last-modified", "x"),
        ("accept-ranges", "bytes"),
        ("cache-control", "public, max-age=60"),
        ("expires", "x"),
        ("age", "1"),
        ("vary", "Accept"),
        ("x-amz-checksum-crc32", "x"),
    ];
    assert_eq!(
        answered(200, &headers, |to| to.masked = true),
        Ok([
            "accept-ranges: none",
            "cache-control: private, no-store",
            "content-type: application/json",
            "vary: Accept",
            "vary: Authorization",
            "x-content-type-options: nosniff",
        ]
        .map(str::to_owned)
        .to_vec())
    );
    assert_eq!(
        answered(200, &headers, |_| {}).map(|lines| lines.len()),
        Ok(headers.len())
    );
}

#[test]
fn a_part_of_what_is_masked_does_not_pass() {
    for (status, headers) in [
        (206, &[][..]),
        (416, &[]),
        (304, &[]),
        (200, &[("content-range", "bytes 0-1/2")]),
        (200, &[("content-type", "Multipart/ByteRanges; boundary=x")]),
    ] {
        let masked = answered(status, headers, |to| to.masked = true);
        assert_eq!(masked, Err(ResponseFault::Part), "{status} {headers:?}");
        assert!(answered(status, headers, |_| {}).is_ok());
    }
}

#[test]
fn addresses_are_told_as_the_client_finds_them() {
    let here = |text: &str| Place::Here(text.to_owned());
    for (address, expected) in [
        ("/v2/a?x=1#y", here("/crm/a?x=1#y")),
        ("/v2", here("/crm")),
        ("/v2/", here("/crm/")),
        ("/v2?x", here("/crm?x")),
        (
            "https://api.internal:8443/v2/a",
            here("https://gate.example/crm/a"),
        ),
        (
            "HTTPS://API.internal.:8443/v2/a",
            here("https://gate.example/crm/a"),
        ),
        ("//api.internal:8443/v2/a", here("https://gate.example/crm/a")),
        ("https://gate.example/v2/a", here("https://gate.example/crm/a")),
        (
            "https://gate.example:443/v2/a",
            here("https://gate.example/crm/a"),
        ),
        ("a/b", here("a/b")),
        ("../b", here("../b")),
        ("?page=2", here("?page=2")),
        ("#top", here("#top")),
        ("a:b/c", Place::Foreign),
        ("/v20/a", Place::Nowhere),
        ("/admin", Place::Nowhere),
        ("/v2/../admin", Place::Nowhere),
        ("/v2/%2E./admin", Place::Nowhere),
        ("/v2//evil/x", here("/crm//evil/x")),
        ("https://api.internal:8443", Place::Nowhere),
        ("https://api.internal/v2/a", Place::Foreign),
        ("https://evil.example/v2", Place::Foreign),
        ("//evil.example/v2", Place::Foreign),
        ("mailto:a@b", Place::Foreign),
        ("javascript:alert(1)", Place::Foreign),
        ("/\\evil.example", Place::Nowhere),
        ("https:/evil.example", Place::Nowhere),
        ("https:evil.example", Place::Nowhere),
        ("https://u:p@api.internal:8443/v2", Place::Nowhere),
        ("https://[::1%25x]/", Place::Nowhere),
        ("/v2/a b", Place::Nowhere),
        ("/v2/é", Place::Nowhere),
    ] {
        assert_eq!(towards(|to| rewrite(address, &to)), expected, "{address}");
    }
}

#[test]
fn an_address_at_a_bare_root_gains_no_second_slash() {
    let (inner, outer) = (authority("a.internal"), authority("gate.example"));
    let root = CanonicalPath::root();
    let origin = |authority| Origin {
        scheme: "https",
        authority,
        base: &root,
    };
    towards(|to| {
        let to = Downstream {
            upstream: origin(&inner),
            public: origin(&outer),
            ..to
        };
        for (address, expected) in [
            ("/a", "/a"),
            ("/", "/"),
            ("https://a.internal", "https://gate.example/"),
        ] {
            assert_eq!(rewrite(address, &to), Place::Here(expected.to_owned()));
        }
        assert_eq!(rewrite("https://a.internal//evil.example", &to), Place::Nowhere);
    });
}

#[test]
fn redirects_lead_nowhere_else() {
    let signed = [("location", "https://bucket.example/x?X-Amz-Signature=abc")];
    assert_eq!(
        answered(302, &signed, |_| {}),
        Err(ResponseFault::ForeignRedirect)
    );
    assert_eq!(answered(201, &signed, |_| {}), Ok(vec![]));
    assert_eq!(
        answered(302, &signed, |to| to.redirects = Redirects::Pass).map(|lines| lines.len()),
        Ok(1)
    );
    for (headers, expected) in [
        (("location", "/v2/a"), &["location: /crm/a"][..]),
        (("location", "/admin"), &[]),
        (("content-location", "/v2/a"), &["content-location: /crm/a"]),
        (("content-location", "https://other/"), &[]),
        (("refresh", "5; url=/v2/a"), &["refresh: 5; url=/crm/a"]),
        (
            ("refresh", "5;URL='https://api.internal:8443/v2/a'"),
            &["refresh: 5; url=https://gate.example/crm/a"],
        ),
        (("refresh", "5"), &["refresh: 5"]),
        (("refresh", "0; url=https://evil.example"), &[]),
        (("refresh", "x"), &[]),
        (
            (
                "link",
                "</v2/a?page=2>; rel=\"next, last\", <https://api.internal:8443/v2/a>; rel=first",
            ),
            &["link: </crm/a?page=2>; rel=\"next, last\", <https://gate.example/crm/a>; rel=first"],
        ),
        (
            ("link", "</admin>; rel=next, <https://other/,x>; rel=y"),
            &["link: <https://other/,x>; rel=y"],
        ),
        (("link", "</v2/a; rel=next"), &[]),
        (("link", "nonsense"), &[]),
    ] {
        let expected: Vec<_> = expected.iter().map(|line| (*line).to_owned()).collect();
        assert_eq!(answered(302, &[headers], |_| {}), Ok(expected), "{headers:?}");
    }
}

#[test]
fn a_cookie_is_kept_to_its_place() {
    for (cookie, expected) in [
        ("a=b", "a=b; Path=/crm"),
        ("a=b; Domain=.internal; Secure", "a=b; Secure; Path=/crm"),
        ("a=b;path=/v2/x;HttpOnly", "a=b; HttpOnly; Path=/crm/x"),
        ("a=b; Path=/", "a=b; Path=/crm"),
        ("a=b; DOMAIN=x; SameSite=Lax; ", "a=b; SameSite=Lax; Path=/crm"),
    ] {
        let lines = answered(200, &[("set-cookie", cookie)], |to| {
            to.cookies = Cookies::Localise
        });
        assert_eq!(lines, Ok(vec![format!("set-cookie: {expected}")]));
    }
}

#[test]
fn browsers_hear_the_upstream_or_the_operator() {
    let headers = [
        ("access-control-allow-origin", "*"),
        ("access-control-expose-headers", "x"),
        ("timing-allow-origin", "*"),
    ];
    assert_eq!(answered(200, &headers, |_| {}).map(|lines| lines.len()), Ok(3));
    let ours = [(
        HeaderName::from_static("access-control-allow-origin"),
        HeaderValue::from_static("https://app.example"),
    )];
    let lines = towards(|to| {
        let to = Downstream {
            cors: Cors::Replace(&ours),
            ..to
        };
        lines(&client_headers(StatusCode::OK, &map(&headers), &to).expect("headers"))
    });
    assert_eq!(lines, ["access-control-allow-origin: https://app.example"]);
}

#[test]
fn a_connection_switches_to_what_was_asked_for() {
    let switched = [
        ("connection", "Upgrade"),
        ("upgrade", "WebSocket"),
        ("sec-websocket-accept", "x"),
    ];
    let deflating = [
        ("upgrade", "websocket"),
        ("sec-websocket-extensions", "permessage-deflate"),
    ];
    for (headers, asked, is_fine) in [
        (&switched[..], Some("websocket"), true),
        (&switched[..], Some("other"), false),
        (&switched[..], None, false),
        (&switched[..1], Some("websocket"), false),
        (&deflating[..], Some("websocket"), false),
    ] {
        let lines = answered(101, headers, |to| to.upgrade = asked);
        if is_fine {
            let expected = [
                "connection: upgrade",
                "sec-websocket-accept: x",
                "upgrade: WebSocket",
            ];
            assert_eq!(lines, Ok(expected.map(str::to_owned).to_vec()));
        } else {
            assert_eq!(lines, Err(ResponseFault::Switch), "{headers:?} {asked:?}");
        }
    }
}
