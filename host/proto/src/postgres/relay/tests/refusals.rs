//! Refused and held operations: the server is made to fail in their place, so that order,
//! skipping and transaction status stay its own.

use super::super::expected::Denial;
use super::super::refusal::{client_left, function_call, too_large};
use super::stage::{Feed, HOLD, Stage, denial, play, poison, poison_query, refused};
use super::wire::*;
use crate::session::{Waiting, journal_unavailable};
use model::{Fault, Refusal, Rule};

#[test]
fn a_refused_query_on_an_idle_session_never_reaches_the_server() {
    play(true, |stage| {
        stage.client(&[query("refuse")]);
        stage.upstream_gets(&[]);
        stage.client_gets(&[refused(), ready(b'I')]);
        stage.rests_after(&["refused"]);
        assert_eq!(stage.intents, 1, "the refusal is written down");
        assert_eq!(stage.tape.to_client, [refused(), ready(b'I')].concat());
    });
}

#[test]
fn a_refused_query_in_a_transaction_makes_the_server_fail() {
    play(true, |stage| {
        stage.client(&[query("begin")]);
        stage.server(&[complete("BEGIN"), ready(b'T')]);
        stage.upstream_out();
        stage.client_out();
        stage.client(&[query("refuse")]);
        stage.upstream_gets(&[poison_query(1)]);
        stage.server(&[notice("about the poison"), error("26000", "poison"), ready(b'E')]);
        stage.client_gets(&[refused(), ready(b'E')]);
        stage.client(&[query("rollback")]);
        stage.server(&[complete("ROLLBACK"), ready(b'I')]);
        stage.rests_after(&["ok", "refused", "ok"]);
    });
}

#[test]
fn a_refused_query_after_a_flushed_pipeline_rolls_that_back() {
    // No answer is owed and the last status was idle, but the server's transaction is open.
    play(true, |stage| {
        stage.client(&[extended("insert"), flush()]);
        stage.server(&[parsed(), bound(), no_data(), complete("INSERT 0 1")]);
        stage.upstream_out();
        stage.client_out();
        stage.client(&[query("refuse")]);
        stage.upstream_gets(&[poison_query(1)]);
        stage.server(&[error("26000", "poison"), ready(b'I')]);
        stage.client_gets(&[refused(), ready(b'I')]);
        stage.rests_after(&["ok", "refused"]);
    });
}

#[test]
fn a_refused_execution_fails_where_it_is_bound() {
    play(false, |stage| {
        stage.client(&[
            extended("insert"),
            extended("refuse"),
            extended("select 2"),
            sync(),
        ]);
        stage.upstream_gets(&[
            extended("insert"),
            parse("", "refuse"),
            poison(1),
            poison(2),
            extended("select 2"),
            sync(),
        ]);
        stage.server(&[parsed(), bound(), complete("INSERT 0 1"), parsed()]);
        stage.server(&[error("34000", "portal \"__deny\" does not exist"), ready(b'I')]);
        stage.client_gets(&[
            parsed(),
            bound(),
            complete("INSERT 0 1"),
            parsed(),
            refused(),
            ready(b'I'),
        ]);
        assert!(stage.relay.is_idle());
        stage.outcomes_are(&["refused", "ok", "skipped"]);
    });
}

#[test]
fn several_refusals_in_one_pipeline_are_one_error() {
    play(true, |stage| {
        stage.client(&[
            extended("refuse"),
            extended("refuse"),
            sync(),
            extended("refuse"),
            sync(),
        ]);
        stage.server(&[
            parsed(),
            error("34000", "p"),
            ready(b'I'),
            parsed(),
            error("34000", "p"),
            ready(b'I'),
        ]);
        stage.client_gets(&[parsed(), refused(), ready(b'I'), parsed(), refused(), ready(b'I')]);
        stage.rests_after(&["refused", "refused", "refused"]);
    });
}

#[test]
fn a_refusal_before_a_flush_skips_until_the_sync() {
    play(true, |stage| {
        stage.client(&[extended("refuse"), flush()]);
        stage.upstream_out();
        stage.server(&[parsed(), error("34000", "p")]);
        stage.client_gets(&[parsed(), refused()]);
        stage.client(&[extended("select 1"), flush()]);
        stage.upstream_gets(&[]);
        stage.client(&[sync()]);
        stage.upstream_gets(&[sync()]);
        stage.server(&[ready(b'I')]);
        stage.rests_after(&["refused", "skipped"]);
    });
}

#[test]
fn what_was_approved_when_it_was_bound_is_not_asked_for_again() {
    play(false, |stage| {
        stage.client(&[query("begin")]);
        stage.server(&[complete("BEGIN"), ready(b'T')]);
        stage.client(&[parse("", "hold"), bind("c", ""), flush()]);
        stage.release();
        stage.turn();
        stage.server(&[parsed(), bound()]);
        stage.upstream_out();
        stage.client_out();
        // The approval of the bind is for its execution, too.
        stage.client(&[execute("c"), sync()]);
        stage.upstream_gets(&[execute("c"), sync()]);
        stage.server(&[complete("SELECT 0"), ready(b'T')]);
        stage.client_gets(&[complete("SELECT 0"), ready(b'T')]);
        stage.outcomes_are(&["ok", "ok", "ok"]);
    });
}

#[test]
fn what_finds_its_names_when_it_is_executed_is_not_approved_by_its_bind() {
    play(false, |stage| {
        stage.client(&[query("begin")]);
        stage.server(&[complete("BEGIN"), ready(b'T')]);
        stage.client(&[parse("", "create hold"), bind("c", ""), flush()]);
        stage.release();
        stage.turn();
        stage.server(&[parsed(), bound()]);
        stage.upstream_out();
        stage.client_out();
        // Whatever it meant when people looked, it could mean something else by now.
        stage.client(&[execute("c"), sync()]);
        stage.upstream_gets(&[poison(1), sync()]);
        stage.outcomes_are(&["ok", "ok", "refused"]);
    });
}

#[test]
fn sessions_that_began_with_other_settings_ask_for_other_things() {
    let digest = |settings: &[(&str, &str)]| {
        let mut stage = Stage::new(false, Feed::Whole);
        for (name, value) in settings {
            stage.relay.began_with(name, value);
        }
        stage.relay.surroundings()
    };
    let dmy = digest(&[("datestyle", "ISO, DMY")]);
    assert_ne!(digest(&[]), dmy);
    assert_ne!(dmy, digest(&[("datestyle", "ISO, MDY")]));
    assert_eq!(dmy, digest(&[("datestyle", "ISO, DMY")]));
}

#[test]
fn no_two_poisons_have_the_same_name() {
    assert_ne!(poison(1), poison(2));
    assert_ne!(poison_query(1), poison_query(2));
}

#[test]
fn the_servers_own_last_words_are_not_taken_for_a_refusal() {
    play(false, |stage| {
        stage.client(&[extended("refuse"), sync()]);
        let last = fatal("57P01", "terminating connection");
        stage.server(&[parsed(), last.clone()]);
        stage.client_gets(&[parsed(), last.clone()]);
    });
}

#[test]
fn a_held_query_waits_for_its_answer() {
    play(true, |stage| {
        stage.client(&[query("hold")]);
        assert!(matches!(stage.relay.waiting(), Waiting::Approval { .. }));
        stage.upstream_gets(&[]);
        assert_eq!(stage.intents, 0);
        assert!(!stage.relay.wants_client());
        // The server may speak meanwhile.
        stage.server(&[notification()]);
        stage.client_gets(&[notification()]);
        stage.release();
        stage.turn();
        stage.upstream_gets(&[query("hold")]);
        assert_eq!(stage.intents, 1);
    });
}

#[test]
fn a_held_query_is_refused_by_answer_or_by_time() {
    play(true, |stage| {
        stage.client(&[query("hold")]);
        stage.relay.refuse_hold(super::stage::refusal(), 0);
        stage.turn();
        stage.client_gets(&[refused(), ready(b'I')]);
        stage.client(&[query("hold")]);
        stage.relay.tick(1);
        stage.turn();
        stage.client_gets(&[]);
        stage
            .relay
            .tick(u64::try_from(HOLD.as_micros()).expect("seconds"));
        stage.turn();
        let late = Refusal::new(
            Rule::ApprovalPending,
            Fault::Client,
            "nobody has answered yet, and the operation waits no longer",
        )
        .hint("send exactly the same operation again; once it is approved, it runs");
        stage.client_gets(&[denial(&Denial::Refused(late)), ready(b'I')]);
        stage.upstream_gets(&[]);
        stage.rests_after(&["refused", "refused"]);
    });
}

#[test]
fn what_ran_before_a_held_operation_is_flushed_to_the_client() {
    let mut stage = Stage::new(false, Feed::Whole);
    let full = vec![extended("insert"); 333];
    stage.client(&full);
    stage.client(&[parse("", "x")]);
    stage.upstream_out();
    stage.client(&[extended("hold"), sync()]);
    assert!(matches!(stage.relay.waiting(), Waiting::Approval { .. }));
    stage.upstream_gets(&[flush()]);
}

#[test]
fn nobody_is_asked_about_a_batch_that_is_refused_anyway() {
    play(false, |stage| {
        stage.client(&[extended("hold"), extended("refuse"), sync()]);
        assert_eq!(stage.relay.waiting(), Waiting::Free);
        stage.upstream_gets(&[
            parse("", "hold"),
            poison(1),
            poison(2),
            parse("", "refuse"),
            poison(3),
            poison(4),
            sync(),
        ]);
        stage.turn();
        stage.outcomes_are(&["refused", "refused"]);
    });
}

#[test]
fn a_goodbye_behind_a_held_operation_withdraws_it() {
    play(true, |stage| {
        stage.client(&[query("hold")]);
        stage.client(&[query("select 1"), terminate()]);
        assert_ne!(
            stage.relay.waiting(),
            Waiting::Approval {
                index: 0,
                until_us: 0
            }
        );
        assert!(stage.relay.is_leaving());
        stage.upstream_gets(&[query("select 1"), terminate()]);
        let left = denial(&Denial::Refused(client_left()));
        stage.client_gets(&[left, ready(b'I')]);
    });
    play(true, |stage| {
        stage.client(&[extended("hold"), terminate()]);
        stage.upstream_gets(&[parse("", "hold"), poison(1), poison(2), terminate()]);
    });
}

#[test]
fn a_journal_that_cannot_be_written_refuses_the_batch() {
    play(true, |stage| {
        stage.journal_works = false;
        stage.client(&[query("select 1")]);
        stage.upstream_gets(&[]);
        let refusal = denial(&Denial::Refused(journal_unavailable()));
        stage.client_gets(&[refusal.clone(), ready(b'I')]);
        stage.client(&[extended("select 1"), sync()]);
        stage.upstream_gets(&[parse("", "select 1"), poison(1), poison(2), sync()]);
        stage.server(&[parsed(), error("34000", "p"), ready(b'I')]);
        stage.client_gets(&[parsed(), refusal, ready(b'I')]);
        stage.rests_after(&["refused", "refused"]);
    });
}

#[test]
fn nothing_is_forwarded_before_its_intent_is_durable() {
    play(true, |stage| {
        stage.journal_answers = false;
        stage.client(&[extended("select 1"), sync(), query("select 2")]);
        stage.upstream_gets(&[]);
        assert_eq!(stage.relay.waiting(), Waiting::Durability);
        stage.journal();
        stage.turn();
        let sent = stage.upstream_out();
        assert!(sent.ends_with(&sync()));
        assert_eq!(stage.relay.waiting(), Waiting::Durability, "the query's turn");
    });
}

#[test]
fn a_function_call_is_refused_in_its_place() {
    play(true, |stage| {
        stage.client(&[frame(b'F', b"\0\0\x0b\x6c\0\0\0\0\0\0"), query("select 1")]);
        stage.upstream_gets(&[poison_query(1), query("select 1")]);
        stage.server(&[error("26000", "p"), ready(b'I')]);
        stage.client_gets(&[denial(&Denial::Refused(function_call())), ready(b'I')]);
        stage.server(&[columns(&[0]), complete("SELECT 0"), ready(b'I')]);
        stage.rests_after(&["ok"]);
    });
}

#[test]
fn frames_too_large_to_judge_are_refused_and_dropped() {
    // The limit is 64 MiB; under test it is 64 KiB.
    let large = "x".repeat(70_000);
    play(true, |stage| {
        stage.client(&[query(&large), query("select 1")]);
        stage.upstream_gets(&[poison_query(1), query("select 1")]);
        stage.server(&[error("26000", "p"), ready(b'I'), complete("X"), ready(b'I')]);
        stage.client_gets(&[
            denial(&Denial::Refused(too_large())),
            ready(b'I'),
            complete("X"),
            ready(b'I'),
        ]);
        stage.rests_after(&["ok"]);

        let request = [
            extended("insert"),
            parse("", &large),
            extended("select 1"),
            sync(),
        ];
        stage.client(&request);
        let sent = stage.upstream_out();
        assert!(!sent.windows(9).any(|bytes| bytes == b"xxxxxxxxx"));
        stage.server(&[
            parsed(),
            bound(),
            no_data(),
            complete("INSERT 0 1"),
            error("34000", "p"),
            ready(b'I'),
        ]);
        stage.rests_after(&["ok", "ok", "skipped"]);
    });
}

#[test]
fn an_oversized_frame_cut_from_a_batch_is_met_again() {
    let large = "x".repeat(70_000);
    play(false, |stage| {
        let prepare = extended("prepare s as select 1");
        stage.client(&[prepare.clone(), parse("", &large), extended("select 2"), sync()]);
        // A frame that is refused whatever it means need not wait.
        stage.upstream_gets(&[prepare, poison(1), flush()]);
        stage.server(&[parsed(), bound(), complete("PREPARE")]);
        stage.upstream_gets(&[extended("select 2"), sync()]);
        stage.server(&[error("34000", "p"), ready(b'I')]);
        stage.rests_after(&["ok", "skipped"]);
    });
}

#[test]
fn an_unknown_portal_or_statement_fails_in_the_servers_words() {
    play(true, |stage| {
        stage.client(&[execute("nope"), sync(), bind("", "gone"), execute(""), sync()]);
        stage.upstream_gets(&[poison(1), sync(), poison(2), poison(3), sync()]);
        stage.server(&[error("34000", "p"), ready(b'I'), error("34000", "p"), ready(b'I')]);
        stage.client_gets(&[
            error("34000", "portal \"nope\" does not exist"),
            ready(b'I'),
            error("26000", "prepared statement \"gone\" does not exist"),
            ready(b'I'),
        ]);
        stage.rests_after(&[]);
    });
}
