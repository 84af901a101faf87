//! What was not kept is said to be missing, and what follows is still understood.

use super::messages::{bind, columns, copy_data, done, message, parse, query, row};
use super::stage::Side::{Client, Copied, Rows, Server};
use super::stage::Stage;

#[test]
fn rows_that_were_not_kept_are_said_to_be_missing() {
    let stage = Stage::new(30);
    let rows: Vec<u8> = (0..10).flat_map(|_| row(&[Some(b"0123456789")])).collect();
    let kept_not = rows.len() as u64 - 30;
    let text = stage.recorded(&[
        (Client, query("select x from t")),
        (Server, columns(&[("x", 25)])),
        (Rows, rows),
        (Server, done("SELECT 10")),
        (Client, query("select 2")),
    ]);
    let text = text.expect("replayed");
    assert!(text.contains("(1 row) SELECT 10\n"), "{text}");
    assert!(
        text.contains(&format!(
            "[{kept_not} more bytes of rows went to the client and were not kept]"
        )),
        "{text}"
    );
    assert!(
        text.contains("> select 2\n"),
        "what follows is understood: {text}"
    );
}

#[test]
fn copy_data_that_was_not_kept_is_said_to_be_missing() {
    let stage = Stage::new(30);
    let data: Vec<u8> = (0..10).flat_map(|_| copy_data(b"0123456789")).collect();
    let copy_done = b"c\0\0\0\x04".to_vec();
    let text = stage.recorded(&[
        (Client, query("copy t from stdin")),
        (Server, b"G\0\0\0\x07\0\0\0".to_vec()),
        (Copied, data.clone()),
        (Copied, data.clone()),
        (Client, copy_done.clone()),
        (Server, done("COPY 20")),
        (Client, query("copy t to stdout")),
        (Server, b"H\0\0\0\x07\0\0\0".to_vec()),
        (Rows, data),
        (Server, [copy_done, done("COPY 10")].concat()),
        (Client, query("select 2")),
    ]);
    let text = text.expect("replayed");
    for part in [
        "> 20 bytes of copy data, and 270 more that were not kept\n",
        "< COPY 20\n",
        "< 20 bytes of copy data, and 120 more that were not kept\n",
        "< COPY 10\n",
        "> select 2\n",
    ] {
        assert!(text.contains(part), "{part} is missing: {text}");
    }
}

#[test]
fn a_statement_that_was_cut_is_shown_up_to_there() {
    let stage = Stage::new(40);
    let text = stage.recorded(&[
        (
            Client,
            query(&format!("select 'the beginning', '{}'", "x".repeat(100))),
        ),
        (Server, columns(&[("one", 25)])),
        (Rows, row(&[Some(b"1")])),
        (Server, done("SELECT 1")),
        (Client, query("select 2")),
        (Server, columns(&[("two", 25)])),
        (Rows, row(&[Some(b"2")])),
        (Server, done("SELECT 1")),
    ]);
    let text = text.expect("replayed");
    for part in [
        "> select 'the beginning', 'xxxxxxxxx",
        "> [92 more bytes of what the client sent were not kept; their SHA-256 is ",
        "< one\n",
        "> select 2\n",
        "< two\n",
    ] {
        assert!(text.contains(part), "{part} is missing: {text}");
    }
}

#[test]
fn what_follows_a_cut_bind_keeps_its_columns() {
    let stage = Stage::new(60);
    let describe = message(b'D', |out| out.extend_from_slice(b"Ss1\0"));
    let execute = message(b'E', |out| out.extend_from_slice(b"\0\0\0\0\0"));
    let sync = b"S\0\0\0\x04".to_vec();
    let ready = b"Z\0\0\0\x05I".to_vec();
    let executed = [execute, sync.clone()].concat();
    let text = stage.recorded(&[
        (Client, parse("s1", "select id from t where id = $1")),
        (Client, [describe, sync].concat()),
        (
            Server,
            [b"1\0\0\0\x04".to_vec(), columns(&[("id", 23)]), ready].concat(),
        ),
        (Client, [bind("s1", &[7; 200]), executed.clone()].concat()),
        // Asked for before the first is answered.
        (Client, [bind("s1", &8_i32.to_be_bytes()), executed].concat()),
        (Server, b"2\0\0\0\x04".to_vec()),
        (Rows, row(&[Some(b"7")])),
        (Server, done("SELECT 1")),
        (Server, b"2\0\0\0\x04".to_vec()),
        (Rows, row(&[Some(&8_i32.to_be_bytes())])),
        (Server, done("SELECT 1")),
    ]);
    let text = text.expect("replayed");
    for part in [
        "more bytes of what the client sent were not kept",
        "< id\n             --\n             8\n             (1 row) SELECT 1\n",
    ] {
        assert!(text.contains(part), "{part} is missing: {text}");
    }
}
