use model::mask::Column;

use super::*;

fn call(type_oid: u32, format: Format) -> Call {
    let field = FieldDescription {
        name: Vec::new(),
        table_oid: 0,
        attnum: 0,
        type_oid,
        type_size: -1,
        type_modifier: -1,
        format,
    };
    Call::new(&field, PluginName::new("redact"))
}

/// What reaches the client when a guest turns `cell` into `value`.
fn outcome(type_oid: u32, format: Format, cell: &[u8], value: &[u8]) -> Option<Vec<u8>> {
    let call = call(type_oid, format);
    match Verdict::Value(value).settle(false, call.view(cell)) {
        Verdict::Keep => Some(cell.to_vec()),
        Verdict::Null => None,
        Verdict::Value(value) => {
            let mut out = Vec::new();
            call.write(value, &mut out).then_some(out)
        }
    }
}

#[test]
fn a_changed_cell_fits_its_type_or_becomes_null() {
    use Format::{Binary, Text};
    for (oid, format, cell, value, expected) in [
        (25, Text, &b"a"[..], &b"\xc3\xa4"[..], Some(&b"\xc3\xa4"[..])),
        (1043, Binary, b"a", b"bc", Some(b"bc")),
        (142, Binary, b"<a/>", b"<b/>", Some(b"<b/>")),
        (25, Text, b"a", b"\xff", None),
        (25, Text, b"a", b"b\0c", None),
        (114, Text, b"{}", b"[1]", Some(b"[1]")),
        (114, Binary, b"{}", b"[1", None),
        (3802, Text, b"{}", b"null", Some(b"null")),
        (3802, Binary, b"\x01{}", b"null", Some(b"\x01null")),
        (3802, Binary, b"\x01{}", b"***", None),
        (3802, Binary, b"\x02{}", b"{}", None),
        (3802, Binary, b"", b"{}", None),
        (23, Text, b"42", b"0", Some(b"0")),
        (23, Text, b"42", b"***", None),
        (23, Text, b"42", b"2147483648", None),
        (21, Text, b"42", b"-7", Some(b"-7")),
        (1700, Text, b"4.2", b"0.00", Some(b"0.00")),
        (701, Text, b"4.2", b"1e5", Some(b"1e5")),
        (1082, Text, b"2024-05-17", b"2024-01-01", Some(b"2024-01-01")),
        (1082, Text, b"2024-05-17", b"2024-**-**", None),
        (
            1114,
            Text,
            b"2024-05-17 10:00:00",
            b"2024-01-01 00:00:00",
            Some(b"2024-01-01 00:00:00"),
        ),
        (
            1184,
            Text,
            b"2024-05-17 10:00:00+00",
            b"2024-01-01 00:00:00",
            None,
        ),
        (16, Text, b"t", b"f", Some(b"f")),
        (23, Binary, b"\0\0\0\x01", b"\0\0\0\x02", None),
        (17, Text, b"\\x00", b"\\x01", None),
        (17, Binary, b"\0", b"\x01", None),
        (1009, Text, b"{a}", b"{b}", None),
        (99_999, Text, b"a", b"b", None),
    ] {
        let context = format!(
            "type {oid} in {format:?}: {} to {}",
            cell.escape_ascii(),
            value.escape_ascii()
        );
        assert_eq!(
            outcome(oid, format, cell, value).as_deref(),
            expected,
            "{context}"
        );
    }
}

#[test]
fn a_cell_given_back_as_it_was_is_left_alone() {
    for (oid, format, cell, view) in [
        (25, Format::Text, &b"a"[..], &b"a"[..]),
        (23, Format::Binary, b"\0\0\0\x01", b"\0\0\0\x01"),
        (23, Format::Text, b"NaN", b"NaN"),
        (99_999, Format::Text, b"a", b"a"),
        (3802, Format::Binary, b"\x01{}", b"{}"),
    ] {
        assert_eq!(call(oid, format).view(cell), Some(view));
        assert_eq!(outcome(oid, format, cell, view).as_deref(), Some(cell));
    }
}

#[test]
fn a_cell_that_can_not_be_shown_becomes_null_whatever_the_guest_says() {
    for (oid, format, cell) in [
        (25, Format::Text, &b"\xff"[..]),
        (25, Format::Binary, b"\xff"),
        (3802, Format::Binary, b"\x02{}"),
        (99_999, Format::Text, b"\xff"),
    ] {
        let call = call(oid, format);
        assert_eq!(call.view(cell), None, "type {oid}");
        for verdict in [
            Verdict::Keep,
            Verdict::Null,
            Verdict::Value(b"x"),
            Verdict::Value(cell),
        ] {
            assert_eq!(verdict.settle(false, None), Verdict::Null, "type {oid}");
        }
    }
}

#[test]
fn a_null_stays_null_until_the_guest_gives_it_a_value() {
    assert_eq!(Verdict::Keep.settle(true, None), Verdict::Keep);
    assert_eq!(Verdict::Null.settle(true, None), Verdict::Keep);
    assert_eq!(Verdict::Value(b"").settle(true, None), Verdict::Value(b""));
}

fn column(cells: &[Option<&[u8]>]) -> Column {
    let mut column = Column::default();
    cells.iter().for_each(|cell| column.push(*cell));
    column
}

fn checked(rows: usize, change: Change) -> Result<(), String> {
    let calls = [call(25, Format::Text)];
    Answer::check(&calls, rows, &[change], &mut Vec::new())
        .map(|_| ())
        .map_err(|fault| fault.reason)
}

#[test]
fn an_answer_is_read_cell_by_cell() {
    let calls = [
        call(25, Format::Text),
        call(25, Format::Text),
        call(25, Format::Text),
    ];
    let changes = [
        Change::Dense(column(&[Some(b"a"), None, Some(b"")])),
        Change::Sparse {
            rows: vec![0, 2],
            values: column(&[None, Some(b"z")]),
        },
        Change::All(b"*".to_vec()),
    ];
    let mut next = Vec::new();
    let mut answer = Answer::check(&calls, 3, &changes, &mut next).expect("a good answer");
    let read: Vec<_> = (0..3)
        .map(|row| [0, 1, 2].map(|column| answer.verdict(column, row)))
        .collect();
    let star = Verdict::Value(b"*");
    assert_eq!(
        read,
        [
            [Verdict::Value(b"a"), Verdict::Null, star],
            [Verdict::Null, Verdict::Keep, star],
            [Verdict::Value(b""), Verdict::Value(b"z"), star],
        ]
    );
}

#[test]
fn an_answer_that_breaks_the_contract_is_a_fault_of_the_plugin() {
    let broken = |data: &[u8], ends: &[u32], nulls: &[u8]| {
        Change::Dense(Column {
            data: data.to_vec(),
            ends: ends.to_vec(),
            nulls: nulls.to_vec(),
        })
    };
    let sparse = |rows: &[u32], cells: &[Option<&[u8]>]| Change::Sparse {
        rows: rows.to_vec(),
        values: column(cells),
    };
    for (change, reason) in [
        (broken(b"a", &[1], &[]), "cell count"),
        (broken(b"a", &[1, 1, 1], &[]), "cell count"),
        (broken(b"ab", &[2, 1], &[]), "cell ends"),
        (broken(b"ab", &[1, 1], &[]), "cell ends"),
        (broken(b"ab", &[1, 3], &[]), "cell ends"),
        (sparse(&[0], &[]), "cell count"),
        (sparse(&[1, 0], &[None, None]), "row order"),
        (sparse(&[1, 1], &[None, None]), "row order"),
        (sparse(&[2], &[None]), "row out of range"),
        (sparse(&[u32::MAX], &[None]), "row out of range"),
    ] {
        assert_eq!(checked(2, change.clone()), Err(reason.to_owned()), "{change:?}");
    }
    assert_eq!(
        checked(9, broken(b"", &[0; 9], &[0])),
        Err("null bits".to_owned())
    );
    assert_eq!(checked(9, broken(b"", &[0; 9], &[0, 0])), Ok(()));

    let calls = [call(25, Format::Text)];
    for changes in [vec![], vec![Change::None, Change::None]] {
        let fault = Answer::check(&calls, 1, &changes, &mut Vec::new())
            .err()
            .expect("a fault");
        assert_eq!(
            (fault.plugin.as_str(), fault.reason.as_str()),
            ("redact", "column count")
        );
    }
}
