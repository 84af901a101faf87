use tidegate_sdk::classifier::{Facts, HttpRequest, Kind, Statement, ToolCall};
use tidegate_sdk::testing::{assess, issues};

use super::HttpRisk;

fn request(method: &str, target: &str) -> HttpRequest {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut request = HttpRequest {
        method: method.to_owned(),
        path: path.to_owned(),
        body_bytes: Some(0),
        ..HttpRequest::default()
    };
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        request
            .query
            .entry(key.to_owned())
            .or_default()
            .push(value.to_owned());
    }
    request
}

fn facts(request: HttpRequest) -> Facts {
    let kind = if request.method == "GET" {
        Kind::Read
    } else {
        Kind::Write
    };
    Facts {
        statements: vec![Statement {
            verb: request.method.to_lowercase(),
            kind,
            ..Statement::default()
        }],
        request: Some(request),
        ..Facts::default()
    }
}

fn found(request: HttpRequest) -> Vec<String> {
    let assessment = assess::<HttpRisk>("{}", "", &facts(request));
    assessment
        .findings
        .into_iter()
        .map(|finding| finding.id)
        .collect()
}

#[test]
fn requests_show_what_they_could_do() {
    for (method, target, expected) in [
        ("GET", "/orders/7", &[][..]),
        ("GET", "/orders?limit=100", &[]),
        ("GET", "/orders?limit=100000", &["http.export"]),
        ("GET", "/orders?per_page=-1", &["http.export"]),
        ("GET", "/orders/export", &["http.export"]),
        ("GET", "/admin/users", &["http.admin"]),
        ("GET", "/orders?q=a%27%20or%201=1", &[]),
        ("GET", "/orders?q=a' or 1=1", &["http.injection"]),
        ("GET", "/files?name=../../etc/passwd", &["http.injection"]),
        (
            "GET",
            "/proxy?url=http://169.254.169.254/latest",
            &["http.inner-address"],
        ),
        (
            "GET",
            "/proxy?url=http://example.com@10.0.0.1/",
            &["http.inner-address"],
        ),
        ("GET", "/proxy?url=http://2130706433/", &["http.inner-address"]),
        ("GET", "/proxy?url=http://0x7f.1/", &["http.inner-address"]),
        (
            "GET",
            "/proxy?url=http://[::ffff:127.0.0.1]/",
            &["http.inner-address"],
        ),
        ("GET", "/proxy?url=http://metadata/", &["http.inner-address"]),
        ("GET", "/proxy?url=file:///etc/hosts", &["http.inner-address"]),
        (
            "GET",
            "/proxy?url=https://example.com/",
            &["http.outside-address"],
        ),
        ("POST", "/orders", &["http.write"]),
        ("POST", "/users/7/roles", &["http.privilege", "http.write"]),
        ("DELETE", "/orders/7", &["http.delete", "http.write"]),
        ("DELETE", "/orders", &["http.collection-delete", "http.write"]),
        ("PURGE", "/orders", &["http.unknown"]),
    ] {
        assert_eq!(found(request(method, target)), expected, "{method} {target}");
    }
}

#[test]
fn a_route_says_that_a_path_names_a_single_thing() {
    let mut single = request("DELETE", "/customers/ada");
    single.route = Some("/customers/{name}".to_owned());
    single.parameters.insert("name".to_owned(), "ada".to_owned());
    assert_eq!(found(single), ["http.delete", "http.write"]);
}

#[test]
fn bodies_and_arguments_are_looked_into() {
    let mut body = request("POST", "/orders");
    body.body.insert(
        "$.callback".to_owned(),
        serde_json::json!([{"url": "http://localhost/x"}]),
    );
    assert_eq!(found(body), ["http.inner-address", "http.write"]);
    let mut call = request("POST", "/mcp");
    call.call = Some(ToolCall {
        method: "tools/call".to_owned(),
        name: Some("fetch".to_owned()),
        arguments: Some(serde_json::json!({"command": "$(id)"})),
    });
    assert_eq!(found(call), ["http.injection", "http.tool-call", "http.write"]);
}

#[test]
fn long_and_endless_uploads_are_remarkable() {
    for bytes in [Some(11 << 20), None] {
        let mut upload = request("PUT", "/files/7");
        upload.body_bytes = bytes;
        assert_eq!(found(upload), ["http.large-upload", "http.write"]);
    }
}

#[test]
fn what_has_no_facts_is_grave() {
    let assessment = assess::<HttpRisk>("{}", "", &Facts::default());
    assert_eq!(assessment.score, 90);
}

#[test]
fn scores_can_be_set_and_turned_off() {
    let config = r#"{"scores": {"http.write": 0, "http.delete": 99}}"#;
    let assessment = assess::<HttpRisk>(config, "", &facts(request("DELETE", "/orders/7")));
    assert_eq!((assessment.score, assessment.findings.len()), (99, 1));
    assert_eq!(issues::<HttpRisk>(r#"{"scores": {"http.no-such": 1}}"#).len(), 1);
}

#[test]
fn plain_reads_score_low() {
    let assessment = assess::<HttpRisk>("{}", "", &facts(request("GET", "/orders/7")));
    assert_eq!(assessment.score, 5);
}
