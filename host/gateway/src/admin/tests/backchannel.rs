//! What an identity provider's word of a logout ends, through the listener's own route.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use model::approval::{ContentHash, Quorum, Standing, Subject};
use model::{ApprovalId, Principal, ResourceName, Rule, SessionId};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tower::ServiceExt as _;

use super::stage::{Stage, Told};
use crate::admin::backchannel::router;
use crate::approvals::{Asked, Question};
use crate::clock;
use crate::identity::{LoggedIn, Login};
use crate::sessions::{EndingCell, Live};
use crate::state::CookieHash;
use crate::state::approvals::tests::{case, person};

const ISSUER: &str = "https://idp.example.com";

fn logout_token(stage: &Stage, changes: Value) -> String {
    let now = clock::unix_seconds();
    let mut claims = json!({"sub": "alice", "aud": "tidegate-console", "iat": now, "exp": now + 120, "jti": "j1",
        "events": {"http://schemas.openid.net/event/backchannel-logout": {}}});
    for (name, value) in changes.as_object().expect("an object") {
        claims[name] = value.clone();
    }
    stage.token(&claims)
}

/// Sends one form to a listener of its own: nobody remembers what others sent.
async fn send(stage: &Stage, token: &str) -> Told {
    let form = format!("logout_token={token}");
    let request =
        Request::post("/auth/backchannel").header(CONTENT_TYPE, "application/x-www-form-urlencoded");
    told(stage, request.body(Body::from(form)).expect("a request")).await
}

async fn told(stage: &Stage, request: Request<Body>) -> Told {
    let router = router(Arc::clone(&stage.gateway.services));
    let (parts, body) = router.oneshot(request).await.expect("infallible").into_parts();
    let bytes = body.collect().await.expect("a body").to_bytes();
    Told {
        status: parts.status,
        headers: parts.headers,
        body: serde_json::from_slice(&bytes).unwrap_or_default(),
    }
}

/// Lists a session for as long as the stage lives; returns where it hears that it is to end.
fn list(stage: &Stage, number: u8, principal: Principal, provider_session: Option<&str>) -> EndingCell {
    let ending = EndingCell::default();
    let mut live = Live::idle(
        SessionId::new(1, [number; 10]),
        principal,
        ResourceName::new("customers"),
        None,
    );
    live.login = Arc::new(Login {
        provider_session: provider_session.map(str::to_owned),
        ..Login::default()
    });
    let (notices, _) = mpsc::channel(1);
    let sessions = &stage.gateway.services.sessions;
    let listed = sessions.add(live, Arc::clone(&ending), 1, Vec::new(), notices);
    std::mem::forget(listed);
    ending
}

async fn ask(stage: &Stage, subject: &str) -> ApprovalId {
    let question = Question {
        subject: Subject::Operation,
        content: ContentHash([7; 32]),
        requester: Arc::new(person(subject)),
        resource: ResourceName::new("customers"),
        session: None,
        operation: None,
        quorum: Quorum::default(),
        case: case(),
        decide_within: Duration::from_mins(30),
        use_within: Duration::from_mins(15),
    };
    match stage.gateway.services.approvals.ask(question).await {
        Ok(Asked::Waiting(waiting)) => waiting.id,
        other => panic!("{other:?}"),
    }
}

async fn standing(stage: &Stage, id: ApprovalId) -> Standing {
    let kept = stage.gateway.services.approvals.get(id).await.expect("read");
    kept.expect("an approval").approval.standing
}

async fn log_in(stage: &Stage, cookie: &str, subject: &str, provider_session: Option<&str>) {
    let who = LoggedIn {
        principal: person(subject),
        provider_session: provider_session.map(str::to_owned),
        issued: clock::unix_seconds(),
    };
    let state = &stage.gateway.services.logins.state;
    let begun = state
        .begin_console_session(CookieHash::of(cookie), None, &who, clock::unix_us())
        .await;
    begun.expect("written");
}

async fn lives(stage: &Stage, cookie: &str) -> bool {
    let state = &stage.gateway.services.logins.state;
    let session = state
        .console_session(CookieHash::of(cookie), clock::unix_us())
        .await;
    session.expect("read").is_some()
}

#[tokio::test]
async fn a_logout_ends_all_that_the_person_does_and_leaves_the_others() {
    let stage = Stage::new().await;
    let (hers, his) = (
        list(&stage, 1, person("alice"), None),
        list(&stage, 2, person("bob"), None),
    );
    let (her_question, his_question) = (ask(&stage, "alice").await, ask(&stage, "bob").await);
    log_in(&stage, "hers", "alice", Some("s1")).await;
    log_in(&stage, "his", "bob", Some("s2")).await;
    let done = send(&stage, &logout_token(&stage, json!({}))).await;
    assert_eq!(
        (done.status, &done.headers[CACHE_CONTROL]),
        (StatusCode::OK, &"no-store".parse().expect("a value"))
    );
    let ending = hers.get().expect("told to end");
    assert_eq!(
        (ending.rule, &*ending.reason),
        (Rule::SessionEnded, "the identity provider ended your login")
    );
    assert!(his.get().is_none());
    assert!(!lives(&stage, "hers").await && lives(&stage, "his").await);
    assert_eq!(standing(&stage, her_question).await, Standing::Withdrawn);
    assert_eq!(standing(&stage, his_question).await, Standing::Pending);
    let [entry] = &stage.journalled("identity.logout").await[..] else {
        panic!("one entry");
    };
    assert_eq!(
        (&entry["issuer"], &entry["subject"], &entry["token"]),
        (&json!(ISSUER), &json!("alice"), &json!("j1"))
    );
}

#[tokio::test]
async fn the_logout_of_one_session_ends_that_and_what_may_be_of_it() {
    let stage = Stage::new().await;
    let one = list(&stage, 1, person("alice"), Some("s1"));
    let other = list(&stage, 2, person("alice"), Some("s2"));
    let unnamed = list(&stage, 3, person("alice"), None);
    log_in(&stage, "one", "alice", Some("s1")).await;
    log_in(&stage, "other", "alice", Some("s2")).await;
    log_in(&stage, "unnamed", "alice", None).await;
    let done = send(&stage, &logout_token(&stage, json!({"sid": "s1"}))).await;
    assert_eq!(done.status, StatusCode::OK, "{done:?}");
    assert!(one.get().is_some() && unnamed.get().is_some() && other.get().is_none());
    assert!(!lives(&stage, "one").await && !lives(&stage, "unnamed").await && lives(&stage, "other").await);
}

#[tokio::test]
async fn whoever_logged_out_needs_a_new_token_at_the_api() {
    let stage = Stage::new().await;
    let token = stage.person("alice", &["security"]);
    assert_eq!(stage.get(&token, "/api/v1/me").await.status, StatusCode::OK);
    let done = send(&stage, &logout_token(&stage, json!({}))).await;
    assert_eq!(done.status, StatusCode::OK, "{done:?}");
    assert_eq!(
        stage.get(&token, "/api/v1/me").await.status,
        StatusCode::UNAUTHORIZED
    );
    let newer =
        stage.token(&json!({"sub": "alice", "groups": ["security"], "iat": clock::unix_seconds() + 20}));
    assert_eq!(stage.get(&newer, "/api/v1/me").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_bad_logout_token_ends_nothing_and_is_told_nothing() {
    let stage = Stage::new().await;
    let session = list(&stage, 1, person("alice"), None);
    let used = logout_token(&stage, json!({"sub": "bob", "jti": "used"}));
    assert_eq!(send(&stage, &used).await.status, StatusCode::OK);
    for token in [
        &used,
        &logout_token(&stage, json!({"aud": "other"})),
        &logout_token(&stage, json!({"nonce": "n"})),
        &stage.person("alice", &[]),
        &"a".repeat(16 * 1024 + 1),
        "",
    ] {
        let refused = send(&stage, token).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{refused:?}");
        assert_eq!(refused.headers[CACHE_CONTROL], "no-store");
        assert_eq!(refused.body["error"], "invalid_request");
        let told = refused.body["error_description"].as_str().expect("text");
        assert_eq!(told, "authentication failed: the token was not accepted");
    }
    assert!(session.get().is_none());
}

#[tokio::test]
async fn the_route_takes_one_form_of_a_bounded_size() {
    let stage = Stage::new().await;
    let request = |method: Method, kind: &str, body: String| {
        let request = Request::builder()
            .method(method)
            .uri("/auth/backchannel")
            .header(CONTENT_TYPE, kind);
        request.body(Body::from(body)).expect("a request")
    };
    let form = "application/x-www-form-urlencoded";
    for (method, kind, body, expected) in [
        (Method::GET, form, String::new(), StatusCode::METHOD_NOT_ALLOWED),
        (
            Method::POST,
            "application/json",
            "{}".to_owned(),
            StatusCode::BAD_REQUEST,
        ),
        (
            Method::POST,
            form,
            "logout_token=a&logout_token=b".to_owned(),
            StatusCode::BAD_REQUEST,
        ),
        (
            Method::POST,
            form,
            format!("logout_token={}", "a".repeat(24 << 10)),
            StatusCode::PAYLOAD_TOO_LARGE,
        ),
    ] {
        let answered = told(&stage, request(method, kind, body)).await;
        assert_eq!(answered.status, expected, "{answered:?}");
        assert_eq!(answered.headers[CACHE_CONTROL], "no-store");
    }
}
