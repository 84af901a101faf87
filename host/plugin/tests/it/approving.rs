//! `webhook-approver` against a receiver that takes nothing but what Standard Webhooks and the
//! plugin's own documentation say, once each.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::Full;
use hyper::Response;
use plugin::{Approver, Ask, Code, Decision, FaultKind, Kind, PluginFault, Plugins, Secret, Ticket};
use serde_json::{Value, json};

use crate::components::{config, first_party, load, name, session};
use crate::receiver::{Receiver, Seen, hang_up, json as answer};
use crate::tampering::tampered;
use crate::webhook::{ANSWER_KEY, KEY, callback, complaint, now_seconds};

/// Starts a receiver that answers good requests as `answers` says.
async fn receiver(
    answers: impl Fn(&Seen) -> Option<Response<Full<Bytes>>> + Send + Sync + 'static,
) -> Receiver {
    Receiver::start(move |request| match complaint(request) {
        Some(why) => answer(401, &json!({"complaint": why}).to_string()),
        None => answers(request),
    })
    .await
}

/// Answers a poll with this decision, signed with this key.
fn decided(key: &[u8], at: u64, body: &Value) -> Option<Response<Full<Bytes>>> {
    let mut response = answer(200, &body.to_string()).unwrap();
    let message = callback(key, at, body);
    for (name, value) in message.headers {
        let name: http::HeaderName = name.parse().unwrap();
        response.headers_mut().insert(name, value.parse().unwrap());
    }
    Some(response)
}

async fn start(receiver: &Receiver, deadline: Duration) -> Plugins {
    let origin = format!("http://{}", receiver.address);
    let json = json!({"url": format!("{origin}/hook"), "secret": "secret://approvals",
        "answer_secret": "secret://answers", "poll_seconds": 30});
    let mut config = config("webhook", Kind::Approver, first_party("webhook-approver"), json);
    config.limits.deadline = deadline;
    config.grants.egress = vec![origin];
    for (name, key) in [("approvals", KEY), ("answers", ANSWER_KEY)] {
        let secret = Secret::new(format!("whsec_{}", STANDARD.encode(key)));
        config.grants.secrets.insert(name.to_owned(), secret);
    }
    load(vec![config]).await
}

async fn started(receiver: &Receiver) -> Plugins {
    start(receiver, Duration::from_secs(5)).await
}

fn approver(plugins: &Plugins) -> &Approver {
    plugins.approver(&name("webhook")).unwrap()
}

async fn submit(plugins: &Plugins) -> Result<Ticket, PluginFault> {
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
    approver(plugins).submit(&ask).await
}

fn code(fault: PluginFault) -> Code {
    match fault.kind {
        FaultKind::Refused(error) => error.code,
        other => panic!("{other}"),
    }
}

fn denied() -> Value {
    json!({"approval_id": "a-1", "decision": "denied", "by": "ann", "comment": "no"})
}

#[tokio::test]
async fn a_question_goes_out_signed_and_its_ticket_comes_back() {
    let receiver = receiver(|request| match request.method.as_str() {
        "POST" => answer(
            200,
            "{\"external_id\": \"T-1\", \"url\": \"https://tickets.example/T-1\"}",
        ),
        _ => decided(ANSWER_KEY, now_seconds(), &denied()),
    })
    .await;
    let plugins = started(&receiver).await;
    let ticket = submit(&plugins).await.unwrap();
    assert_eq!(
        (ticket.external_id.as_str(), ticket.poll_after_ms),
        ("T-1", Some(30_000))
    );
    let question: Value = serde_json::from_slice(&receiver.seen()[0].body).unwrap();
    assert_eq!(question["approval_id"], "a-1");
    assert_eq!(question["requester"]["id"], "https://idp.example|agent-7");
    assert!(!String::from_utf8_lossy(&receiver.seen()[0].body).contains("whsec_"));

    // Asked again, it is the same question by the same id.
    submit(&plugins).await.unwrap();
    let ids = [0, 1].map(|at| receiver.seen()[at].header("webhook-id").to_owned());
    assert_eq!(ids, ["a-1", "a-1"]);

    let update = approver(&plugins).poll("a-1", &ticket).await.unwrap();
    assert!(
        matches!(&update.decision, Decision::Denied(vote) if vote.by == "ann"),
        "{update:?}"
    );
    approver(&plugins)
        .withdraw("a-1", &ticket, "no longer wanted")
        .await
        .unwrap();
    assert_eq!(receiver.seen().len(), 4);
}

#[tokio::test]
async fn a_poll_believes_only_what_the_other_side_signed_now() {
    let answers = [
        decided(KEY, now_seconds(), &denied()),
        decided(ANSWER_KEY, now_seconds() - 310, &denied()),
        answer(200, &denied().to_string()),
    ];
    let tries = std::sync::atomic::AtomicUsize::new(0);
    let receiver = receiver(move |_| {
        let at = tries.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        answers[at].clone()
    })
    .await;
    let plugins = started(&receiver).await;
    for _ in 0..3 {
        let fault = approver(&plugins).poll("a-1", &ticket()).await.unwrap_err();
        assert_eq!(code(fault), Code::InvalidConfig);
    }
}

fn ticket() -> Ticket {
    Ticket {
        external_id: "T-1".to_owned(),
        url: None,
        poll_after_ms: None,
        state: Vec::new(),
    }
}

#[tokio::test]
async fn only_a_fresh_callback_with_the_right_signature_counts() {
    let receiver = receiver(|_| answer(200, "{}")).await;
    let plugins = started(&receiver).await;
    let at = now_seconds();
    let good = callback(ANSWER_KEY, at, &denied());
    let (updates, reply) = approver(&plugins).callback(&good).await.unwrap();
    assert_eq!(reply.status, 200);
    assert!(
        matches!(&updates[0].decision, Decision::Denied(vote) if vote.comment == "no" && vote.at_ms == at * 1000),
        "{updates:?}"
    );
    // A replay says the very same again; it is for the host to count it once.
    let again = approver(&plugins).callback(&good).await.unwrap();
    assert_eq!(again, (updates, reply));

    let mut bad = vec![
        callback(KEY, at, &denied()),
        callback(b"a third key", at, &denied()),
        callback(ANSWER_KEY, at - 310, &denied()),
        callback(ANSWER_KEY, at + 310, &denied()),
    ];
    bad.extend(tampered(&good, 1, 0..3));
    for message in &bad {
        let (updates, reply) = approver(&plugins).callback(message).await.unwrap();
        assert_eq!((updates.len(), reply.status), (0, 401), "{message:?}");
    }
}

#[tokio::test]
async fn a_receiver_out_of_order_approves_nothing() {
    let busy = || {
        let mut response = answer(429, "{}").unwrap();
        let wait = http::HeaderValue::from_static("30");
        response.headers_mut().insert("retry-after", wait);
        Some(response)
    };
    let answers = [busy(), answer(500, "{}"), answer(200, "{}"), hang_up()];
    let tries = std::sync::atomic::AtomicUsize::new(0);
    let receiver = receiver(move |_| {
        let at = tries.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        answers[at].clone()
    })
    .await;
    let plugins = started(&receiver).await;
    let mut codes = Vec::new();
    for _ in 0..4 {
        let fault = approver(&plugins).poll("a-1", &ticket()).await.unwrap_err();
        if let FaultKind::Refused(error) = &fault.kind {
            let wait = (codes.is_empty()).then_some(Duration::from_secs(30));
            assert_eq!(error.retry_after, wait);
        }
        codes.push(code(fault));
    }
    let unsigned = Code::InvalidConfig;
    assert_eq!(
        codes,
        [Code::RateLimited, Code::Unavailable, unsigned, Code::Unavailable]
    );
}

#[tokio::test]
async fn a_receiver_that_never_answers_costs_the_budget_and_no_more() {
    let receiver = receiver(|_| None).await;
    let plugins = start(&receiver, Duration::from_millis(500)).await;
    let began = std::time::Instant::now();
    submit(&plugins).await.unwrap_err();
    assert!(began.elapsed() < Duration::from_secs(6), "{:?}", began.elapsed());
}
