use super::*;

fn by_path(path: &str, action: Action, body: &str) -> String {
    masked(BodyKind::Json, &masks(&[(path, action)], Action::Keep), body)
}

fn scanned(body: &str) -> String {
    masked(BodyKind::Json, &masks(&[], Action::Call), body)
}

#[test]
fn a_path_masks_its_values_and_nothing_else() {
    let body = r#" { "ssn" : "123-45-6789" , "other" : "123-45-6789", "in":{"ssn":"123-45-6789"} } "#;
    assert_eq!(
        by_path("$.ssn", keep_last(4), body),
        r#" { "ssn" : "***-**-6789" , "other" : "123-45-6789", "in":{"ssn":"123-45-6789"} } "#
    );
    assert_eq!(
        by_path("$..ssn", keep_last(4), body),
        r#" { "ssn" : "***-**-6789" , "other" : "123-45-6789", "in":{"ssn":"***-**-6789"} } "#
    );
    assert_eq!(by_path("$[1].ssn", keep_last(4), body), body);
    assert_eq!(
        by_path(
            "$[1]['ssn']",
            Action::Suppress,
            r#"[{"ssn":1},{"ssn":2},{"ssn":3}]"#
        ),
        r#"[{"ssn":1},{"ssn":null},{"ssn":3}]"#
    );
}

#[test]
fn keys_are_compared_decoded_and_every_occurrence_is_masked() {
    assert_eq!(
        by_path(
            "$.password",
            constant("x"),
            r#"{"\u0070assword":"a","password":"b","PASSWORD":"c","pass\u0077ord":"d","password ":"e"}"#
        ),
        r#"{"\u0070assword":"x","password":"x","PASSWORD":"c","pass\u0077ord":"x","password ":"e"}"#
    );
    assert_eq!(
        by_path("$['\u{1D11E}']", constant("x"), r#"{"\ud834\udd1e":"a","𝄞":"b"}"#),
        r#"{"\ud834\udd1e":"x","𝄞":"x"}"#
    );
}

#[test]
fn objects_and_arrays_are_masked_leaf_by_leaf_and_keep_their_keys() {
    assert_eq!(
        by_path(
            "$.a",
            constant("x"),
            r#"{"a":{"k":["s",1,true,null,{}],"l":{"m":-1.5e3}},"b":["s",1]}"#
        ),
        r#"{"a":{"k":["x","x","x",null,{}],"l":{"m":"x"}},"b":["s",1]}"#
    );
    assert_eq!(by_path("$", constant("x"), r#""s""#), r#""x""#);
    assert_eq!(by_path("$", keep_last(2), "1234.5"), r#""****.5""#);
    assert_eq!(
        by_path("$..*", Action::Suppress, r#"[1,{"a":"b"}]"#),
        r#"[null,{"a":null}]"#
    );
}

#[test]
fn a_replacement_is_json_whatever_stood_there() {
    let body = r#"[12345,"12345",true,false,null,-7,1e3,"2024-05-17","x"]"#;
    let number = Action::Native(NativeMask::GeneraliseNumber(100));
    assert_eq!(
        by_path("$", number, body),
        r#"[12300,"12300",null,null,null,-100,1000,null,null]"#
    );
    let date = Action::Native(NativeMask::GeneraliseDate(model::mask::DatePart::Year));
    assert_eq!(
        by_path("$", date, body),
        r#"[null,null,null,null,null,null,null,"2024-01-01",null]"#
    );
    assert_eq!(
        by_path("$", constant("\"\\\n\u{1}é"), "[1]"),
        r#"["\"\\\n\u0001é"]"#
    );
    let pseudonym = Action::Native(NativeMask::Pseudonym {
        domain: "d".to_owned(),
    });
    let body = by_path("$", pseudonym, r#"["12345","\u00312345",12345]"#);
    let stand_ins: Vec<String> = serde_json::from_str(&body).expect("an array of strings");
    assert!(stand_ins[0].starts_with("p_"));
    assert!(stand_ins.iter().all(|stand_in| *stand_in == stand_ins[0]));
}

#[test]
fn a_guest_sees_what_strings_say_and_what_it_leaves_alone_stays_as_it_came() {
    let masks = masks(&[("$.t", Action::Call)], Action::Keep);
    for (body, expected) in [
        (r#"{"t":"a \u0034111-1111 b"}"#, r#"{"t":"a [card] b"}"#),
        (r#"{"t":"\u0061\/b"}"#, r#"{"t":"\u0061\/b"}"#),
        (r#"{"t":"null me"}"#, r#"{"t":null}"#),
        (
            r#"{"t":[1.50,"4111-1111",true]}"#,
            r#"{"t":[1.50,"[card]",true]}"#,
        ),
        (r#"{"u":"4111-1111"}"#, r#"{"u":"4111-1111"}"#),
    ] {
        assert_eq!(masked(BodyKind::Json, &masks, body), expected);
    }
}

#[test]
fn content_is_looked_through_in_values_numbers_and_keys() {
    for (body, expected) in [
        (
            r#"["x 4111-1111","4\u0031\u00311-1111"]"#,
            r#"["x [card]","[card]"]"#,
        ),
        (
            r#"{"4111-1111":"a","b":{"4111\u002d1111":1}}"#,
            r#"{"[card]":"a","b":{"[card]":1}}"#,
        ),
        (r#"{"null me":"null me"}"#, r#"{"redacted":null}"#),
        (
            r#"[ 1 , true , null , "\u0061" ]"#,
            r#"[ 1 , true , null , "\u0061" ]"#,
        ),
    ] {
        assert_eq!(scanned(body), expected);
    }
    let mut finder = Finder::default();
    let mut body = BodyMask::new(BodyKind::Json, masks(&[], Action::Call));
    let mut out = Vec::new();
    body.feed(br#"{"k":["s",-1.5,true,null]}"#, &mut out, &mut finder)
        .expect("a document");
    let cells: Vec<&str> = finder.cells.iter().map(|(_, cell)| cell.as_str()).collect();
    assert_eq!(cells, ["k", "s", "-1.5"]);
}

#[test]
fn a_number_in_which_something_is_found_becomes_a_string() {
    let masks = masks(&[], Action::Call);
    struct All;
    impl FieldCells for All {
        fn mask(&mut self, _: usize, _: &Column) -> Result<Change, MaskFault> {
            Ok(Change::All(b"[card]".to_vec()))
        }
    }
    let mut body = BodyMask::new(BodyKind::Json, masks);
    let mut out = Vec::new();
    body.feed(b"[4111111111111111]", &mut out, &mut All)
        .expect("a document");
    body.finish(&mut out, &mut All).expect("a whole document");
    assert_eq!(out, b"[\"[card]\"]");
    assert_eq!(body.masked(), 1);
}

#[test]
fn content_that_a_masked_path_covers_is_not_looked_through_and_what_it_keeps_is() {
    let body = r#"{"a":"4111-1111","b":"4111-1111","c":"4111-1111"}"#;
    let masks = masks(&[("$.a", keep_last(1)), ("$.b", Action::Keep)], Action::Call);
    assert_eq!(
        masked(BodyKind::Json, &masks, body),
        r#"{"a":"****-***1","b":"[card]","c":"[card]"}"#
    );
}

#[test]
fn of_several_masks_the_strictest_stands_and_of_equals_the_first() {
    let body = r#"{"a":{"b":"abc"}}"#;
    let of = |first: Action, second: Action| {
        let masks = masks(&[("$.a", first), ("$..b", second)], Action::Keep);
        masked(BodyKind::Json, &masks, body)
    };
    assert_eq!(of(keep_last(1), Action::Suppress), r#"{"a":{"b":null}}"#);
    assert_eq!(of(Action::Suppress, keep_last(1)), r#"{"a":{"b":null}}"#);
    assert_eq!(of(Action::Call, keep_last(1)), r#"{"a":{"b":"**c"}}"#);
    assert_eq!(of(constant("1"), constant("2")), r#"{"a":{"b":"1"}}"#);
    assert_eq!(of(Action::Keep, constant("2")), r#"{"a":{"b":"2"}}"#);
}

#[test]
fn a_denied_field_refuses_a_body_that_has_one() {
    let masks = masks(&[("$.a", Action::Deny("too much".to_owned()))], Action::Keep);
    for body in [r#"{"b":1}"#, r#"{"a":null}"#, r#"{"a":{}}"#] {
        assert_eq!(masked(BodyKind::Json, &masks, body), body);
    }
    let denied = every_way(BodyKind::Json, &masks, br#"{"b":1,"a":{"c":1}}"#);
    let expected = crate::mask::CellError::Denied {
        field: 0,
        plugin: Some(PluginName::new("finder")),
        reason: "too much".to_owned(),
    };
    assert_eq!(denied, Err(BodyMaskError::Cell(expected)));
}

#[test]
fn records_are_documents_of_their_own() {
    let masks = masks(&[("$.a", constant("x"))], Action::Call);
    for (body, expected) in [
        (
            "{\"a\":1}\n{\"b\":{\"a\":\"4111-1111\"}}\n",
            "{\"a\":\"x\"}\n{\"b\":{\"a\":\"[card]\"}}\n",
        ),
        ("{\"a\":1}\r\n\r\n \n1", "{\"a\":\"x\"}\r\n\r\n \n1"),
        ("", ""),
    ] {
        assert_eq!(masked(BodyKind::JsonLines, &masks, body), expected);
    }
    for body in [
        "{\"a\":\n1}\n",
        "{}\n{\n",
        "{} {}\n",
        "x\n",
        "{\"a\":1}\n\"4111",
        "\u{1e}{}",
    ] {
        assert!(
            every_way(BodyKind::JsonLines, &masks, body.as_bytes()).is_err(),
            "{body}"
        );
    }
    assert_eq!(
        masked(
            BodyKind::JsonSequence,
            &masks,
            "\u{1e}{\"a\":\n1}\n\u{1e}\u{1e}[\"4111-1111\"]\n"
        ),
        "\u{1e}{\"a\":\n\"x\"}\n\u{1e}\u{1e}[\"[card]\"]\n"
    );
    let error = every_way(BodyKind::JsonSequence, &masks, b"\x1e{\"a\":1\x1e{}");
    assert_eq!(
        error,
        Err(BodyMaskError::Malformed {
            at: 7,
            reason: "the document is cut short"
        })
    );
}

#[test]
fn a_body_without_a_byte_passes() {
    let masks = masks(&[("$", Action::Suppress)], Action::Call);
    assert_eq!(masked(BodyKind::Json, &masks, ""), "");
    assert!(every_way(BodyKind::Json, &masks, b" ").is_err());
}
