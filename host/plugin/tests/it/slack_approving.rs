//! `slack-approver` against a Slack that takes nothing it does not know.

use std::time::Duration;

use plugin::{
    Approver, Ask, Code, Decision, FaultKind, GuestError, Kind, PluginFault, Plugins, Secret, Ticket,
};
use serde_json::json;

use crate::components::{config, first_party, load, name, session};
use crate::slack::{CHANNEL, Mood, SIGNING, Slack, TOKEN, buttons, clicked, signed};
use crate::tampering::tampered;
use crate::webhook::now_seconds;

async fn start(slack: &Slack, token: &str, deadline: Duration) -> Plugins {
    let origin = format!("http://{}", slack.receiver.address);
    let json = json!({"team": "T0TEAM", "channel": CHANNEL, "app": "A0APP", "api": origin,
        "token": "secret://token", "signing_secret": "secret://signing"});
    let mut config = config("slack", Kind::Approver, first_party("slack-approver"), json);
    config.limits.deadline = deadline;
    config.grants.egress = vec![origin];
    for (name, secret) in [("token", token), ("signing", SIGNING)] {
        config.grants.secrets.insert(name.to_owned(), Secret::new(secret));
    }
    load(vec![config]).await
}

async fn started(slack: &Slack) -> Plugins {
    start(slack, TOKEN, Duration::from_secs(5)).await
}

fn approver(plugins: &Plugins) -> &Approver {
    plugins.approver(&name("slack")).unwrap()
}

async fn submit(plugins: &Plugins, body: &str) -> Result<Ticket, PluginFault> {
    let session = session();
    let ask = Ask {
        approval_id: "a-1",
        session: &session,
        title: "delete from customers <!channel>",
        body_markdown: body,
        score: 90,
        reviewers: &["dba".to_owned()],
        expires_ms: 1_700_000_000_000,
        url: "https://gate.example/a-1?x=1&y=2",
        callback_url: "https://gate.example/callback",
    };
    approver(plugins).submit(&ask).await
}

fn refused(fault: PluginFault) -> GuestError {
    match fault.kind {
        FaultKind::Refused(error) => error,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_question_stands_in_the_channel_until_it_is_closed() {
    let slack = Slack::start().await;
    let plugins = started(&slack).await;
    let ticket = submit(&plugins, "```sql\ndelete from customers\n```")
        .await
        .unwrap();
    assert_eq!(slack.complaints(), Vec::<String>::new());
    assert_eq!(ticket.external_id, "C0CHANNEL/1503435956.000000");
    assert_eq!(ticket.poll_after_ms, None);
    let [asked] = slack.messages().try_into().unwrap();
    assert_eq!(buttons(&asked).len(), 2);
    assert_eq!(asked["metadata"]["event_payload"]["approval_id"], "a-1");
    let text = asked.to_string();
    assert!(text.contains("https://idp.example|agent-7") && text.contains("gate.example/a-1?x=1&amp;y=2"));
    assert!(!asked["text"].as_str().unwrap().contains("<!channel>"), "{text}");
    assert!(!text.contains(SIGNING) && !text.contains(TOKEN));

    approver(&plugins)
        .withdraw("a-1", &ticket, "expired")
        .await
        .unwrap();
    let [closed] = slack.messages().try_into().unwrap();
    assert_eq!(buttons(&closed), []);
    assert!(closed.to_string().contains("Closed: expired"), "{closed}");
    slack.clear();
    approver(&plugins)
        .withdraw("a-1", &ticket, "expired")
        .await
        .unwrap();
    assert_eq!(slack.complaints(), ["message_not_found: 1503435956.000000"]);
}

#[tokio::test]
async fn a_question_of_any_size_keeps_to_the_limits_of_slack() {
    let slack = Slack::start().await;
    let plugins = started(&slack).await;
    for body in [
        String::new(),
        "👍".repeat(16 << 10),
        "\n".repeat(64 << 10),
        "a line of a statement\n".repeat(2_900),
        "&<>".repeat(21_000),
        "\u{202e}".repeat(21_000),
    ] {
        submit(&plugins, &body).await.unwrap();
    }
    assert_eq!(slack.complaints(), Vec::<String>::new());
}

#[tokio::test]
async fn a_click_is_a_vote_and_the_host_learns_whose() {
    let slack = Slack::start().await;
    let plugins = started(&slack).await;
    submit(&plugins, "delete from customers").await.unwrap();
    let buttons = buttons(&slack.messages()[0]);
    let at = now_seconds();
    for button in &buttons {
        let message = signed(SIGNING, at, clicked(button, "U0ANN"));
        let (updates, reply) = approver(&plugins).callback(&message).await.unwrap();
        assert_eq!((reply.status, reply.body.len()), (200, 0));
        assert_eq!((updates.len(), updates[0].approval_id.as_str()), (1, "a-1"));
        let vote = match (&updates[0].decision, button.0.as_str()) {
            (Decision::Approved(vote), "tidegate_approve") | (Decision::Denied(vote), "tidegate_deny") => {
                vote
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(
            (vote.by.as_str(), vote.comment.as_str()),
            ("T0TEAM/U0ANN", "fine")
        );
        assert_eq!(vote.at_ms, at * 1000);
        assert!(vote.evidence.ends_with(&message.body));

        // A replay says the very same again; it is for the host to count it once.
        let again = approver(&plugins).callback(&message).await.unwrap();
        assert_eq!(again, (updates, reply));
    }
    // Out of order they are what they are.
    let late = signed(SIGNING, at - 200, clicked(&buttons[1], "U0BOB"));
    let (updates, _) = approver(&plugins).callback(&late).await.unwrap();
    assert!(matches!(&updates[0].decision, Decision::Denied(vote) if vote.at_ms == (at - 200) * 1000));
}

#[tokio::test]
async fn a_click_that_is_forged_stale_or_changed_is_none() {
    let slack = Slack::start().await;
    let plugins = started(&slack).await;
    submit(&plugins, "delete from customers").await.unwrap();
    let [approve, deny] = buttons(&slack.messages()[0]).try_into().unwrap();
    let at = now_seconds();
    let body = clicked(&approve, "U0ANN");
    let mut bad = vec![
        signed("another secret", at, body.clone()),
        signed(SIGNING, at - 310, body.clone()),
        signed(SIGNING, at + 310, body.clone()),
    ];
    let good = signed(SIGNING, at, body);
    bad.extend(tampered(&good, 37, 1..3));
    for message in &bad {
        let (updates, reply) = approver(&plugins).callback(message).await.unwrap();
        assert_eq!((updates.len(), reply.status), (0, 401), "{message:?}");
    }
    let moved = (approve.0, deny.1);
    let moved = signed(SIGNING, at, clicked(&moved, "U0ANN"));
    let (updates, reply) = approver(&plugins).callback(&moved).await.unwrap();
    assert_eq!((updates.len(), reply.status), (0, 403));
    let empty = signed(SIGNING, at, Vec::new());
    let (updates, reply) = approver(&plugins).callback(&empty).await.unwrap();
    assert_eq!((updates.len(), reply.status), (0, 400));
}

#[tokio::test]
async fn a_slack_out_of_order_is_asked_again_and_nothing_is_approved() {
    let slack = Slack::start().await;
    let plugins = started(&slack).await;
    for mood in [Mood::Busy, Mood::Broken, Mood::Deaf, Mood::Mute] {
        slack.will_be(mood);
    }
    let mut errors = Vec::new();
    for _ in 0..4 {
        errors.push(refused(submit(&plugins, "delete").await.unwrap_err()));
    }
    let codes: Vec<_> = errors.iter().map(|error| error.code).collect();
    assert_eq!(
        codes,
        [
            Code::RateLimited,
            Code::Unavailable,
            Code::Unavailable,
            Code::Unavailable
        ]
    );
    assert_eq!(errors[0].retry_after, Some(Duration::from_secs(30)));

    // Its answer was lost, so the question stands there twice: the same one, by the same id.
    submit(&plugins, "delete").await.unwrap();
    let [first, second] = slack.messages().try_into().unwrap();
    assert_eq!(first, second);
}

#[tokio::test]
async fn a_slack_that_never_answers_costs_the_budget_and_no_more() {
    let slack = Slack::start().await;
    slack.will_be(Mood::Asleep);
    let plugins = start(&slack, TOKEN, Duration::from_millis(500)).await;
    let began = std::time::Instant::now();
    submit(&plugins, "delete").await.unwrap_err();
    assert!(began.elapsed() < Duration::from_secs(6), "{:?}", began.elapsed());
    assert_eq!(slack.messages().len(), 0);
}

#[tokio::test]
async fn a_token_that_slack_refuses_is_for_the_operator() {
    let slack = Slack::start().await;
    let plugins = start(&slack, "xoxb-revoked", Duration::from_secs(5)).await;
    let error = refused(submit(&plugins, "delete").await.unwrap_err());
    assert_eq!(error.code, Code::Unauthorized);
    assert!(!error.message.contains("xoxb"), "{}", error.message);
    assert_eq!(slack.complaints(), ["invalid_auth: not the token"]);
}
