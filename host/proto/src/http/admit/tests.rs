use super::*;

struct Request<'a> {
    method: Method,
    target: &'a str,
    version: Version,
    headers: &'a [(&'static str, &'a str)],
    options: AdmitOptions,
}

impl Default for Request<'_> {
    fn default() -> Self {
        Self {
            method: Method::GET,
            target: "/a",
            version: Version::HTTP_11,
            headers: &[("host", "a")],
            options: AdmitOptions::default(),
        }
    }
}

impl Request<'_> {
    fn admit(&self) -> Result<Admitted, Rejection> {
        let uri: Uri = self.target.parse().expect(self.target);
        let mut headers = HeaderMap::new();
        for (name, value) in self.headers {
            let value = HeaderValue::from_str(value).expect("a value");
            headers.append(HeaderName::from_static(name), value);
        }
        admit(&self.method, &uri, self.version, &headers, &self.options)
    }

    fn label(&self) -> &'static str {
        match self.admit() {
            Ok(_) => "admitted",
            Err(rejection) => rejection.label,
        }
    }
}

#[test]
fn a_request_comes_out_with_one_meaning() {
    let request = Request {
        method: Method::POST,
        target: "/customers/%7e42?x=1&x=2",
        headers: &[
            ("host", "API.example.com:443"),
            ("authorization", "Bearer secret"),
            ("content-type", "application/json; charset=utf-8"),
            ("content-length", "17"),
            ("expect", "100-continue"),
            ("connection", "close, x-mine"),
            ("te", "trailers"),
            ("x-mine", "1"),
            ("x-other", "2"),
            ("accept", "a/b"),
        ],
        ..Request::default()
    };
    let admitted = request.admit().expect("a good request");
    assert_eq!(admitted.authority.to_string(), "api.example.com");
    assert_eq!(admitted.path.as_str(), "/customers/~42");
    assert_eq!(admitted.query.raw(), Some("x=1&x=2"));
    assert_eq!(admitted.token.as_ref().map(Token::secret), Some("secret"));
    assert_eq!(admitted.body, BodyLength::Exact(17));
    assert!(admitted.expects_continue && admitted.accepts_trailers && !admitted.refuses_body);
    assert_eq!(
        admitted.content_type.as_ref().map(MediaType::essence),
        Some("application/json")
    );
    let names: Vec<_> = admitted.headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["content-type", "x-other", "accept"]);
    assert!(!format!("{admitted:?}").contains("secret"));
}

#[test]
fn http2_names_its_host_in_the_target() {
    for (target, headers, expected) in [
        ("https://a.example/x", &[][..], "admitted"),
        ("https://a.example/x", &[("host", "A.example:443")], "admitted"),
        ("https://a.example/x", &[("host", "b.example")], "host"),
        ("https://a.example:8443/x", &[("host", "a.example")], "host"),
        ("https://u@a.example/x", &[], "host"),
        ("/x", &[("host", "a")], "admitted"),
        ("/x", &[], "host"),
        (
            "https://a.example/x",
            &[("cookie", "a=b"), ("cookie", "c=d")],
            "admitted",
        ),
    ] {
        let request = Request {
            target,
            headers,
            version: Version::HTTP_2,
            ..Request::default()
        };
        assert_eq!(request.label(), expected, "{target} {headers:?}");
    }
}

#[test]
fn only_the_body_itself_tells_on_http2_that_it_is_empty() {
    for (method, version, headers, body, refuses) in [
        (
            Method::GET,
            Version::HTTP_2,
            &[("host", "a")][..],
            BodyLength::Unknown,
            true,
        ),
        (
            Method::POST,
            Version::HTTP_2,
            &[("host", "a")],
            BodyLength::Unknown,
            false,
        ),
        (
            Method::POST,
            Version::HTTP_2,
            &[("host", "a"), ("content-length", "0")],
            BodyLength::Empty,
            false,
        ),
        (
            Method::GET,
            Version::HTTP_11,
            &[("host", "a")],
            BodyLength::Empty,
            true,
        ),
        (
            Method::POST,
            Version::HTTP_11,
            &[("host", "a"), ("transfer-encoding", "chunked")],
            BodyLength::Unknown,
            false,
        ),
    ] {
        let request = Request {
            method,
            version,
            headers,
            ..Request::default()
        };
        let admitted = request.admit().expect("a good request");
        assert_eq!((admitted.body, admitted.refuses_body), (body, refuses));
    }
}

#[test]
fn methods_are_those_that_are_listed() {
    let only_get = AdmitOptions {
        methods: vec![Method::GET, Method::TRACE],
        ..AdmitOptions::default()
    };
    for (method, options, expected) in [
        ("POST", AdmitOptions::default(), "admitted"),
        ("PROPFIND", AdmitOptions::default(), "method"),
        ("post", AdmitOptions::default(), "method"),
        ("CONNECT", AdmitOptions::default(), "method"),
        ("GET", only_get.clone(), "admitted"),
        ("POST", only_get.clone(), "method"),
        // Not even where somebody lists it.
        ("TRACE", only_get, "method"),
    ] {
        let request = Request {
            method: method.parse().expect("a token"),
            options,
            ..Request::default()
        };
        assert_eq!(request.label(), expected, "{method}");
    }
}

#[test]
fn bodies_go_with_every_method_only_where_that_is_wanted() {
    for (body_everywhere, expected) in [(false, "body"), (true, "admitted")] {
        let request = Request {
            method: Method::DELETE,
            headers: &[("host", "a"), ("content-length", "1")],
            options: AdmitOptions {
                body_everywhere,
                ..AdmitOptions::default()
            },
            ..Request::default()
        };
        assert_eq!(request.label(), expected);
    }
}

#[test]
fn a_token_comes_in_its_header_and_nowhere_else() {
    for (target, headers, expected) in [
        ("/a", &[("host", "a")][..], "admitted"),
        ("/a", &[("host", "a"), ("cookie", "x=1; access_token=y")], "token"),
        (
            "/a",
            &[
                ("host", "a"),
                ("cookie", "access_token=y"),
                ("authorization", "Bearer z"),
            ],
            "admitted",
        ),
        ("/a?access_token=y", &[("host", "a")], "query"),
        (
            "/a",
            &[("host", "a"), ("authorization", "Basic eDp5")],
            "token-scheme",
        ),
    ] {
        let request = Request {
            target,
            headers,
            ..Request::default()
        };
        assert_eq!(request.label(), expected, "{target} {headers:?}");
    }
}

#[test]
fn nobody_nominates_what_decides() {
    for (nominated, expected) in [
        ("close", "admitted"),
        ("x-anything, Keep-Alive", "admitted"),
        ("Authorization", "connection"),
        ("x-a, COOKIE", "connection"),
        ("X-Forwarded-For", "connection"),
        ("forwarded", "connection"),
        ("Mcp-Method", "connection"),
        ("content-type", "connection"),
    ] {
        let request = Request {
            headers: &[
                ("host", "a"),
                ("connection", "keep-alive"),
                ("connection", nominated),
            ],
            ..Request::default()
        };
        assert_eq!(request.label(), expected, "{nominated}");
    }
}

#[test]
fn what_the_guard_stops_on_http1_is_stopped_here_as_well() {
    for (headers, expected) in [
        (
            &[("transfer-encoding", "chunked"), ("content-length", "1")][..],
            "framing",
        ),
        (&[("transfer-encoding", "gzip, chunked")], "framing"),
        (&[("content-length", "+1")], "framing"),
        (&[("content-length", "99999999999999999999")], "framing"),
        (&[("expect", "200-ok")], "expectation"),
        (&[("content-type", "json")], "content-type"),
        (&[("x_y", "1")], "header"),
    ] {
        let headers = [&[("host", "a")][..], headers].concat();
        let request = Request {
            method: Method::POST,
            headers: &headers,
            ..Request::default()
        };
        assert_eq!(request.label(), expected, "{headers:?}");
    }
}

#[test]
fn a_head_has_a_size_on_http2_as_well() {
    let many = vec![("accept", "a/b"); 100];
    let long = "v".repeat(33 * 1024);
    for headers in [many, vec![("accept", long.as_str())]] {
        let headers = [vec![("host", "a")], headers].concat();
        let request = Request {
            headers: &headers,
            version: Version::HTTP_2,
            ..Request::default()
        };
        assert_eq!(request.label(), "header");
    }
    let target = format!("/{}", "a".repeat(8 * 1024));
    let request = Request {
        target: &target,
        ..Request::default()
    };
    let rejection = request.admit().expect_err("a long target");
    assert_eq!(rejection.status, StatusCode::URI_TOO_LONG);
}

#[test]
fn a_get_of_http11_may_switch_to_one_protocol() {
    for (method, version, connection, protocol, expected) in [
        (
            Method::GET,
            Version::HTTP_11,
            "Upgrade",
            "WebSocket",
            Some("websocket"),
        ),
        (Method::POST, Version::HTTP_11, "Upgrade", "websocket", None),
        (Method::GET, Version::HTTP_10, "Upgrade", "websocket", None),
        (Method::GET, Version::HTTP_11, "close", "websocket", None),
        (Method::GET, Version::HTTP_11, "Upgrade", "h2c", None),
        (Method::GET, Version::HTTP_11, "Upgrade", "a, b", None),
        (Method::GET, Version::HTTP_11, "Upgrade", "", None),
    ] {
        let headers = [("host", "a"), ("connection", connection), ("upgrade", protocol)];
        let request = Request {
            method,
            version,
            headers: &headers,
            ..Request::default()
        };
        let upgrade = request.admit().ok().and_then(|admitted| admitted.upgrade);
        assert_eq!(upgrade.as_deref(), expected, "{connection} {protocol}");
    }
}

#[test]
fn a_preflight_is_known() {
    let request = Request {
        method: Method::OPTIONS,
        headers: &[
            ("host", "a"),
            ("origin", "https://b"),
            ("access-control-request-method", "PUT"),
        ],
        ..Request::default()
    };
    assert!(request.admit().expect("a preflight").is_preflight());
    assert!(!Request::default().admit().expect("a request").is_preflight());
}
