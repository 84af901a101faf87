use axum::body::Body;
use http::header::{ALLOW, AUTHORIZATION, CONTENT_TYPE, COOKIE, ORIGIN, WWW_AUTHENTICATE};
use http::{Method, Request, StatusCode};
use serde_json::json;

use crate::admin::tests::stage::{Stage, Told, request};
use crate::clock;
use crate::refused::WRITTEN_MAX;

#[tokio::test]
async fn the_caller_is_who_the_token_says() {
    let stage = Stage::new().await;
    let token = stage.token(&json!({"sub": "alice", "groups": ["dba"], "act": {"sub": "agent-7"}}));
    let told = stage.get(&token, "/api/v1/me").await;
    assert_eq!(told.status, StatusCode::OK, "{told:?}");
    assert_eq!(told.body["principal"], "https://idp.example.com|alice");
    assert_eq!(told.body["groups"], json!(["dba"]));
    assert_eq!(
        told.body["delegation"],
        json!(["https://idp.example.com|agent-7"])
    );
    assert!(told.headers["cache-control"] == "no-store" && told.headers.contains_key("x-request-id"));
}

#[tokio::test]
async fn a_token_that_is_not_for_us_opens_nothing() {
    let stage = Stage::new().await;
    let now = clock::unix_seconds();
    let tokens = [
        stage.token(&json!({"aud": "another"})),
        stage.token(&json!({"iat": now - 7_200, "exp": now - 3_600})),
        stage.token(&json!({"iss": "https://evil.example.com"})),
        stage.token(&json!({"nonce": "an ID token has one"})),
        "nonsense".to_owned(),
    ];
    for token in tokens {
        let told = stage.get(&token, "/api/v1/me").await;
        assert_eq!(told.status, StatusCode::UNAUTHORIZED, "{token}");
        assert_eq!(
            told.body["detail"],
            "authentication failed: the token was not accepted"
        );
        let challenge = told.headers[WWW_AUTHENTICATE].to_str().expect("text");
        assert!(challenge.contains("invalid_token"), "{challenge}");
    }
    assert_eq!(stage.journalled("login.refused").await.len(), 5);
}

#[tokio::test]
async fn whoever_knocks_without_end_fills_no_journal_and_is_counted() {
    let stage = Stage::new().await;
    let tries = 2 * WRITTEN_MAX;
    for _ in 0..tries {
        let told = stage.get("nonsense", "/api/v1/me").await;
        assert_eq!(told.status, StatusCode::UNAUTHORIZED);
    }
    let services = &stage.gateway.services;
    services.refused.write_counts(&services.journal);
    let written = stage.journalled("login.refused").await.len() as u64;
    let counted = &stage.journalled("login.refused-many").await[0];
    assert!((WRITTEN_MAX..tries).contains(&written), "{written}");
    assert_eq!(
        (&counted["client"], &counted["count"]),
        (&json!("unknown"), &json!(tries - written))
    );
}

#[tokio::test]
async fn an_agent_of_somebody_is_not_that_person_being_here() {
    let stage = Stage::new().await;
    let alice = "https://idp.example.com|alice";
    let services = &stage.gateway.services;
    let groups = async || {
        let seen = services.access.last_seen(alice).await.expect("read");
        seen.map(|seen| seen.groups)
    };
    let agent = json!({"sub": "alice", "groups": ["admins"], "act": {"sub": "agent-7"}});
    let plain_agent = json!({"sub": "alice", "groups": ["admins"], "kind": "agent"});
    for claims in [&agent, &plain_agent] {
        let told = stage.get(&stage.token(claims), "/api/v1/me").await;
        assert_eq!(told.status, StatusCode::OK, "{told:?}");
        assert_eq!(groups().await, None);
    }
    stage.get(&stage.person("alice", &["dba"]), "/api/v1/me").await;
    stage.get(&stage.token(&agent), "/api/v1/me").await;
    assert_eq!(groups().await, Some(vec!["dba".to_owned()]));
}

#[tokio::test]
async fn nothing_but_one_bearer_token_is_a_credential() {
    let stage = Stage::new().await;
    let token = stage.person("alice", &["security"]);
    let get = || Request::builder().uri("/api/v1/me");
    let bare = stage.send(get().body(Body::empty()).expect("a request")).await;
    assert_eq!(bare.status, StatusCode::UNAUTHORIZED);
    assert!(
        !bare.headers[WWW_AUTHENTICATE]
            .to_str()
            .expect("text")
            .contains("error")
    );
    let cookie = get().header(COOKIE, format!("__Host-session={token}; token={token}"));
    let cookie = stage.send(cookie.body(Body::empty()).expect("a request")).await;
    assert_eq!(cookie.status, StatusCode::UNAUTHORIZED);
    let basic = get().header(AUTHORIZATION, "Basic YTpi");
    let basic = stage.send(basic.body(Body::empty()).expect("a request")).await;
    assert_eq!(basic.status, StatusCode::BAD_REQUEST);
    let twice = get()
        .header(AUTHORIZATION, format!("Bearer {token}"))
        .header(AUTHORIZATION, format!("Bearer {token}"));
    let twice = stage.send(twice.body(Body::empty()).expect("a request")).await;
    assert_eq!(twice.status, StatusCode::BAD_REQUEST);
    let in_path = stage
        .send(
            Request::builder()
                .uri(format!("/api/v1/me?access_token={token}"))
                .body(Body::empty())
                .expect("a request"),
        )
        .await;
    assert_eq!(in_path.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn pages_of_other_sites_get_nothing() {
    let stage = Stage::new().await;
    let token = stage.person("alice", &["security"]);
    for (name, value) in [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        (ORIGIN.as_str(), "https://evil.example"),
        (ORIGIN.as_str(), "null"),
    ] {
        let mut request = request(Method::GET, &token, "/api/v1/me", None);
        request.headers_mut().insert(
            http::HeaderName::try_from(name).expect("a name"),
            value.parse().expect("a value"),
        );
        let told = stage.send(request).await;
        assert_eq!(
            (told.status, &told.body["code"]),
            (StatusCode::FORBIDDEN, &json!("cross-site")),
            "{name}: {value}"
        );
    }
}

#[tokio::test]
async fn what_is_not_understood_is_refused_in_one_shape() {
    let stage = Stage::new().await;
    let token = stage.person("alice", &["security"]);
    let question = json!({"resource": "customers", "sql": "select 1"});
    let check = |told: Told, status: StatusCode, code: &str| {
        assert_eq!(
            (told.status, &told.body["code"]),
            (status, &json!(code)),
            "{told:?}"
        );
        assert_eq!(told.headers[CONTENT_TYPE], "application/problem+json");
        assert_eq!(told.body["status"], status.as_u16());
        assert_eq!(told.body["type"], format!("urn:tidegate:problem:{code}"));
        assert_eq!(
            told.body["request_id"],
            *told.headers["x-request-id"].to_str().expect("text")
        );
    };
    let unknown = stage.get(&token, "/api/v1/nothing").await;
    assert_eq!(unknown.body["instance"], "/api/v1/nothing");
    check(unknown, StatusCode::NOT_FOUND, "not-found");
    let method = stage
        .send(request(Method::DELETE, &token, "/api/v1/me", None))
        .await;
    assert_eq!(method.headers[ALLOW], "GET,HEAD");
    check(method, StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed");
    let parameter = stage.get(&token, "/api/v1/journal?sessoin=1").await;
    check(parameter, StatusCode::BAD_REQUEST, "invalid-parameters");
    let limit = stage.get(&token, "/api/v1/journal?limit=201").await;
    check(limit, StatusCode::BAD_REQUEST, "invalid-parameters");
    let mut more = question.clone();
    more["extra"] = json!(true);
    let member = stage.post(&token, "/api/v1/explain", &more).await;
    check(member, StatusCode::BAD_REQUEST, "invalid-body");
    let array = stage.post(&token, "/api/v1/explain", &json!([question])).await;
    check(array, StatusCode::BAD_REQUEST, "invalid-body");
    let mut form = request(Method::POST, &token, "/api/v1/explain", Some(&question));
    form.headers_mut()
        .insert(CONTENT_TYPE, "text/plain".parse().expect("a value"));
    check(
        stage.send(form).await,
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "not-json",
    );
    let large = json!({"resource": "customers", "sql": "x".repeat(70_000)});
    let large = stage.post(&token, "/api/v1/explain", &large).await;
    check(large, StatusCode::PAYLOAD_TOO_LARGE, "too-large");
}

#[tokio::test]
async fn a_policy_for_databases_does_not_open_the_gateway_itself() {
    let stage = Stage::new().await;
    // The policy "everything" permits everybody everything on whatever resource.
    let token = stage.person("mallory", &[]);
    let told = stage.get(&token, "/api/v1/journal").await;
    assert_eq!(
        (told.status, &told.body["code"]),
        (StatusCode::FORBIDDEN, &json!("policy-denied"))
    );
    let held = stage
        .get(&stage.person("ann", &["askers"]), "/api/v1/journal")
        .await;
    assert_eq!(held.status, StatusCode::FORBIDDEN);
    assert_eq!(held.body["policies"], json!(["askers"]), "{held:?}");
}

#[tokio::test]
async fn a_token_is_no_credential_on_a_page() {
    use tower::ServiceExt as _;

    let page = axum::Router::new()
        .route("/page", axum::routing::get(|| async { "shown" }))
        .layer(axum::middleware::from_fn(crate::admin::caller::no_token));
    let ask = |token: Option<&str>| {
        let mut request = Request::builder().uri("/page");
        if let Some(token) = token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        page.clone()
            .oneshot(request.body(Body::empty()).expect("a request"))
    };
    assert_eq!(ask(None).await.expect("infallible").status(), StatusCode::OK);
    let refused = ask(Some("a.b.c")).await.expect("infallible");
    assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
}
