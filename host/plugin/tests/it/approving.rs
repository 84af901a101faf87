//! `webhook-approver` against a receiver that checks what it is sent.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use plugin::{Approver, Ask, Code, Decision, FaultKind, Kind, Message, Plugins, Secret};
use serde_json::{Value, json};
use sha2::Sha256;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::components::{config, first_party, load, name, session};
use crate::receiver::{Receiver, Seen, json as answer};

const KEY: &[u8] = b"a key of some length, thirty-two";

fn secret() -> String {
    format!("whsec_{}", STANDARD.encode(KEY))
}

/// Signs as Standard Webhooks does.
fn signature(key: &[u8], id: &str, timestamp: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(format!("{id}.{timestamp}.").as_bytes());
    mac.update(body);
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

fn is_signed(request: &Seen) -> bool {
    let (id, timestamp) = (request.header("webhook-id"), request.header("webhook-timestamp"));
    request.header("webhook-signature") == signature(KEY, id, timestamp, &request.body)
}

async fn start(receiver: &Receiver) -> Plugins {
    let origin = format!("http://{}", receiver.address);
    let json = json!({"url": format!("{origin}/hook"), "secret": "secret://approvals", "poll_seconds": 30});
    let mut config = config("webhook", Kind::Approver, first_party("webhook-approver"), json);
    config.grants.egress = vec![origin];
    config
        .grants
        .secrets
        .insert("approvals".to_owned(), Secret::new(secret()));
    load(vec![config]).await
}

fn approver(plugins: &Plugins) -> &Approver {
    plugins.approver(&name("webhook")).unwrap()
}

fn now_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn callback(key: &[u8], at: u64, body: &Value) -> Message {
    let (body, at) = (body.to_string().into_bytes(), at.to_string());
    let signed = signature(key, "m-1", &at, &body);
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    Message {
        method: "POST".to_owned(),
        path: String::new(),
        headers: vec![
            header("webhook-id", "m-1"),
            header("webhook-timestamp", &at),
            header("webhook-signature", &signed),
        ],
        body,
    }
}

#[tokio::test]
async fn a_question_goes_out_signed_and_its_ticket_comes_back() {
    let receiver = Receiver::start(|request| {
        if !is_signed(request) {
            return answer(401, "{}");
        }
        match request.method.as_str() {
            "POST" => answer(
                200,
                "{\"external_id\": \"T-1\", \"url\": \"https://tickets.example/T-1\"}",
            ),
            _ => answer(
                200,
                "{\"approval_id\": \"a-1\", \"decision\": \"approved\", \"by\": \"ann\"}",
            ),
        }
    })
    .await;
    let plugins = start(&receiver).await;
    let session = session();
    let ask = Ask {
        approval_id: "a-1",
        session: &session,
        title: "delete from customers",
        body_markdown: "```sql\ndelete from customers\n```",
        score: 90,
        reviewers: &["dba".to_owned()],
        expires_ms: 1_700_000_000_000,
        url: "https://gate.example/a-1",
        callback_url: "https://gate.example/callback",
    };
    let ticket = approver(&plugins).submit(&ask).await.unwrap();
    assert_eq!(
        (ticket.external_id.as_str(), ticket.poll_after_ms),
        ("T-1", Some(30_000))
    );
    let question: Value = serde_json::from_slice(&receiver.seen()[0].body).unwrap();
    assert_eq!(question["approval_id"], "a-1");
    assert_eq!(question["requester"]["id"], "https://idp.example|agent-7");
    assert!(!String::from_utf8_lossy(&receiver.seen()[0].body).contains("whsec_"));

    let update = approver(&plugins).poll("a-1", &ticket).await.unwrap();
    let Decision::Approved(vote) = update.decision else {
        panic!("{update:?}")
    };
    assert_eq!(vote.by, "ann");
    approver(&plugins)
        .withdraw("a-1", &ticket, "no longer wanted")
        .await
        .unwrap();
    assert_eq!(receiver.seen().len(), 3);
}

#[tokio::test]
async fn only_a_fresh_callback_with_the_right_signature_counts() {
    let receiver = Receiver::start(|_| answer(200, "{}")).await;
    let plugins = start(&receiver).await;
    let body = json!({"approval_id": "a-1", "decision": "denied", "by": "ann", "comment": "no"});
    let (updates, reply) = approver(&plugins)
        .callback(&callback(KEY, now_seconds(), &body))
        .await
        .unwrap();
    assert_eq!(reply.status, 200);
    assert!(
        matches!(&updates[0].decision, Decision::Denied(vote) if vote.comment == "no"),
        "{updates:?}"
    );

    let mut changed = callback(KEY, now_seconds(), &body);
    changed.body = json!({"approval_id": "a-1", "decision": "approved", "by": "ann", "comment": "no"})
        .to_string()
        .into_bytes();
    let mut unsigned = callback(KEY, now_seconds(), &body);
    unsigned.headers.clear();
    for bad in [
        changed,
        unsigned,
        callback(b"another key", now_seconds(), &body),
        callback(KEY, now_seconds() - 3600, &body),
    ] {
        let (updates, reply) = approver(&plugins).callback(&bad).await.unwrap();
        assert_eq!((updates.len(), reply.status), (0, 401));
    }
}

#[tokio::test]
async fn a_receiver_out_of_order_approves_nothing() {
    let receiver = Receiver::start(|_| answer(500, "{}")).await;
    let plugins = start(&receiver).await;
    let ticket = plugin::Ticket {
        external_id: "T-1".to_owned(),
        url: None,
        poll_after_ms: None,
        state: Vec::new(),
    };
    let fault = approver(&plugins).poll("a-1", &ticket).await.unwrap_err();
    let FaultKind::Refused(error) = fault.kind else {
        panic!("{fault}")
    };
    assert_eq!(error.code, Code::Unavailable);
}
