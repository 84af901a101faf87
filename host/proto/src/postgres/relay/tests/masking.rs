//! No row passes whose shape is unknown, and no shape is asked for twice.

use super::stage::{Feed, Stage, TAGGED, play};
use super::wire::*;

/// A row of one column, masked.
fn null_row() -> Vec<u8> {
    frame(b'D', b"\0\x01\xff\xff\xff\xff")
}

#[test]
fn rows_of_a_tagged_column_are_masked() {
    play(true, |stage| {
        stage.client(&[query("select secret")]);
        stage.server(&[
            columns(&[TAGGED]),
            row(&["a"]),
            row(&["b"]),
            complete("SELECT 2"),
            ready(b'I'),
        ]);
        stage.client_gets(&[
            columns(&[TAGGED]),
            null_row(),
            null_row(),
            complete("SELECT 2"),
            ready(b'I'),
        ]);
        stage.rests_after(&["ok"]);
        assert_eq!((stage.outcomes[0].rows, stage.outcomes[0].masked), (2, 2));
        assert!(!stage.tape.to_client.contains(&b'b'), "nor are they recorded");
    });
}

#[test]
fn an_execution_nobody_described_is_described_by_the_relay() {
    play(true, |stage| {
        stage.client(&[extended("select secret"), sync()]);
        stage.upstream_gets(&[
            parse("", "select secret"),
            bind("", ""),
            describe(b'P', ""),
            execute(""),
            sync(),
        ]);
        stage.server(&[
            parsed(),
            bound(),
            columns(&[TAGGED]),
            row(&["a"]),
            complete("SELECT 1"),
            ready(b'I'),
        ]);
        stage.client_gets(&[parsed(), bound(), null_row(), complete("SELECT 1"), ready(b'I')]);
        stage.rests_after(&["ok"]);
    });
}

#[test]
fn a_session_without_masks_asks_for_nothing() {
    play(false, |stage| {
        stage.client(&[extended("select 1"), sync()]);
        stage.upstream_gets(&[extended("select 1"), sync()]);
    });
}

#[test]
fn a_statements_description_serves_its_later_executions() {
    play(true, |stage| {
        stage.client(&[parse("s", "select secret"), describe(b'S', "s"), sync()]);
        stage.server(&[parsed(), parameters(), columns(&[TAGGED, 0]), ready(b'I')]);
        stage.upstream_out();
        stage.client_out();
        for format in [0, 1] {
            let run = [bind_as("", "s", format), execute(""), sync()];
            stage.client(&run);
            stage.upstream_gets(&run);
            stage.server(&[bound(), row(&["a", "b"]), complete("SELECT 1"), ready(b'I')]);
            let masked = frame(b'D', b"\0\x02\xff\xff\xff\xff\0\0\0\x01b");
            stage.client_gets(&[bound(), masked, complete("SELECT 1"), ready(b'I')]);
        }
    });
}

#[test]
fn a_description_that_was_skipped_is_asked_for_again() {
    play(true, |stage| {
        stage.client(&[parse("s", "select secret"), sync()]);
        stage.server(&[parsed(), ready(b'I')]);
        stage.upstream_out();
        // The error skips the describe; the execution behind the sync must not count on it.
        stage.client(&[
            extended("select 1/0"),
            describe(b'S', "s"),
            sync(),
            bind("", "s"),
            execute(""),
            sync(),
        ]);
        let sent = stage.upstream_out();
        let behind = [bind("", "s"), describe(b'P', ""), execute(""), sync()].concat();
        assert!(sent.ends_with(&behind));
        stage.server(&[error("42601", "syntax"), ready(b'I')]);
        stage.client_out();
        stage.server(&[
            bound(),
            columns(&[TAGGED]),
            row(&["a"]),
            complete("SELECT 1"),
            ready(b'I'),
        ]);
        stage.client_gets(&[bound(), null_row(), complete("SELECT 1"), ready(b'I')]);
        stage.rests_after(&["skipped", "ok"]);
    });
}

#[test]
fn an_execution_in_flight_survives_a_new_catalog() {
    play(true, |stage| {
        stage.client(&[parse("s", "select secret"), describe(b'S', "s"), sync()]);
        stage.server(&[parsed(), parameters(), columns(&[TAGGED]), ready(b'I')]);
        stage.client(&[bind("", "s"), execute(""), sync()]);
        stage.relay.catalog_refreshed();
        stage.client_out();
        stage.server(&[bound(), row(&["a"]), complete("SELECT 1"), ready(b'I')]);
        stage.client_gets(&[bound(), null_row(), complete("SELECT 1"), ready(b'I')]);
        stage.upstream_out();
        stage.client(&[bind("", "s"), execute(""), sync()]);
        stage.upstream_gets(&[bind("", "s"), describe(b'P', ""), execute(""), sync()]);
    });
}

#[test]
fn a_row_unlike_its_description_ends_the_session() {
    play(true, |stage| {
        stage.client(&[query("select secret")]);
        stage.server(&[columns(&[TAGGED])]);
        stage.client_out();
        stage.server(&[row(&["a", "b"])]);
        stage.ended_with("58000");
        stage.client_gets(&[]);
    });
}

#[test]
fn rows_without_a_description_end_the_session() {
    play(true, |stage| {
        stage.client(&[query("select 1; select 2")]);
        stage.server(&[columns(&[0]), complete("SELECT 0"), row(&["1"])]);
        stage.ended_with("58000");
    });
    play(true, |stage| {
        stage.client(&[extended("select 1"), sync()]);
        stage.server(&[parsed(), bound(), no_data(), row(&["1"])]);
        stage.ended_with("58000");
    });
}

#[test]
fn a_malformed_description_ends_the_session() {
    for body in [&b"\0\x01"[..], b"\0\x01c\0", b"\xff\xff", b"\0\0x"] {
        play(true, |stage| {
            stage.client(&[query("select 1")]);
            stage.server(&[frame(b'T', body)]);
            stage.ended_with("08P01");
            stage.client_gets(&[]);
        });
    }
}

#[test]
fn errors_and_notices_of_tagged_statements_are_scrubbed() {
    play(true, |stage| {
        stage.client(&[query("select secret")]);
        stage.server(&[notice("ssn 123-45"), error("22P02", "ssn 123-45"), ready(b'I')]);
        let got = stage.client_out();
        assert!(!got.windows(6).any(|bytes| bytes == b"123-45"));
        stage.rests_after(&["error"]);
    });
    play(true, |stage| {
        stage.client(&[query("select 1")]);
        stage.server(&[error("22P02", "plain words"), ready(b'I')]);
        stage.client_gets(&[error("22P02", "plain words"), ready(b'I')]);
    });
}

#[test]
fn a_setting_made_from_tagged_data_is_not_reported() {
    // The server reports it only just before it is ready.
    play(true, |stage| {
        stage.client(&[extended("select secret"), sync()]);
        stage.server(&[parsed(), bound(), columns(&[TAGGED]), complete("SELECT 0")]);
        stage.client_out();
        stage.server(&[status("application_name", "123-45"), ready(b'I')]);
        stage.client_gets(&[ready(b'I')]);
        stage.server(&[status("application_name", "mine")]);
        stage.client_gets(&[status("application_name", "mine")]);
    });
}

#[test]
fn rows_that_reads_cut_do_not_make_the_buffer_grow() {
    const READ: usize = 64 << 10;
    let mut stage = Stage::new(true, Feed::Whole);
    stage.client(&[query("select secret")]);
    stage.server(&[columns(&[TAGGED])]);
    // No length of a row divides that of a read: nearly every read cuts one.
    let rows = row(&["a".repeat(997).as_str()]).repeat(8 * READ / 1_000);
    for piece in rows.repeat(64).chunks(READ) {
        stage.upstream.reserve(READ);
        stage.server(&[piece.to_vec()]);
        stage.client_out();
    }
    assert!(stage.fatal.is_none());
    assert!(
        stage.upstream.capacity() <= 4 * READ,
        "{}",
        stage.upstream.capacity()
    );
}
