//! Clicks: what counts as a vote, and what never does.

use tidegate_sdk::approver::{Decision, Message, Update};

use super::*;
use crate::Place;
use crate::signature::{self, Action};

const NOW_S: u64 = NOW_MS / 1000;

fn place() -> Place {
    Place {
        team: "T0TEAM".to_owned(),
        channel: "C0CHANNEL".to_owned(),
        app: "A0APP".to_owned(),
    }
}

fn value(action: Action, id: &str) -> String {
    signature::seal("slack-signing", &place(), action, id).expect("a value")
}

/// What Slack sends for a click on *Approve*, with much that does not matter left out.
fn click() -> Value {
    json!({
        "type": "block_actions",
        "api_app_id": "A0APP",
        "team": {"id": "T0TEAM", "domain": "example"},
        "user": {"id": "U0ANN", "username": "ann", "team_id": "T0TEAM"},
        "channel": {"id": "C0CHANNEL", "name": "approvals"},
        "message": {"ts": "1503435956.000247"},
        "state": {"values": {"tidegate_comment": {"tidegate_comment":
            {"type": "plain_text_input", "value": "looks right + tested"}}}},
        "actions": [{"type": "button", "action_id": "tidegate_approve",
            "value": value(Action::Approve, "ap-1"), "action_ts": "1503435957.1"}],
    })
}

/// The click with this in the place of what the pointer names.
fn with(pointer: &str, new: Value) -> Value {
    let mut click = click();
    *click.pointer_mut(pointer).expect("a member") = new;
    click
}

fn without(member: &str) -> Value {
    let mut click = click();
    click.as_object_mut().expect("an object").remove(member);
    click
}

fn form(payload: &Value) -> Vec<u8> {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("payload", &payload.to_string());
    form.finish().into_bytes()
}

fn signed(body: Vec<u8>, at: &str) -> Message {
    let text = [format!("v0:{at}:").as_bytes(), &body].concat();
    let mac = tidegate_sdk::host::secrets::hmac_sha256("slack-signing", &text).expect("a MAC");
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    Message {
        method: "POST".to_owned(),
        path: String::new(),
        headers: vec![
            header("x-slack-request-timestamp", at),
            header("x-slack-signature", &format!("v0={}", hex::encode(mac))),
            header("content-type", "application/x-www-form-urlencoded"),
        ],
        body,
    }
}

fn sent(payload: &Value) -> Message {
    signed(form(payload), &NOW_S.to_string())
}

fn answered(message: &Message) -> (Vec<Update>, u16) {
    let (updates, reply) = approver().callback(message).expect("a reply");
    (updates, reply.status)
}

fn status_of(message: &Message) -> u16 {
    let (updates, status) = answered(message);
    assert_eq!(updates, [], "{status}");
    status
}

#[test]
fn a_signature_is_that_of_slack_s_own_example() {
    let _host = Host::new().secret("example", "8f742231b10e8888abcd99yyyzzz85a5");
    let body = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow\
        &channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner\
        &command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands\
        %2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN\
        &trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let message = Message {
        method: "POST".to_owned(),
        path: String::new(),
        headers: vec![
            header("x-slack-request-timestamp", "1531420618"),
            header(
                "x-slack-signature",
                "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
            ),
        ],
        body: body.as_bytes().to_vec(),
    };
    let at = |now_ms| signature::signed_at("example", &message, now_ms);
    assert_eq!(at(1_531_420_618_000), Ok(Some(1_531_420_618_000)));
    assert_eq!(at(1_531_420_919_000), Ok(None));
}

#[test]
fn a_click_is_a_vote_of_a_user_of_the_workspace_with_its_proof() {
    let _host = host();
    let message = signed(form(&click()), &(NOW_S - 300).to_string());
    let (updates, reply) = approver().callback(&message).expect("a reply");
    assert_eq!((reply.status, reply.body.len(), reply.headers.len()), (200, 0, 0));
    let [update] = updates.as_slice() else {
        panic!("{updates:?}")
    };
    assert_eq!((update.approval_id.as_str(), &update.ticket), ("ap-1", &None));
    let Decision::Approved(vote) = &update.decision else {
        panic!("{update:?}")
    };
    assert_eq!((vote.by.as_str(), vote.at_ms), ("T0TEAM/U0ANN", NOW_MS - 300_000));
    assert_eq!(vote.comment, "looks right + tested");
    let head = format!(
        "x-slack-request-timestamp: {}\nx-slack-signature: v0=",
        NOW_S - 300
    );
    assert!(vote.evidence.starts_with(head.as_bytes()));
    assert!(vote.evidence.ends_with(&message.body));
}

#[test]
fn a_denial_needs_no_comment_and_a_comment_has_an_end() {
    let _host = host();
    let mut click = without("state");
    click["actions"][0]["action_id"] = "tidegate_deny".into();
    click["actions"][0]["value"] = value(Action::Deny, "ap.with.stops").into();
    let (updates, status) = answered(&sent(&click));
    assert_eq!((status, updates[0].approval_id.as_str()), (200, "ap.with.stops"));
    assert!(matches!(&updates[0].decision, Decision::Denied(vote) if vote.comment.is_empty()));

    let pointer = "/state/values/tidegate_comment/tidegate_comment/value";
    let (updates, _) = answered(&sent(&with(pointer, "é".repeat(3_000).into())));
    assert!(matches!(&updates[0].decision, Decision::Approved(vote) if vote.comment.len() == 4 << 10));
    let (updates, _) = answered(&sent(&with(pointer, Value::Null)));
    assert!(matches!(&updates[0].decision, Decision::Approved(vote) if vote.comment.is_empty()));
}

#[test]
fn the_proof_of_a_large_click_is_its_digest_and_its_beginning() {
    let _host = host();
    let message = sent(&with("/message", "x".repeat(20 << 10).into()));
    let (updates, _) = answered(&message);
    let Decision::Approved(vote) = &updates[0].decision else {
        panic!("{updates:?}")
    };
    assert_eq!(vote.evidence.len(), 16 << 10);
    let told = format!("\nbody-bytes: {}\nbody-sha256: ", message.body.len());
    assert!(String::from_utf8_lossy(&vote.evidence).contains(&told));
}

#[test]
fn a_request_that_slack_did_not_sign_now_changes_nothing() {
    let _host = host();
    for at in [NOW_S - 301, NOW_S + 301] {
        assert_eq!(status_of(&signed(form(&click()), &at.to_string())), 401, "{at}");
    }
    for at in [
        format!("+{NOW_S}"),
        format!("{NOW_S}.0"),
        String::new(),
        "9".repeat(30),
    ] {
        assert_eq!(status_of(&signed(form(&click()), &at)), 401, "{at}");
    }
    let good = sent(&click());
    for at in 0..2 {
        let mut missing = good.clone();
        missing.headers.remove(at);
        assert_eq!(status_of(&missing), 401, "{at}");
        let mut twice = good.clone();
        twice.headers.push(twice.headers[at].clone());
        assert_eq!(status_of(&twice), 401, "{at}");
    }
    for given in ["", "v0=", "v1=00", &good.headers[1].1.to_uppercase()] {
        let mut other = good.clone();
        other.headers[1].1 = given.to_owned();
        assert_eq!(status_of(&other), 401, "{given}");
    }
    let mut got = good.clone();
    got.method = "GET".to_owned();
    assert_eq!(status_of(&got), 405);
}

#[test]
fn one_flipped_bit_anywhere_in_the_body_is_one_too_many() {
    let _host = host();
    let good = sent(&click());
    for at in 0..good.body.len() {
        let mut flipped = good.clone();
        flipped.body[at] ^= 1;
        assert_eq!(status_of(&flipped), 401, "{at}");
    }
    assert_eq!(answered(&good).1, 200);
}

#[test]
fn what_is_signed_but_no_click_on_an_answer_is_malformed() {
    let _host = host();
    let now = NOW_S.to_string();
    let payload = String::from_utf8(form(&click())).expect("ASCII");
    for body in [
        "",
        "payload=",
        "payload=%7B%7D",
        "payload=%5B",
        &payload.replace("payload=", "data="),
        &format!("{payload}&{payload}"),
        &format!("{payload}&a=b"),
    ] {
        assert_eq!(status_of(&signed(body.as_bytes().to_vec(), &now)), 400, "{body}");
    }
    for bad in [
        with("/type", "view_submission".into()),
        with("/actions", json!([])),
        with("/actions", json!([click()["actions"][0], click()["actions"][0]])),
        with("/actions/0/action_id", "open".into()),
        with("/actions/0/type", "static_select".into()),
        with("/user/id", "eve/U0ANN".into()),
        with("/user/id", "".into()),
        with("/user", Value::Null),
        without("api_app_id"),
    ] {
        assert_eq!(status_of(&sent(&bad)), 400, "{bad}");
    }
    let mut json = sent(&click());
    json.headers[2].1 = "application/json".to_owned();
    assert_eq!(status_of(&json), 400);
    json.headers[2].1 = "application/x-www-form-urlencoded; charset=utf-8".to_owned();
    assert_eq!(answered(&json).1, 200);
}

#[test]
fn a_click_from_elsewhere_is_foreign() {
    let _host = host();
    for bad in [
        with("/api_app_id", "A0EVIL".into()),
        with("/team/id", "T0EVIL".into()),
        with("/team", Value::Null),
        with("/channel/id", "C0OTHER".into()),
        without("channel"),
        with("/user/team_id", "T0PARTNER".into()),
    ] {
        assert_eq!(status_of(&sent(&bad)), 403, "{bad}");
    }
    let grid = with("/team", json!({"id": "T0TEAM", "enterprise_id": "E0ORG"}));
    let mut within = grid.clone();
    within["user"]["team_id"] = "E0ORG".into();
    assert_eq!(answered(&sent(&within)).1, 200);
    let mut partner = grid;
    partner["user"]["team_id"] = "E0PARTNER".into();
    assert_eq!(status_of(&sent(&partner)), 403);
}

#[test]
fn a_button_stands_for_one_answer_to_one_question_in_one_place() {
    let _host = host();
    let deny = value(Action::Deny, "ap-1");
    let good = value(Action::Approve, "ap-1");
    let elsewhere = Place {
        channel: "C0OTHER".to_owned(),
        ..place()
    };
    let other = signature::seal("slack-signing", &elsewhere, Action::Approve, "ap-1").expect("a value");
    for bad in [
        deny,
        other,
        good.replace("ap-1", "ap-2"),
        good[..good.len() - 1].to_owned(),
        "ap-1".to_owned(),
        "ap-1.".to_owned(),
        String::new(),
    ] {
        let click = with("/actions/0/value", bad.clone().into());
        assert_eq!(status_of(&sent(&click)), 403, "{bad}");
    }
}

#[test]
fn the_same_request_again_is_the_same_vote() {
    let _host = host();
    let message = sent(&click());
    assert_eq!(answered(&message), answered(&message));
}
