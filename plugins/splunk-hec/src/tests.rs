use tidegate_sdk::exporter::{Ack, Batch, Exporter, NDJSON};
use tidegate_sdk::http::{Answer, Failure};
use tidegate_sdk::testing::{Host, issues, plugin};
use tidegate_sdk::{Code, Error};

use super::SplunkHec;

const CONFIG: &str = r#"{"url":"https://splunk.example.com:8088","token":"secret://hec","index":"audit"}"#;

fn batch(entries: &[&str]) -> Batch {
    let mut batch = Batch {
        log: "gate-1".to_owned(),
        first_seq: 40,
        encoding: NDJSON.to_owned(),
        data: Vec::new(),
        ends: Vec::new(),
        attempt: 0,
    };
    for entry in entries {
        batch.data.extend_from_slice(entry.as_bytes());
        batch.data.push(b'\n');
        batch.ends.push(u32::try_from(batch.data.len()).expect("small"));
    }
    batch
}

const ENTRY: &str = r#"{"v":1,"t_us":1700000000123456,"kind":"op.intent"}"#;

fn deliver(host: &Host, entries: &[&str]) -> Result<Ack, Error> {
    let _ = host;
    plugin::<SplunkHec>(CONFIG).deliver(&batch(entries))
}

fn success() -> Answer {
    Answer::new(200, r#"{"text":"Success","code":0}"#)
}

fn invalid(number: usize) -> Answer {
    let body = format!(r#"{{"text":"Invalid data format","code":6,"invalid-event-number":{number}}}"#);
    Answer::new(400, body)
}

#[test]
fn entries_become_events_back_to_back_with_the_token_by_name() {
    let host = Host::new().answer(success());
    assert_eq!(deliver(&host, &[ENTRY, ENTRY]), Ok(Ack::through(41)));
    let request = &host.requests()[0];
    assert_eq!(
        request.url,
        "https://splunk.example.com:8088/services/collector/event"
    );
    assert_eq!(
        request.headers[0],
        ("authorization".to_owned(), "Splunk secret://hec".to_owned())
    );
    let event = |seq| {
        format!(
            r#"{{"time":1700000000.123456,"host":"tidegate","source":"tidegate","sourcetype":"tidegate","index":"audit","event":{ENTRY},"fields":{{"event_id":"gate-1/{seq}"}}}}"#
        )
    };
    assert_eq!(String::from_utf8_lossy(&request.body), event(40) + &event(41));
}

#[test]
fn an_invalid_event_is_rejected_and_what_is_before_it_sent_again() {
    let host = Host::new().answer(invalid(2)).answer(success());
    assert_eq!(deliver(&host, &[ENTRY; 4]), Ok(Ack::through(41)));
    let host = Host::new().answer(invalid(0)).answer(invalid(0));
    let expected = Ack::through(40).but(40, "6: Invalid data format");
    assert_eq!(deliver(&host, &[ENTRY; 2]), Ok(expected));
}

#[test]
fn what_is_too_large_is_halved_and_at_last_rejected() {
    let large = || Answer::new(413, "");
    let host = Host::new().answer(large()).answer(success());
    assert_eq!(deliver(&host, &[ENTRY; 4]), Ok(Ack::through(41)));
    let host = Host::new().answer(large());
    assert_eq!(
        deliver(&host, &[ENTRY]),
        Ok(Ack::through(40).but(40, "too large for the collector"))
    );
}

#[test]
fn an_entry_that_is_no_json_is_rejected_without_being_sent() {
    let host = Host::new().answer(success());
    let expected = Ack::through(42).but(41, "the entry is no JSON object with a time");
    assert_eq!(deliver(&host, &[ENTRY, "{", ENTRY]), Ok(expected));
    let host = Host::new();
    assert_eq!(deliver(&host, &["{"]).map(|ack| ack.through_seq), Ok(40));
    assert!(host.requests().is_empty());
}

#[test]
fn each_answer_means_what_the_table_says() {
    for (status, body, code) in [
        (401, "", Code::Unauthorized),
        (403, r#"{"text":"Invalid token","code":4}"#, Code::Unauthorized),
        (400, r#"{"text":"Incorrect index","code":7}"#, Code::InvalidConfig),
        (404, "", Code::InvalidConfig),
        (429, "", Code::RateLimited),
        (503, r#"{"text":"Server is busy","code":9}"#, Code::RateLimited),
        (
            500,
            r#"{"text":"Internal server error","code":8}"#,
            Code::Unavailable,
        ),
        (200, "<html>", Code::Unavailable),
        (302, "", Code::Unavailable),
        (400, "", Code::Unavailable),
    ] {
        let host = Host::new().answer(Answer::new(status, body));
        assert_eq!(
            deliver(&host, &[ENTRY]).map_err(|e| e.code),
            Err(code),
            "{status} {body}"
        );
    }
}

#[test]
fn a_wish_for_patience_is_passed_on() {
    let mut answer = Answer::new(503, "");
    answer.headers.push(("retry-after".to_owned(), "7".to_owned()));
    let host = Host::new().answer(answer);
    assert_eq!(
        deliver(&host, &[ENTRY]).map_err(|e| e.retry_after_ms),
        Err(Some(7000))
    );
}

#[test]
fn a_broken_connection_is_tried_again() {
    let host = Host::new().answer(Err(Failure::Broken("reset".to_owned())));
    assert_eq!(
        deliver(&host, &[ENTRY]).map_err(|e| e.code),
        Err(Code::Unavailable)
    );
    let host = Host::new().answer(Err(Failure::Denied));
    assert_eq!(
        deliver(&host, &[ENTRY]).map_err(|e| e.code),
        Err(Code::InvalidConfig)
    );
}

#[test]
fn a_probe_knows_a_valid_token_by_the_complaint_about_no_data() {
    let _host = Host::new().answer(Answer::new(400, r#"{"text":"No data","code":5}"#));
    assert_eq!(plugin::<SplunkHec>(CONFIG).probe(), Ok(()));
    let _host = Host::new().answer(Answer::new(403, r#"{"text":"Invalid token","code":4}"#));
    assert_eq!(
        plugin::<SplunkHec>(CONFIG).probe().map_err(|e| e.code),
        Err(Code::Unauthorized)
    );
}

#[test]
fn a_token_in_the_clear_is_no_configuration() {
    let found = issues::<SplunkHec>(r#"{"url":"https://a/b","token":"B5A79AAD"}"#);
    assert_eq!(found.len(), 2);
    assert!(found.iter().all(|line| !line.contains("B5A79AAD")));
}

#[test]
fn an_unknown_encoding_is_unsupported() {
    let _host = Host::new();
    let batch = Batch {
        encoding: "other/1".to_owned(),
        ..batch(&[ENTRY])
    };
    assert_eq!(
        plugin::<SplunkHec>(CONFIG).deliver(&batch).map_err(|e| e.code),
        Err(Code::Unsupported)
    );
}
