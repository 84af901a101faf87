//! Simple queries, and what a server says unasked.

use super::stage::{Feed, Stage, play};
use super::wire::*;

#[test]
fn a_query_and_its_answer_pass_unchanged() {
    play(false, |stage| {
        stage.client(&[query("select 1")]);
        stage.upstream_gets(&[query("select 1")]);
        let answer = [columns(&[0]), row(&["1"]), complete("SELECT 1"), ready(b'I')];
        stage.server(&answer);
        stage.client_gets(&answer);
        stage.rests_after(&["ok"]);
        assert_eq!(stage.intents, 1);
        assert_eq!(stage.outcomes[0].rows, 1);
        assert_eq!(stage.tape.from_client, query("select 1"));
        assert_eq!(stage.tape.to_client, answer.concat());
    });
}

#[test]
fn the_statements_of_one_query_are_one_operation() {
    play(true, |stage| {
        stage.client(&[query("begin; select 1; select 2")]);
        stage.upstream_gets(&[query("begin; select 1; select 2")]);
        let answer = [
            complete("BEGIN"),
            columns(&[0]),
            row(&["1"]),
            complete("SELECT 1"),
            columns(&[0, 5]),
            row(&["2", "3"]),
            complete("SELECT 1"),
            ready(b'T'),
        ];
        stage.server(&answer);
        stage.client_gets(&answer);
        stage.outcomes_are(&["ok"]);
        assert!(!stage.relay.is_idle(), "a transaction is open");
    });
}

#[test]
fn an_empty_query_is_answered_by_the_server() {
    play(true, |stage| {
        stage.client(&[query("")]);
        let answer = [frame(b'I', &[]), ready(b'I')];
        stage.server(&answer);
        stage.client_gets(&answer);
        stage.rests_after(&["ok"]);
    });
}

#[test]
fn an_error_in_a_query_skips_nothing_behind_it() {
    play(false, |stage| {
        stage.client(&[query("select 1/0"), query("select 2")]);
        stage.upstream_gets(&[query("select 1/0"), query("select 2")]);
        let answer = [
            error("22012", "division by zero"),
            ready(b'I'),
            columns(&[0]),
            row(&["2"]),
            complete("SELECT 1"),
            ready(b'I'),
        ];
        stage.server(&answer);
        stage.client_gets(&answer);
        stage.rests_after(&["error", "ok"]);
        assert_eq!(stage.outcomes[0].sqlstate, Some(*b"22012"));
    });
}

#[test]
fn an_error_without_a_code_is_still_an_error() {
    play(false, |stage| {
        stage.client(&[query("select 1")]);
        let answer = [frame(b'E', b"\0"), ready(b'I')];
        stage.server(&answer);
        stage.client_gets(&answer);
        stage.rests_after(&["error"]);
    });
}

#[test]
fn what_a_server_says_unasked_passes_at_any_time() {
    let chatter = [notice("hello"), notification(), status("TimeZone", "UTC")];
    play(true, |stage| {
        stage.server(&chatter);
        stage.client_gets(&chatter);
        stage.client(&[query("select 1")]);
        stage.server(&chatter);
        stage.server(&[columns(&[0])]);
        stage.server(&chatter);
        stage.server(&[complete("SELECT 0"), ready(b'I')]);
        stage.client_out();
        stage.rests_after(&["ok"]);
    });
}

#[test]
fn a_pinned_setting_that_changes_ends_the_session() {
    for (name, value) in [
        ("client_encoding", "SJIS"),
        ("server_encoding", "LATIN1"),
        ("standard_conforming_strings", "off"),
        ("session_authorization", "postgres"),
        ("is_superuser", "on"),
    ] {
        play(false, |stage| {
            stage.server(&[status(name, value)]);
            stage.ended_with("0A000");
            stage.client_gets(&[]);
        });
    }
}

#[test]
fn a_goodbye_is_passed_on_and_nothing_after_it() {
    play(false, |stage| {
        stage.client(&[terminate(), query("select 1")]);
        stage.upstream_gets(&[terminate()]);
        assert!(stage.relay.is_leaving());
        assert!(!stage.relay.wants_client());
    });
}

#[test]
fn a_slow_peer_stops_its_counterpart_from_being_read() {
    let mut stage = Stage::new(false, Feed::Whole);
    let big = format!("select '{}'", "x".repeat(60_000));
    for _ in 0..4 {
        stage.client(&[query(&big)]);
    }
    assert!(!stage.relay.wants_client(), "the upstream takes nothing");
    let sent = stage.upstream_out();
    assert_eq!(sent.len(), 3 * query(&big).len(), "the fourth was not taken");
    assert!(stage.relay.wants_client());

    stage.server(&[columns(&[0])]);
    stage.server(&vec![row(&["x".repeat(50_000).as_str()]); 3]);
    assert!(!stage.relay.wants_upstream(), "the client takes nothing");
    stage.client_out();
    assert!(stage.relay.wants_upstream());
}

#[test]
fn an_outbox_that_is_never_empty_does_not_grow() {
    let mut stage = Stage::new(false, Feed::Whole);
    stage.client(&[query("select x")]);
    stage.server(&[columns(&[0])]);
    let part = vec![row(&["x".repeat(1_000).as_str()]); 60];
    for _ in 0..200 {
        stage.server(&part);
        let taken = stage.relay.to_client.pending().len().saturating_sub(500);
        stage.relay.to_client.advance(taken);
    }
    assert!(stage.relay.to_client.buffer().capacity() < 512 << 10);
    assert_eq!(stage.relay.to_client.pending().len(), 500);
}
