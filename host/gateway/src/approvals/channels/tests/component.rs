//! The plugins themselves, each against a strict outside system on this machine, in a gateway
//! that wants for nothing but clients.

use axum::Router;
use axum::body::Body;
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tower::ServiceExt as _;

use super::*;
use crate::admin::{Health, Site, router};
use crate::approvals::Waiting;
use crate::serve::Gateway;

/// The sandbox's own tests have these.
#[path = "../../../../../plugin/tests/it"]
mod shared {
    #![allow(
        dead_code,
        unreachable_pub,
        clippy::unwrap_used,
        reason = "they are made for tests of which these are a few"
    )]
    pub(super) mod components;
    pub(super) mod receiver;
    #[path = "slack.rs"]
    pub(super) mod slack;
    pub(super) mod webhook;
}

use shared::slack::{self, Slack, buttons, clicked, signed};
use shared::webhook::{self, ANSWER_KEY, KEY, now_seconds};
use shared::{components, receiver};

const CONFIG: &str = r#"
[listen]
postgres = "127.0.0.1:0"
insecure_plaintext = true
[[identity]]
name = "corp"
issuer = "https://idp"
audience = "tidegate"
jwks = "file:jwks.json"
[[resource]]
name = "customers"
kind = "postgres"
upstream = "postgres://127.0.0.1:1/customers?sslmode=disable"
login = { user = "app" }
[policy]
files = ["main.cedar"]
[[plugin]]
name = "outside"
kind = "approver"
source = "file:SOURCE"
limits = { deadline = "10s" }
egress = ["ORIGIN"]
allow_private = true
secrets = { first = "file:first", second = "file:second" }
"#;

struct Well;

impl Health for Well {
    fn live(&self) -> Result<(), String> {
        Ok(())
    }

    fn ready(&self) -> Result<(), Vec<String>> {
        Ok(())
    }
}

/// A gateway with one approver plugin.
struct Place {
    gateway: Gateway,
    router: Router,
    stop: CancellationToken,
    _folder: tempfile::TempDir,
}

impl Place {
    /// Starts it with a component, the outside system's origin, the plugin's configuration and
    /// its two secrets.
    async fn new(component: &str, origin: &str, config: &str, secrets: [&str; 2]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("written");
        write("jwks.json", r#"{"keys": []}"#);
        write("main.cedar", POLICY);
        write("first", secrets[0]);
        write("second", secrets[1]);
        let source = components::first_party(component);
        let text = CONFIG
            .replace("SOURCE", &source.display().to_string())
            .replace("ORIGIN", origin);
        let text = format!(
            "{text}config = {config}\n[[channel]]\nplugin = \"outside\"\n\
             users = {{ ann = \"https://idp|ann\", al = \"https://idp|alice\", \
             \"T0TEAM/U0ANN\" = \"https://idp|ann\" }}\n"
        );
        let config = Config::parse(&text, &folder.path().join("tidegate.toml"))
            .unwrap_or_else(|faults| panic!("{faults}"));
        let gateway = Gateway::start(&config).await.expect("started");
        let stop = CancellationToken::new();
        let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
        let site = Site::new(gateway.services.clone(), recorder.handle(), stop.clone());
        let channels = gateway.services.channels.clone();
        tokio::spawn(channels.run(stop.clone()));
        for principal in [dba("ann"), dba("alice")] {
            let now_us = crate::clock::unix_us();
            gateway.services.access.note(&principal, &customers(), now_us);
        }
        Self {
            gateway,
            router: router(&site, Arc::new(Well), None),
            stop,
            _folder: folder,
        }
    }

    /// Alice asks.
    async fn ask(&self) -> Waiting {
        let question = Question {
            subject: Subject::Operation,
            content: ContentHash([1; 32]),
            requester: Arc::new(person("alice")),
            resource: customers(),
            session: None,
            operation: None,
            quorum: Quorum::parse("1 of dba").expect("a quorum"),
            case: Case {
                title: "delete on customers by alice".to_owned(),
                operation: "DELETE FROM customers WHERE ssn = '078'".to_owned(),
                ..Case::default()
            },
            decide_within: Duration::from_mins(30),
            use_within: Duration::from_mins(15),
        };
        match self.gateway.services.approvals.ask(question).await {
            Ok(Asked::Waiting(waiting)) => waiting,
            other => panic!("not waiting: {other:?}"),
        }
    }

    async fn standing(&self, id: ApprovalId) -> Standing {
        let kept = self.gateway.services.approvals.get(id).await.expect("read");
        kept.expect("kept").approval.standing
    }

    /// Posts a message to the plugin's address as the outside system does.
    async fn post(&self, message: &Message) -> StatusCode {
        let mut request = Request::post("/channels/outside");
        for (name, value) in &message.headers {
            request = request.header(name, value);
        }
        let request = request.body(Body::from(message.body.clone())).expect("a request");
        let response = self.router.clone().oneshot(request).await.expect("infallible");
        response.status()
    }

    fn journaled(&self, kind: &str) -> Vec<Value> {
        let entries = self.gateway.services.journal.reader().entries(0);
        entries
            .map(|entry| serde_json::from_slice::<Value>(&entry.expect("read").bytes).expect("JSON"))
            .filter(|entry| entry["kind"] == kind)
            .collect()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// A gateway that asks a webhook, and the questions that arrive there as they should.
async fn webhook() -> (Place, mpsc::UnboundedReceiver<Value>) {
    let (tell, told) = mpsc::unbounded_channel();
    let receiver = receiver::Receiver::start(move |request| match webhook::complaint(request) {
        Some(why) => receiver::json(401, &json!({"complaint": why}).to_string()),
        None => {
            let question = serde_json::from_slice(&request.body).expect("checked");
            tell.send(question).expect("the test listens");
            receiver::json(200, r#"{"external_id": "T-1"}"#)
        }
    })
    .await;
    let origin = format!("http://{}", receiver.address);
    let config = format!(
        r#"{{ url = "{origin}/hook", secret = "secret://first", answer_secret = "secret://second" }}"#
    );
    let [first, second] = [KEY, ANSWER_KEY].map(|key| {
        use base64::Engine as _;
        format!("whsec_{}", base64::engine::general_purpose::STANDARD.encode(key))
    });
    let place = Place::new("webhook-approver", &origin, &config, [&first, &second]).await;
    (place, told)
}

fn answer(id: ApprovalId, by: &str) -> Message {
    let body = json!({"approval_id": id.to_string(), "decision": "approved", "by": by, "comment": "fine"});
    webhook::callback(ANSWER_KEY, now_seconds(), &body)
}

#[tokio::test]
async fn a_signed_answer_to_a_signed_question_is_that_of_the_principal_behind_it() {
    let (place, mut told) = webhook().await;
    let mut waiting = place.ask().await;
    let id = waiting.id;
    let question = told.recv().await.expect("a question");
    assert_eq!(question["approval_id"], id.to_string());
    assert_eq!(question["requester"]["id"], "https://idp|alice");
    assert_eq!(question["reviewers"], json!(["dba"]));
    assert!(!question["body"].as_str().expect("a text").contains("078"));

    let answer = answer(id, "ann");
    for _ in 0..2 {
        assert_eq!(place.post(&answer).await, StatusCode::OK);
    }
    assert_eq!(waiting.decided().await, Standing::Approved);
    let [voted] = place.journaled("approval.vote").try_into().expect("one vote");
    assert_eq!(
        (&voted["by"], &voted["channel"]),
        (&json!("https://idp|ann"), &json!("outside"))
    );
    assert_eq!(place.journaled("approval.vote-refused"), Vec::<Value>::new());
    // What is answered is closed there.
    let closed = told.recv().await.expect("a message");
    assert_eq!(closed["type"], "approval.withdrawn");
    assert_eq!(closed["reason"], "it was approved");
}

#[tokio::test]
async fn an_answer_of_the_requester_of_a_stranger_or_of_a_forger_counts_for_nothing() {
    let (place, mut told) = webhook().await;
    let id = place.ask().await.id;
    told.recv().await.expect("a question");
    for by in ["al", "mallory", "https://idp|ann"] {
        assert_eq!(place.post(&answer(id, by)).await, StatusCode::OK);
    }
    let body = json!({"approval_id": id.to_string(), "decision": "approved", "by": "ann"});
    let forged = webhook::callback(KEY, now_seconds(), &body);
    assert_eq!(place.post(&forged).await, StatusCode::UNAUTHORIZED);
    assert_eq!(place.standing(id).await, Standing::Pending);
    let refused = place.journaled("approval.vote-refused");
    let by = refused
        .iter()
        .map(|entry| entry["carried"]["by"].as_str().unwrap_or_default());
    assert_eq!(by.collect::<Vec<_>>(), ["al", "mallory", "https://idp|ann"]);
}

#[tokio::test]
async fn the_address_takes_posts_of_a_bounded_size_only() {
    let (place, _told) = webhook().await;
    let large = message(vec![b' '; MESSAGE_BYTES_MAX + 1]);
    assert_eq!(place.post(&large).await, StatusCode::PAYLOAD_TOO_LARGE);
    let send = async |request: Request<Body>| {
        let response = place.router.clone().oneshot(request).await.expect("infallible");
        let (parts, body) = response.into_parts();
        (parts.status, body.collect().await.expect("a body").to_bytes())
    };
    let got = send(
        Request::get("/channels/outside")
            .body(Body::empty())
            .expect("a request"),
    )
    .await;
    assert_eq!(got.0, StatusCode::METHOD_NOT_ALLOWED);
    let other = Request::post("/channels/other/x")
        .body(Body::empty())
        .expect("a request");
    let (status, body) = send(other).await;
    assert_eq!(
        (status, &body[..]),
        (StatusCode::NOT_FOUND, &b"there is no such channel\n"[..])
    );
}

#[tokio::test]
async fn a_click_in_slack_is_the_answer_of_the_principal_behind_it() {
    let slack = Slack::start().await;
    let origin = format!("http://{}", slack.receiver.address);
    let config = format!(
        r#"{{ team = "T0TEAM", channel = "{}", app = "A0APP", api = "{origin}", token = "secret://first", signing_secret = "secret://second" }}"#,
        slack::CHANNEL
    );
    let secrets = [slack::TOKEN, slack::SIGNING];
    let place = Place::new("slack-approver", &origin, &config, secrets).await;
    let mut waiting = place.ask().await;
    // Looked at by hand: nobody tells when a message stands in the channel.
    let line = place.gateway.services.channels.line("outside").expect("a line");
    line.look(waiting.id).await;
    assert_eq!(slack.complaints(), Vec::<String>::new());
    let buttons = buttons(&slack.messages()[0]);
    for (user, expected) in [("U0EVE", Standing::Pending), ("U0ANN", Standing::Approved)] {
        let approve = buttons.iter().find(|(action, _)| action == "tidegate_approve");
        let body = clicked(approve.expect("a button"), user);
        let click = signed(slack::SIGNING, now_seconds(), body);
        for _ in 0..2 {
            assert_eq!(place.post(&click).await, StatusCode::OK);
        }
        assert_eq!(place.standing(waiting.id).await, expected);
    }
    assert_eq!(waiting.decided().await, Standing::Approved);
    assert_eq!(place.journaled("approval.vote").len(), 1);
    assert_eq!(place.journaled("approval.vote-refused").len(), 1);
}
