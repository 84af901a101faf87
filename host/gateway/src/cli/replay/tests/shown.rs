//! How statements, results and errors are shown.

use serde_json::Value;

use super::super::ReplayArgs;
use super::messages::{bind, columns, done, error, message, parse, query, row};
use super::stage::Side::{Client, Rows, Server};
use super::stage::{BEGAN_US, Stage, args};

#[test]
fn a_query_and_its_rows_are_shown_as_a_table() {
    let stage = Stage::new(1 << 20);
    let rows = [
        row(&[Some(b"Ann"), Some(b"***-**-0022")]),
        row(&[Some(b"Bob"), None]),
    ]
    .concat();
    let text = stage.recorded(&[
        (Client, query("select name, ssn\nfrom customers")),
        (Server, columns(&[("name", 25), ("ssn", 25)])),
        (Rows, rows),
        (Server, done("SELECT 2")),
        (Client, b"X\0\0\0\x04".to_vec()),
    ]);
    let text = text.expect("replayed");
    let body = "   +0.000s > select name, ssn\n             from customers\n   +0.003s < name | ssn\n             -----+------------\n             \
                Ann  | ***-**-0022\n             Bob  | NULL\n             (2 rows) SELECT 2\n   +0.004s > the client said good-bye\n";
    assert!(text.contains(body), "{text}");
    for part in [
        "who       agent-7",
        "checked   1 segment, unchanged",
        "closed by the client, after 2 operations",
    ] {
        assert!(text.contains(part), "{part} is missing: {text}");
    }
}

#[test]
fn errors_are_shown_with_their_hints() {
    let stage = Stage::new(1 << 20);
    let text = stage.recorded(&[
        (Client, query("drop table customers")),
        (Server, [error("not\nallowed"), b"Z\0\0\0\x05I".to_vec()].concat()),
    ]);
    let text = text.expect("replayed");
    assert!(
        text.contains("< ERROR 42501: not\n             allowed\n             hint: ask for it\n"),
        "{text}"
    );
}

#[test]
fn a_prepared_statement_keeps_its_columns_between_executions() {
    let stage = Stage::new(1 << 20);
    let describe = message(b'D', |out| out.extend_from_slice(b"Ss1\0"));
    let execute = message(b'E', |out| out.extend_from_slice(b"\0\0\0\0\0"));
    let sync = b"S\0\0\0\x04".to_vec();
    let ready = b"Z\0\0\0\x05I".to_vec();
    let mut turns = vec![
        (
            Client,
            [
                parse("s1", "select id from t where id = $1"),
                describe,
                sync.clone(),
            ]
            .concat(),
        ),
        (
            Server,
            [
                b"1\0\0\0\x04t\0\0\0\x0a\0\x01\0\0\0\x17".to_vec(),
                columns(&[("id", 23)]),
                ready,
            ]
            .concat(),
        ),
    ];
    for n in [7_i32, 8] {
        turns.push((
            Client,
            [bind("s1", &n.to_be_bytes()), execute.clone(), sync.clone()].concat(),
        ));
        turns.push((Server, b"2\0\0\0\x04".to_vec()));
        turns.push((Rows, row(&[Some(&n.to_be_bytes())])));
        turns.push((Server, done("SELECT 1")));
    }
    let text = stage.recorded(&turns).expect("replayed");
    assert!(
        text.contains("> prepare s1: select id from t where id = $1\n"),
        "{text}"
    );
    for n in [7, 8] {
        assert!(
            text.contains(&format!("> execute s1 with $1 = '{n}'\n")),
            "{text}"
        );
        let table = format!("< id\n             --\n             {n}\n             (1 row) SELECT 1\n");
        assert!(text.contains(&table), "{text}");
    }
}

#[test]
fn only_the_first_rows_are_shown_and_all_are_counted() {
    let stage = Stage::new(1 << 20);
    let rows: Vec<u8> = (0..10).flat_map(|_| row(&[Some(b"x")])).collect();
    let text = stage.recorded(&[
        (Server, columns(&[("x", 25)])),
        (Rows, rows),
        (Server, done("SELECT 10")),
    ]);
    let text = text.expect("replayed");
    assert!(
        text.contains("(10 rows, 7 of them not shown) SELECT 10"),
        "{text}"
    );
}

#[test]
fn nothing_recorded_drives_the_terminal() {
    let evil = "\u{1b}[2J\u{9b}31m\r\u{202e}\u{7}";
    let stage = Stage::new(1 << 20);
    let text = stage.recorded(&[
        (Client, query(&format!("select '{evil}'"))),
        (Server, columns(&[(evil, 25)])),
        (Rows, row(&[Some(evil.as_bytes())])),
        (Server, [done(evil), error(evil)].concat()),
        (Client, [parse(evil, evil), bind(evil, evil.as_bytes())].concat()),
    ]);
    let text = text.expect("replayed");
    assert!(!text.chars().any(|c| c != '\n' && c.is_control()), "{text:?}");
    assert!(
        !text.contains('\u{202e}') && text.contains(r"\u{1b}[2J"),
        "{text:?}"
    );
}

#[test]
fn a_stream_that_makes_no_sense_is_said_to() {
    let stage = Stage::new(1 << 20);
    let text = stage.recorded(&[
        (Client, query("select 1")),
        (Client, b"!!!!!!!!".to_vec()),
        (Server, done("SELECT 1")),
        (Server, b"C\0\0\0\x20half".to_vec()),
    ]);
    let text = text.expect("replayed");
    assert!(
        text.contains("> [from here on nothing can be made of what the client sent: unknown message"),
        "{text}"
    );
    assert!(
        text.contains("< SELECT 1"),
        "the other side is still shown: {text}"
    );
    assert!(
        text.contains("the server sent: the recording ends within a message"),
        "{text}"
    );
}

#[test]
fn json_has_the_same_events() {
    let stage = Stage::new(1 << 20);
    let turns = [
        (Client, query("select name from t")),
        (Server, columns(&[("name", 25)])),
        (Rows, row(&[Some("Zoë\u{1b}".as_bytes())])),
        (Server, done("SELECT 1")),
    ];
    stage.recorded(&turns).expect("replayed");
    let text = stage
        .replay(&ReplayArgs {
            json: true,
            ..args("00000000-0001")
        })
        .expect("replayed");
    assert!(text.is_ascii() && !text.contains('\u{1b}'), "{text}");
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let events: Vec<_> = lines
        .iter()
        .map(|line| line["event"].as_str().expect("an event"))
        .collect();
    assert_eq!(events, ["session", "query", "rows", "end"]);
    assert_eq!(lines[1]["t_us"], BEGAN_US);
    assert_eq!(lines[2]["rows"][0][0], "Zoë\u{1b}");
    assert_eq!(
        (&lines[0]["segments_checked"], &lines[3]["reason"]),
        (&1.into(), &"closed by the client".into())
    );
}
