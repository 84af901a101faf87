use std::sync::Arc;

use http::{Method, StatusCode};
use model::{Principal, PrincipalKind, ResourceName, SessionId};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::admin::tests::stage::{Stage, Told, request};
use crate::clock;
use crate::sessions::{EndingCell, Live, Notice};

const ALICE: &str = "https://idp.example.com|alice";

async fn lock(stage: &Stage, token: &str, target: Value) -> Told {
    let body = json!({"target": target, "reason": "incident 12"});
    stage.post(token, "/api/v1/locks", &body).await
}

fn live(number: u8, subject: &str) -> Live {
    Live {
        id: SessionId::new(clock::unix_us() / 1_000, [number; 10]),
        principal: Arc::new(Principal {
            identity: "corp".into(),
            issuer: "https://idp.example.com".into(),
            subject: subject.into(),
            groups: Vec::new(),
            kind: PrincipalKind::Person,
            delegation: Vec::new(),
            client: None,
            token_id: None,
        }),
        login: Arc::default(),
        resource: ResourceName::new("customers"),
        client: "10.0.0.1:5".into(),
        started_us: clock::unix_us(),
        expires: clock::unix_seconds() + 60,
        grant: None,
        status: Arc::default(),
    }
}

#[tokio::test]
async fn whoever_is_locked_is_shut_out_until_the_lock_is_lifted() {
    let stage = Stage::new().await;
    let (sue, alice) = (
        stage.person("sue", &["security"]),
        stage.person("alice", &["security"]),
    );
    assert_eq!(stage.get(&alice, "/api/v1/me").await.status, StatusCode::OK);
    let set = lock(&stage, &sue, json!({"kind": "principal", "value": ALICE})).await;
    assert_eq!(set.status, StatusCode::CREATED, "{set:?}");
    let id = set.body["lock"]["id"].as_str().expect("an id");
    let out = stage.get(&alice, "/api/v1/me").await;
    assert_eq!(
        (out.status, &out.body["code"]),
        (StatusCode::FORBIDDEN, &json!("locked"))
    );
    assert!(out.body["detail"].as_str().expect("text").contains("incident 12"));
    let listed = stage.get(&sue, "/api/v1/locks").await;
    assert_eq!(
        listed.body["locks"][0]["target"],
        json!({"kind": "principal", "value": ALICE})
    );
    assert_eq!(listed.body["locks"][0]["by"], "https://idp.example.com|sue");
    let lift = || request(Method::DELETE, &sue, &format!("/api/v1/locks/{id}"), None);
    assert_eq!(stage.send(lift()).await.status, StatusCode::OK);
    assert_eq!(stage.get(&alice, "/api/v1/me").await.status, StatusCode::OK);
    assert_eq!(stage.send(lift()).await.status, StatusCode::NOT_FOUND);
    let verbs: Vec<Value> = stage
        .journalled("op.intent")
        .await
        .into_iter()
        .map(|intent| intent["verb"][0].clone())
        .collect();
    assert_eq!(verbs, ["revoke", "list locks", "lift lock", "lift lock"]);
}

#[tokio::test]
async fn a_lock_on_everything_leaves_the_door_to_lift_it() {
    let stage = Stage::new().await;
    let sue = stage.person("sue", &["security"]);
    let set = lock(&stage, &sue, json!({"kind": "all"})).await;
    assert_eq!(set.status, StatusCode::CREATED, "{set:?}");
    let id = set.body["lock"]["id"].as_str().expect("an id").to_owned();
    let lifted = stage
        .send(request(
            Method::DELETE,
            &sue,
            &format!("/api/v1/locks/{id}"),
            None,
        ))
        .await;
    assert_eq!(lifted.body["id"], json!(id));
}

#[tokio::test]
async fn what_cannot_be_locked_is_told_and_nothing_is_locked() {
    let stage = Stage::new().await;
    let sue = stage.person("sue", &["security"]);
    for (target, status) in [
        (
            json!({"kind": "resource", "value": "nowhere"}),
            StatusCode::NOT_FOUND,
        ),
        (
            json!({"kind": "resource", "value": "tidegate"}),
            StatusCode::BAD_REQUEST,
        ),
        (json!({"kind": "resource"}), StatusCode::BAD_REQUEST),
        (
            json!({"kind": "principal", "value": "alice"}),
            StatusCode::BAD_REQUEST,
        ),
        (json!({"kind": "all", "value": "x"}), StatusCode::BAD_REQUEST),
        (json!({"kind": "issuer", "value": "x"}), StatusCode::BAD_REQUEST),
        (json!({"kind": "all", "extra": 1}), StatusCode::BAD_REQUEST),
    ] {
        let told = lock(&stage, &sue, target.clone()).await;
        assert_eq!(told.status, status, "{target}: {told:?}");
    }
    let long = json!({"target": {"kind": "all"}, "reason": "x".repeat(2_000)});
    let long = stage.post(&sue, "/api/v1/locks", &long).await;
    assert_eq!(long.status, StatusCode::BAD_REQUEST);
    let nobody = lock(&stage, &stage.person("bob", &[]), json!({"kind": "all"})).await;
    assert_eq!(nobody.status, StatusCode::FORBIDDEN);
    assert!(stage.gateway.services.locks.list().is_empty());
}

#[tokio::test]
async fn the_same_request_with_a_key_is_done_once() {
    let stage = Stage::new().await;
    let sue = stage.person("sue", &["security"]);
    let body = json!({"target": {"kind": "principal", "value": ALICE}, "reason": "once"});
    let send = |body: &Value, key: &str| {
        let mut request = request(Method::POST, &sue, "/api/v1/locks", Some(body));
        request
            .headers_mut()
            .insert("idempotency-key", key.parse().expect("a value"));
        request
    };
    let first = stage.send(send(&body, "k1")).await;
    let again = stage.send(send(&body, "k1")).await;
    assert_eq!((first.status, &first.body), (again.status, &again.body));
    assert_eq!(stage.gateway.services.locks.list().len(), 1);
    let other = json!({"target": {"kind": "all"}, "reason": "once"});
    let other = stage.send(send(&other, "k1")).await;
    assert_eq!(other.body["code"], "idempotency-key-reused");
    assert_eq!(stage.gateway.services.locks.list().len(), 1);
}

#[tokio::test]
async fn sessions_are_seen_by_their_own_and_by_those_who_may_and_ended_by_the_latter() {
    let stage = Stage::new().await;
    let (mine, other) = (live(1, "alice"), live(2, "bob"));
    let (sender, mut inbox) = mpsc::channel(1);
    let ending = EndingCell::default();
    let sessions = &stage.gateway.services.sessions;
    let _mine = sessions.add(mine.clone(), ending.clone(), 1, vec![1], sender);
    let (sender, _other_inbox) = mpsc::channel(1);
    let _other = sessions.add(other.clone(), EndingCell::default(), 2, vec![2], sender);
    let (sue, alice) = (stage.person("sue", &["security"]), stage.person("alice", &[]));
    let ids = |told: &Told| -> Vec<String> {
        let sessions = told.body["sessions"].as_array().expect("sessions");
        sessions
            .iter()
            .map(|session| session["id"].as_str().expect("an id").to_owned())
            .collect()
    };
    assert_eq!(
        ids(&stage.get(&sue, "/api/v1/sessions").await),
        [mine.id.to_string(), other.id.to_string()]
    );
    assert_eq!(
        ids(&stage.get(&alice, "/api/v1/sessions").await),
        [mine.id.to_string()]
    );
    let foreign = stage
        .get(
            &alice,
            "/api/v1/sessions?principal=https%3A%2F%2Fidp.example.com%7Cbob",
        )
        .await;
    assert!(ids(&foreign).is_empty());
    // Another's session and none at all look the same.
    let hidden = stage.get(&alice, &format!("/api/v1/sessions/{}", other.id)).await;
    let missing = stage
        .get(&alice, "/api/v1/sessions/00000000-0000-7000-8000-000000000000")
        .await;
    assert_eq!(hidden.status, StatusCode::NOT_FOUND);
    assert_eq!(
        (&hidden.body["detail"], &hidden.body["code"]),
        (&missing.body["detail"], &missing.body["code"])
    );
    let path = format!("/api/v1/sessions/{}/end", mine.id);
    let reason = json!({"reason": "wrong database"});
    assert_eq!(
        stage.post(&alice, &path, &reason).await.status,
        StatusCode::FORBIDDEN
    );
    let ended = stage.post(&sue, &path, &reason).await;
    assert_eq!(ended.body, json!({"lock": null, "sessions_ended": 1}));
    assert_eq!(inbox.recv().await, Some(Notice::End));
    let told = ending.get().expect("an ending");
    assert_eq!(&*told.reason, "your session was ended: wrong database");
    let intents = stage.journalled("op.intent").await;
    let last = intents.last().expect("an intent");
    assert_eq!(
        (&last["verb"], &last["class"]),
        (&json!(["revoke"]), &json!("privilege"))
    );
}
