use serde_json::{Value, json};
use tidegate_sdk::Code;
use tidegate_sdk::approver::{Approver, Ask, Principal};
use tidegate_sdk::http::Answer;
use tidegate_sdk::testing::{Host, issues, plugin};

use super::{SlackApprover, blocks};

mod answers;
mod clicks;

const CONFIG: &str = r#"{"team":"T0TEAM","channel":"C0CHANNEL","app":"A0APP",
    "token":"secret://slack-token","signing_secret":"secret://slack-signing"}"#;
const NOW_MS: u64 = 1_700_000_000_000;

fn host() -> Host {
    Host::new()
        .at_ms(NOW_MS)
        .secret("slack-signing", "0123456789abcdef0123456789abcdef")
}

fn approver() -> SlackApprover {
    plugin(CONFIG)
}

fn ask() -> Ask {
    Ask {
        approval_id: "ap-1".to_owned(),
        requester: Principal {
            id: "https://idp.example.com|agent-7".to_owned(),
            kind: "agent".to_owned(),
            groups: vec!["analysts".to_owned()],
            delegation: vec!["https://idp.example.com|ann".to_owned()],
        },
        target: "customers".to_owned(),
        title: "delete from orders".to_owned(),
        body_markdown: "```sql\ndelete from orders where id = ?\n```".to_owned(),
        score: 90,
        reviewers: vec!["dba".to_owned()],
        expires_ms: NOW_MS + 60_000,
        url: "https://gate.example.com/approvals/ap-1".to_owned(),
        callback_url: "https://gate.example.com/hook".to_owned(),
        attrs: Vec::new(),
    }
}

fn posted() -> Answer {
    Answer::new(
        200,
        r#"{"ok":true,"channel":"C0CHANNEL","ts":"1503435956.000247"}"#,
    )
}

/// Puts a question and returns the message that went out.
fn message(ask: &Ask) -> Value {
    let host = host().answer(posted());
    approver().submit(ask).expect("a ticket");
    serde_json::from_slice(&host.requests()[0].body).expect("JSON")
}

/// Returns the blocks of this type.
fn of_type(message: &Value, kind: &str) -> Vec<Value> {
    let blocks = message["blocks"].as_array().expect("blocks");
    blocks
        .iter()
        .filter(|block| block["type"] == kind)
        .cloned()
        .collect()
}

/// Returns what the buttons do, by their ids in Slack.
fn buttons(message: &Value) -> Vec<String> {
    let actions = of_type(message, "actions");
    let elements = actions
        .iter()
        .flat_map(|block| block["elements"].as_array().expect("elements"));
    elements
        .map(|button| button["action_id"].as_str().unwrap_or("").to_owned())
        .collect()
}

#[test]
fn a_question_is_one_message_that_says_everything() {
    let message = message(&ask());
    assert_eq!(message["channel"], "C0CHANNEL");
    assert_eq!(message["metadata"]["event_payload"]["approval_id"], "ap-1");
    let text = message.to_string();
    for said in [
        "delete from orders where id = ?",
        "https://idp.example.com|agent-7 (agent)",
        "https://idp.example.com|ann",
        "customers",
        "90 of 100",
        "dba",
        "<!date^1700000060^",
        "<https://gate.example.com/approvals/ap-1|",
    ] {
        assert!(text.contains(said), "{said} in {text}");
    }
    assert!(!text.contains("gate.example.com/hook"), "{text}");
    assert_eq!(buttons(&message), ["tidegate_approve", "tidegate_deny"]);
}

#[test]
fn a_question_goes_out_with_the_token_by_name_and_comes_back_as_a_ticket() {
    let host = host().answer(posted());
    let ticket = approver().submit(&ask()).expect("a ticket");
    assert_eq!(ticket.external_id, "C0CHANNEL/1503435956.000247");
    assert_eq!((ticket.url, ticket.poll_after_ms), (None, None));
    let request = &host.requests()[0];
    assert_eq!(
        (request.method, request.url.as_str()),
        ("POST", "https://slack.com/api/chat.postMessage")
    );
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(
        request.headers,
        [
            header("content-type", "application/json; charset=utf-8"),
            header("authorization", "Bearer secret://slack-token"),
        ]
    );
}

#[test]
fn what_others_wrote_is_plain_text_and_mentions_nobody() {
    let mut ask = ask();
    let evil = "<!channel> <@U0EVE> <https://evil.example|Approve> & *bold*";
    ask.title = evil.to_owned();
    ask.body_markdown = evil.to_owned();
    ask.target = evil.to_owned();
    ask.requester.id = evil.to_owned();
    ask.reviewers = vec![evil.to_owned()];
    let message = message(&ask);
    assert_eq!(
        message["text"],
        "Approval asked: &lt;!channel&gt; &lt;@U0EVE&gt; &lt;https://evil.example|Approve&gt; &amp; *bold*"
    );
    let options = ["mrkdwn", "parse", "unfurl_links", "unfurl_media"].map(|name| message[name].clone());
    assert_eq!(options, [json!(false), json!("none"), json!(false), json!(false)]);
    let mut formatted = Vec::new();
    texts(&message["blocks"], &mut |text| {
        if text["type"] == "mrkdwn" {
            formatted.push(text["text"].as_str().unwrap_or("").to_owned());
        }
    });
    // Our own words only: when it expires, and the link.
    assert_eq!(formatted.len(), 2);
    assert!(
        formatted.iter().all(|text| !text.contains("evil")),
        "{formatted:?}"
    );
}

/// Visits every text object.
fn texts(value: &Value, visit: &mut impl FnMut(&Value)) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| texts(item, visit)),
        Value::Object(members) => {
            if members.contains_key("text") && value["text"].is_string() {
                visit(value);
            }
            members.values().for_each(|member| texts(member, visit));
        }
        _ => {}
    }
}

#[test]
fn letters_that_hide_or_reorder_others_are_made_visible() {
    assert_eq!(blocks::shown("a\n\tb"), "a\n\tb");
    assert_eq!(
        blocks::shown("a\u{202e}b\u{200b}c\u{1b}[2K\r"),
        r"a\u{202e}b\u{200b}c\u{1b}[2K\u{d}"
    );
    assert_eq!(blocks::shown("Grüße, 東京 👍"), "Grüße, 東京 👍");
}

#[test]
fn a_text_is_cut_between_letters_as_slack_counts_them() {
    assert_eq!(blocks::cut("abc", 3), "abc");
    assert_eq!(blocks::cut("abcd", 3), "ab…");
    assert_eq!(blocks::cut("👍👍", 4), "👍👍");
    assert_eq!(blocks::cut("👍👍", 3), "👍…");
    assert_eq!(blocks::split("äöü", 2), ("äö", "ü"));
}

#[test]
fn a_long_body_stands_in_several_sections_and_is_still_whole() {
    let mut ask = ask();
    let line = format!("{}\n", "x".repeat(99));
    ask.body_markdown = line.repeat(80);
    let message = message(&ask);
    let mut sections = String::new();
    for section in of_type(&message, "section") {
        let text = section["text"]["text"].as_str().unwrap_or("");
        assert!(text.encode_utf16().count() <= 3_000);
        if text.starts_with('x') {
            sections.push_str(text);
        }
    }
    assert_eq!(sections.trim_end(), ask.body_markdown.trim_end());
    assert_eq!(buttons(&message), ["tidegate_approve", "tidegate_deny"]);
}

#[test]
fn what_is_not_seen_whole_can_be_denied_but_not_approved() {
    for body in ["x".repeat(9_001), "\u{202e}".repeat(2_000), "👍".repeat(4_501)] {
        let mut ask = ask();
        ask.body_markdown = body;
        let message = message(&ask);
        assert_eq!(buttons(&message), ["tidegate_deny"]);
        assert!(message.to_string().contains("this is not all of it"));
    }
}

#[test]
fn a_question_without_title_body_or_address_is_still_a_message() {
    let mut ask = ask();
    (ask.title, ask.body_markdown, ask.url) = (" ".to_owned(), "\n".to_owned(), String::new());
    let message = message(&ask);
    let mut empty = Vec::new();
    texts(&message["blocks"], &mut |text| {
        if text["text"].as_str().is_none_or(|text| text.trim().is_empty()) {
            empty.push(text.clone());
        }
    });
    assert_eq!(empty, Vec::<Value>::new());
    for url in ["javascript:alert(1)", "https://a|b", "https://a b"] {
        ask.url = url.to_owned();
        assert!(!self::message(&ask).to_string().contains(url), "{url}");
    }
}

#[test]
fn an_approval_id_that_no_button_can_hold_is_never_asked() {
    let host = host();
    for id in [String::new(), "x".repeat(1_901)] {
        let mut ask = ask();
        ask.approval_id = id;
        let error = approver().submit(&ask).expect_err("refused");
        assert_eq!(error.code, Code::InvalidInput);
    }
    assert_eq!(host.requests().len(), 0);
}

#[test]
fn a_configuration_is_refused_with_everything_that_is_wrong() {
    let found = issues::<SlackApprover>(
        r##"{"team":"t1","channel":"#general","app":"","token":"xoxb-1","signing_secret":"secret://a b",
            "api":"https://slack.com/api"}"##,
    );
    let pointers: Vec<_> = found.iter().filter_map(|line| line.split(':').next()).collect();
    assert_eq!(
        pointers,
        ["/team", "/channel", "/app", "/token", "/signing_secret", "/api"]
    );
    assert!(found.iter().all(|line| !line.contains("xoxb")), "{found:?}");
    let users = CONFIG.replace('}', r#","users":{}}"#);
    assert_eq!(
        issues::<SlackApprover>(&users).len(),
        1,
        "the host maps users, not this plugin"
    );
}
