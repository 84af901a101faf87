use http::header::IF_MATCH;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::admin::tests::stage::{Stage, Told, request};

/// Asks for a grant; returns the approval's id.
async fn ask(stage: &Stage, token: &str) -> String {
    let body = json!({"resource": "customers", "kinds": ["read"], "seconds": 600, "reason": "ticket 4711"});
    let asked = stage.post(token, "/api/v1/grants", &body).await;
    assert_eq!(asked.status, StatusCode::ACCEPTED, "{asked:?}");
    asked.body["approval"].as_str().expect("an id").to_owned()
}

async fn decide(stage: &Stage, token: &str, id: &str, revision: Option<&str>, body: &Value) -> Told {
    let path = format!("/api/v1/approvals/{id}/decision");
    let mut request = request(Method::POST, token, &path, Some(body));
    if let Some(revision) = revision {
        request
            .headers_mut()
            .insert(IF_MATCH, revision.parse().expect("a value"));
    }
    stage.send(request).await
}

fn yes() -> Value {
    json!({"agrees": true, "comment": "go ahead"})
}

#[tokio::test]
async fn what_is_asked_is_answered_and_gives_what_was_asked_for() {
    let stage = Stage::new().await;
    let (alice, bob) = (stage.person("alice", &[]), stage.person("bob", &["dba"]));
    let id = ask(&stage, &alice).await;
    let waiting = stage.get(&bob, "/api/v1/approvals?standing=pending").await;
    assert_eq!(waiting.body["approvals"][0]["id"], id, "{waiting:?}");
    assert_eq!(waiting.body["approvals"][0]["may_answer"], true);
    assert!(waiting.body["approvals"][0]["case"].get("operation").is_none());
    let shown = stage.get(&bob, &format!("/api/v1/approvals/{id}")).await;
    assert_eq!(
        shown.body["requester"]["principal"],
        "https://idp.example.com|alice"
    );
    assert_eq!(shown.body["case"]["reason"], "ticket 4711");
    let revision = format!("\"{}\"", shown.body["revision"]);
    let answered = decide(&stage, &bob, &id, Some(&revision), &yes()).await;
    assert_eq!(answered.status, StatusCode::OK, "{answered:?}");
    assert_eq!(answered.body["votes"][0]["by"], "https://idp.example.com|bob");
    assert_eq!(answered.body["votes"][0]["channel"], "api");
    let grants = stage.get(&alice, "/api/v1/grants?standing=holding").await;
    assert_eq!(grants.body["grants"][0]["approval"], id, "{grants:?}");
    assert_eq!(grants.body["grants"][0]["kinds"], json!(["read"]));
    let none = stage.get(&stage.person("carol", &[]), "/api/v1/grants").await;
    assert_eq!(none.body["grants"], json!([]), "another's grants are not there");
    let grant = grants.body["grants"][0]["id"].as_str().expect("an id");
    let path = format!("/api/v1/grants/{grant}/revoke");
    let reason = json!({"reason": "done"});
    let stranger = stage.post(&stage.person("carol", &[]), &path, &reason).await;
    assert_eq!(stranger.status, StatusCode::FORBIDDEN);
    let back = stage.post(&alice, &path, &reason).await;
    assert_eq!(back.body["sessions_ended"], 0, "{back:?}");
    let again = stage
        .post(&stage.person("sue", &["security"]), &path, &reason)
        .await;
    assert_eq!(
        (again.status, &again.body["code"]),
        (StatusCode::CONFLICT, &json!("over"))
    );
}

#[tokio::test]
async fn an_answer_is_to_what_was_looked_at() {
    let stage = Stage::new().await;
    let (alice, bob) = (stage.person("alice", &[]), stage.person("bob", &["dba"]));
    let id = ask(&stage, &alice).await;
    let blind = decide(&stage, &bob, &id, None, &yes()).await;
    assert_eq!(blind.status, StatusCode::PRECONDITION_REQUIRED);
    let stale = decide(&stage, &bob, &id, Some("\"7\""), &yes()).await;
    assert_eq!(
        (stale.status, &stale.body["code"]),
        (StatusCode::PRECONDITION_FAILED, &json!("changed"))
    );
    let odd = decide(
        &stage,
        &bob,
        &id,
        Some("\"0\""),
        &json!({"agrees": true, "force": true}),
    )
    .await;
    assert_eq!(odd.body["code"], "invalid-body");
    let shown = stage.get(&bob, &format!("/api/v1/approvals/{id}")).await;
    assert_eq!(shown.body["standing"], "pending", "nothing of that counted");
}

#[tokio::test]
async fn nobody_answers_for_themselves_and_one_no_ends_it() {
    let stage = Stage::new().await;
    let (alice, bob) = (stage.person("alice", &["dba"]), stage.person("bob", &["dba"]));
    let id = ask(&stage, &alice).await;
    let own = decide(&stage, &alice, &id, Some("\"0\""), &yes()).await;
    assert_eq!(own.status, StatusCode::FORBIDDEN, "{own:?}");
    let no = decide(
        &stage,
        &bob,
        &id,
        Some("\"0\""),
        &json!({"agrees": false, "comment": "why?"}),
    )
    .await;
    assert_eq!(no.body["standing"], "denied", "{no:?}");
    let revision = format!("\"{}\"", no.body["revision"]);
    let late = decide(&stage, &bob, &id, Some(&revision), &yes()).await;
    assert_eq!(late.status, StatusCode::CONFLICT, "{late:?}");
    let grants = stage.get(&alice, "/api/v1/grants").await;
    assert_eq!(grants.body["grants"], json!([]));
}

#[tokio::test]
async fn an_approval_that_is_nobodys_business_is_not_there() {
    let stage = Stage::new().await;
    let id = ask(&stage, &stage.person("alice", &[])).await;
    let mallory = stage.person("mallory", &["auditors"]);
    let listed = stage.get(&mallory, "/api/v1/approvals").await;
    assert_eq!(listed.body["approvals"], json!([]));
    let missing = "00000000-0000-7000-8000-000000000000";
    for (method, end, body) in [
        (Method::GET, "", None),
        (Method::POST, "/withdraw", None),
        (Method::POST, "/decision", Some(yes())),
    ] {
        let send = |id: &str| {
            let path = format!("/api/v1/approvals/{id}{end}");
            let mut request = request(method.clone(), &mallory, &path, body.as_ref());
            request
                .headers_mut()
                .insert(IF_MATCH, "\"0\"".parse().expect("a value"));
            request
        };
        let (hidden, none) = (stage.send(send(&id)).await, stage.send(send(missing)).await);
        assert_eq!(hidden.status, StatusCode::NOT_FOUND, "{end}");
        assert_eq!(
            (&hidden.body["code"], &hidden.body["detail"]),
            (&none.body["code"], &none.body["detail"])
        );
    }
    // Whomever policy lets see it does, without being able to answer; and the journal says by
    // which policy, where it is nothing of their own.
    let sue = stage.person("sue", &["security"]);
    let seen = stage.get(&sue, &format!("/api/v1/approvals/{id}")).await;
    assert_eq!(seen.body["may_answer"], false);
    stage
        .get(&stage.person("alice", &[]), &format!("/api/v1/approvals/{id}"))
        .await;
    let intents = stage.journalled("op.intent").await;
    let shown = intents
        .iter()
        .filter(|intent| intent["verb"] == json!(["show approval"]));
    let shown: Vec<&Value> = shown.map(|intent| &intent["policies"]).collect();
    assert_eq!(shown, [&json!(["security"]), &json!(["tidegate.own"])]);
    let refused = decide(&stage, &sue, &id, Some("\"0\""), &yes()).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "{refused:?}");
}

#[tokio::test]
async fn whoever_asked_takes_it_back_and_nobody_else() {
    let stage = Stage::new().await;
    let (alice, bob) = (stage.person("alice", &[]), stage.person("bob", &["dba"]));
    let id = ask(&stage, &alice).await;
    let withdraw = |token: &str| {
        request(
            Method::POST,
            token,
            &format!("/api/v1/approvals/{id}/withdraw"),
            None,
        )
    };
    let other = stage.send(withdraw(&bob)).await;
    assert!(other.status.is_client_error(), "{other:?}");
    let own = stage.send(withdraw(&alice)).await;
    assert_eq!(own.body["standing"], "withdrawn", "{own:?}");
}

#[tokio::test]
async fn a_grant_is_not_asked_for_without_bounds() {
    let stage = Stage::new().await;
    let alice = stage.person("alice", &[]);
    let good = json!({"resource": "customers", "kinds": ["read"], "seconds": 600, "reason": "x"});
    for (member, value) in [
        ("seconds", json!(0)),
        ("seconds", json!(1_000_000)),
        ("kinds", json!(["reading"])),
        ("relations", json!(vec!["t"; 100])),
        ("reason", json!("x".repeat(5_000))),
        ("for", json!("1h")),
    ] {
        let mut body = good.clone();
        body[member] = value;
        let told = stage.post(&alice, "/api/v1/grants", &body).await;
        assert_eq!(told.body["code"], "invalid-body", "{member}: {told:?}");
    }
}
