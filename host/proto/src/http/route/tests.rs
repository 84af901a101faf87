use serde_json::json;

use super::super::path::PathRules;
use super::*;

fn routes(templates: &[(&str, &[Method])]) -> Routes {
    let mut routes = Routes::default();
    for (template, methods) in templates {
        routes.add(template, methods).expect(template);
    }
    routes
}

fn path(text: &str) -> CanonicalPath {
    let rules = PathRules {
        encoded_slashes: true,
        parameters: true,
    };
    CanonicalPath::parse(text, rules).expect(text)
}

/// Tells in short what is found: the template and its parameters, or why there is none.
fn found(routes: &Routes, method: &Method, text: &str) -> String {
    match routes.find(method, &path(text)) {
        Found::Route(route) => {
            let parameters = route
                .parameters
                .iter()
                .map(|(name, value)| format!(" {name}={value}"));
            format!("{}{}", route.template, parameters.collect::<String>())
        }
        Found::Unknown => "unknown".to_owned(),
        Found::Method(methods) => format!("only {methods:?}"),
        Found::Ambiguous => "ambiguous".to_owned(),
    }
}

#[test]
fn the_most_specific_template_wins() {
    let routes = routes(&[
        ("/", &[]),
        ("/customers", &[]),
        ("/customers/", &[]),
        ("/customers/{id}", &[]),
        ("/customers/me", &[]),
        ("/customers/{id}/orders", &[]),
        ("/customers/{id}/orders/{order}", &[]),
        ("/{any}/{thing}", &[]),
        ("/a%2fb", &[]),
        ("/a@b", &[]),
    ]);
    for (text, expected) in [
        ("/", "/"),
        ("/customers", "/customers"),
        ("/customers/", "/customers/"),
        ("/customers/42", "/customers/{id} id=42"),
        ("/customers/me", "/customers/me"),
        ("/customers/%6de", "/customers/me"),
        ("/customers/Me", "/customers/{id} id=Me"),
        ("/Customers/42", "/{any}/{thing} any=Customers thing=42"),
        ("/customers/a%20b", "/customers/{id} id=a b"),
        ("/customers/a%2Fb", "/customers/{id} id=a/b"),
        ("/customers/42/orders", "/customers/{id}/orders id=42"),
        (
            "/customers/42/orders/7",
            "/customers/{id}/orders/{order} id=42 order=7",
        ),
        ("/customers/42/orders/", "unknown"),
        ("/customers/42/", "unknown"),
        ("/other", "unknown"),
        ("/a%2Fb", "/a%2fb"),
        ("/a%40b", "/a@b"),
        ("/customers/me;x", "/customers/{id} id=me;x"),
    ] {
        assert_eq!(found(&routes, &Method::GET, text), expected, "{text}");
    }
}

#[test]
fn a_path_that_two_templates_fit_alike_has_no_route() {
    let crossing = routes(&[("/issues/comments/{id}", &[]), ("/issues/{number}/comments", &[])]);
    for (text, expected) in [
        ("/issues/comments/5", "/issues/comments/{id} id=5"),
        ("/issues/5/comments", "/issues/{number}/comments number=5"),
        ("/issues/comments/comments", "ambiguous"),
    ] {
        assert_eq!(found(&crossing, &Method::GET, text), expected, "{text}");
    }
}

#[test]
fn the_path_decides_first_and_the_method_then() {
    let routes = routes(&[
        ("/users/{id}", &[Method::DELETE]),
        ("/users/{name}", &[Method::PUT]),
        ("/users/me", &[Method::GET]),
    ]);
    for (method, text, expected) in [
        (Method::DELETE, "/users/5", "/users/{id} id=5"),
        (Method::PUT, "/users/5", "/users/{name} name=5"),
        (Method::GET, "/users/me", "/users/me"),
        (Method::HEAD, "/users/me", "/users/me"),
        (Method::DELETE, "/users/me", "only [GET]"),
        (Method::HEAD, "/users/5", "only [DELETE, PUT]"),
    ] {
        assert_eq!(found(&routes, &method, text), expected, "{method} {text}");
    }
}

#[test]
fn templates_that_mean_the_same_are_a_fault_of_the_configuration() {
    let mut routes = routes(&[("/a/{x}", &[Method::GET]), ("/b/{x}", &[])]);
    assert_eq!(routes.add("/a/{y}", &[Method::PUT]), Ok(()));
    for (template, methods) in [
        ("/a/{y}", &[Method::GET][..]),
        ("/a/{z}", &[]),
        ("/b/{x}", &[Method::GET]),
        ("/%61/{x}", &[Method::GET]),
    ] {
        let error = routes.add(template, methods);
        assert!(
            matches!(error, Err(RouteError::Twice { .. })),
            "{template} {error:?}"
        );
    }
}

#[test]
fn malformed_templates_are_refused() {
    for (template, is_name) in [
        ("", false),
        ("a", false),
        ("/a//b", false),
        ("/a/../b", false),
        ("/a b", false),
        ("/a?b", false),
        ("/{}", true),
        ("/{a}{b}", true),
        ("/x{a}", true),
        ("/{a}:cancel", true),
        ("/{a", true),
        ("/a}", true),
        ("/{a b}", true),
        ("/{*rest}", true),
        ("/{a}/{a}", true),
    ] {
        match Routes::default().add(template, &[]) {
            Err(RouteError::Path { .. }) => assert!(!is_name, "{template}"),
            Err(RouteError::Name { .. }) => assert!(is_name, "{template}"),
            other => panic!("{template}: {other:?}"),
        }
    }
}

#[test]
fn an_openapi_document_has_routes() {
    let document = json!({
        "openapi": "3.1.0",
        "paths": {
            "/customers": { "get": {}, "post": {}, "summary": "x", "parameters": [] },
            "/customers/{id}": { "get": {}, "delete": {} },
            "/nothing": { "summary": "no method" },
            "x-extension": 1
        }
    });
    let routes = Routes::from_openapi(&document).expect("a good document");
    assert_eq!((routes.len(), routes.is_empty()), (2, false));
    for (method, text, expected) in [
        (Method::POST, "/customers", "/customers"),
        (Method::GET, "/customers/5", "/customers/{id} id=5"),
        (Method::PATCH, "/customers/5", "only [GET, DELETE]"),
        (Method::GET, "/nothing", "unknown"),
    ] {
        assert_eq!(found(&routes, &method, text), expected);
    }
}

#[test]
fn everything_that_is_wrong_with_a_document_is_told_at_once() {
    let document = json!({ "paths": {
        "/a/{x}": { "get": {} },
        "/a/{y}": { "get": {} },
        "/b": { "$ref": "other.json" },
        "/c": [],
        "/{d}.json": { "get": {} }
    }});
    let errors = Routes::from_openapi(&document).expect_err("a bad document");
    assert_eq!(errors.len(), 4, "{errors:?}");
    for document in [json!({}), json!([]), json!({ "paths": [] })] {
        assert!(matches!(
            Routes::from_openapi(&document)
                .expect_err("no document")
                .as_slice(),
            [RouteError::Document { .. }]
        ));
    }
}
