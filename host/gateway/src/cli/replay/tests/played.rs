//! Which session is played, how fast, and whether it is unchanged.

use ::journal::recording::Direction;

use super::super::*;
use super::messages::query;
use super::stage::Side::Client;
use super::stage::{BEGAN_US, Stage, args, session};

#[test]
fn a_changed_recording_is_not_shown() {
    let stage = Stage::new(1 << 20);
    stage.recorded(&[(Client, query("select 1"))]).expect("replayed");
    let path = stage
        .folder
        .path()
        .join(format!("recordings/{}/00000000.zst", session(1)));
    let mut bytes = std::fs::read(&path).expect("a segment");
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&path, bytes).expect("changed");
    let failure = stage.replay(&args("00000000")).expect_err("it was changed");
    assert_eq!(failure.status, EXIT_FAILED);
    assert!(failure.reason.contains("was changed"), "{failure:?}");
}

#[test]
fn who_has_to_choose_is_shown_what_there_is() {
    let stage = Stage::new(1 << 20);
    for n in [1, 2] {
        drop(stage.recorder(session(n)));
        stage.end(session(n));
    }
    let ambiguous = stage.replay(&args("0000")).expect_err("two sessions");
    assert_eq!(ambiguous.status, EXIT_FAILED);
    for part in [
        "2 sessions' ids begin with 0000",
        &session(1).to_string(),
        &session(2).to_string(),
        "agent-7 on customers",
    ] {
        assert!(
            ambiguous.reason.contains(part),
            "{part} is missing: {ambiguous:?}"
        );
    }
    let unknown = stage.replay(&args("ffff")).expect_err("no session");
    assert!(
        unknown.reason.contains("no session's id begins with ffff"),
        "{unknown:?}"
    );
    assert!(unknown.reason.contains(&session(2).to_string()), "{unknown:?}");
}

#[test]
fn a_session_without_an_end_is_said_to_have_none() {
    let stage = Stage::new(1 << 20);
    let mut recorder = stage.recorder(session(1));
    recorder
        .record(BEGAN_US, Direction::FromClient, &query("select 1"))
        .expect("recorded");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    runtime.block_on(recorder.finish()).expect("stored");
    stage.end(session(2));
    let text = stage.replay(&args("00000000-0001")).expect("replayed");
    assert!(text.contains("The journal has no end of this session"), "{text}");
}

#[test]
fn it_can_be_played_at_its_own_speed() {
    let stage = Stage::new(1 << 20);
    let mut recorder = stage.recorder(session(1));
    for seconds in [0, 2, 100] {
        recorder
            .record(
                BEGAN_US + seconds * 1_000_000,
                Direction::FromClient,
                &query("select 1"),
            )
            .expect("recorded");
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build();
    let runtime = runtime.expect("a runtime");
    runtime.block_on(recorder.finish()).expect("stored");
    stage.end(session(1));
    runtime.block_on(async {
        let began = tokio::time::Instant::now();
        let args = ReplayArgs {
            speed: Some(2.0),
            ..args("00000000")
        };
        replay(&stage.place(), (0, &args.session), &shape(&args), &mut Vec::new())
            .await
            .expect("replayed");
        assert_eq!(
            began.elapsed().as_millis(),
            3_500,
            "two seconds, and a pause cut at five, at double speed"
        );
    });
}

#[test]
fn only_sensible_speeds_are_taken() {
    assert_eq!(speed("4"), Ok(4.0));
    for bad in ["0", "-1", "nan", "inf", "x"] {
        assert!(speed(bad).is_err(), "{bad}");
    }
}
