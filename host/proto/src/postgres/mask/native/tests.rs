use super::*;

fn field(type_oid: u32, format: Format) -> FieldDescription {
    FieldDescription {
        name: b"x".to_vec(),
        table_oid: 0,
        attnum: 0,
        type_oid,
        type_size: -1,
        type_modifier: -1,
        format,
    }
}

fn masked(mask: &NativeMask, type_oid: u32, format: Format, cell: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let native = Native::new(mask, &field(type_oid, format), &PseudonymKey::new([7; 32]));
    native.write(cell, &mut out).then_some(out)
}

#[test]
fn constants_take_the_form_of_type_and_format() {
    use Format::{Binary, Text};
    let uuid = "0F3C5E1A-9B7D-4C2E-8A61-D4F0B3A59C77";
    let uuid_bytes = b"\x0f\x3c\x5e\x1a\x9b\x7d\x4c\x2e\x8a\x61\xd4\xf0\xb3\xa5\x9c\x77";
    for (constant, oid, format, expected) in [
        ("***", 25, Text, Some(&b"***"[..])),
        ("***", 25, Binary, Some(b"***")),
        ("", 1043, Text, Some(b"")),
        ("ä", 1042, Binary, Some("ä".as_bytes())),
        ("***", 19, Text, Some(b"***")),
        ("***", 705, Text, Some(b"***")),
        ("a\0b", 25, Text, None),
        ("***", 23, Text, None),
        ("7", 21, Text, Some(b"7")),
        ("7", 21, Binary, Some(b"\0\x07")),
        ("-1", 23, Binary, Some(b"\xff\xff\xff\xff")),
        ("007", 23, Text, Some(b"7")),
        ("2147483648", 23, Text, None),
        ("2147483648", 20, Binary, Some(b"\0\0\0\0\x80\0\0\0")),
        ("1.5", 700, Text, Some(b"1.5")),
        ("1.5", 700, Binary, Some(b"\x3f\xc0\0\0")),
        ("1.5", 701, Binary, Some(b"\x3f\xf8\0\0\0\0\0\0")),
        ("1e39", 700, Text, None),
        ("nan", 701, Text, None),
        ("0.00", 1700, Text, Some(b"0.00")),
        ("0.00", 1700, Binary, None),
        ("true", 16, Text, Some(b"t")),
        ("f", 16, Text, Some(b"f")),
        ("true", 16, Binary, Some(b"\x01")),
        ("false", 16, Binary, Some(b"\0")),
        ("yes", 16, Text, None),
        ("1970-01-01", 1082, Text, Some(b"1970-01-01")),
        ("1970-01-01", 1082, Binary, Some(b"\xff\xff\xd5\x33")),
        ("1970-01-01 00:00:00", 1082, Binary, None),
        ("01/01/1970", 1082, Text, None),
        ("1970-01-01 00:00:00", 1114, Text, None),
        (uuid, 2950, Text, Some(b"0f3c5e1a-9b7d-4c2e-8a61-d4f0b3a59c77")),
        (uuid, 2950, Binary, Some(uuid_bytes)),
        ("***", 2950, Text, None),
        ("{}", 114, Text, None),
        ("{}", 3802, Binary, None),
        ("<a/>", 142, Text, None),
        ("{}", 1009, Text, None),
        ("***", 17, Text, None),
        ("***", 99_999, Text, None),
    ] {
        let mask = NativeMask::Constant(constant.to_owned());
        let context = format!("{constant:?} as type {oid} in {format:?}");
        assert_eq!(
            masked(&mask, oid, format, b"secret").as_deref(),
            expected,
            "{context}"
        );
    }
}

/// Every type that has no text or number to mask, and a cell of it.
const WITHOUT_CODEC: [(u32, &[u8]); 8] = [
    (17, b"\\x00"),
    (114, b"{}"),
    (142, b"<a/>"),
    (600, b"(1,2)"),
    (1007, b"{1,2}"),
    (1009, b"{2024-05-17}"),
    (3802, b"\x01{}"),
    (3904, b"[1,2)"),
];

#[test]
fn types_without_a_codec_become_null_under_every_mask() {
    let masks = [
        NativeMask::Constant("1".to_owned()),
        NativeMask::GeneraliseDate(DatePart::Year),
        NativeMask::GeneraliseNumber(10),
        NativeMask::KeepFirst(1),
        NativeMask::KeepLast(1),
        NativeMask::Null,
        NativeMask::Pseudonym {
            domain: "d".to_owned(),
        },
    ];
    for mask in masks {
        for (oid, cell) in WITHOUT_CODEC {
            for format in [Format::Text, Format::Binary] {
                assert_eq!(
                    masked(&mask, oid, format, cell),
                    None,
                    "{mask:?} on type {oid} in {format:?}"
                );
            }
        }
    }
}

#[test]
fn keeping_characters_is_for_texts_only() {
    for format in [Format::Text, Format::Binary] {
        for oid in [19, 25, 705, 1042, 1043] {
            assert_eq!(
                masked(&NativeMask::KeepLast(2), oid, format, b"abcd").as_deref(),
                Some(&b"**cd"[..])
            );
            assert_eq!(
                masked(&NativeMask::KeepFirst(2), oid, format, b"abcd").as_deref(),
                Some(&b"ab**"[..])
            );
            assert_eq!(masked(&NativeMask::KeepLast(2), oid, format, b"ab\xffd"), None);
        }
        for oid in [16, 20, 21, 23, 700, 701, 1082, 1114, 1184, 1700, 2950] {
            assert_eq!(
                masked(&NativeMask::KeepLast(2), oid, format, b"1234"),
                None,
                "type {oid}"
            );
        }
    }
}

#[test]
fn dates_and_numbers_are_generalised_in_their_own_type_only() {
    let year = NativeMask::GeneraliseDate(DatePart::Year);
    assert_eq!(
        masked(&year, 1082, Format::Text, b"2024-05-17").as_deref(),
        Some(&b"2024-01-01"[..])
    );
    assert_eq!(
        masked(&year, 25, Format::Binary, b"2024-05-17").as_deref(),
        Some(&b"2024-01-01"[..])
    );
    assert_eq!(masked(&year, 23, Format::Text, b"2024"), None);
    let tens = NativeMask::GeneraliseNumber(10);
    assert_eq!(
        masked(&tens, 23, Format::Text, b"2024").as_deref(),
        Some(&b"2020"[..])
    );
    assert_eq!(masked(&tens, 25, Format::Text, b"2024"), None);
    assert_eq!(masked(&tens, 1082, Format::Binary, &[0, 0, 0, 5]), None);
}

#[test]
fn masks_that_can_not_hold_are_null() {
    assert_eq!(
        masked(&NativeMask::GeneraliseNumber(0), 23, Format::Text, b"5"),
        None
    );
    assert_eq!(
        masked(
            &NativeMask::Pseudonym {
                domain: "a\0b".to_owned()
            },
            25,
            Format::Text,
            b"x"
        ),
        None
    );
    assert_eq!(masked(&NativeMask::Null, 25, Format::Text, b"x"), None);
}
