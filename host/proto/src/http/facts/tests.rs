use std::collections::BTreeMap;

use ::http::{HeaderMap, HeaderValue, Uri, Version, header};

use super::super::admit::{AdmitOptions, admit};
use super::*;

fn admitted(method: Method, target: &'static str) -> Admitted {
    let mut headers = HeaderMap::new();
    headers.insert(header::HOST, HeaderValue::from_static("a"));
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("Application/JSON; charset=utf-8"),
    );
    let uri = Uri::from_static(target);
    admit(
        &method,
        &uri,
        Version::HTTP_11,
        &headers,
        &AdmitOptions::default(),
    )
    .expect("a good request")
}

#[test]
fn a_request_is_one_statement() {
    let route = RouteMatch {
        template: "/customers/{id}".into(),
        parameters: BTreeMap::from([("id".to_owned(), "42".to_owned())]),
    };
    let tags = [Tag::new("pii.ssn")];
    let facts = facts(
        &admitted(Method::GET, "/customers/42?a=1&a=2"),
        Some(&route),
        &tags,
    );
    let statement = &facts.statements[0];
    assert_eq!(facts.statements.len(), 1);
    assert_eq!(statement.verb, "get");
    assert_eq!(statement.relations[0].name, "/customers/{id}");
    assert_eq!(statement.relations[0].access, Access::Read);
    assert_eq!(facts.tags(), tags);
    assert_eq!((facts.kind(), statement.writes), (OperationKind::Read, false));

    let request = facts.request.expect("facts of the request");
    assert_eq!(request.method, "GET");
    assert_eq!(request.path, "/customers/42");
    assert_eq!(request.route.as_deref(), Some("/customers/{id}"));
    assert_eq!(request.parameters, route.parameters);
    assert_eq!(request.query["a"], ["1", "2"]);
    assert_eq!(request.content_type.as_deref(), Some("application/json"));
    assert_eq!(request.body_bytes, Some(0));
}

#[test]
fn what_does_not_read_writes() {
    for (method, kind) in [
        (Method::GET, OperationKind::Read),
        (Method::HEAD, OperationKind::Read),
        (Method::OPTIONS, OperationKind::Read),
        (Method::POST, OperationKind::Write),
        (Method::PUT, OperationKind::Write),
        (Method::PATCH, OperationKind::Write),
        (Method::DELETE, OperationKind::Write),
    ] {
        let facts = facts(&admitted(method.clone(), "/a"), None, &[]);
        assert_eq!(facts.kind(), kind, "{method}");
        assert_eq!(facts.statements[0].writes, kind == OperationKind::Write);
        assert_eq!(facts.statements[0].relations[0].name, "/a");
    }
}
