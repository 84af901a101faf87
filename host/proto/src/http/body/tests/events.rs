use super::*;

fn stream(paths: &[(&str, Action)], content: Action, body: &str) -> String {
    masked(BodyKind::EventStream, &masks(paths, content), body)
}

#[test]
fn data_is_masked_as_json_or_as_text() {
    let paths = || [("$.ssn", keep_last(2))];
    for (body, expected) in [
        ("data: {\"ssn\":\"12345\"}\n\n", "data: {\"ssn\":\"***45\"}\n\n"),
        ("data:{\"ssn\":\"12345\"}\n\n", "data: {\"ssn\":\"***45\"}\n\n"),
        (
            "data: {\"note\":\"4111-1111\"}\n\n",
            "data: {\"note\":\"[card]\"}\n\n",
        ),
        ("data: see 4111-1111.\n\n", "data: see [card].\n\n"),
        ("data:  keeps  blanks\n\n", "data:  keeps  blanks\n\n"),
        ("data: [DONE]\n\n", "data: [DONE]\n\n"),
        ("data\n\ndata:\n\n", "data\n\ndata:\n\n"),
        ("", ""),
        ("\n\n\r\n\r\r\n", "\n\n\r\n\r\r\n"),
    ] {
        assert_eq!(stream(&paths(), Action::Call, body), expected, "{body:?}");
    }
}

#[test]
fn the_lines_of_an_event_are_joined_before_they_are_masked() {
    let paths = || [("$.ssn", keep_last(2))];
    assert_eq!(
        stream(
            &paths(),
            Action::Call,
            "data: {\"ssn\":\nid: 7\ndata:\"12345\",\ndata: \"b\":1}\n\n"
        ),
        "data: {\"ssn\":\ndata: \"***45\",\ndata: \"b\":1}\nid: 7\n\n"
    );
    assert_eq!(
        stream(&[], Action::Call, "data: a\ndata: 4111-1111\ndata\n\n"),
        "data: a\ndata: [card]\ndata: \n\n"
    );
}

#[test]
fn every_other_line_is_looked_through() {
    let body = "event: 4111-1111\nid:4111-1111\nretry: 10\n: note 4111-1111\nother 4111-1111: x\nbare\n\n";
    let expected = "event: [card]\nid:[card]\nretry: 10\n: note [card]\nother [card]: x\nbare\n\n";
    assert_eq!(stream(&[], Action::Call, body), expected);
}

#[test]
fn lines_end_with_lf_cr_or_both() {
    for end in ["\n", "\r", "\r\n"] {
        let body = [
            "id: 4111-1111",
            "data: 4111-1111",
            "data: b",
            "",
            "data: c",
            "",
            "",
        ]
        .join(end);
        let expected = ["id: [card]", "data: [card]", "data: b", "", "data: c", "", ""].join(end);
        assert_eq!(stream(&[], Action::Call, &body), expected, "{end:?}");
    }
    let mixed = "data: 4111-1111\r\n\rdata: 4111-1111\n\r\ndata: 4111-1111\r\n\r\n";
    assert_eq!(stream(&[], Action::Call, mixed), mixed.replace(SECRET, FOUND));
}

#[test]
fn a_byte_order_mark_may_stand_before_the_first_event_only() {
    let body = "\u{feff}data: {\"ssn\":\"12345\"}\n\n";
    assert_eq!(
        stream(&[("$.ssn", keep_last(2))], Action::Keep, body),
        "\u{feff}data: {\"ssn\":\"***45\"}\n\n"
    );
}

#[test]
fn an_event_goes_out_with_its_blank_line_and_not_before() {
    let masks = masks(&[], Action::Call);
    let mut body = BodyMask::new(BodyKind::EventStream, masks);
    let (mut out, mut finder) = (Vec::new(), Finder::default());
    body.feed(b"data: a 4111-11", &mut out, &mut finder)
        .expect("text");
    body.feed(b"11\r\n", &mut out, &mut finder).expect("text");
    assert!(out.is_empty());
    body.feed(b"\r", &mut out, &mut finder).expect("text");
    assert_eq!(out, b"data: a [card]\r\n\r");
    body.feed(b"\n", &mut out, &mut finder).expect("text");
    assert_eq!(out, b"data: a [card]\r\n\r\n");
}

#[test]
fn the_last_event_may_lack_its_blank_line() {
    assert_eq!(stream(&[], Action::Call, "data: 4111-1111"), "data: [card]\n");
    assert_eq!(stream(&[], Action::Call, "data: a"), "data: a");
    assert_eq!(stream(&[], Action::Call, "id: 4111-1111"), "id: [card]");
}

#[test]
fn data_that_only_looks_like_json_is_refused_where_paths_have_masks() {
    for body in [
        "data: {\"ssn\":\"12345\"\n\n",
        "data: {'ssn':'12345'}\n\n",
        "data: [1,]\n\n",
        "id: 1\ndata: {\"ssn\":NaN}\n\n",
    ] {
        let paths = masks(&[("$.ssn", keep_last(2))], Action::Call);
        let outcome = every_way(BodyKind::EventStream, &paths, body.as_bytes());
        assert!(
            matches!(outcome, Err(BodyMaskError::Malformed { at: 0, .. })),
            "{body}: {outcome:?}"
        );
        assert_eq!(stream(&[], Action::Call, body), body);
    }
}

#[test]
fn a_replacement_stays_within_its_line_and_data_stays_data() {
    struct Lines;
    impl FieldCells for Lines {
        fn mask(&mut self, _: usize, _: &Column) -> Result<Change, MaskFault> {
            Ok(Change::All(b"a\n\ndata: b\rc".to_vec()))
        }
    }
    let mut body = BodyMask::new(BodyKind::EventStream, masks(&[], Action::Call));
    let mut out = Vec::new();
    body.feed(b"id: x\ndata: y\n\n", &mut out, &mut Lines)
        .expect("text");
    assert_eq!(
        out.escape_ascii().to_string(),
        "id: a  data: b c\\ndata: a\\ndata: \\ndata: data: b\\ndata: c\\n\\n"
    );
}

#[test]
fn a_message_is_masked_whole() {
    let masks = masks(&[("$.ssn", keep_last(2))], Action::Call);
    let mut value = ValueMask::new(masks);
    let mut finder = Finder::default();
    for (message, expected) in [
        (
            r#"{"ssn":"12345","b":"4111-1111"}"#,
            Some(r#"{"ssn":"***45","b":"[card]"}"#),
        ),
        ("see 4111-1111", Some("see [card]")),
        ("12", Some("12")),
        ("", Some("")),
        ("[x]", None),
        ("null me", Some("")),
    ] {
        let mut out = b"before".to_vec();
        let outcome = value.mask_message(message.as_bytes(), &mut out, &mut finder);
        assert_eq!(outcome.is_ok(), expected.is_some(), "{message}");
        let expected = format!("before{}", expected.unwrap_or_default());
        assert_eq!(String::from_utf8_lossy(&out), expected, "{message}");
    }
    let mut out = Vec::new();
    assert!(value.mask_text(b"caf\xe9", &mut out, &mut finder).is_err());
    assert!(out.is_empty());
    value
        .mask_text(b"a 4111-1111", &mut out, &mut finder)
        .expect("text");
    assert_eq!(out, b"a [card]");
}
