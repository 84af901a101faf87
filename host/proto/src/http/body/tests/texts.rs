use super::*;

fn text(body: &str) -> String {
    masked(BodyKind::Text, &masks(&[], Action::Call), body)
}

#[test]
fn lines_are_units() {
    for (body, expected) in [
        ("a 4111-1111\nb\r\n4111-1111\r\n\n", "a [card]\nb\r\n[card]\r\n\n"),
        ("4111-1111", "[card]"),
        ("4111-\n1111", "4111-\n1111"),
        ("null me\nb", "\nb"),
        ("<p>4111-1111</p>", "<p>[card]</p>"),
        ("a,b\n1,4111-1111", "a,b\n1,[card]"),
        ("é日𝄞 4111-1111\r", "é日𝄞 [card]\r"),
        ("", ""),
    ] {
        assert_eq!(text(body), expected, "{body:?}");
    }
}

#[test]
fn a_text_that_is_not_utf_8_is_refused() {
    let masks = masks(&[], Action::Call);
    for (body, at) in [
        (&b"ab\ncaf\xe9"[..], 6),
        (b"caf\xe9\nb", 3),
        (b"\xe2\x82", 0),
        (b"a\n\xff\n", 2),
    ] {
        let outcome = every_way(BodyKind::Text, &masks, body);
        let expected = BodyMaskError::Malformed {
            at,
            reason: "a text that is not UTF-8",
        };
        assert_eq!(outcome, Err(expected), "{}", body.escape_ascii());
    }
}

#[test]
fn what_covers_a_document_covers_a_text() {
    let masks = masks(&[("$", keep_last(1)), ("$.a", Action::Suppress)], Action::Call);
    assert_eq!(masked(BodyKind::Text, &masks, "4111-1111\nab"), "****-***1\n*b");
    assert_eq!(
        masked(BodyKind::EventStream, &masks, "data: ab\n\n"),
        "data: *b\n\n"
    );
}

#[test]
fn without_a_mask_a_text_is_not_even_read() {
    let masks = masks(&[], Action::Keep);
    assert!(masks.is_identity());
    assert_eq!(
        in_pieces(BodyKind::Text, &masks, &[b"\xff\0", b"\n\xfe"]).as_deref(),
        Ok(&b"\xff\0\n\xfe"[..])
    );
}

#[test]
fn lines_go_out_as_they_end() {
    let mut body = BodyMask::new(BodyKind::Text, masks(&[], Action::Call));
    let (mut out, mut finder) = (Vec::new(), Finder::default());
    body.feed(b"a\nb 4111", &mut out, &mut finder).expect("text");
    assert_eq!(out, b"a\n");
    body.feed(b"-1111\nc", &mut out, &mut finder).expect("text");
    assert_eq!(out, b"a\nb [card]\n");
    body.finish(&mut out, &mut finder).expect("text");
    assert_eq!(out, b"a\nb [card]\nc");
}
