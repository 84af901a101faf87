use proptest::prelude::*;
use serde_json::Value;

use super::*;

/// Writes down what is reported, the parts of a text joined.
#[derive(Debug, Default, Eq, PartialEq)]
struct Told(Vec<String>);

impl Told {
    fn last(&mut self) -> &mut String {
        self.0.last_mut().expect("something before")
    }
}

impl Events for Told {
    fn open(&mut self, array: bool) -> Result<(), BodyMaskError> {
        self.0.push(if array { "[" } else { "{" }.to_owned());
        Ok(())
    }

    fn close(&mut self) {
        self.0.push("end".to_owned());
    }

    fn key(&mut self, _: usize) {
        self.0.push("key ".to_owned());
    }

    fn leaf(&mut self, leaf: Leaf, _: usize) -> Result<(), BodyMaskError> {
        self.0.push(format!("{leaf:?} "));
        Ok(())
    }

    fn text(&mut self, part: &[u8]) -> Result<(), BodyMaskError> {
        let part = std::str::from_utf8(part).expect("parts are whole characters");
        self.last().push_str(part);
        Ok(())
    }

    fn end(&mut self, _: usize) -> Result<(), BodyMaskError> {
        self.last().push('.');
        Ok(())
    }
}

fn read(pieces: &[&[u8]]) -> Result<Vec<String>, BodyMaskError> {
    let (mut lexer, mut told) = (Lexer::new(0), Told::default());
    for piece in pieces {
        lexer.feed(piece, &mut told)?;
    }
    lexer.finish(&mut told)?;
    Ok(told.0)
}

/// Reads whole, in two pieces of every length, and byte by byte; all must be the same.
fn read_every_way(text: &[u8]) -> Result<Vec<String>, BodyMaskError> {
    let whole = read(&[text]);
    for at in 0..=text.len() {
        let (before, after) = text.split_at(at);
        assert_eq!(read(&[before, after]), whole, "{} at {at}", text.escape_ascii());
    }
    let bytes: Vec<&[u8]> = text.chunks(1).collect();
    assert_eq!(read(&bytes), whole, "{}", text.escape_ascii());
    whole
}

#[test]
fn a_document_is_told_in_order() {
    let told = read_every_way(br#" {"a\u0062":[1,-0.5e+3,true,null,"x\n\ud834\udd1e"],"":{}} "#);
    let expected = [
        "{",
        "key ab.",
        "[",
        "Number 1.",
        "Number -0.5e+3.",
        "Boolean true.",
        "Null null.",
        "Text x\n𝄞.",
        "end",
        "key .",
        "{",
        "end",
        "end",
    ];
    assert_eq!(told, Ok(expected.map(str::to_owned).to_vec()));
}

const GOOD: &[&[u8]] = &[
    b"[]",
    b"{}",
    b"0",
    b"-0",
    b"-0.0",
    b"1E400",
    b"1e-9",
    b"1E+2",
    b"123456789012345678901234567890.5",
    b"\"\"",
    b"true",
    b"false",
    b"null",
    b" \t\r\n[ \t\r\n1 \t\r\n, \t\r\n2 \t\r\n] \t\r\n",
    b"{\"a\":{\"a\":[{}]},\"a\":1}",
    b"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0000\\uFFFF\\uD7ff\\ue000\"",
    b"\"\\uD800\\uDC00\\udbff\\udfff\"",
    b"\"\x7f\"",
    "\"é日𝄞\u{10ffff}\u{fffe}\"".as_bytes(),
    "{\"é日𝄞\":\"\u{feff}\"}".as_bytes(),
    b"[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]",
    b"[\"12345678\",\"1234567890123456\\\"\"]",
];

const BAD: &[&[u8]] = &[
    b"",
    b" ",
    b"[",
    b"]",
    b"{",
    b"}",
    b"[1,]",
    b"[,1]",
    b"[1 2]",
    b"[1}",
    b"{]",
    b"{\"a\":1]",
    b"{\"a\"}",
    b"{\"a\":}",
    b"{\"a\":1,}",
    b"{,}",
    b"{\"a\" 1}",
    b"{a:1}",
    b"{1:1}",
    b"{\"a\"::1}",
    b"{'a':1}",
    b"['a']",
    b"\"",
    b"\"a",
    b"\"\\",
    b"\"\\\"",
    b"\"\\u12\"",
    b"\"\\u12g4\"",
    b"\"\\x\"",
    b"\"\\U0041\"",
    b"\"\\a\"",
    b"\"\\ud800\"",
    b"\"\\udc00\"",
    b"\"\\ud800x\"",
    b"\"\\ud800\\n\"",
    b"\"\\ud800\\u0041\"",
    b"\"\\ud800\\ud800\"",
    b"\"\n\"",
    b"\"\t\"",
    b"\"\0\"",
    b"\"\x1f\"",
    b"\"\x80\"",
    b"\"\xff\"",
    b"\"\xc0\x80\"",
    b"\"\xc3\"",
    b"\"\xe6\x97\"",
    b"\"\xe6\x97",
    b"\"\xed\xa0\x80\"",
    b"\"\xf4\x90\x80\x80\"",
    b"\"\xf0\x9d\x84a\"",
    b"\"abcdefgh\x80ijklmnop\n\"",
    b"01",
    b"-",
    b"-a",
    b"+1",
    b".5",
    b"1.",
    b"1.e1",
    b"1e",
    b"1e+",
    b"1e1.5",
    b"0x10",
    b"1_000",
    b"--1",
    b"NaN",
    b"-NaN",
    b"Infinity",
    b"-Infinity",
    b"nul",
    b"nulll",
    b"True",
    b"tru e",
    b"truefalse",
    b"// a\n1",
    b"/* a */1",
    b"1 // a",
    b"#1",
    b"[] []",
    b"1 2",
    b"{}x",
    b"[]\0",
    b"\xEF\xBB\xBF[]",
    b"[]\xEF\xBB\xBF",
    b"\xFE\xFF\0[\0]",
    b"[\x0c]",
    b"[\x0b1]",
    b"[\xc2\xa01]",
    b"[1\xe2\x80\xa8]",
    b")]}',\n[]",
    b"callback({})",
    b"[1,\n,2]",
    b"[\"a\",\n4\n,1,",
    b"{\"a\":\"b\"}#",
    b"{\"a\":\"b\",,\"c\":1}",
];

#[test]
fn what_rfc_8259_allows_is_read() {
    for text in GOOD {
        let outcome = read_every_way(text);
        assert!(outcome.is_ok(), "{}: {outcome:?}", text.escape_ascii());
    }
}

#[test]
fn everything_else_is_refused_at_the_same_byte_in_every_split() {
    for text in BAD {
        let outcome = read_every_way(text);
        assert!(
            matches!(outcome, Err(BodyMaskError::Malformed { .. })),
            "{}: {outcome:?}",
            text.escape_ascii()
        );
        assert!(
            serde_json::from_slice::<Value>(text).is_err(),
            "{}",
            text.escape_ascii()
        );
    }
}

#[test]
fn an_error_says_where() {
    for (text, at) in [
        (&b"[1,]"[..], 3),
        (b"\"\xe6\x97\"", 1),
        (b"\"ab\xe6\x97c\"", 3),
        (b"\"ab\\x\"", 4),
        (b"[1", 2),
        (b"{}}", 2),
        (b"\"\\ud800\\u0041\"", 12),
    ] {
        match read_every_way(text) {
            Err(BodyMaskError::Malformed { at: found, .. }) => {
                assert_eq!(found, at, "{}", text.escape_ascii());
            }
            other => panic!("{}: {other:?}", text.escape_ascii()),
        }
    }
}

#[test]
fn documents_nest_as_deep_as_the_limit_and_no_deeper() {
    let nested = |depth: usize| ["[".repeat(depth), "]".repeat(depth)].concat();
    let limit = DEPTH_MAX as usize;
    assert!(read(&[nested(limit).as_bytes()]).is_ok());
    let outcome = read_every_way(nested(limit + 1).as_bytes());
    assert!(
        matches!(outcome, Err(BodyMaskError::Malformed { at: 128, .. })),
        "{outcome:?}"
    );
    let mixed = "{\"a\":[".repeat(limit / 2);
    assert!(read(&[mixed.as_bytes(), "]}".repeat(limit / 2).as_bytes()]).is_ok());
    assert!(read(&[mixed.as_bytes(), "}]".repeat(limit / 2).as_bytes()]).is_err());
}

/// Documents, and texts that nearly are some.
fn nearly_json() -> impl Strategy<Value = Vec<u8>> {
    let pieces = prop_oneof![
        Just("[".to_owned()),
        Just("]".to_owned()),
        Just("{".to_owned()),
        Just("}".to_owned()),
        Just(",".to_owned()),
        Just(":".to_owned()),
        Just("\"".to_owned()),
        Just("\"a\":".to_owned()),
        Just("\"a\"".to_owned()),
        Just("\\u00e9".to_owned()),
        Just("\\ud834\\udd1e".to_owned()),
        Just("\\".to_owned()),
        Just("true".to_owned()),
        Just("null".to_owned()),
        Just(" ".to_owned()),
        "-?(0|[1-9][0-9]{0,3})(\\.[0-9]{1,2})?([eE][+-]?[0-9]{1,2})?",
        "[0-9.eE+-]{1,4}",
        "\\PC{1,2}",
    ];
    let texts = proptest::collection::vec(pieces, 0..14).prop_map(|pieces| pieces.concat().into_bytes());
    let documents = any_value().prop_map(|value| value.to_string().into_bytes());
    let broken = (any_value(), any::<prop::sample::Index>(), any::<u8>()).prop_map(|(value, at, byte)| {
        let mut text = value.to_string().into_bytes();
        let at = at.index(text.len());
        text[at] = byte;
        text
    });
    prop_oneof![texts, documents, broken]
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1e9_f64..1e9).prop_map(Value::from),
        "\\PC{0,8}".prop_map(Value::from),
        ".{0,4}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec((".{0,4}", inner), 0..4)
                .prop_map(|members| Value::from(serde_json::Map::from_iter(members))),
        ]
    })
}

/// Tells a value as the lexer tells its text.
fn tell(value: &Value, told: &mut Vec<String>) {
    match value {
        Value::Null => told.push("Null null.".to_owned()),
        Value::Bool(truth) => told.push(format!("Boolean {truth}.")),
        Value::Number(number) => told.push(format!("Number {number}.")),
        Value::String(text) => told.push(format!("Text {text}.")),
        Value::Array(elements) => {
            told.push("[".to_owned());
            elements.iter().for_each(|element| tell(element, told));
            told.push("end".to_owned());
        }
        Value::Object(members) => {
            told.push("{".to_owned());
            for (key, member) in members {
                told.push(format!("key {key}."));
                tell(member, told);
            }
            told.push("end".to_owned());
        }
    }
}

proptest! {
    #[test]
    fn what_is_accepted_is_what_another_reader_accepts(text in nearly_json()) {
        let ours = read_every_way(&text);
        match serde_json::from_slice::<Value>(&text) {
            Ok(_) => prop_assert!(ours.is_ok(), "{}: {ours:?}", text.escape_ascii()),
            // It can't hold numbers beyond a double, and says so.
            Err(error) if error.to_string().contains("out of range") => {}
            Err(error) => prop_assert!(ours.is_err(), "{}: {error}", text.escape_ascii()),
        }
    }

    #[test]
    fn what_is_told_is_what_another_reader_reads(value in any_value()) {
        let mut expected = Vec::new();
        tell(&value, &mut expected);
        for text in [value.to_string(), serde_json::to_string_pretty(&value).expect("a value is JSON")] {
            prop_assert_eq!(read_every_way(text.as_bytes()), Ok(expected.clone()));
        }
    }
}
