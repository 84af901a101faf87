use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use tidegate_sdk::Code;
use tidegate_sdk::approver::{Approver, Ask, Decision, Message, Principal, Ticket};
use tidegate_sdk::host::secrets;
use tidegate_sdk::http::Answer;
use tidegate_sdk::testing::{Host, issues, plugin};

use super::{WebhookApprover, signature};

const CONFIG: &str = r#"{"url":"https://approvals.example.com/t/","secret":"secret://key",
    "answer_secret":"secret://theirs","poll_seconds":30}"#;
const NOW_MS: u64 = 1_614_265_330_000;

fn host() -> Host {
    // The key and, below, the signature of the specification's own example.
    Host::new()
        .at_ms(NOW_MS)
        .secret("key", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
        .secret("theirs", "whsec_VGhlIHJlY2VpdmVyJ3Mgb3duIGtleS4=")
}

fn ask() -> Ask {
    Ask {
        approval_id: "ap-1".to_owned(),
        requester: Principal {
            id: "https://idp.example.com|agent-7".to_owned(),
            kind: "agent".to_owned(),
            groups: vec!["analysts".to_owned()],
            delegation: Vec::new(),
        },
        target: "customers".to_owned(),
        title: "DELETE".to_owned(),
        body_markdown: "`delete from orders`".to_owned(),
        score: 90,
        reviewers: vec!["dba".to_owned()],
        expires_ms: NOW_MS + 60_000,
        url: String::new(),
        callback_url: "https://gateway.example.com/hook".to_owned(),
        attrs: Vec::new(),
    }
}

fn ticket() -> Ticket {
    Ticket {
        external_id: "ap-1".to_owned(),
        url: None,
        poll_after_ms: None,
        state: Vec::new(),
    }
}

/// What the receiver would send, with its key.
fn signed(body: &str, at_seconds: u64) -> Message {
    signed_by("theirs", body, at_seconds)
}

fn signed_by(secret: &str, body: &str, at_seconds: u64) -> Message {
    let signature = signature::sign(secret, "msg-1", at_seconds, body.as_bytes()).expect("a signature");
    let header = |name: &str, value: String| (name.to_owned(), value);
    Message {
        method: "POST".to_owned(),
        path: String::new(),
        headers: vec![
            header("webhook-id", "msg-1".to_owned()),
            header("webhook-timestamp", at_seconds.to_string()),
            header("webhook-signature", format!("v1,AAAA {signature}")),
        ],
        body: body.as_bytes().to_vec(),
    }
}

/// The same as the answer to a poll.
fn polled(body: &str, at_seconds: u64) -> Answer {
    let message = signed(body, at_seconds);
    let mut answer = Answer::new(200, message.body);
    answer.headers = message.headers;
    answer
}

const APPROVED: &str =
    r#"{"approval_id":"ap-1","decision":"approved","by":"ann@example.com","comment":"ok"}"#;

fn status_of(message: &Message) -> (usize, u16) {
    let (updates, reply) = plugin::<WebhookApprover>(CONFIG)
        .callback(message)
        .expect("a reply");
    (updates.len(), reply.status)
}

#[test]
fn a_signature_is_that_of_the_specification() {
    let _host = host();
    let id = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    let signature = signature::sign("key", id, 1_614_265_330, br#"{"test": 2432232314}"#);
    assert_eq!(
        signature.as_deref(),
        Ok("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=")
    );
}

#[test]
fn a_question_is_signed_and_names_everything() {
    let host = host().answer(Answer::new(
        201,
        r#"{"external_id":"T-9","url":"https://approvals.example.com/T-9"}"#,
    ));
    let ticket = plugin::<WebhookApprover>(CONFIG)
        .submit(&ask())
        .expect("a ticket");
    assert_eq!(
        (ticket.external_id.as_str(), ticket.poll_after_ms),
        ("T-9", Some(30_000))
    );
    let request = &host.requests()[0];
    assert_eq!(
        (request.method, request.url.as_str()),
        ("POST", "https://approvals.example.com/t")
    );
    let header = |name| {
        request
            .headers
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, value)| value.clone())
    };
    assert_eq!(header("webhook-id").as_deref(), Some("ap-1"));
    assert_eq!(
        header("webhook-signature"),
        signature::sign("key", "ap-1", NOW_MS / 1000, &request.body).ok()
    );
    let body: serde_json::Value = serde_json::from_slice(&request.body).expect("JSON");
    assert_eq!(body["requester"]["groups"][0], "analysts");
    assert_eq!(
        (&body["score"], &body["type"]),
        (&90.into(), &"approval.requested".into())
    );
}

#[test]
fn a_receiver_that_says_nothing_still_gives_a_ticket() {
    let _host = host().answer(Answer::new(204, ""));
    let ticket = plugin::<WebhookApprover>(CONFIG)
        .submit(&ask())
        .expect("a ticket");
    assert_eq!((ticket.external_id.as_str(), ticket.url), ("ap-1", None));
}

#[test]
fn each_refusal_of_the_receiver_says_who_must_act() {
    for (status, code) in [
        (401, Code::Unauthorized),
        (410, Code::InvalidConfig),
        (422, Code::InvalidInput),
        (429, Code::RateLimited),
        (502, Code::Unavailable),
        (302, Code::Unavailable),
    ] {
        let _host = host().answer(Answer::new(status, ""));
        let error = plugin::<WebhookApprover>(CONFIG)
            .submit(&ask())
            .map_err(|e| e.code);
        assert_eq!(error.err(), Some(code), "{status}");
    }
}

#[test]
fn a_signed_answer_is_a_vote_with_its_proof() {
    let _host = host();
    let message = signed(APPROVED, NOW_MS / 1000 - 299);
    let (updates, reply) = plugin::<WebhookApprover>(CONFIG)
        .callback(&message)
        .expect("a reply");
    assert_eq!(reply.status, 200);
    let Decision::Approved(vote) = &updates[0].decision else {
        panic!("{updates:?}")
    };
    assert_eq!(
        (vote.by.as_str(), vote.at_ms),
        ("ann@example.com", NOW_MS - 299_000)
    );
    assert!(vote.evidence.starts_with(b"webhook-id: msg-1\n"));
    assert!(vote.evidence.ends_with(APPROVED.as_bytes()));
}

#[test]
fn an_answer_that_is_forged_old_or_incomplete_changes_nothing() {
    let _host = host();
    let now = NOW_MS / 1000;
    let mut forged = signed(APPROVED, now);
    forged.body = APPROVED.replace("ann", "eve").into_bytes();
    assert_eq!(status_of(&forged), (0, 401));
    assert_eq!(status_of(&signed(APPROVED, now - 301)), (0, 401));
    assert_eq!(status_of(&signed(APPROVED, now + 301)), (0, 401));
    assert_eq!(status_of(&signed_by("key", APPROVED, now)), (0, 401), "our key");
    for at in 0..3 {
        let mut missing = signed(APPROVED, now);
        missing.headers.remove(at);
        assert_eq!(status_of(&missing), (0, 401), "{at}");
        let mut twice = signed(APPROVED, now);
        twice.headers.push(twice.headers[at].clone());
        assert_eq!(status_of(&twice), (0, 401), "{at}");
    }
    for (id, at) in [("msg.1", now.to_string()), ("msg-1", format!("+{now}"))] {
        let text = format!("{id}.{at}.{APPROVED}");
        let mac = secrets::hmac_sha256("theirs", text.as_bytes()).expect("a MAC");
        let mut unclear = signed(APPROVED, now);
        let values = [id.to_owned(), at, format!("v1,{}", BASE64_STANDARD.encode(mac))];
        for (header, value) in unclear.headers.iter_mut().zip(values) {
            header.1 = value;
        }
        assert_eq!(status_of(&unclear), (0, 401), "{id}");
    }
    let mut got = signed(APPROVED, now);
    got.method = "GET".to_owned();
    assert_eq!(status_of(&got), (0, 405));
}

#[test]
fn a_vote_of_nobody_or_an_unknown_decision_is_none() {
    let _host = host();
    for body in [
        r#"{"approval_id":"ap-1","decision":"approved"}"#,
        &APPROVED.replace("ann", &"n".repeat(512)),
        r#"{"approval_id":"ap-1","decision":"yes","by":"ann"}"#,
        r#"{"approval_id":"ap-1","decision":"pending","by":"ann"}"#,
        "{}",
        "",
    ] {
        assert_eq!(status_of(&signed(body, NOW_MS / 1000)), (0, 400), "{body}");
    }
}

#[test]
fn a_poll_believes_only_a_signed_answer_for_its_own_question() {
    let now = NOW_MS / 1000;
    let pending = r#"{"approval_id":"ap-1","decision":"pending"}"#;
    let host = host()
        .answer(polled(pending, now))
        .answer(polled(&APPROVED.replace("ap-1", "ap-2"), now))
        .answer(polled(APPROVED, now - 301))
        .answer(Answer::new(200, APPROVED))
        .answer(polled(APPROVED, now));
    let approver = plugin::<WebhookApprover>(CONFIG);
    let update = approver.poll("ap-1", &ticket()).expect("an update");
    assert_eq!(update.decision, Decision::Pending);
    assert_eq!(host.requests()[0].url, "https://approvals.example.com/t/ap-1");
    for why in ["another question", "too old", "not signed"] {
        assert!(approver.poll("ap-1", &ticket()).is_err(), "{why}");
    }
    let update = approver.poll("ap-1", &ticket()).expect("an update");
    assert!(matches!(update.decision, Decision::Approved(_)));
    assert!(approver.poll("../admin", &ticket()).is_err());
    assert_eq!(host.requests().len(), 5);
}

#[test]
fn only_an_address_of_the_web_is_shown_to_people() {
    let long = format!("https://a.example/{}", "x".repeat(2 << 10));
    for url in ["javascript:alert(1)", "file:///etc/passwd", "https://a b", &long] {
        let receipt = serde_json::json!({"external_id": "T-9", "url": url}).to_string();
        let _host = host().answer(Answer::new(200, receipt));
        let ticket = plugin::<WebhookApprover>(CONFIG)
            .submit(&ask())
            .expect("a ticket");
        assert_eq!(ticket.url, None, "{url}");
    }
}

#[test]
fn a_withdrawal_is_a_message_of_its_own() {
    let host = host().answer(Answer::new(200, ""));
    plugin::<WebhookApprover>(CONFIG)
        .withdraw("ap-1", &ticket(), "expired")
        .expect("sent");
    assert_eq!(
        String::from_utf8_lossy(&host.requests()[0].body),
        r#"{"type":"approval.withdrawn","approval_id":"ap-1","reason":"expired"}"#
    );
}

#[test]
fn a_secret_in_the_clear_is_no_configuration() {
    let config = r#"{"url":"ftp://x","secret":"whsec_abc","answer_secret":"whsec_def","poll_seconds":0}"#;
    let found = issues::<WebhookApprover>(config);
    assert_eq!(found.len(), 4);
    assert!(found.iter().all(|line| !line.contains("whsec_")));
}

#[test]
fn one_key_for_both_ways_is_refused() {
    let found = issues::<WebhookApprover>(&CONFIG.replace("theirs", "key"));
    assert_eq!(
        found,
        ["/answer_secret: another secret than the one that signs questions"]
    );
}
