use std::collections::BTreeSet;

use http::StatusCode;
use serde_json::Value;
use utoipa::OpenApi as _;

use crate::admin::api::{openapi, routes};
use crate::admin::tests::stage::Stage;

fn made() -> Value {
    serde_json::to_value(openapi::Description::openapi()).expect("JSON")
}

#[test]
fn every_route_is_described_and_every_description_is_a_route() {
    let made = made();
    let described: BTreeSet<&str> = made["paths"]
        .as_object()
        .expect("paths")
        .keys()
        .map(String::as_str)
        .collect();
    let registered: BTreeSet<&str> = routes().paths.into_iter().collect();
    assert_eq!(described, registered);
}

#[test]
fn every_answer_and_every_parameter_is_put_into_words() {
    let (made, mut ids) = (made(), BTreeSet::new());
    for (path, operations) in made["paths"].as_object().expect("paths") {
        for (method, operation) in operations.as_object().expect("operations") {
            assert!(operation["summary"].is_string(), "{method} {path}");
            assert!(
                ids.insert(operation["operationId"].to_string()),
                "{method} {path}: taken"
            );
            for (status, answer) in operation["responses"].as_object().expect("responses") {
                assert!(answer["description"].is_string(), "{method} {path} {status}");
            }
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                assert!(
                    parameter["description"].is_string(),
                    "{method} {path} {parameter}"
                );
            }
        }
    }
}

#[test]
fn nothing_is_referred_to_that_is_not_there() {
    fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(members) => {
                found.extend(members.get("$ref").and_then(Value::as_str));
                members.values().for_each(|value| references(value, found));
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }
    let (made, mut found) = (made(), Vec::new());
    references(&made, &mut found);
    assert!(found.len() > 20, "{found:?}");
    for reference in found {
        let pointer = reference.strip_prefix('#').expect("within the document");
        assert!(made.pointer(pointer).is_some(), "{reference}");
    }
}

#[tokio::test]
async fn every_method_of_every_path_is_described_and_no_other_is_taken() {
    let stage = Stage::new().await;
    let token = stage.person("sue", &["security"]);
    let made = made();
    for (path, operations) in made["paths"].as_object().expect("paths") {
        let place = path.replace("{id}", "00000000-0000-7000-8000-000000000000");
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
            let described = operations.get(method.to_ascii_lowercase()).is_some();
            let request =
                crate::admin::tests::stage::request(method.parse().expect("a method"), &token, &place, None);
            let taken = stage.answer(request).await.status() != StatusCode::METHOD_NOT_ALLOWED;
            assert_eq!(taken, described, "{method} {path}");
        }
    }
}

#[test]
fn the_published_description_is_the_current_one() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");
    let mut text = serde_json::to_string_pretty(&made()).expect("JSON");
    text.push('\n');
    if std::env::var_os("TIDEGATE_WRITE_OPENAPI").is_some() {
        std::fs::write(file, &text).expect("written");
    }
    let published = std::fs::read_to_string(file).expect("readable");
    assert!(
        published == text,
        "host/gateway/openapi.json is not current: run this test with TIDEGATE_WRITE_OPENAPI=1"
    );
}

#[tokio::test]
async fn anybody_may_read_the_description() {
    let stage = Stage::new().await;
    let request = http::Request::builder()
        .uri("/api/v1/openapi.json")
        .body(axum::body::Body::empty())
        .expect("a request");
    let told = stage.send(request).await;
    assert_eq!(told.status, StatusCode::OK);
    assert_eq!(told.body["info"]["title"], "Tidegate");
}
