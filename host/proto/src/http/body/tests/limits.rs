use super::*;
use crate::mask::{BATCH_BYTES_MAX, BATCH_CELLS_MAX, CELL_BYTES_MAX, CellError};

/// Splits that cut a long body in many places, and not at all.
fn some_ways(kind: BodyKind, masks: &Arc<BodyMasks>, body: &[u8]) -> Result<Vec<u8>, BodyMaskError> {
    let whole = in_pieces(kind, masks, &[body]);
    for length in [65_537, 999_983] {
        let pieces: Vec<&[u8]> = body.chunks(length).collect();
        assert!(
            in_pieces(kind, masks, &pieces) == whole,
            "{kind:?} in pieces of {length}"
        );
    }
    whole
}

#[test]
fn a_tagged_cell_beyond_the_limit_is_null_and_one_within_it_is_masked() {
    let long = "x".repeat(CELL_BYTES_MAX + 1);
    let escaped = "\\u0041".repeat(CELL_BYTES_MAX + 1);
    let number = "1".repeat(CELL_BYTES_MAX + 1);
    for (action, value) in [
        (Action::Call, format!("\"{long}\"")),
        (keep_last(1), format!("\"{escaped}\"")),
        (Action::Suppress, format!("\"{long}\"")),
        (keep_last(1), number),
    ] {
        let masks = masks(&[("$.a", action.clone())], Action::Keep);
        let body = format!("{{\"a\":{value},\"b\":1}}");
        let out = some_ways(BodyKind::Json, &masks, body.as_bytes()).expect("a document");
        assert!(out == b"{\"a\":null,\"b\":1}", "{action:?}");
    }
    let masks = masks(&[("$.a", keep_last(1))], Action::Keep);
    let body = format!("{{\"a\":\"{}\"}}", &long[1..]);
    let out = some_ways(BodyKind::Json, &masks, body.as_bytes()).expect("a document");
    assert!(out == format!("{{\"a\":\"{}x\"}}", "*".repeat(CELL_BYTES_MAX - 1)).into_bytes());
}

#[test]
fn content_beyond_the_limit_is_refused_where_it_is_looked_through() {
    let long = "x".repeat(CELL_BYTES_MAX + 1);
    let scan = masks(&[], Action::Call);
    for (kind, body, at, what) in [
        (
            BodyKind::Json,
            format!("[1,\"{long}\"]"),
            3,
            "a string or number to be looked through",
        ),
        (
            BodyKind::Json,
            format!("{{\"{long}\":1}}"),
            1,
            "a string or number to be looked through",
        ),
        (BodyKind::Text, format!("a\n{long}"), 2, "a line"),
        (BodyKind::Form, format!("a=1&{long}"), 4, "a pair of a form"),
        (
            BodyKind::EventStream,
            format!("data: a\n\ndata:{long}\n\n"),
            9,
            "an event",
        ),
    ] {
        let outcome = some_ways(kind, &scan, body.as_bytes());
        assert_eq!(outcome, Err(BodyMaskError::TooLong { at, what }), "{kind:?}");
    }
    let paths = masks(&[("$.a", keep_last(1))], Action::Keep);
    let body = format!("{{\"{long}\":\"{long}\",\"a\":\"xy\"}}");
    let out = some_ways(BodyKind::Json, &paths, body.as_bytes()).expect("a document");
    assert!(out == body.replace("\"xy\"", "\"*y\"").into_bytes());
}

#[test]
fn cells_go_to_the_guest_in_batches() {
    let masks = masks(&[], Action::Call);
    let calls = |body: &str| {
        let mut mask = BodyMask::new(BodyKind::Json, Arc::clone(&masks));
        let mut finder = Finder::default();
        let mut out = Vec::new();
        mask.feed(body.as_bytes(), &mut out, &mut finder)
            .expect("a document");
        assert_eq!(out, body.as_bytes());
        finder.calls
    };
    let many = format!("[{}0]", "1,".repeat(BATCH_CELLS_MAX * 2));
    assert_eq!(calls(&many), 3);
    let value = format!("\"{}\",", "x".repeat(BATCH_BYTES_MAX / 4));
    assert_eq!(calls(&format!("[{}0]", value.repeat(8))), 3);
    assert_eq!(calls("[1,2,3]"), 1);
}

#[test]
fn a_guest_that_fails_or_breaks_the_contract_lets_nothing_out() {
    struct Broken(Result<Change, MaskFault>);
    impl FieldCells for Broken {
        fn mask(&mut self, _: usize, _: &Column) -> Result<Change, MaskFault> {
            self.0.clone()
        }
    }
    let fault = |reason: &str| MaskFault {
        plugin: PluginName::new("finder"),
        reason: reason.to_owned(),
    };
    let mut short = Column::default();
    short.push(Some(b"x"));
    let mut not_text = Column::default();
    not_text.push(Some(b"\xff"));
    not_text.push(Some(b"x"));
    for (answer, reason) in [
        (Err(fault("deadline")), "deadline"),
        (Ok(Change::Dense(short)), "cell count"),
        (Ok(Change::Dense(not_text)), "not UTF-8"),
        (Ok(Change::All(b"\xff".to_vec())), "not UTF-8"),
    ] {
        let mut mask = BodyMask::new(BodyKind::Json, masks(&[], Action::Call));
        let mut out = b"before".to_vec();
        let error = BodyMaskError::Cell(CellError::Masker(fault(reason)));
        let outcome = mask.feed(b"[\"a\",\"b\"]", &mut out, &mut Broken(answer));
        assert_eq!(outcome, Err(error.clone()), "{reason}");
        assert_eq!(out, b"before");
        let again = mask.finish(&mut out, &mut Finder::default());
        assert_eq!(again, Err(error));
        assert_eq!(out, b"before");
    }
}

#[test]
fn a_plan_must_have_an_action_for_every_field_and_for_content() {
    let paths = Arc::new(Paths::compile(1, [(0, "$.a")]).expect("a path"));
    let key = PseudonymKey::new([7; 32]);
    let plan = Plan {
        actions: vec![Planned {
            plugin: None,
            action: Action::Keep,
        }],
    };
    let fault = BodyMasks::compile(paths, &plan, &key).expect_err("one action for two fields");
    assert_eq!(
        fault,
        crate::mask::PlanFault::Count {
            actions: 1,
            fields: 2
        }
    );
}

#[test]
fn nothing_prints_what_it_holds() {
    let masks = masks(&[("$.a", constant("needle"))], Action::Call);
    for kind in [
        BodyKind::EventStream,
        BodyKind::Form,
        BodyKind::Json,
        BodyKind::JsonLines,
        BodyKind::Text,
    ] {
        let mut mask = BodyMask::new(kind, Arc::clone(&masks));
        let mut out = Vec::new();
        mask.feed(b"\"needle", &mut out, &mut Finder::default())
            .expect("a beginning");
        let printed = format!("{mask:?} {masks:?}");
        assert!(
            !printed.contains("needle") && !printed.contains("110, 101"),
            "{printed}"
        );
    }
}
