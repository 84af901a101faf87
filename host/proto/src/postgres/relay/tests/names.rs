//! Names of statements and portals: nothing runs under another statement's judgement.

use super::super::expected::Denial;
use super::stage::{Feed, Stage, denial, play, poison, poison_query, refused};
use super::wire::*;

#[test]
fn a_name_whose_parse_may_fail_is_not_used_beyond_its_sync() {
    play(false, |stage| {
        stage.client(&[parse("s", "refuse"), sync()]);
        stage.server(&[parsed(), ready(b'I')]);
        stage.upstream_out();
        stage.client_out();
        // The old one is still there, so this parse fails; the bind behind the sync would run it.
        stage.client(&[parse("s", "select 1"), sync(), bind("", "s"), execute(""), sync()]);
        stage.upstream_gets(&[parse("s", "select 1"), sync()]);
        stage.server(&[error("42P05", "exists"), ready(b'I')]);
        stage.upstream_gets(&[poison(1), poison(2), sync()]);
        stage.server(&[error("34000", "p"), ready(b'I')]);
        stage.client_gets(&[error("42P05", "exists"), ready(b'I'), refused(), ready(b'I')]);
        stage.rests_after(&["refused"]);
    });
}

#[test]
fn a_name_closed_in_flight_is_gone() {
    play(false, |stage| {
        stage.client(&[parse("s", "select 1"), sync()]);
        stage.server(&[parsed(), ready(b'I')]);
        stage.client(&[close(b'S', "s"), bind("", "s"), execute(""), sync()]);
        stage.server(&[closed(), error("34000", "p"), ready(b'I')]);
        stage.client_out();
        stage.upstream_out();
        stage.client(&[parse("s", "refuse"), bind("", "s"), execute(""), sync()]);
        stage.upstream_gets(&[parse("s", "refuse"), poison(3), poison(4), sync()]);
    });
}

#[test]
fn a_statement_prepared_by_sql_runs_under_its_own_judgement() {
    play(true, |stage| {
        stage.client(&[query("prepare s as select 1")]);
        stage.upstream_out();
        // Before the server has answered, nobody knows what `s` is.
        stage.client(&[bind("", "s"), execute(""), sync()]);
        stage.upstream_gets(&[]);
        stage.server(&[complete("PREPARE"), ready(b'I')]);
        stage.upstream_gets(&[bind("", "s"), describe(b'P', ""), execute(""), sync()]);
        stage.server(&[
            bound(),
            columns(&[0]),
            row(&["1"]),
            complete("SELECT 1"),
            ready(b'I'),
        ]);
        stage.client(&[query("deallocate s")]);
        stage.server(&[complete("DEALLOCATE"), ready(b'I')]);
        stage.client_out();
        stage.upstream_out();
        stage.client(&[bind("", "s"), execute(""), sync()]);
        stage.server(&[error("34000", "p"), ready(b'I')]);
        let gone = error("26000", "prepared statement \"s\" does not exist");
        stage.client_gets(&[gone, ready(b'I')]);
        stage.rests_after(&["ok"; 3]);
    });
}

#[test]
fn sql_that_changes_names_ends_its_batch() {
    // Within one batch: the harmless `s` is described, swapped for another, and executed.
    play(true, |stage| {
        stage.client(&[parse("s", "select 1"), describe(b'S', "s"), sync()]);
        stage.server(&[parsed(), parameters(), columns(&[0]), ready(b'I')]);
        stage.upstream_out();
        stage.client(&[
            extended("deallocate s"),
            extended("prepare s as refuse"),
            bind("", "s"),
            execute(""),
            sync(),
        ]);
        stage.upstream_gets(&[
            parse("", "deallocate s"),
            bind("", ""),
            describe(b'P', ""),
            execute(""),
            flush(),
        ]);
        stage.server(&[parsed(), bound(), no_data(), complete("DEALLOCATE")]);
        // By now `s` is gone, and the frame that would prepare it anew fails.
        let poisons = [poison(1), poison(2), poison(3), poison(4)].concat();
        stage.upstream_gets(&[parse("", "prepare s as refuse"), poisons, sync()]);
        stage.server(&[parsed(), error("34000", "p"), ready(b'I')]);
        stage.rests_after(&["ok", "refused", "refused"]);
    });
}

#[test]
fn a_cursor_declared_over_a_portals_name_is_described_anew() {
    play(true, |stage| {
        stage.client(&[query("begin")]);
        stage.server(&[complete("BEGIN"), ready(b'T')]);
        stage.client(&[parse("", "select 1"), bind("c", ""), describe(b'P', "c"), sync()]);
        stage.server(&[parsed(), bound(), columns(&[0]), ready(b'T')]);
        stage.upstream_out();
        stage.client_out();
        stage.client(&[
            extended("close c"),
            extended("declare c cursor"),
            execute("c"),
            sync(),
        ]);
        stage.server(&[parsed(), bound(), no_data(), complete("CLOSE CURSOR")]);
        stage.server(&[parsed(), bound(), no_data(), complete("DECLARE CURSOR")]);
        let sent = stage.upstream_out();
        assert!(sent.ends_with(&[describe(b'P', "c"), execute("c"), sync()].concat()));
        stage.client_out();
        // Its rows come from a tagged relation, and only this description says so.
        stage.server(&[
            columns(&[super::stage::TAGGED]),
            row(&["123-45"]),
            complete("SELECT 1"),
            ready(b'T'),
        ]);
        stage.client_gets(&[
            frame(b'D', b"\0\x01\xff\xff\xff\xff"),
            complete("SELECT 1"),
            ready(b'T'),
        ]);
    });
}

#[test]
fn executing_by_sql_what_the_same_batch_parsed_is_refused() {
    play(false, |stage| {
        stage.client(&[parse("s", "select 1"), bind("", "s"), execute(""), sync()]);
        stage.server(&[parsed(), bound(), complete("X"), ready(b'I')]);
        stage.client_out();
        stage.upstream_out();
        // The name is known as harmless; by the time the server executes it, it is another.
        let swap = [close(b'S', "s"), parse("s", "refuse")];
        stage.client(&[swap.concat(), extended("execute s"), sync()]);
        stage.upstream_gets(&[
            swap.concat(),
            parse("", "execute s"),
            poison(1),
            poison(2),
            sync(),
        ]);
        stage.server(&[closed(), parsed(), parsed(), error("34000", "p"), ready(b'I')]);
        stage.outcomes_are(&["ok", "refused"]);
    });
}

#[test]
fn executing_by_sql_waits_for_what_is_in_flight() {
    play(false, |stage| {
        stage.client(&[query("prepare s as select 1"), query("execute s")]);
        stage.upstream_gets(&[query("prepare s as select 1")]);
        stage.server(&[complete("PREPARE"), ready(b'I')]);
        stage.upstream_gets(&[query("execute s")]);
        stage.client(&[parse("t", "refuse"), sync()]);
        stage.client(&[query("execute t")]);
        stage.upstream_out();
        stage.server(&[complete("X"), ready(b'I')]);
        stage.upstream_gets(&[]);
        stage.server(&[parsed()]);
        stage.upstream_gets(&[poison_query(1)]);
        stage.server(&[ready(b'I'), error("26000", "p"), ready(b'I')]);
        stage.rests_after(&["ok", "ok", "refused"]);
    });
}

#[test]
fn running_a_prepared_statement_does_not_prepare_again() {
    // The text around `s` also prepares `n`; by now `n` is another statement.
    play(false, |stage| {
        stage.client(&[query("prepare n as select 1; prepare s as select 2")]);
        stage.server(&[complete("PREPARE"), complete("PREPARE"), ready(b'I')]);
        stage.client(&[close(b'S', "n"), parse("n", "refuse"), sync()]);
        stage.server(&[closed(), parsed(), ready(b'I')]);
        stage.client(&[bind("", "s"), execute(""), sync()]);
        stage.server(&[bound(), complete("SELECT 1"), ready(b'I')]);
        stage.upstream_out();
        stage.client(&[bind("", "n"), execute(""), sync()]);
        stage.upstream_gets(&[poison(1), poison(2), sync()]);
    });
}

#[test]
fn a_change_of_names_without_a_sync_is_flushed_out_when_someone_waits() {
    play(false, |stage| {
        stage.client(&[
            extended("prepare s as select 1"),
            flush(),
            bind("", "s"),
            execute(""),
            sync(),
        ]);
        stage.upstream_gets(&[extended("prepare s as select 1"), flush()]);
        stage.server(&[parsed(), bound(), complete("PREPARE")]);
        stage.upstream_gets(&[bind("", "s"), execute(""), sync()]);
    });
}

#[test]
fn while_a_frame_waits_for_an_answer_the_client_gets_not_far_ahead() {
    let mut stage = Stage::new(false, Feed::Whole);
    stage.client(&[query("prepare s as select 1"), bind("", "s")]);
    assert!(stage.relay.wants_client(), "its goodbye is of interest");
    let mut ahead = 0;
    while stage.relay.wants_client() {
        stage.client(&[query(&"x".repeat(10_000))]);
        ahead += 1;
        assert!(ahead < 200);
    }
    stage.upstream_out();
    stage.server(&[complete("PREPARE"), ready(b'I')]);
    stage.upstream_out();
    stage.turn();
    assert!(stage.client.len() < 1 << 20, "it goes on");
}

#[test]
fn a_change_of_the_catalog_is_awaited_before_anything_else_is_judged() {
    play(true, |stage| {
        stage.client(&[
            extended("create view v"),
            extended("select 1"),
            sync(),
            query("select 2"),
        ]);
        stage.upstream_gets(&[
            parse("", "create view v"),
            bind("", ""),
            describe(b'P', ""),
            execute(""),
            flush(),
        ]);
        assert!(!stage.relay.catalog_stale());
        stage.server(&[parsed(), bound(), no_data(), complete("CREATE VIEW")]);
        assert!(!stage.relay.catalog_stale(), "it was read again for the next one");
        let sent = stage.upstream_out();
        assert!(sent.ends_with(&query("select 2")));
        stage.server(&[parsed(), bound(), columns(&[0]), complete("SELECT 0")]);
        assert!(!stage.relay.catalog_stale());
        stage.server(&[ready(b'I')]);
        assert!(stage.relay.catalog_stale(), "only now it is committed");
    });
}

#[test]
fn names_are_limited_in_number_and_in_bytes() {
    let mut stage = Stage::new(false, Feed::Whole);
    let mut known = 0;
    let refused = loop {
        stage.client(&[parse(&format!("s{known}"), &"x".repeat(60_000)), sync()]);
        if stage.upstream_out().starts_with(b"E") {
            break known;
        }
        stage.server(&[parsed(), ready(b'I')]);
        stage.client_out();
        known += 1;
    };
    assert_eq!(refused, (64 << 20) / 60_004 + 1);
    stage.server(&[error("34000", "p"), ready(b'I')]);
    let message = String::from_utf8_lossy(&stage.client_out()).into_owned();
    assert!(message.contains("too many prepared statements"), "{message}");
    // What is there can be used, replaced and closed.
    stage.client(&[parse("", "select 1"), sync()]);
    assert!(stage.upstream_out().starts_with(b"E"), "one more is one too many");
    stage.server(&[error("34000", "p"), ready(b'I')]);
    stage.client(&[close(b'S', "s0"), close(b'S', "s1"), sync()]);
    stage.server(&[closed(), closed(), ready(b'I')]);
    stage.upstream_out();
    stage.client(&[parse("", "select 1"), sync()]);
    assert!(stage.upstream_out().starts_with(b"P"));
}

#[test]
fn portals_without_a_parse_are_limited_too() {
    let mut stage = Stage::new(false, Feed::Whole);
    stage.client(&[query("begin"), parse("s", "x"), sync()]);
    stage.server(&[complete("BEGIN"), ready(b'T'), parsed(), ready(b'T')]);
    let mut portals = 0;
    loop {
        let name = format!("p{portals}");
        stage.client(&[bind(&name, "s"), flush()]);
        if stage.upstream_out().windows(7).any(|bytes| bytes == b"__deny_") {
            break;
        }
        stage.server(&[bound()]);
        stage.client_out();
        portals += 1;
        assert!(portals < 20_000);
    }
    assert_eq!(portals, 16_384);
}

#[test]
fn portals_die_with_their_transaction() {
    play(false, |stage| {
        stage.client(&[parse("", "x"), bind("c", ""), sync()]);
        stage.server(&[parsed(), bound(), ready(b'I')]);
        stage.upstream_out();
        stage.client(&[execute("c"), sync()]);
        stage.upstream_gets(&[poison(1), sync()]);
        stage.server(&[error("34000", "p"), ready(b'I')]);
        let gone = denial(&Denial::NoPortal(b"c"[..].into()));
        assert!(stage.client_out().ends_with(&[gone, ready(b'I')].concat()));
    });
}

#[test]
fn sql_execute_reaches_nothing_that_changes_names() {
    play(false, |stage| {
        stage.client(&[
            parse("x", "prepare n as select 1"),
            bind("", "x"),
            execute(""),
            sync(),
        ]);
        stage.server(&[parsed(), bound(), complete("PREPARE"), ready(b'I')]);
        stage.upstream_out();
        stage.client(&[query("execute x")]);
        stage.upstream_gets(&[]);
        stage.client(&[query("execute n")]);
        stage.upstream_gets(&[query("execute n")]);
    });
}
