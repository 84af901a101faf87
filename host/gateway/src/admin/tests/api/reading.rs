use ::journal::recording::{Direction, Recorded, Recorder};
use http::StatusCode;
use model::event::Event;
use model::{Principal, PrincipalKind, ResourceName, SessionId};
use proto::postgres::frame::{put, put_string};
use serde_json::{Value, json};

use crate::admin::reads::READS_OF_ONE_MAX;
use crate::admin::tests::stage::Stage;
use crate::clock;

/// Writes down that a session began and ended.
async fn session(stage: &Stage, number: u8, subject: &str) -> SessionId {
    let journal = &stage.gateway.services.journal;
    let id = SessionId::new(clock::unix_us() / 1_000, [number; 10]);
    let principal = Principal {
        identity: "corp".into(),
        issuer: "https://idp.example.com".into(),
        subject: subject.into(),
        groups: Vec::new(),
        kind: PrincipalKind::Agent,
        delegation: Vec::new(),
        client: None,
        token_id: None,
    };
    let start = Event::SessionStart {
        session: id,
        principal: &principal,
        resource: &ResourceName::new("customers"),
        protocol: "postgres",
        client: "10.0.0.1:5",
        expires: 0,
    };
    let end = Event::SessionEnd {
        session: id,
        reason: "closed",
        operations: 1,
    };
    let mut last = None;
    for event in [start, end] {
        let ticket = journal.append(|out| event.encode(clock::unix_us(), out));
        last = Some(ticket.expect("appended"));
    }
    journal.durable(last.expect("a ticket")).await.expect("durable");
    id
}

fn kinds(page: &Value) -> Vec<&str> {
    let entries = page["entries"].as_array().expect("entries");
    entries
        .iter()
        .map(|entry| entry["entry"]["kind"].as_str().expect("a kind"))
        .collect()
}

#[tokio::test]
async fn the_journal_is_searched_backwards_and_names_who_searched() {
    let stage = Stage::new().await;
    let (first, _) = (
        session(&stage, 1, "agent-1").await,
        session(&stage, 2, "agent-2").await,
    );
    let token = stage.person("ann", &["auditors"]);
    let page = stage.get(&token, "/api/v1/journal?kind=session").await;
    assert_eq!(page.status, StatusCode::OK, "{page:?}");
    assert_eq!(
        kinds(&page.body),
        ["session.end", "session.start", "session.end", "session.start"]
    );
    // The end of a session does not say whose it was; its start does.
    let of_one = stage
        .get(
            &token,
            "/api/v1/journal?kind=session.end&principal=https%3A%2F%2Fidp.example.com%7Cagent-1",
        )
        .await;
    assert_eq!(of_one.body["entries"].as_array().map(Vec::len), Some(1));
    assert_eq!(of_one.body["entries"][0]["entry"]["session"], first.to_string());
    let of_session = stage
        .get(&token, &format!("/api/v1/journal?session={first}"))
        .await;
    assert_eq!(kinds(&of_session.body), ["session.end", "session.start"]);
    let searches = stage.journalled("op.intent").await;
    let last = searches.last().expect("an intent");
    assert_eq!(last["principal"]["subject"], "ann");
    assert_eq!(last["door"], "api");
    assert_eq!(last["statement"], format!("search journal session={first}"));
    assert_eq!(last["policies"], json!(["auditors"]));
}

#[tokio::test]
async fn pages_go_on_where_the_last_one_ended_and_for_nobody_else() {
    let stage = Stage::new().await;
    for number in 1..=3 {
        session(&stage, number, "agent").await;
    }
    let token = stage.person("ann", &["auditors"]);
    let mut seen = Vec::new();
    let mut path = "/api/v1/journal?kind=session&limit=2".to_owned();
    let first = path.clone();
    loop {
        let page = stage.get(&token, &path).await;
        seen.extend(
            page.body["entries"]
                .as_array()
                .expect("entries")
                .iter()
                .map(|entry| entry["index"].as_u64().expect("an index")),
        );
        match page.body["next"].as_str() {
            Some(next) => path = format!("{first}&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen.len(), 6);
    assert!(seen.windows(2).all(|pair| pair[0] > pair[1]), "{seen:?}");
    let page = stage.get(&token, &first).await;
    let next = page.body["next"].as_str().expect("more");
    let stolen = stage
        .get(
            &stage.person("bob", &["auditors"]),
            &format!("{first}&cursor={next}"),
        )
        .await;
    assert_eq!(stolen.body["code"], "invalid-cursor");
    let elsewhere = stage
        .get(&token, &format!("/api/v1/journal?kind=op&limit=2&cursor={next}"))
        .await;
    assert_eq!(elsewhere.body["code"], "invalid-cursor");
}

#[tokio::test]
async fn a_search_in_time_finds_what_happened_then() {
    let stage = Stage::new().await;
    session(&stage, 1, "agent").await;
    let token = stage.person("ann", &["auditors"]);
    let past = stage
        .get(&token, "/api/v1/journal?kind=session&until=2020-01-01T00:00:00Z")
        .await;
    assert_eq!(kinds(&past.body), Vec::<&str>::new());
    let since = stage
        .get(&token, "/api/v1/journal?kind=session&since=2020-01-01T00:00:00Z")
        .await;
    assert_eq!(kinds(&since.body).len(), 2);
    let future = stage
        .get(&token, "/api/v1/journal?kind=session&since=2999-01-01T00:00:00Z")
        .await;
    assert_eq!(kinds(&future.body), Vec::<&str>::new());
}

#[tokio::test]
async fn an_operation_has_an_intent_before_and_an_outcome_after() {
    let stage = Stage::new().await;
    let token = stage.person("sue", &["security"]);
    let plugins = stage.get(&token, "/api/v1/plugins").await;
    assert_eq!(plugins.body, json!({"plugins": []}));
    let refused = stage.get(&stage.person("bob", &[]), "/api/v1/plugins").await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    let intents = stage.journalled("op.intent").await;
    let verdicts: Vec<&Value> = intents.iter().map(|intent| &intent["verdict"]).collect();
    assert_eq!(verdicts, ["run", "refuse"]);
    assert_eq!(intents[0]["verb"], json!(["list plugins"]));
    assert_eq!(intents[0]["class"], "read");
    assert_eq!(intents[0]["resource"], "tidegate");
    let outcomes = stage.journalled("op.outcome").await;
    assert_eq!(outcomes.len(), 1, "what was refused has no outcome");
    assert_eq!(outcomes[0]["operation"], intents[0]["operation"]);
    assert_eq!(outcomes[0]["result"], "ok");
}

#[tokio::test]
async fn a_statement_is_explained_and_stays_out_of_the_journal() {
    let stage = Stage::new().await;
    let token = stage.person("sue", &["security"]);
    let question = json!({"resource": "customers", "sql": "select 'secret'"});
    let told = stage.post(&token, "/api/v1/explain", &question).await;
    assert_eq!(told.status, StatusCode::OK, "{told:?}");
    assert_eq!(told.body["verdict"], "run");
    assert_eq!(told.body["policies"], json!(["everything"]));
    assert!(!format!("{:?}", stage.journalled("op.intent").await).contains("secret"));
    let unknown = stage
        .post(
            &token,
            "/api/v1/explain",
            &json!({"resource": "nowhere", "sql": "select 1"}),
        )
        .await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
    // Whoever may not explain is told the same of what is there and of what is not.
    let bob = stage.person("bob", &[]);
    let there = stage.post(&bob, "/api/v1/explain", &question).await;
    let not = stage
        .post(
            &bob,
            "/api/v1/explain",
            &json!({"resource": "nowhere", "sql": "select 1"}),
        )
        .await;
    assert_eq!(
        (there.status, there.body["code"].clone()),
        (not.status, not.body["code"].clone())
    );
}

#[tokio::test]
async fn whoever_reads_too_much_of_the_journal_at_once_is_refused_and_nobody_else() {
    let stage = Stage::new().await;
    let (alice, bob) = (stage.person("alice", &[]), stage.person("bob", &[]));
    let mut reading = Vec::new();
    for _ in 0..READS_OF_ONE_MAX {
        let turn = stage.site.reads.turn("https://idp.example.com|alice".to_owned());
        reading.push(turn.await.expect("a turn"));
    }
    let unknown = "/api/v1/sessions/0192f0c1-2345-7abc-8def-0123456789ab";
    for path in [unknown, "/api/v1/sessions?ended=true"] {
        let told = stage.get(&alice, path).await;
        assert_eq!(
            (told.status, &told.body["code"]),
            (StatusCode::TOO_MANY_REQUESTS, &json!("too-many-requests"))
        );
        assert!(told.headers.contains_key("retry-after"));
    }
    assert_eq!(stage.get(&bob, unknown).await.status, StatusCode::NOT_FOUND);
    drop(reading);
    assert_eq!(stage.get(&alice, unknown).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_recording_that_is_not_there_is_told_and_its_reader_named() {
    let stage = Stage::new().await;
    let id = session(&stage, 1, "agent").await;
    let token = stage.person("sue", &["security"]);
    let told = stage
        .get(&token, &format!("/api/v1/sessions/{id}/recording"))
        .await;
    assert_eq!(
        (told.status, &told.body["code"]),
        (StatusCode::NOT_FOUND, &json!("no-recording"))
    );
    let intents = stage.journalled("op.intent").await;
    assert_eq!(intents[0]["verb"], json!(["read recording"]));
    assert_eq!(intents[0]["relations"], json!([format!("session/{id}")]));
    assert_eq!(intents[0]["principal"]["subject"], "sue");
    let no_id = stage
        .get(&token, "/api/v1/sessions/..%2F..%2Fetc/recording")
        .await;
    assert_eq!(no_id.body["code"], "not-found");
}

#[tokio::test]
async fn a_recording_is_read_as_the_command_line_replays_it() {
    let stage = Stage::new().await;
    let services = &stage.gateway.services;
    let id = session(&stage, 1, "agent").await;
    let recorded = Recorded {
        session: id,
        resource: ResourceName::new("customers"),
        protocol: "postgres",
        salt: [1; 32],
    };
    let mut recorder = Recorder::new(&services.recordings, recorded);
    let mut query = Vec::new();
    put(&mut query, b'Q', |body| put_string(body, b"select 1"));
    recorder
        .record_bulk(clock::unix_us(), Direction::FromClient, &query)
        .and_then(|()| recorder.end_bulk(clock::unix_us(), Direction::FromClient))
        .expect("recorded");
    recorder.finish().await.expect("stored");
    let token = stage.person("sue", &["security"]);
    let path = format!("/api/v1/sessions/{id}/recording?rows=5");
    let told = stage.get(&token, &path).await;
    assert_eq!(told.status, StatusCode::OK, "{told:?}");
    let lines: Vec<Value> = told
        .body
        .as_str()
        .expect("several lines")
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let events: Vec<&Value> = lines.iter().map(|line| &line["event"]).collect();
    assert_eq!(events, ["session", "query", "end"], "{lines:?}");
    assert_eq!(lines[1]["statement"], "select 1");
    let intents = stage.journalled("op.intent").await;
    assert_eq!(intents[0]["statement"], format!("read recording session/{id}"));
    assert_eq!(stage.journalled("op.outcome").await[0]["result"], "ok");
    let refused = stage.get(&stage.person("ann", &["auditors"]), &path).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_are_told_as_they_happen_and_only_to_those_who_may_know() {
    use http_body_util::BodyExt as _;

    let stage = Stage::new().await;
    let request =
        |token: &str| crate::admin::tests::stage::request(http::Method::GET, token, "/api/v1/events", None);
    let mut all = stage
        .answer(request(&stage.person("sue", &["security"])))
        .await
        .into_body();
    let mut few = stage.answer(request(&stage.person("bob", &[]))).await.into_body();
    for body in [&mut all, &mut few] {
        let hello = body
            .frame()
            .await
            .expect("a frame")
            .expect("well")
            .into_data()
            .expect("data");
        assert_eq!(hello, "retry: 2000\n\n");
    }
    session(&stage, 1, "agent").await;
    let event = all
        .frame()
        .await
        .expect("a frame")
        .expect("well")
        .into_data()
        .expect("data");
    let event = String::from_utf8(event.to_vec()).expect("text");
    assert!(event.contains("event: session.start\ndata\n\n"), "{event}");
    assert!(event.starts_with("id: "), "{event}");
    // Nothing for the other: the stream ends with the listener, and had nothing else to say.
    stage.site.stop.cancel();
    assert!(few.frame().await.is_none());
}
