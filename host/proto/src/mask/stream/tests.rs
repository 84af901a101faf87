use model::PluginName;
use model::mask::{Action, Change, Column, MaskFault, NativeMask, Planned};

use super::*;
use crate::mask::PseudonymKey;

const SECRET: &str = "4111-1111";

struct Finder;

impl FieldCells for Finder {
    fn mask(&mut self, field: usize, cells: &Column) -> Result<Change, MaskFault> {
        assert_eq!(field, FIELD);
        let mut masked = Column::default();
        for row in 0..cells.len() {
            let cell = std::str::from_utf8(cells.cell(row).expect("no cell is NULL")).expect("UTF-8");
            masked.push(Some(cell.replace(SECRET, "[card]").as_bytes()));
        }
        Ok(Change::Dense(masked))
    }
}

fn stream(action: Action) -> StreamMask {
    let planned = Planned {
        plugin: Some(PluginName::new("finder")),
        action,
    };
    let mask = FieldMask::compile(FIELD, &planned, &PseudonymKey::new([7; 32]));
    StreamMask::new([mask.expect("a plan that compiles")].into())
}

/// Feeds pieces with a flush after each where it is marked, and ends.
fn run(pieces: &[(&[u8], bool)]) -> Result<String, StreamError> {
    let mut stream = stream(Action::Call);
    let mut out = Vec::new();
    for (piece, flush) in pieces {
        stream.feed(piece, &mut out, &mut Finder)?;
        if *flush {
            stream.flush(&mut out, &mut Finder)?;
            assert!(!stream.holds() || std::str::from_utf8(piece).is_err());
        }
    }
    stream.finish(&mut out, &mut Finder)?;
    Ok(String::from_utf8(out).expect("UTF-8"))
}

#[test]
fn lines_are_masked_in_every_split() {
    let text = "a 4111-1111 é\r\n4111-1111\n\rx𝄞\r4111-1111";
    let expected = text.replace(SECRET, "[card]");
    for at in 0..=text.len() {
        let (before, after) = text.as_bytes().split_at(at);
        assert_eq!(
            run(&[(before, false), (after, false)]).as_ref(),
            Ok(&expected),
            "at {at}"
        );
    }
    let bytes: Vec<(&[u8], bool)> = text.as_bytes().chunks(1).map(|byte| (byte, false)).collect();
    assert_eq!(run(&bytes), Ok(expected));
}

#[test]
fn an_unfinished_line_is_held_until_it_is_flushed() {
    let mut stream = stream(Action::Call);
    let mut out = Vec::new();
    stream.feed(b"one\nlogin: ", &mut out, &mut Finder).expect("text");
    assert_eq!(out, b"one\n");
    assert!(stream.holds());
    stream.flush(&mut out, &mut Finder).expect("text");
    assert_eq!(out, b"one\nlogin: ");
    assert!(!stream.holds());
    stream.flush(&mut out, &mut Finder).expect("text");
    stream
        .feed(b"me\nnext 4111-1111\n", &mut out, &mut Finder)
        .expect("text");
    assert_eq!(out, b"one\nlogin: me\nnext [card]\n");
    assert_eq!(stream.masked(), 1);
}

#[test]
fn the_rest_of_a_flushed_line_is_masked_with_what_was_sent_of_it() {
    let run = |text: &str, at: usize| {
        let (before, after) = text.as_bytes().split_at(at);
        run(&[(before, true), (after, false)]).expect("text")
    };
    // Before and after the value.
    assert_eq!(run("a 4111-1111 b\nc", 2), "a [card] b\nc");
    assert_eq!(run("a 4111-1111 b\nc", 11), "a [card] b\nc");
    // Within it: the first part is out, of the rest only what is no letter or digit.
    assert_eq!(run("a 4111-1111 b\n4111-1111", 6), "a 4111-**** *\n[card]");
    for at in 0..=13 {
        let out = run("a 4111-1111 b\n4111-1111", at);
        assert!(
            !out.contains(SECRET) && out.ends_with("\n[card]"),
            "{out} at {at}"
        );
    }
}

#[test]
fn a_character_that_is_not_whole_waits_also_for_a_flush() {
    let mut stream = stream(Action::Call);
    let mut out = Vec::new();
    stream.feed(b"a\xe2\x82", &mut out, &mut Finder).expect("text");
    stream.flush(&mut out, &mut Finder).expect("text");
    assert_eq!(out, b"a");
    stream.feed(b"\xac\n", &mut out, &mut Finder).expect("text");
    assert_eq!(out, "a€\n".as_bytes());
}

#[test]
fn a_binary_stream_is_reported_and_held_from_its_line_on() {
    for (pieces, at, before, held) in [
        (&[&b"a\nb\0c"[..]][..], 3, &b"a\n"[..], &b"b\0c"[..]),
        (&[b"a\nb", b"c\xff\nd"], 4, b"a\n", b"bc\xff\nd"),
        (&[b"\xc3", b"\n"], 0, b"", b"\xc3\n"),
        (&[b"4111-1111\n\x00\x01"], 10, b"[card]\n", b"\x00\x01"),
    ] {
        let mut stream = stream(Action::Call);
        let mut out = Vec::new();
        let mut outcome = Ok(());
        for piece in pieces {
            outcome = outcome.and_then(|()| stream.feed(piece, &mut out, &mut Finder));
        }
        assert_eq!(outcome, Err(StreamError::Binary { at }));
        assert_eq!(out, before);
        assert_eq!(stream.into_held(), held);
    }
    let mut cut = stream(Action::Call);
    let mut out = Vec::new();
    cut.feed(b"\xe2\x82", &mut out, &mut Finder)
        .expect("perhaps text");
    assert_eq!(
        cut.finish(&mut out, &mut Finder),
        Err(StreamError::Binary { at: 0 })
    );
}

#[test]
fn a_line_beyond_the_limit_is_refused() {
    let mut stream = stream(Action::Call);
    let mut out = Vec::new();
    stream.feed(b"a\n", &mut out, &mut Finder).expect("text");
    let long = vec![b'x'; CELL_BYTES_MAX];
    stream.feed(&long, &mut out, &mut Finder).expect("a long line");
    assert_eq!(
        stream.feed(b"x", &mut out, &mut Finder),
        Err(StreamError::TooLong { at: 2 })
    );
    assert_eq!(out, b"a\n");
}

#[test]
fn a_stream_that_is_kept_passes_as_it_is_and_one_that_is_suppressed_keeps_its_lines() {
    let mut out = Vec::new();
    stream(Action::Keep)
        .feed(b"\xff\0a", &mut out, &mut Finder)
        .expect("any bytes");
    assert_eq!(out, b"\xff\0a");
    for action in [
        Action::Suppress,
        Action::Native(NativeMask::Constant("x".to_owned())),
    ] {
        let mut stream = stream(action.clone());
        let mut out = Vec::new();
        stream.feed(b"ab", &mut out, &mut Finder).expect("text");
        stream.flush(&mut out, &mut Finder).expect("text");
        stream.feed(b"cd\nef\n", &mut out, &mut Finder).expect("text");
        let expected: &[u8] = if action == Action::Suppress {
            b"\n\n"
        } else {
            b"x\nx\n"
        };
        assert_eq!(out, expected);
    }
}

#[test]
fn colours_within_a_value_hide_nothing() {
    let text = b"\x1b[1mcard\x1b[0m 41\x1b[01;31m\x1b[K11-1\x1b[m111.\n\x1b[1mbold\x1b[0m\n";
    let expected = "card [card].\n\x1b[1mbold\x1b[0m\n";
    assert_eq!(run(&[(text, false)]).as_deref(), Ok(expected));
    let bytes: Vec<(&[u8], bool)> = text.chunks(1).map(|byte| (byte, false)).collect();
    assert_eq!(run(&bytes).as_deref(), Ok(expected));
    // Where what was let out cannot be called back, the rest is covered, and no sequence is torn.
    let parts: &[(&[u8], bool)] = &[(b"41\x1b[31m11-", true), (b"1\x1b[m111 x\n", false)];
    assert_eq!(run(parts).as_deref(), Ok("41\x1b[31m11-**** *\n"));
}
