use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Map, Value};

use super::*;

const KINDS: [BodyKind; 6] = [
    BodyKind::EventStream,
    BodyKind::Form,
    BodyKind::Json,
    BodyKind::JsonLines,
    BodyKind::JsonSequence,
    BodyKind::Text,
];

/// Two paths and content: every kind of treatment at once.
fn all_masks() -> Arc<BodyMasks> {
    let paths = [
        ("$..ssn", constant("x")),
        ("$.a[1]", keep_last(1)),
        ("$..b.*", Action::Suppress),
    ];
    masks(&paths, Action::Call)
}

/// Cuts a body at these places.
fn cut<'a>(body: &'a [u8], places: &[Index]) -> Vec<&'a [u8]> {
    let mut places: Vec<usize> = places.iter().map(|place| place.index(body.len() + 1)).collect();
    places.sort_unstable();
    let mut pieces = Vec::new();
    let mut start = 0;
    for place in places.into_iter().chain([body.len()]) {
        pieces.push(&body[start..place]);
        start = place;
    }
    pieces
}

fn places() -> impl Strategy<Value = Vec<Index>> {
    proptest::collection::vec(any::<Index>(), 0..12)
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        "\\PC{0,12}",
        ".{0,6}",
        Just(SECRET.to_owned()),
        Just(format!("é {SECRET}\n𝄞{SECRET}\"")),
        Just("null me".to_owned()),
    ]
}

fn any_key() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("ssn".to_owned()),
        Just("a".to_owned()),
        Just("b".to_owned()),
        any_text()
    ]
}

fn any_document() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any_text().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 5, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            proptest::collection::vec((any_key(), inner), 0..5)
                .prop_map(|members| Value::from(Map::from_iter(members))),
        ]
    })
}

/// Writes a document as some writers do: characters escaped, blanks between tokens.
fn write(value: &Value, escapes: bool, blanks: bool) -> String {
    let text = if blanks {
        serde_json::to_string_pretty(value)
    } else {
        serde_json::to_string(value)
    }
    .expect("a value is JSON");
    if !escapes {
        return text;
    }
    let mut units = [0; 2];
    text.chars()
        .flat_map(|c| match c {
            c if c.is_ascii() => vec![c],
            c => {
                let units = c.encode_utf16(&mut units).iter();
                units
                    .flat_map(|unit| format!("\\u{unit:04x}").chars().collect::<Vec<_>>())
                    .collect()
            }
        })
        .collect()
}

/// Something of a kind, or nearly.
fn any_body() -> impl Strategy<Value = (BodyKind, Vec<u8>)> {
    let document = || {
        (any_document(), any::<bool>(), any::<bool>())
            .prop_map(|(value, escapes, blanks)| write(&value, escapes, blanks))
    };
    let lines = || {
        let line = prop_oneof![
            any_text(),
            any_text().prop_map(|text| format!("data: {text}")),
            document().prop_map(|text| format!("data: {text}")),
            any_text().prop_map(|text| format!("id: {text}")),
            Just(String::new()),
        ];
        let end = prop_oneof![Just("\n"), Just("\r"), Just("\r\n"), Just("\n\n")];
        proptest::collection::vec((line, end), 0..6).prop_map(|lines| {
            lines
                .into_iter()
                .map(|(line, end)| line + end)
                .collect::<String>()
        })
    };
    let records = |separator: &'static str| {
        proptest::collection::vec((any_document(), any::<bool>()), 0..4).prop_map(move |records| {
            let record = |(value, escapes): (Value, bool)| write(&value, escapes, false) + separator;
            records.into_iter().map(record).collect::<String>()
        })
    };
    let pairs = "([a-z%+=&]|%[0-7][0-9a-f]|4111-1111|ssn=|&a=){0,12}";
    let good = prop_oneof![
        document().prop_map(|body| (BodyKind::Json, body)),
        lines().prop_map(|body| (BodyKind::EventStream, body)),
        lines().prop_map(|body| (BodyKind::Text, body)),
        records("\n").prop_map(|body| (BodyKind::JsonLines, body)),
        records("\u{1e}").prop_map(|body| (BodyKind::JsonSequence, body)),
        pairs.prop_map(|body| (BodyKind::Form, body)),
    ];
    let broken = proptest::option::weighted(0.3, (any::<Index>(), any::<u8>()));
    (good, broken).prop_map(|((kind, body), broken)| {
        let mut body = body.into_bytes();
        if let Some((place, byte)) = broken.filter(|_| !body.is_empty()) {
            let place = place.index(body.len());
            body[place] = byte;
        }
        (kind, body)
    })
}

/// What the masks of [`all_masks`] make of a document, told without a stream.
fn model(value: &Value, way: &[String]) -> Value {
    let inner = |step: String| [way, &[step]].concat();
    match value {
        Value::Array(elements) => (0..)
            .zip(elements)
            .map(|(index, element): (usize, _)| model(element, &inner(format!("#{index}"))))
            .collect(),
        Value::Object(members) => {
            let masked = members.iter().map(|(key, member)| {
                let key_masked = match key.as_str() {
                    "null me" => "redacted".to_owned(),
                    key => key.replace(SECRET, FOUND),
                };
                (key_masked, model(member, &inner(format!(".{key}"))))
            });
            masked.collect()
        }
        leaf => model_leaf(leaf, way),
    }
}

fn model_leaf(leaf: &Value, way: &[String]) -> Value {
    let text = match leaf {
        Value::String(text) => text.clone(),
        leaf => leaf.to_string(),
    };
    let below_b = way.iter().rev().skip(1).any(|step| step == ".b");
    if leaf.is_null() || below_b {
        Value::Null
    } else if way.starts_with(&[".a".to_owned(), "#1".to_owned()]) && !way.contains(&".ssn".to_owned()) {
        let mut out = Vec::new();
        crate::mask::keep::Keep::Last(1).cover(text.as_bytes(), &mut out);
        Value::from(String::from_utf8(out).expect("covered text is UTF-8"))
    } else if way.contains(&".ssn".to_owned()) {
        Value::from("x")
    } else if text == "null me" {
        Value::Null
    } else if text.contains(SECRET) {
        Value::from(text.replace(SECRET, FOUND))
    } else {
        leaf.clone()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn what_comes_out_does_not_depend_on_the_pieces((kind, body) in any_body(), places in places()) {
        let masks = all_masks();
        let whole = in_pieces(kind, &masks, &[&body]);
        let split = in_pieces(kind, &masks, &cut(&body, &places));
        prop_assert_eq!(&split, &whole, "{:?} {}", kind, body.escape_ascii());
        if body.len() < 80 {
            let _ = every_way(kind, &masks, &body);
        }
    }

    #[test]
    fn without_masks_every_byte_stays((kind, body) in any_body(), places in places()) {
        let masks = masks(&[("$..ssn", Action::Keep)], Action::Keep);
        prop_assert!(masks.is_identity());
        match in_pieces(kind, &masks, &cut(&body, &places)) {
            Ok(out) => prop_assert_eq!(out, body),
            Err(error) => {
                let malformed = matches!(error, BodyMaskError::Malformed { .. });
                prop_assert!(malformed, "{error}");
            }
        }
    }

    #[test]
    fn what_comes_out_is_what_masking_the_read_document_gives(
        document in any_document(), escapes in any::<bool>(), blanks in any::<bool>()
    ) {
        // Masked keys may fall together, and then readers differ.
        let expected = model(&document, &[]);
        let body = write(&document, escapes, blanks);
        let out = in_pieces(BodyKind::Json, &all_masks(), &[body.as_bytes()]).expect("a document");
        let read: Value = serde_json::from_slice(&out).expect("what comes out is JSON");
        prop_assert_eq!(read, expected, "{}", body);
    }

    #[test]
    fn arbitrary_bytes_never_panic(body in proptest::collection::vec(any::<u8>(), 0..200), places in places()) {
        for kind in KINDS {
            let whole = in_pieces(kind, &all_masks(), &[&body]);
            prop_assert_eq!(in_pieces(kind, &all_masks(), &cut(&body, &places)), whole);
        }
    }
}

#[test]
fn a_secret_cut_at_any_two_bytes_is_masked() {
    for (kind, body) in [
        (BodyKind::Json, "{\"é\":[\"𝄞 4111-1111\"],\"4111-1111\":1}"),
        (
            BodyKind::Json,
            "[\"\\u00e94\\u0031\\u0031\\u0031-1111\\ud834\\udd1e\"]",
        ),
        (BodyKind::JsonLines, "{\"a\":\"4111-1111\"}\n\"4111-1111\""),
        (
            BodyKind::JsonSequence,
            "\u{1e}\"4111-1111\"\n\u{1e}[\"4111-1111\"]\n",
        ),
        (
            BodyKind::EventStream,
            "id: 4111-1111\r\ndata: {\"a\":\r\ndata: \"4111-1111\"}\r\n\r\n",
        ),
        (
            BodyKind::EventStream,
            ": 4111-1111\rdata: é 4111-1111\r\rdata: 4111-1111",
        ),
        (BodyKind::Form, "4111-1111=a&b=%34%31%31%31-1111"),
        (BodyKind::Text, "é 4111-1111\n4111-1111"),
    ] {
        let masks = masks(&[], Action::Call);
        let whole = in_pieces(kind, &masks, &[body.as_bytes()]).expect("a body that can be masked");
        let shown = String::from_utf8_lossy(&whole);
        assert!(!shown.contains("1111") && !shown.contains("\\u0031"), "{shown}");
        let bytes = body.as_bytes();
        for first in 0..=bytes.len() {
            for second in first..=bytes.len() {
                let pieces = [&bytes[..first], &bytes[first..second], &bytes[second..]];
                let out = in_pieces(kind, &masks, &pieces);
                assert_eq!(out.as_ref(), Ok(&whole), "{body:?} at {first} and {second}");
            }
        }
    }
}
