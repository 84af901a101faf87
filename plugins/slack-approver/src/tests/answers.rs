//! What Slack answers, and what becomes of a question afterwards.

use tidegate_sdk::Error;
use tidegate_sdk::approver::{Decision, Ticket};
use tidegate_sdk::http::Failure;

use super::*;

fn ticket() -> Ticket {
    let _host = host().answer(posted());
    approver().submit(&ask()).expect("a ticket")
}

fn code_of(answer: impl Into<Result<Answer, Failure>>) -> Option<Error> {
    let _host = host().answer(answer);
    approver().submit(&ask()).err()
}

#[test]
fn each_refusal_of_slack_says_who_must_act() {
    for (word, code) in [
        ("invalid_auth", Code::Unauthorized),
        ("token_revoked", Code::Unauthorized),
        ("missing_scope", Code::Unauthorized),
        ("channel_not_found", Code::InvalidConfig),
        ("not_in_channel", Code::InvalidConfig),
        ("msg_blocks_too_long", Code::InvalidInput),
        ("ratelimited", Code::RateLimited),
        ("internal_error", Code::Unavailable),
        ("a_word_of_next_year", Code::Unavailable),
    ] {
        let told = Answer::new(200, json!({"ok": false, "error": word}).to_string());
        let error = code_of(told).expect("an error");
        assert_eq!((error.code, error.message), (code, format!("Slack says {word}")));
    }
    for (status, code) in [
        (401, Code::Unauthorized),
        (404, Code::InvalidConfig),
        (413, Code::InvalidInput),
        (302, Code::Unavailable),
        (500, Code::Unavailable),
        (503, Code::Unavailable),
    ] {
        let error = code_of(Answer::new(status, "")).map(|error| error.code);
        assert_eq!(error, Some(code), "{status}");
    }
    let broken = Err(Failure::Broken("no answer".to_owned()));
    assert_eq!(code_of(broken).map(|error| error.code), Some(Code::Unavailable));
}

#[test]
fn the_wait_that_slack_asks_for_is_passed_on() {
    let mut busy = Answer::new(429, r#"{"ok":false,"error":"ratelimited"}"#);
    busy.headers.push(("retry-after".to_owned(), "30".to_owned()));
    let error = code_of(busy).expect("an error");
    assert_eq!(
        (error.code, error.retry_after_ms),
        (Code::RateLimited, Some(30_000))
    );
}

#[test]
fn an_answer_that_names_no_message_is_no_ticket_and_fills_no_log() {
    for body in [
        r#"{"ok":true}"#.to_owned(),
        r#"{"ok":true,"channel":"C0CHANNEL","ts":"now"}"#.to_owned(),
        r#"{"ok":true,"channel":"C0OTHER","ts":"1503435956.000247"}"#.to_owned(),
        "<html>".to_owned(),
        json!({"ok": false, "error": "x\nforged line"}).to_string(),
        json!({"ok": false, "error": "x".repeat(65)}).to_string(),
    ] {
        let error = code_of(Answer::new(200, body.clone())).expect("an error");
        assert_eq!(error.code, Code::Unavailable, "{body}");
        assert!(
            error.message.len() < 100 && !error.message.contains('\n'),
            "{error:?}"
        );
    }
}

#[test]
fn a_closed_question_keeps_its_name_and_loses_its_buttons() {
    let ticket = ticket();
    let host = host().answer(posted());
    approver()
        .withdraw("ap-1", &ticket, "denied by <@U0EVE>")
        .expect("told");
    let request = &host.requests()[0];
    assert_eq!(request.url, "https://slack.com/api/chat.update");
    let message: Value = serde_json::from_slice(&request.body).expect("JSON");
    assert_eq!(
        (&message["channel"], &message["ts"]),
        (&json!("C0CHANNEL"), &json!("1503435956.000247"))
    );
    let blocks = message["blocks"].as_array().expect("blocks");
    assert!(
        blocks
            .iter()
            .all(|block| block["type"] != "actions" && block["type"] != "input")
    );
    assert_eq!(blocks[0]["text"]["text"], "delete from orders");
    assert_eq!(
        blocks[2]["text"],
        json!({"type": "plain_text", "text": "Closed: denied by <@U0EVE>", "emoji": false})
    );
}

#[test]
fn a_message_that_is_gone_needs_no_closing_and_another_failure_is_told() {
    let ticket = ticket();
    let said = |word: &str| Answer::new(200, json!({"ok": false, "error": word}).to_string());
    let _host = host()
        .answer(said("message_not_found"))
        .answer(said("internal_error"));
    assert_eq!(approver().withdraw("ap-1", &ticket, "expired"), Ok(()));
    let error = approver().withdraw("ap-1", &ticket, "expired");
    assert_eq!(error.map_err(|error| error.code), Err(Code::Unavailable));
}

#[test]
fn a_ticket_of_another_kind_or_age_is_no_trap() {
    let host = host().answer(posted());
    let mut ticket = ticket_of("C0CHANNEL/1503435956.000247");
    ticket.state = b"not ours".to_vec();
    assert_eq!(approver().withdraw("ap-1", &ticket, "expired"), Ok(()));
    for id in [
        "",
        "T-9",
        "C0CHANNEL/",
        "c0channel/1.2",
        "C0CHANNEL/1.2/3",
        "é/1.2",
    ] {
        let error = approver().withdraw("ap-1", &ticket_of(id), "expired");
        assert_eq!(error.map_err(|error| error.code), Err(Code::InvalidInput), "{id}");
    }
    assert_eq!(host.requests().len(), 1);
}

fn ticket_of(external_id: &str) -> Ticket {
    Ticket {
        external_id: external_id.to_owned(),
        url: None,
        poll_after_ms: None,
        state: Vec::new(),
    }
}

#[test]
fn a_poll_knows_nothing_and_asks_nobody() {
    let host = host();
    let update = approver().poll("ap-1", &ticket_of("C0CHANNEL/1.2"));
    assert_eq!(update.map(|update| update.decision), Ok(Decision::Pending));
    assert_eq!(host.requests().len(), 0);
}
