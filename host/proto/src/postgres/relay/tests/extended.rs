//! The extended protocol: pipelines, portals, errors in the middle.

use super::stage::{Feed, Stage, play};
use super::wire::*;

#[test]
fn parse_bind_describe_execute_pass_unchanged() {
    play(true, |stage| {
        let request = [
            parse("", "select 1"),
            bind("", ""),
            describe(b'P', ""),
            execute(""),
            sync(),
        ];
        stage.client(&request);
        stage.upstream_gets(&request);
        let answer = [
            parsed(),
            bound(),
            columns(&[0]),
            row(&["1"]),
            complete("SELECT 1"),
            ready(b'I'),
        ];
        stage.server(&answer);
        stage.client_gets(&answer);
        stage.rests_after(&["ok"]);
        assert_eq!(stage.intents, 1, "bind and execute are one operation");
    });
}

#[test]
fn a_named_statement_is_judged_at_each_execution() {
    play(false, |stage| {
        let prepare = [parse("s", "select 1"), describe(b'S', "s"), sync()];
        stage.client(&prepare);
        stage.upstream_gets(&prepare);
        stage.server(&[parsed(), parameters(), columns(&[0]), ready(b'I')]);
        assert_eq!(stage.intents, 0, "nothing has run");
        for intents in 1..=3 {
            let run = [bind("", "s"), execute(""), sync()];
            stage.client(&run);
            stage.upstream_gets(&run);
            stage.server(&[bound(), row(&["1"]), complete("SELECT 1"), ready(b'I')]);
            assert_eq!(stage.intents, intents);
        }
        stage.client(&[close(b'S', "s"), sync()]);
        stage.server(&[closed(), ready(b'I')]);
        stage.rests_after(&["ok"; 3]);
    });
}

#[test]
fn several_syncs_are_in_flight_at_once() {
    play(true, |stage| {
        let one = |sql| {
            [
                parse("", sql),
                bind("", ""),
                describe(b'P', ""),
                execute(""),
                sync(),
            ]
            .concat()
        };
        let request = [one("select 1"), one("select 2"), one("select 3"), sync()];
        stage.client(&request);
        stage.upstream_gets(&request);
        assert!(stage.relay.is_running());
        let ok = [
            parsed(),
            bound(),
            columns(&[0]),
            row(&["1"]),
            complete("SELECT 1"),
            ready(b'I'),
        ];
        let failed = [parsed(), error("22012", "division by zero"), ready(b'I')];
        for answer in [&ok[..], &failed[..], &ok[..], &[ready(b'I')]] {
            stage.server(answer);
            stage.client_out();
        }
        stage.rests_after(&["ok", "skipped", "ok"]);
    });
}

#[test]
fn a_client_that_flushes_is_served_before_its_sync() {
    play(true, |stage| {
        let first = [parse("s", "select 1"), describe(b'S', "s"), flush()];
        stage.client(&first);
        stage.upstream_gets(&first);
        stage.server(&[parsed(), parameters(), columns(&[0])]);
        stage.client_gets(&[parsed(), parameters(), columns(&[0])]);
        let second = [bind("", "s"), execute(""), flush()];
        stage.client(&second);
        stage.upstream_gets(&second);
        stage.server(&[bound(), row(&["1"]), complete("SELECT 1")]);
        stage.outcomes_are(&["ok"]);
        assert!(
            !stage.relay.is_idle(),
            "the server's transaction is open until the sync"
        );
        stage.client(&[sync()]);
        stage.upstream_gets(&[sync()]);
        stage.server(&[ready(b'I')]);
        stage.rests_after(&["ok"]);
    });
}

#[test]
fn a_portal_is_suspended_and_continued() {
    play(true, |stage| {
        stage.client(&[query("begin")]);
        stage.server(&[complete("BEGIN"), ready(b'T')]);
        stage.client_out();
        stage.upstream_out();
        let begin = [
            parse("", "select x"),
            bind("c", ""),
            describe(b'P', "c"),
            execute_rows("c", 1),
            sync(),
        ];
        stage.client(&begin);
        stage.upstream_gets(&begin);
        stage.server(&[
            parsed(),
            bound(),
            columns(&[0]),
            row(&["1"]),
            suspended(),
            ready(b'T'),
        ]);
        let more = [execute_rows("c", 1), sync()];
        stage.client(&more);
        stage.upstream_gets(&more);
        stage.server(&[row(&["2"]), complete("SELECT 1"), ready(b'T')]);
        stage.client(&[query("commit")]);
        stage.server(&[complete("COMMIT"), ready(b'I')]);
        stage.rests_after(&["ok"; 4]);
        assert_eq!(stage.intents, 4);
    });
}

#[test]
fn after_an_error_everything_up_to_the_sync_is_skipped() {
    play(true, |stage| {
        let request = [
            extended("select 1"),
            extended("select 1/0"),
            extended("select 2"),
            flush(),
        ];
        stage.client(&request);
        stage.upstream_out();
        stage.server(&[parsed(), bound()]);
        // The description that the relay asked for by itself, since the client never did.
        stage.server(&[columns(&[0]), row(&["1"]), complete("SELECT 1")]);
        stage.server(&[
            parsed(),
            bound(),
            columns(&[0]),
            error("22012", "division by zero"),
        ]);
        stage.outcomes_are(&["ok", "error", "skipped"]);
        stage.client_out();

        // What comes now is dropped, as the server would drop it, a simple query too.
        stage.client(&[extended("select 3"), query("select 4"), close(b'S', "x"), flush()]);
        stage.upstream_gets(&[]);
        stage.client(&[sync(), extended("select 5"), sync()]);
        stage.server(&[ready(b'I')]);
        stage.client_gets(&[ready(b'I')]);
        stage.server(&[
            parsed(),
            bound(),
            columns(&[0]),
            complete("SELECT 0"),
            ready(b'I'),
        ]);
        stage.rests_after(&["ok", "error", "skipped", "skipped", "skipped", "ok"]);
    });
}

#[test]
fn a_failed_parse_takes_only_the_unnamed_statement_with_it() {
    play(false, |stage| {
        stage.client(&[parse("", "select 1"), parse("s", "select 2"), sync()]);
        stage.server(&[parsed(), parsed(), ready(b'I')]);
        stage.client(&[parse("s", "select 3"), parse("", "select 4"), sync()]);
        stage.server(&[
            error("42P05", "prepared statement \"s\" already exists"),
            ready(b'I'),
        ]);
        stage.upstream_out();
        let request = [bind("", ""), execute(""), bind("", "s"), execute(""), sync()];
        stage.client(&request);
        stage.upstream_gets(&request);
        stage.server(&[bound(), complete("X"), bound(), complete("X"), ready(b'I')]);
        stage.rests_after(&["ok", "ok"]);
    });
}

#[test]
fn a_bind_alone_is_an_operation_of_its_own() {
    // Binding plans the statement, and planning runs its immutable functions.
    play(true, |stage| {
        let request = [parse("", "select f()"), bind("", ""), flush()];
        stage.journal_answers = false;
        stage.client(&request);
        stage.upstream_gets(&[]);
        stage.journal();
        stage.turn();
        stage.journal_answers = true;
        stage.upstream_gets(&request);
        assert_eq!(stage.intents, 1);
        stage.server(&[parsed(), bound()]);
        stage.outcomes_are(&["ok"]);
        stage.client(&[execute(""), sync()]);
        assert_eq!(stage.intents, 2);
        stage.server(&[columns(&[0]), complete("SELECT 0"), ready(b'I')]);
        stage.rests_after(&["ok", "ok"]);
    });
}

#[test]
fn a_bind_that_fails_is_an_error_of_its_operation() {
    play(true, |stage| {
        stage.client(&[parse("", "select secret"), bind("", ""), sync()]);
        let leaky = error("22P02", "invalid input syntax for type integer: \"123-45\"");
        stage.server(&[parsed(), leaky, ready(b'I')]);
        let got = stage.client_out();
        assert!(!got.windows(6).any(|bytes| bytes == b"123-45"), "scrubbed");
        stage.rests_after(&["error"]);
        assert_eq!(stage.outcomes[0].sqlstate, Some(*b"22P02"));
    });
}

#[test]
fn as_many_values_and_formats_as_postgres_allows_are_bound() {
    let mut stage = Stage::new(false, Feed::Whole);
    let mut body = b"\0\0".to_vec();
    body.extend_from_slice(&40_000_u16.to_be_bytes());
    body.extend_from_slice(&[0; 80_000]);
    // Kept small for the limit on judged frames that tests have: all formats, no values.
    body.extend_from_slice(&[0, 0, 0, 0]);
    body.truncate(60_000);
    let formats = 29_997_u16;
    body[2..4].copy_from_slice(&formats.to_be_bytes());
    body[59_996..].copy_from_slice(&[0; 4]);
    body.truncate(2 + 2 + 2 * usize::from(formats));
    body.extend_from_slice(&[0; 4]);
    stage.client(&[parse("", "select 1"), frame(b'B', &body), sync()]);
    assert_eq!(stage.fatal, None);
    let mut types = b"\0select 1\0".to_vec();
    types.extend_from_slice(&0x8001_u16.to_be_bytes());
    stage.client(&[frame(b'P', &types)]);
    stage.ended_with("08P01");
}

#[test]
fn a_batch_without_an_end_goes_on_the_road_all_the_same() {
    let mut stage = Stage::new(false, Feed::Whole);
    let request = vec![extended("insert"); 400];
    stage.client(&request);
    assert_eq!(stage.intents, 333, "1,000 frames, the last of them a parse");
    stage.client(&[sync()]);
    assert_eq!(stage.intents, 400);
    assert_eq!(stage.upstream_out(), [request.concat(), sync()].concat());
}

#[test]
fn a_pipeline_without_reading_has_an_end() {
    let mut stage = Stage::new(false, Feed::Whole);
    for _ in 0..20_000 {
        if stage.relay.wants_client() {
            stage.client(&[extended("x"), sync()]);
            stage.upstream_out();
        }
    }
    assert!(!stage.relay.wants_client());
    assert!(stage.intents < 3_000, "{} operations are owed", stage.intents);
    for _ in 0..stage.intents {
        stage.server(&[parsed(), bound(), complete("X"), ready(b'I')]);
    }
    stage.turn();
    assert!(stage.relay.wants_client());
}

#[test]
fn large_statements_whose_answers_the_server_keeps_back_are_flushed_out() {
    let mut stage = Stage::new(false, Feed::Whole);
    let large = parse("", &"x".repeat(60_000));
    let mut sent = 0;
    while stage.relay.wants_client() {
        stage.client(std::slice::from_ref(&large));
        stage.upstream_out();
        sent += 1;
        assert!(sent < 400, "the relay keeps everything");
    }
    stage.turn();
    assert_eq!(
        stage.upstream_out(),
        Vec::<u8>::new(),
        "the flush went out before"
    );
    stage.server(&vec![parsed(); 400.min(stage.relay.expected.len())]);
    assert!(stage.relay.wants_client());
}

#[test]
fn a_session_that_ends_tells_what_was_lost() {
    let mut stage = Stage::new(false, Feed::Whole);
    stage.client(&[extended("select 1"), sync(), query("select 2")]);
    stage.journal_answers = false;
    stage.client(&[query("select 3")]);
    stage.relay.lose(1);
    stage.outcomes.extend(stage.relay.take_outcomes());
    stage.outcomes_are(&["lost", "lost", "skipped"]);
}
