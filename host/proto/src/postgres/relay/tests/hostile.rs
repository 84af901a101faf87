//! Streams that are none: ended, and never passed on.

use super::stage::{Feed, Stage, play};
use super::wire::*;

#[test]
fn malformed_client_frames_end_the_session() {
    let frames: [&[u8]; 24] = [
        b"!\0\0\0\x04",
        b"p\0\0\0\x05\0",
        b"Q\0\0\0\x03",
        b"Q\xff\xff\xff\xff",
        b"Q\x40\0\0\0",
        b"S\0\0\x27\x11",
        b"Q\0\0\0\x04",
        b"Q\0\0\0\x05x",
        b"Q\0\0\0\x07x\0y",
        b"Q\0\0\0\x08x\0y\0",
        b"P\0\0\0\x06\0\0",
        b"P\0\0\0\x08\0x\0\0",
        b"P\0\0\0\x09\0x\0\0\x01",
        b"P\0\0\0\x0a\0x\0\0\0\0",
        b"B\0\0\0\x06\0\0",
        b"B\0\0\0\x0c\0\0\0\0\0\x01\0\0",
        b"B\0\0\0\x10\0\0\0\0\0\x01\xff\xff\xff\xfe\0\0",
        b"D\0\0\0\x06xa",
        b"D\0\0\0\x06x\0",
        b"C\0\0\0\x06x\0",
        b"E\0\0\0\x08a\0\0\0",
        b"S\0\0\0\x05x",
        b"X\0\0\0\x05x",
        b"f\0\0\0\x05x",
    ];
    for frame in frames {
        play(true, |stage| {
            stage.client(&[frame.to_vec(), query("select 1")]);
            stage.ended_with("08P01");
            stage.upstream_gets(&[]);
            let fatal = stage.fatal.clone().expect("ended");
            stage.relay.end(&fatal, 0);
            assert!(stage.client_out().starts_with(b"E"));
        });
    }
}

#[test]
fn what_came_before_a_malformed_frame_in_its_batch_is_not_forwarded() {
    play(true, |stage| {
        stage.client(&[extended("select 1"), b"!\0\0\0\x04".to_vec()]);
        stage.ended_with("08P01");
        stage.upstream_gets(&[]);
    });
}

#[test]
fn malformed_or_unknown_server_messages_end_the_session() {
    let messages: [&[u8]; 14] = [
        b"?\0\0\0\x04",
        b"V\0\0\0\x08\0\0\0\0",
        b"W\0\0\0\x07\0\0\0",
        b"R\0\0\0\x08\0\0\0\0",
        b"K\0\0\0\x0c\0\0\0\0\0\0\0\0",
        b"v\0\0\0\x0c\0\x03\0\0\0\0\0\0",
        b"Z\0\0\0\x03",
        b"Z\0\0\0\x04",
        b"Z\0\0\0\x05?",
        b"Z\0\0\0\x06II",
        b"1\0\0\0\x05x",
        b"S\0\0\0\x06x\0",
        b"D\xff\xff\xff\xff",
        b"I\0\0\0\x05x",
    ];
    for message in messages {
        play(true, |stage| {
            stage.client(&[query("select 1")]);
            stage.server(&[message.to_vec()]);
            stage.ended_with("08P01");
            stage.client_gets(&[]);
        });
    }
}

#[test]
fn answers_nobody_waits_for_end_the_session() {
    for message in [
        parsed(),
        bound(),
        closed(),
        parameters(),
        columns(&[0]),
        no_data(),
        row(&["1"]),
        complete("X"),
        suspended(),
        copy_in(),
        copy_out(),
        copy_data("x"),
        copy_done(),
        ready(b'I'),
    ] {
        play(true, |stage| {
            stage.server(std::slice::from_ref(&message));
            stage.ended_with("08P01");
            stage.client_gets(&[]);
        });
        if message != parsed() {
            play(true, |stage| {
                stage.client(&[parse("s", "x"), describe(b'S', "s"), sync()]);
                stage.server(std::slice::from_ref(&message));
                stage.ended_with("08P01");
            });
        }
    }
}

#[test]
fn a_refused_frame_that_runs_all_the_same_ends_the_session() {
    play(true, |stage| {
        stage.client(&[extended("refuse"), sync()]);
        stage.server(&[parsed(), bound()]);
        stage.ended_with("08P01");
    });
    play(true, |stage| {
        stage.client(&[query("begin")]);
        stage.server(&[complete("BEGIN"), ready(b'T')]);
        stage.client(&[query("refuse")]);
        stage.server(&[complete("SELECT 1")]);
        stage.ended_with("08P01");
    });
}

#[test]
fn a_server_message_too_large_to_keep_ends_the_session() {
    let mut stage = Stage::new(true, Feed::Whole);
    stage.client(&[query("select 1")]);
    stage.server(&[b"T\x02\0\0\0".to_vec()]);
    stage.ended_with("08P01");
}

#[test]
fn the_last_words_never_land_inside_a_row() {
    let mut stage = Stage::new(false, Feed::Whole);
    stage.client(&[query("select 1")]);
    stage.server(&[columns(&[0]), row(&["abcdef"])[..8].to_vec()]);
    stage.client(&[b"!\0\0\0\x04".to_vec()]);
    let before = stage.relay.to_client.pending().len();
    let fatal = stage.fatal.clone().expect("ended");
    stage.relay.end(&fatal, 0);
    assert_eq!(stage.relay.to_client.pending().len(), before);
}
