use serde_json::Value;

use super::*;
use crate::assessment::Assessment;
use crate::facts::Facts;
use crate::id::OperationId;
use crate::verdict::{Refusal, Rule, Verdict};

fn parse(entry: &[u8]) -> Value {
    serde_json::from_slice(entry).unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(entry)))
}

fn judgement(verdict: &Verdict, statement: &str) -> Judgement {
    Judgement::render(Judged {
        statement,
        statement_sha256: "ab",
        facts: &Facts::default(),
        assessment: &Assessment::default(),
        verdict,
        policy: "cd",
    })
}

#[test]
fn every_entry_is_one_flat_json_object() {
    let session = SessionId::new(1, [1; 10]);
    let operation = OperationId::new(2, [2; 10]);
    let mut out = Vec::new();
    Event::SessionEnd {
        session,
        reason: "closed",
        operations: 3,
    }
    .encode(7, &mut out);
    let entry = parse(&out);
    assert_eq!(
        (&entry["v"], &entry["t_us"], &entry["kind"]),
        (&1.into(), &7.into(), &"session.end".into())
    );

    out.clear();
    Event::GatewayStop.encode(8, &mut out);
    assert_eq!(parse(&out)["kind"], "gateway.stop");

    out.clear();
    let verdict = Verdict::Run {
        policies: vec!["analysts-read".into()],
    };
    let judgement = judgement(&verdict, "select \"x\"\n");
    Intent {
        operation,
        session,
        judgement: &judgement,
        binds: Some(2),
        bind_commitment: Some([0xAB; 32]),
        approval: None,
    }
    .encode(9, &mut out);
    let entry = parse(&out);
    assert_eq!(entry["statement"], "select \"x\"\n");
    assert_eq!(entry["bind_commitment"].as_str().map(str::len), Some(64));
    assert_eq!(entry["policies"][0], "analysts-read");

    out.clear();
    let outcome = Outcome {
        operation,
        session,
        result: "error",
        sqlstate: Some("42\"01"),
        status: None,
        rows: 1,
        bytes: 2,
        masked: 3,
        took_us: 4,
    };
    outcome.encode(10, &mut out);
    let entry = parse(&out);
    assert_eq!((&entry["masked"], &entry["sqlstate"]), (&3.into(), &Value::Null));
}

#[test]
fn a_refused_intent_names_its_rule() {
    let verdict = Verdict::Refuse(Refusal::new(Rule::TaggedUse, Fault::Client, "no"));
    let mut out = Vec::new();
    Intent {
        operation: OperationId::new(0, [0; 10]),
        session: SessionId::new(0, [0; 10]),
        judgement: &judgement(&verdict, "x"),
        binds: None,
        bind_commitment: None,
        approval: None,
    }
    .encode(0, &mut out);
    let entry = parse(&out);
    assert_eq!(entry["refusal"]["rule"], "tagged-use");
    assert_eq!(entry["verdict"], "refuse");
}

#[test]
fn the_longest_statement_fits_an_entry_of_the_log() {
    // Control characters are the worst case: six bytes of JSON each.
    let statement = "\u{1}".repeat(1 << 20);
    let verdict = Verdict::Run { policies: Vec::new() };
    let judgement = judgement(&verdict, &statement);
    assert!(judgement.json.len() < 60_000, "{}", judgement.json.len());
    assert_eq!(parse(&judgement.json)["statement_cut"], true);
}

#[test]
fn what_is_done_to_the_gateway_itself_names_who_does_it() {
    let verdict = Verdict::Run {
        policies: vec!["auditors".into()],
    };
    let judgement = judgement(&verdict, "read recording session/1");
    let principal = Principal {
        identity: "corp".into(),
        issuer: "https://idp".into(),
        subject: "an \"auditor\"".into(),
        groups: vec!["auditors".into()],
        kind: crate::PrincipalKind::Person,
        delegation: Vec::new(),
        client: None,
        token_id: None,
    };
    let operation = OperationId::new(2, [2; 10]);
    let mut out = b"before".to_vec();
    DoorIntent {
        operation,
        door: "api",
        principal: &principal,
        judgement: &judgement,
    }
    .encode(9, &mut out);
    let entry = parse(&out[6..]);
    assert_eq!(entry["kind"], "op.intent");
    assert_eq!((&entry["v"], &entry["t_us"]), (&1.into(), &9.into()));
    assert_eq!(entry["operation"], operation.to_string());
    assert_eq!(entry["principal"]["subject"], "an \"auditor\"");
    assert_eq!(entry["resource"], "tidegate");
    assert_eq!(entry["statement"], "read recording session/1");
    assert_eq!(entry["verdict"], "run");
    assert_eq!(entry.get("session"), None);

    out.clear();
    DoorOutcome {
        operation,
        door: "api",
        result: "ok",
        took_us: 5,
    }
    .encode(10, &mut out);
    let entry = parse(&out);
    assert_eq!(entry["kind"], "op.outcome");
    assert_eq!((&entry["result"], &entry["took_us"]), (&"ok".into(), &5.into()));
}
