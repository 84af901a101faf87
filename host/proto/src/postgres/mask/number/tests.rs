use proptest::prelude::*;

use super::*;
use crate::mask::number::FLOAT_STEP_MAX;

fn rounded(step: u64, scalar: Scalar, format: Format, cell: &[u8]) -> Option<Vec<u8>> {
    let mut out = b"before".to_vec();
    generalise(step, Kind::Scalar(scalar), format, cell, &mut out).then(|| out.split_off(6))
}

fn rounded_text(step: u64, scalar: Scalar, cell: &str) -> Option<String> {
    rounded(step, scalar, Format::Text, cell.as_bytes()).map(|out| String::from_utf8(out).expect("ASCII"))
}

#[test]
fn text_is_rounded_toward_negative_infinity() {
    for (scalar, step, cell, expected) in [
        (Scalar::Int2, 10, "17", Some("10")),
        (Scalar::Int4, 1_000, "51999", Some("51000")),
        (Scalar::Int8, 1_000, "-1", Some("-1000")),
        (Scalar::Int8, 7, "-14", Some("-14")),
        (Scalar::Int8, u64::MAX, "5", Some("0")),
        (Scalar::Int8, u64::MAX, "-5", None),
        (Scalar::Int2, 1_000, "-32768", None),
        (Scalar::Int2, 10, "32768", None),
        (Scalar::Float8, 10, "17.9", Some("10")),
        (Scalar::Float8, 10, "-0.5", Some("-10")),
        (Scalar::Float8, 10, "-0", Some("0")),
        (Scalar::Float8, 10, "1e+20", Some("100000000000000000000")),
        (Scalar::Float4, 100, "1234.5", Some("1200")),
        (Scalar::Numeric, 100, "123.45", Some("100")),
        (Scalar::Numeric, 100, "-123.45", Some("-200")),
        (Scalar::Numeric, 100, "-200.00", Some("-200")),
        (Scalar::Numeric, 100, "-200.01", Some("-300")),
        (Scalar::Numeric, 100, "0.01", Some("0")),
        (Scalar::Numeric, 100, "-0.00", Some("0")),
        (Scalar::Numeric, 1, "-0.01", Some("-1")),
        (
            Scalar::Numeric,
            1,
            "-999999999999999999999.5",
            Some("-1000000000000000000000"),
        ),
        (
            Scalar::Numeric,
            1_000,
            "123456789012345678901234567890",
            Some("123456789012345678901234567000"),
        ),
        (Scalar::Numeric, u64::MAX, "-1", Some("-18446744073709551615")),
    ] {
        assert_eq!(
            rounded_text(step, scalar, cell).as_deref(),
            expected,
            "{cell} by {step}"
        );
    }
}

#[test]
fn what_is_no_number_becomes_null() {
    for scalar in [
        Scalar::Int2,
        Scalar::Int4,
        Scalar::Int8,
        Scalar::Float4,
        Scalar::Float8,
        Scalar::Numeric,
        Scalar::Bool,
        Scalar::Date,
        Scalar::Uuid,
    ] {
        for cell in [
            "",
            "-",
            "x",
            "1x",
            "+1",
            " 1",
            "1 ",
            "--1",
            "0x10",
            "NaN",
            "Infinity",
            "-Infinity",
            "1_000",
            "1.",
            ".5",
        ] {
            assert_eq!(rounded_text(10, scalar, cell), None, "{cell:?} as {scalar:?}");
        }
    }
    for cell in ["1e", "1e+", "e5", "1e999", "1e5.5"] {
        assert_eq!(rounded_text(10, Scalar::Float8, cell), None, "{cell:?}");
    }
    assert_eq!(rounded_text(10, Scalar::Float4, "1e39"), None);
    assert_eq!(rounded_text(10, Scalar::Numeric, "1e5"), None);
    assert_eq!(rounded_text(FLOAT_STEP_MAX + 1, Scalar::Float8, "5"), None);
}

#[test]
fn binary_numbers_are_rounded_in_their_own_width() {
    let binary = |scalar, cell: &[u8]| rounded(100, scalar, Format::Binary, cell);
    assert_eq!(
        binary(Scalar::Int2, &1_234_i16.to_be_bytes()),
        Some(1_200_i16.to_be_bytes().to_vec())
    );
    assert_eq!(
        binary(Scalar::Int4, &(-1_i32).to_be_bytes()),
        Some((-100_i32).to_be_bytes().to_vec())
    );
    assert_eq!(
        binary(Scalar::Int8, &i64::MAX.to_be_bytes()),
        Some((i64::MAX - 7).to_be_bytes().to_vec())
    );
    assert_eq!(binary(Scalar::Int8, &i64::MIN.to_be_bytes()), None);
    assert_eq!(
        binary(Scalar::Float4, &250.5_f32.to_be_bytes()),
        Some(200_f32.to_be_bytes().to_vec())
    );
    assert_eq!(
        binary(Scalar::Float8, &(-0.5_f64).to_be_bytes()),
        Some((-100_f64).to_be_bytes().to_vec())
    );
    assert_eq!(binary(Scalar::Float8, &f64::NAN.to_be_bytes()), None);
    assert_eq!(binary(Scalar::Float4, &f32::INFINITY.to_be_bytes()), None);
    // The binary numeric has no codec.
    assert_eq!(binary(Scalar::Numeric, &[0, 1, 0, 0, 0, 0, 0, 0, 0, 5]), None);
    for length in [0, 1, 3, 5, 7, 9] {
        for scalar in [
            Scalar::Int2,
            Scalar::Int4,
            Scalar::Int8,
            Scalar::Float4,
            Scalar::Float8,
        ] {
            assert_eq!(
                binary(scalar, &vec![0; length]),
                None,
                "{length} bytes as {scalar:?}"
            );
        }
    }
}

proptest! {
    #[test]
    fn integers_land_on_the_multiple_below(value in any::<i64>(), step in 1..u64::MAX) {
        if let Some(text) = rounded_text(step, Scalar::Int8, &value.to_string()) {
            let rounded: i128 = text.parse().expect("an integer");
            prop_assert_eq!(rounded % i128::from(step), 0);
            prop_assert!(rounded <= value.into() && i128::from(value) < rounded + i128::from(step));
        }
    }

    #[test]
    fn a_numeric_agrees_with_an_integer(value in -1_000_000_000_i64..1_000_000_000, step in 1_u64..10_000) {
        prop_assert_eq!(
            rounded_text(step, Scalar::Numeric, &format!("{value}.00")),
            rounded_text(step, Scalar::Int8, &value.to_string())
        );
    }

    #[test]
    fn floats_never_land_above_themselves(value in any::<f64>(), step in 1..FLOAT_STEP_MAX) {
        if let Some(out) = rounded(step, Scalar::Float8, Format::Binary, &value.to_be_bytes()) {
            prop_assert!(f64::from_be_bytes(out.try_into().expect("eight bytes")) <= value);
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(cell in proptest::collection::vec(any::<u8>(), 0..24), like in "-?[0-9]{0,30}\\.?[0-9]{0,8}(e-?[0-9]{0,4})?", step in 1..u64::MAX) {
        for scalar in [Scalar::Int2, Scalar::Int4, Scalar::Int8, Scalar::Float4, Scalar::Float8, Scalar::Numeric] {
            for format in [Format::Text, Format::Binary] {
                rounded(step, scalar, format, &cell);
                rounded(step, scalar, format, like.as_bytes());
            }
        }
    }
}
