use super::*;
use crate::mask::pseudonym::PseudonymKey;

/// 00 01 … 1f.
fn key() -> PseudonymKey {
    PseudonymKey::new(std::array::from_fn(|index| {
        u8::try_from(index).expect("below 32")
    }))
}

fn pseudonym(domain: &str, kind: Kind, format: Format, cell: &[u8]) -> Option<Vec<u8>> {
    let mut out = b"before".to_vec();
    let written = write(&Pseudonym::new(&key(), domain), kind, format, cell, &mut out);
    written.then(|| out.split_off(6))
}

// The expected values were computed with another implementation of HMAC-SHA256 and base32.
#[test]
fn texts_get_the_same_stand_in_within_one_domain_only() {
    for (domain, kind, cell, expected) in [
        (
            "pii.ssn",
            Kind::Text,
            "123-45-6789",
            "p_nuwvsp4nx37v4fexrhqgbiym7h",
        ),
        (
            "pii.ssn",
            Kind::Blank,
            "123-45-6789   ",
            "p_nuwvsp4nx37v4fexrhqgbiym7h",
        ),
        ("pii.ssn", Kind::Text, "Žižková", "p_ujjtah3aodtal52vr6zd2ppwjt"),
        (
            "pii.email",
            Kind::Text,
            "123-45-6789",
            "p_hcm7r3uuysr355i7vxndhiacol",
        ),
        ("pii.ssn", Kind::Text, "", "p_fyuo44u4s4iryfqvkd6drx3awu"),
    ] {
        for format in [Format::Text, Format::Binary] {
            let written = pseudonym(domain, kind, format, cell.as_bytes());
            assert_eq!(
                written.as_deref(),
                Some(expected.as_bytes()),
                "{cell} in {domain}"
            );
        }
    }
}

#[test]
fn integers_stay_positive_and_within_their_type() {
    let (int2, int4, int8) = (
        Kind::Scalar(Scalar::Int2),
        Kind::Scalar(Scalar::Int4),
        Kind::Scalar(Scalar::Int8),
    );
    for (kind, cell, expected) in [
        (int2, "42", "31523"),
        (int4, "42", "327556423"),
        (int8, "42", "1535781105949850552"),
        (int4, "-42", "1897494667"),
    ] {
        let written = pseudonym("pii.id", kind, Format::Text, cell.as_bytes());
        assert_eq!(
            written.as_deref(),
            Some(expected.as_bytes()),
            "{cell} as {kind:?}"
        );
    }
    assert_eq!(
        pseudonym("pii.id", int2, Format::Binary, &42_i16.to_be_bytes()),
        Some(31_523_i16.to_be_bytes().to_vec())
    );
    assert_eq!(
        pseudonym("pii.id", int4, Format::Binary, &42_i32.to_be_bytes()),
        Some(327_556_423_i32.to_be_bytes().to_vec())
    );
    assert_eq!(
        pseudonym("pii.id", int8, Format::Binary, &42_i64.to_be_bytes()),
        Some(1_535_781_105_949_850_552_i64.to_be_bytes().to_vec())
    );
}

#[test]
fn a_uuid_becomes_a_uuid_of_version_8() {
    let kind = Kind::Scalar(Scalar::Uuid);
    let text = b"0f3c5e1a-9b7d-4c2e-8a61-d4f0b3a59c77";
    let expected = b"5ab4b163-3507-8b46-994c-0e5c014fc364";
    assert_eq!(
        pseudonym("pii.id", kind, Format::Text, text).as_deref(),
        Some(&expected[..])
    );
    assert_eq!(
        pseudonym("pii.id", kind, Format::Text, &text.to_ascii_uppercase()).as_deref(),
        Some(&expected[..])
    );
    let binary = types::parse_uuid(text).expect("a UUID");
    assert_eq!(
        pseudonym("pii.id", kind, Format::Binary, &binary),
        Some(types::parse_uuid(expected).expect("a UUID").to_vec())
    );
}

#[test]
fn what_has_no_pseudonym_becomes_null() {
    let int4 = Kind::Scalar(Scalar::Int4);
    for (kind, format, cell) in [
        (Kind::Text, Format::Text, &b"\xff"[..]),
        (int4, Format::Text, b"x"),
        (int4, Format::Text, b"2147483648"),
        (int4, Format::Binary, b"\0\0\0"),
        (
            Kind::Scalar(Scalar::Uuid),
            Format::Text,
            b"0f3c5e1a9b7d4c2e8a61d4f0b3a59c77",
        ),
        (
            Kind::Scalar(Scalar::Uuid),
            Format::Text,
            b"0f3c5e1a-9b7d-4c2e-8a61-d4f0b3a59c7g",
        ),
        (Kind::Scalar(Scalar::Uuid), Format::Binary, b"short"),
        (Kind::Scalar(Scalar::Date), Format::Text, b"2024-05-17"),
        (Kind::Scalar(Scalar::Numeric), Format::Text, b"1"),
        (Kind::Json, Format::Text, b"1"),
        (Kind::Jsonb, Format::Binary, b"\x011"),
        (Kind::Xml, Format::Text, b"<a/>"),
        (Kind::Other, Format::Text, b"{1}"),
    ] {
        assert_eq!(
            pseudonym("pii.id", kind, format, cell),
            None,
            "{kind:?} in {format:?}"
        );
    }
}

#[test]
fn a_key_is_not_printed() {
    assert_eq!(format!("{:?}", key()), "PseudonymKey(..)");
}
