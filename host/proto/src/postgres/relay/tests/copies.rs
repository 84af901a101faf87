//! COPY in both directions. While the server reads copy data it ignores Sync and Flush; where
//! the COPY fails before it began, each Sync is answered.

use super::stage::play;
use super::wire::*;

#[test]
fn a_simple_copy_in_streams_and_ends() {
    for (end, answer, outcome) in [
        (copy_done(), complete("COPY 2"), "ok"),
        (
            copy_fail("no more"),
            error("57014", "COPY from stdin failed"),
            "error",
        ),
    ] {
        play(true, |stage| {
            stage.client(&[query("copy t from stdin")]);
            stage.upstream_out();
            stage.server(&[copy_in()]);
            let data = [copy_data("1\n"), copy_data(&"x".repeat(5_000)), end.clone()];
            stage.client(&data);
            stage.upstream_gets(&data);
            stage.server(&[answer.clone(), ready(b'I')]);
            stage.client_gets(&[copy_in(), answer.clone(), ready(b'I')]);
            stage.rests_after(&[outcome]);
        });
    }
}

#[test]
fn a_simple_copy_that_fails_midway_is_over_at_once() {
    play(true, |stage| {
        stage.client(&[query("copy t from stdin")]);
        stage.server(&[copy_in()]);
        stage.client(&[copy_data("bad\n")]);
        stage.server(&[error("22P02", "bad"), ready(b'I')]);
        stage.client_out();
        stage.upstream_out();
        // The client has not heard of it yet; the server ignores this.
        stage.client(&[copy_data("more\n"), copy_done(), query("select 1")]);
        stage.upstream_gets(&[copy_data("more\n"), copy_done(), query("select 1")]);
        stage.server(&[columns(&[0]), complete("SELECT 0"), ready(b'I')]);
        stage.rests_after(&["error", "ok"]);
    });
}

#[test]
fn a_late_end_of_copy_data_does_not_keep_the_session_busy() {
    play(true, |stage| {
        stage.client(&[query("copy t from stdin"), copy_done()]);
        stage.server(&[error("42P01", "no such table"), ready(b'I')]);
        stage.rests_after(&["error"]);
        stage.client(&[copy_done()]);
        stage.rests_after(&["error"]);
    });
}

#[test]
fn a_pipelined_copy_that_succeeds_gets_one_ready() {
    play(true, |stage| {
        stage.client(&[
            extended("copy t from stdin"),
            sync(),
            copy_data("1\n"),
            copy_done(),
            sync(),
        ]);
        stage.upstream_out();
        let begin = [parsed(), bound()];
        stage.server(&begin);
        stage.server(&[no_data(), copy_in(), complete("COPY 1"), ready(b'I')]);
        stage.client_gets(&[parsed(), bound(), copy_in(), complete("COPY 1"), ready(b'I')]);
        stage.rests_after(&["ok"]);
    });
}

#[test]
fn a_pipelined_copy_that_never_begins_gets_a_ready_for_each_sync() {
    play(true, |stage| {
        stage.client(&[
            extended("copy t from stdin"),
            sync(),
            copy_data("1\n"),
            copy_done(),
            sync(),
        ]);
        stage.server(&[parsed(), bound(), no_data()]);
        let failed = error("42P01", "no such table");
        stage.server(&[failed.clone(), ready(b'I')]);
        assert!(!stage.relay.is_idle(), "a second ready is owed");
        stage.server(&[ready(b'I')]);
        stage.client_gets(&[parsed(), bound(), failed, ready(b'I'), ready(b'I')]);
        stage.rests_after(&["error"]);
    });
}

#[test]
fn a_pipelined_copy_that_fails_midway_gets_one_ready() {
    play(true, |stage| {
        stage.client(&[
            extended("copy t from stdin"),
            sync(),
            copy_data("bad\n"),
            copy_done(),
            sync(),
        ]);
        stage.server(&[
            parsed(),
            bound(),
            no_data(),
            copy_in(),
            error("22P02", "bad"),
            ready(b'I'),
        ]);
        assert!(stage.fatal.is_none());
        stage.rests_after(&["error"]);
    });
}

#[test]
fn a_client_that_waits_for_the_copy_to_begin_syncs_again_at_its_end() {
    play(true, |stage| {
        let begin = [extended("copy t from stdin"), sync()];
        stage.client(&begin);
        stage.server(&[parsed(), bound(), no_data(), copy_in()]);
        stage.upstream_out();
        // A flush or sync amid the data is ignored by the server.
        let data = [
            copy_data("1\n"),
            flush(),
            sync(),
            copy_data("2\n"),
            copy_done(),
            sync(),
        ];
        stage.client(&data);
        stage.upstream_gets(&data);
        stage.server(&[complete("COPY 2"), ready(b'I')]);
        stage.rests_after(&["ok"]);
    });
}

#[test]
fn after_a_copy_failed_midway_data_is_dropped_until_the_sync() {
    play(true, |stage| {
        stage.client(&[extended("copy t from stdin"), sync()]);
        stage.server(&[parsed(), bound(), no_data(), copy_in()]);
        stage.client(&[copy_data("bad\n")]);
        stage.server(&[error("22P02", "bad")]);
        stage.upstream_out();
        stage.client(&[copy_data("more\n"), copy_fail("oh")]);
        stage.upstream_gets(&[]);
        stage.client(&[sync()]);
        stage.server(&[ready(b'I')]);
        stage.rests_after(&["error"]);
    });
}

#[test]
fn copy_data_goes_on_before_its_frame_is_whole() {
    play(true, |stage| {
        stage.client(&[query("copy t from stdin")]);
        stage.server(&[copy_in()]);
        stage.upstream_out();
        let data = copy_data(&"y".repeat(100_000));
        stage.client(&[data[..70_000].to_vec()]);
        stage.upstream_gets(&[data[..70_000].to_vec()]);
        stage.client(&[data[70_000..].to_vec()]);
        assert_eq!(stage.upstream_out(), data[70_000..]);
    });
}

#[test]
fn copy_data_is_recorded_as_such_and_in_its_place() {
    play(true, |stage| {
        stage.client(&[query("copy t from stdin")]);
        stage.server(&[copy_in()]);
        let data = [copy_data("1\n"), copy_data(&"x".repeat(5_000))];
        stage.client(&data);
        stage.client(&[copy_done()]);
        assert_eq!(stage.tape.copied, data.concat());
        let all = [query("copy t from stdin"), data.concat(), copy_done()];
        assert_eq!(stage.tape.from_client, all.concat());
    });
}

#[test]
fn a_copy_out_streams() {
    play(true, |stage| {
        stage.client(&[query("copy t to stdout")]);
        let long = copy_data(&"z".repeat(100_000));
        let answer = [
            copy_out(),
            copy_data("1\n"),
            long,
            copy_done(),
            complete("COPY 2"),
            ready(b'I'),
        ];
        stage.server(&answer);
        assert_eq!(stage.client_out(), answer.concat());
        stage.rests_after(&["ok"]);
        assert_eq!(stage.outcomes[0].rows, 2);
    });
}

#[test]
fn a_copy_out_that_fails_midway_ends_with_its_error() {
    play(true, |stage| {
        stage.client(&[query("copy t to stdout")]);
        let answer = [
            copy_out(),
            copy_data("1\n"),
            error("57014", "cancelled"),
            ready(b'I'),
        ];
        stage.server(&answer);
        stage.client_gets(&answer);
        stage.rests_after(&["error"]);
        stage.server(&[copy_data("late\n")]);
        stage.ended_with("08P01");
    });
}

#[test]
fn a_refused_copy_drops_its_data() {
    play(true, |stage| {
        stage.client(&[
            extended("copy t from stdin refuse"),
            sync(),
            copy_data("1\n"),
            copy_done(),
            sync(),
        ]);
        stage.server(&[parsed(), error("34000", "portal"), ready(b'I'), ready(b'I')]);
        stage.rests_after(&["refused"]);
    });
}
