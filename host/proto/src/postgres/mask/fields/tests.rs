use proptest::prelude::*;

use super::*;

fn field(name: &[u8], type_oid: u32, format: Format) -> FieldDescription {
    FieldDescription {
        name: name.to_vec(),
        table_oid: 16_385,
        attnum: 3,
        type_oid,
        type_size: -1,
        type_modifier: -1,
        format,
    }
}

/// One field `ssn text`, as PostgreSQL 15 describes it.
const BODY: &[u8] = b"\0\x01ssn\0\0\0\x40\x01\0\x03\0\0\0\x19\xff\xff\xff\xff\xff\xff\0\0";

#[test]
fn a_description_is_read_to_the_last_byte() {
    assert_eq!(
        parse_row_description(BODY),
        Ok(vec![field(b"ssn", 25, Format::Text)])
    );
    assert_eq!(parse_row_description(&[0, 0]), Ok(Vec::new()));
}

#[test]
fn names_are_kept_byte_for_byte() {
    let fields = [
        field(b"", 25, Format::Text),
        field(b"\xff\xfe", 23, Format::Binary),
    ];
    let mut frame = Vec::new();
    write_row_description(&fields, &mut frame);
    assert_eq!(parse_row_description(&frame[5..]), Ok(fields.to_vec()));
}

#[test]
fn what_is_not_exactly_a_description_is_refused() {
    for end in 0..BODY.len() {
        assert!(parse_row_description(&BODY[..end]).is_err(), "cut to {end} bytes");
    }
    let reason = |body: &[u8]| parse_row_description(body).expect_err("refused").reason;
    assert_eq!(reason(&[BODY, b"\0"].concat()), "bytes left over");
    assert_eq!(reason(&[b"\0\x02", &BODY[2..]].concat()), "name without its end");
    assert_eq!(
        reason(&[b"\xff\xff", &BODY[2..]].concat()),
        "negative field count"
    );
    assert_eq!(
        reason(&[&BODY[..BODY.len() - 1], b"\x02"].concat()),
        "unknown format code"
    );
}

#[test]
fn formats_come_from_the_bind_by_the_rule_of_none_one_or_all() {
    let plain = [field(b"a", 25, Format::Binary), field(b"b", 25, Format::Text)];
    for (codes, expected) in [
        (&[][..], [Format::Text, Format::Text]),
        (&[0], [Format::Text, Format::Text]),
        (&[1], [Format::Binary, Format::Binary]),
        (&[0, 1], [Format::Text, Format::Binary]),
    ] {
        let mut fields = plain.clone();
        assert_eq!(with_formats(&mut fields, codes), Ok(()));
        assert_eq!(fields.map(|field| field.format), expected, "{codes:?}");
    }
    let mut fields = plain.clone();
    assert_eq!(
        with_formats(&mut fields, &[0, 0, 0]),
        Err(FormatFault::Count { codes: 3, fields: 2 })
    );
    assert_eq!(with_formats(&mut fields, &[0, 2]), Err(FormatFault::Unknown(2)));
    assert_eq!(fields, plain);
}

#[test]
fn maskers_are_told_the_encoding_they_get() {
    for (oid, format, expected) in [
        (25, Format::Binary, CellFormat::Utf8),
        (1042, Format::Text, CellFormat::Utf8),
        (142, Format::Binary, CellFormat::Utf8),
        (114, Format::Binary, CellFormat::Json),
        (3802, Format::Binary, CellFormat::Json),
        (23, Format::Text, CellFormat::Utf8),
        (23, Format::Binary, CellFormat::Bytes),
        (99_999, Format::Text, CellFormat::Utf8),
        (99_999, Format::Binary, CellFormat::Bytes),
    ] {
        assert_eq!(
            field(b"x", oid, format).cell_format(),
            expected,
            "type {oid} in {format:?}"
        );
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_read_or_refused(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(fields) = parse_row_description(&body) {
            let mut frame = Vec::new();
            write_row_description(&fields, &mut frame);
            prop_assert_eq!(&frame[5..], &body[..]);
        }
    }

    #[test]
    fn a_flipped_byte_never_panics(at in 0..BODY.len(), byte in any::<u8>()) {
        let mut body = BODY.to_vec();
        body[at] = byte;
        let _ = parse_row_description(&body);
    }
}
