//! `splunk-hec` against a collector as strict as Splunk's own.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::Response;
use plugin::{Ack, Batch, Code, FaultKind, GuestError, Kind, Plugins, Reject, Secret};
use serde_json::{Value, json};

use crate::components::{config, first_party, load, name};
use crate::receiver::{Receiver, Seen, json as answer};

const TOKEN: &str = "11111111-2222-3333-4444-555555555555";

/// Answers as the event endpoint does: token, method, JSON, the number of a bad event.
fn collector(request: &Seen) -> Option<Response<Full<Bytes>>> {
    if request.method != "POST" || request.path != "/services/collector/event" {
        return answer(
            404,
            "{\"text\": \"The requested URL was not found on this server.\", \"code\": 404}",
        );
    }
    if request.header("authorization") != format!("Splunk {TOKEN}") {
        return answer(403, "{\"text\": \"Invalid token\", \"code\": 4}");
    }
    if request.body.is_empty() {
        return answer(400, "{\"text\": \"No data\", \"code\": 5}");
    }
    let events = serde_json::Deserializer::from_slice(&request.body).into_iter::<Value>();
    for (number, event) in events.enumerate() {
        let Ok(event) = event else {
            return answer(400, "{\"text\": \"Invalid data format\", \"code\": 6}");
        };
        let bad = event["time"].as_f64().is_none() || event["event"]["poison"] == json!(true);
        if bad {
            let text = format!(
                "{{\"text\": \"Invalid data format\", \"code\": 6, \"invalid-event-number\": {number}}}"
            );
            return answer(400, &text);
        }
    }
    answer(200, "{\"text\": \"Success\", \"code\": 0}")
}

async fn splunk(receiver: &Receiver, token: &str) -> Plugins {
    let origin = format!("http://{}", receiver.address);
    let json = json!({"url": origin, "token": "secret://hec", "index": "audit"});
    let mut config = config("splunk", Kind::Exporter, first_party("splunk-hec"), json);
    config.grants.egress = vec![origin];
    config.grants.secrets.insert("hec".to_owned(), Secret::new(token));
    load(vec![config]).await
}

/// Returns a batch of these entries, the first with number 10.
fn batch(entries: &[&str]) -> Batch {
    let mut batch = Batch {
        log: "gate-1".to_owned(),
        first_seq: 10,
        data: Vec::new(),
        ends: Vec::new(),
        attempt: 0,
    };
    for entry in entries {
        batch.data.extend_from_slice(entry.as_bytes());
        batch.data.push(b'\n');
        batch.ends.push(u32::try_from(batch.data.len()).unwrap());
    }
    batch
}

async fn deliver(plugins: &Plugins, batch: &Batch) -> Result<Ack, GuestError> {
    match plugins.exporter(&name("splunk")).unwrap().deliver(batch).await {
        Ok(ack) => Ok(ack),
        Err(fault) => match fault.kind {
            FaultKind::Refused(error) => Err(error),
            other => panic!("{other}"),
        },
    }
}

const GOOD: &str = r#"{"v":1,"t_us":1700000000123456,"kind":"op.intent"}"#;
const POISON: &str = r#"{"v":1,"t_us":1700000000123456,"kind":"op.intent","poison":true}"#;

#[tokio::test]
async fn entries_arrive_with_the_token_that_the_guest_never_sees() {
    let receiver = Receiver::start(collector).await;
    let plugins = splunk(&receiver, TOKEN).await;
    let ack = deliver(&plugins, &batch(&[GOOD, GOOD])).await.unwrap();
    assert_eq!((ack.through_seq, ack.rejects), (11, vec![]));
    let seen = receiver.seen();
    let events: Vec<Value> = serde_json::Deserializer::from_slice(&seen[0].body)
        .into_iter()
        .map(Result::unwrap)
        .collect();
    assert_eq!(events[1]["fields"]["event_id"], "gate-1/11");
    assert_eq!(events[0]["event"]["kind"], "op.intent");
    assert!(!String::from_utf8_lossy(&seen[0].body).contains(TOKEN));
    plugins.exporter(&name("splunk")).unwrap().probe().await.unwrap();
}

#[tokio::test]
async fn a_busy_collector_is_asked_again_and_takes_the_same_entries() {
    let tries = AtomicU32::new(0);
    let receiver = Receiver::start(move |request| {
        if tries.fetch_add(1, Ordering::Relaxed) == 0 {
            let busy = Response::builder().status(503).header("retry-after", "7");
            return Some(
                busy.body(Full::from("{\"text\": \"Server is busy\", \"code\": 9}"))
                    .unwrap(),
            );
        }
        collector(request)
    })
    .await;
    let plugins = splunk(&receiver, TOKEN).await;
    let batch = batch(&[GOOD]);
    let error = deliver(&plugins, &batch).await.unwrap_err();
    assert_eq!(
        (error.code, error.retry_after),
        (Code::RateLimited, Some(Duration::from_secs(7)))
    );
    assert!(error.code.is_transient());
    assert_eq!(deliver(&plugins, &batch).await.unwrap().through_seq, 10);
    let seen = receiver.seen();
    assert_eq!(seen[0].body, seen[1].body);
}

#[tokio::test]
async fn an_entry_the_collector_never_takes_is_rejected_by_number_and_the_others_arrive() {
    let receiver = Receiver::start(collector).await;
    let plugins = splunk(&receiver, TOKEN).await;
    let entries = [GOOD, POISON, GOOD];
    let mut first = 10;
    let mut rejects: Vec<Reject> = Vec::new();
    // What lies after the acknowledged range is delivered again, as the gateway does.
    while first <= 12 {
        let mut rest = batch(&entries[usize::try_from(first - 10).unwrap()..]);
        rest.first_seq = first;
        let ack = deliver(&plugins, &rest).await.unwrap();
        rejects.extend(ack.rejects);
        first = ack.through_seq + 1;
    }
    assert_eq!(rejects.iter().map(|reject| reject.seq).collect::<Vec<_>>(), [11]);
    assert!(rejects[0].reason.contains("Invalid data format"), "{rejects:?}");
}

#[tokio::test]
async fn a_wrong_token_or_no_collector_is_the_operators_to_mend() {
    let receiver = Receiver::start(collector).await;
    let plugins = splunk(&receiver, "wrong").await;
    let error = deliver(&plugins, &batch(&[GOOD])).await.unwrap_err();
    assert_eq!(error.code, Code::Unauthorized);
    assert!(!error.message.contains("wrong"), "{error:?}");
    let fault = plugins
        .exporter(&name("splunk"))
        .unwrap()
        .probe()
        .await
        .unwrap_err();
    assert_eq!(fault.fault(), model::Fault::Operator);
}

#[tokio::test]
async fn a_collector_that_is_gone_is_asked_again_later() {
    let receiver = Receiver::start(collector).await;
    let mut config = {
        let origin = "http://127.0.0.1:1".to_owned();
        let json = json!({"url": origin, "token": "secret://hec"});
        let mut config = config("splunk", Kind::Exporter, first_party("splunk-hec"), json);
        config.grants.egress = vec![origin];
        config
    };
    config.grants.secrets.insert("hec".to_owned(), Secret::new(TOKEN));
    let plugins = load(vec![config]).await;
    let error = deliver(&plugins, &batch(&[GOOD])).await.unwrap_err();
    assert!(error.code.is_transient(), "{error:?}");
    assert_eq!(receiver.seen().len(), 0);
}

#[tokio::test]
async fn a_batch_beyond_the_contract_is_not_offered() {
    let receiver = Receiver::start(collector).await;
    let plugins = splunk(&receiver, TOKEN).await;
    let exporter = plugins.exporter(&name("splunk")).unwrap();
    for entries in [vec![], vec![GOOD; 1001]] {
        let fault = exporter.deliver(&batch(&entries)).await.unwrap_err();
        assert_eq!(fault.kind.label(), "contract");
    }
    assert_eq!(receiver.seen().len(), 0);
}
