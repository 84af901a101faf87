//! Operations that wait for people: what exactly they are asked about, and when nobody needs to
//! be asked any more.

use model::{Principal, PrincipalKind};

use super::stage::{Feed, Stage, play, poison};
use super::wire::*;
use crate::session::Waiting;

fn is_held(stage: &Stage) -> bool {
    matches!(stage.relay.waiting(), Waiting::Approval { .. })
}

/// A Parse that declares types, and a Bind with this behind its names.
fn typed(sql: &str, types: &[u8], bound: &[u8]) -> Vec<u8> {
    let count = u16::try_from(types.len() / 4).expect("a few types");
    let parse = [b"\0", sql.as_bytes(), b"\0", &count.to_be_bytes(), types].concat();
    let bind = [b"\0\0", bound].concat();
    [frame(b'P', &parse), frame(b'B', &bind), execute("")].concat()
}

fn content(stage: &Stage) -> String {
    let principal = Principal {
        identity: "corp".to_owned(),
        issuer: "https://idp".to_owned(),
        subject: "alice".to_owned(),
        groups: Vec::new(),
        kind: PrincipalKind::Person,
        delegation: Vec::new(),
        client: None,
        token_id: None,
    };
    let held = stage.relay.held(&stage.client).expect("an operation is held");
    held.content(held.judged, &principal, "db", "", stage.relay.surroundings())
        .to_string()
}

#[test]
fn values_bound_before_are_not_asked_about_behind_another_hold_either() {
    play(false, |stage| {
        stage.client(&[query("begin")]);
        stage.server(&[complete("BEGIN"), ready(b'T')]);
        stage.client(&[query("declare c cursor for hold")]);
        stage.release();
        stage.turn();
        stage.server(&[complete("DECLARE CURSOR"), ready(b'T')]);
        stage.upstream_out();
        stage.client(&[extended("hold"), execute("c"), sync()]);
        stage.release();
        assert!(!is_held(stage), "nobody could be shown what it is");
        stage.turn();
        stage.upstream_gets(&[extended("hold"), poison(1), sync()]);
    });
}

#[test]
fn nobody_is_asked_about_what_comes_behind_a_refusal() {
    play(false, |stage| {
        stage.client(&[extended("hold"), extended("hold"), extended("select 1"), sync()]);
        stage.relay.refuse_hold(super::stage::refusal(), 0);
        assert_eq!(stage.relay.waiting(), Waiting::Durability);
        stage.turn();
        stage.outcomes_are(&["refused", "refused"]);
        stage.upstream_gets(&[
            parse("", "hold"),
            poison(1),
            poison(2),
            parse("", "hold"),
            poison(3),
            poison(4),
            extended("select 1"),
            sync(),
        ]);
    });
}

#[test]
fn more_rows_in_the_same_batch_belong_to_what_was_approved() {
    play(false, |stage| {
        let frames = [
            parse("", "hold"),
            bind("", ""),
            execute_rows("", 1),
            execute_rows("", 1),
            sync(),
        ];
        stage.client(&frames);
        stage.release();
        stage.turn();
        assert_eq!(stage.intents, 2);
        stage.upstream_gets(&frames);
    });
}

#[test]
fn nobody_is_asked_before_it_is_known_what_the_settings_are() {
    play(false, |stage| {
        stage.client(&[extended("setting"), extended("hold"), sync()]);
        assert!(!is_held(stage));
        stage.upstream_gets(&[extended("setting"), flush()]);
        stage.server(&[parsed(), bound(), complete("SET")]);
        assert!(is_held(stage));
        let pipelined = content(stage);

        let mut other = Stage::new(false, Feed::Whole);
        other.client(&[extended("setting"), sync()]);
        other.server(&[parsed(), bound(), complete("SET"), ready(b'I')]);
        other.client(&[extended("hold"), sync()]);
        assert_eq!(content(&other), pipelined, "the same, in the same order");

        let mut bare = Stage::new(false, Feed::Whole);
        bare.client(&[extended("hold"), sync()]);
        assert_ne!(content(&bare), pipelined);
    });
}

/// What is asked about after these statements, each answered with its tag, or failing without.
fn asked_after(statements: &[(&str, Option<&str>, u8)]) -> String {
    let mut stage = Stage::new(false, Feed::Whole);
    for (sql, tag, status) in statements {
        stage.client(&[query(sql)]);
        let answer = tag.map_or_else(|| error("22012", "division by zero"), complete);
        stage.server(&[answer, ready(*status)]);
    }
    stage.client(&[query("hold")]);
    content(&stage)
}

#[test]
fn settings_that_were_undone_are_not_those_that_were_not() {
    let kept = asked_after(&[
        ("begin", Some("BEGIN"), b'T'),
        ("setting", Some("SET"), b'T'),
        ("commit", Some("COMMIT"), b'I'),
    ]);
    let rolled_back = asked_after(&[
        ("begin", Some("BEGIN"), b'T'),
        ("setting", Some("SET"), b'T'),
        ("rollback", Some("ROLLBACK"), b'I'),
    ]);
    let failed = asked_after(&[
        ("begin", Some("BEGIN"), b'T'),
        ("setting", Some("SET"), b'T'),
        ("select 1", None, b'E'),
        ("commit", Some("ROLLBACK"), b'I'),
    ]);
    assert_ne!(kept, rolled_back);
    assert_ne!(kept, failed);
    // What is over and done with cannot be undone: later transactions change nothing.
    let later = asked_after(&[
        ("begin", Some("BEGIN"), b'T'),
        ("setting", Some("SET"), b'T'),
        ("commit", Some("COMMIT"), b'I'),
        ("begin", Some("BEGIN"), b'T'),
        ("select 1", None, b'E'),
        ("rollback", Some("ROLLBACK"), b'I'),
    ]);
    assert_eq!(kept, later);
}

#[test]
fn nobody_is_asked_while_what_runs_could_still_undo_settings() {
    play(false, |stage| {
        stage.client(&[query("begin"), query("setting")]);
        stage.server(&[complete("BEGIN"), ready(b'T'), complete("SET"), ready(b'T')]);
        stage.client(&[query("select 1"), query("hold")]);
        assert!(!is_held(stage), "the transaction may fail yet");
        stage.server(&[complete("SELECT 0"), ready(b'T')]);
        assert!(is_held(stage));
    });
}

#[test]
fn declared_types_are_not_taken_for_values() {
    let value = |value: &[u8]| {
        let length = u32::try_from(value.len()).expect("a short value");
        [&length.to_be_bytes()[..], value].concat()
    };
    let asked = |types: &[u8], bound: &[u8]| {
        let mut stage = Stage::new(false, Feed::Whole);
        stage.client(&[typed("hold", types, bound), sync()]);
        content(&stage)
    };
    let types = [[0, 0, 0, 25], [0, 0, 0, 25], [0, 0, 0, 3]].concat();
    let mut last = vec![0; 256];
    last[1] = 128;
    let values = [value(b""), value(b""), value(&last)].concat();
    let bound = [&[0, 0, 0, 3][..], &values, &[0, 0]].concat();
    // One type fewer, and the same bytes are "no formats, three other values, and the formats
    // of 128 columns".
    let (fewer, other) = (&types[..8], [&types[8..], &bound].concat());
    assert_eq!([&types[..], &bound].concat(), [fewer, &other].concat());
    assert_ne!(asked(&types, &bound), asked(fewer, &other));
}

#[test]
fn the_types_that_were_declared_for_what_execute_runs_are_asked_about_too() {
    let asked = |types: &[u8]| {
        let mut stage = Stage::new(false, Feed::Whole);
        let count = u16::try_from(types.len() / 4).expect("a few types");
        let body = [b"s\0hold\0", &count.to_be_bytes()[..], types].concat();
        stage.client(&[frame(b'P', &body), sync()]);
        stage.server(&[parsed(), ready(b'I')]);
        stage.client(&[query("execute s")]);
        content(&stage)
    };
    let (text, number) = ([0, 0, 0, 25], [0, 0, 0, 23]);
    assert_eq!(asked(&text), asked(&text));
    assert_ne!(asked(&text), asked(&number));
    assert_ne!(asked(&text), asked(&[]));
    assert_ne!(asked(&text), asked(&[text, text].concat()));
}

#[test]
fn values_that_were_bound_to_what_changes_settings_are_asked_about_too() {
    let asked = |value: &[u8]| {
        let mut stage = Stage::new(false, Feed::Whole);
        let length = u32::try_from(value.len()).expect("a short value");
        let bound = [&[0, 0, 0, 1][..], &length.to_be_bytes(), value, &[0, 0]].concat();
        stage.client(&[typed("setting", &[], &bound), sync()]);
        stage.server(&[parsed(), super::wire::bound(), complete("SET"), ready(b'I')]);
        stage.client(&[query("hold")]);
        (content(&stage), stage.relay.changes().lines)
    };
    let (one, lines) = asked(b"acme");
    assert_eq!(asked(b"acme").0, one);
    assert_ne!(asked(b"evil").0, one);
    assert_eq!(lines, ["setting -- with values bound to it"]);
}

#[test]
fn people_are_told_what_the_session_has_set_and_undone() {
    let mut stage = Stage::new(false, Feed::Whole);
    for (setting, value) in [("work_mem", "64MB"), ("app.token", "hunter2")] {
        stage.relay.began_with(setting, value);
    }
    stage.client(&[query("begin")]);
    stage.server(&[complete("BEGIN"), ready(b'T')]);
    stage.client(&[query("setting a")]);
    stage.server(&[complete("SET"), ready(b'T')]);
    stage.client(&[query("rollback")]);
    stage.server(&[complete("ROLLBACK"), ready(b'I')]);
    let told = stage.relay.changes();
    let hidden = "app.token = (withheld: its name tells that it is a secret)";
    assert_eq!(told.lines, ["work_mem = 64MB", hidden, "setting a", "rollback"]);
    assert!(!told.cut);

    for number in 0..30 {
        stage.client(&[query(&format!("setting {number}"))]);
        stage.server(&[complete("SET"), ready(b'I')]);
    }
    let told = stage.relay.changes();
    assert!(told.cut, "there is more than anybody reads");
    assert_eq!(told.lines.len(), 20);
    assert_eq!(told.lines.last().map(String::as_str), Some("setting 29"));
}
