use model::mask::DatePart::{Month, Year};
use proptest::prelude::*;

use super::*;

const DATE: Kind = Kind::Scalar(Scalar::Date);
const TIMESTAMP: Kind = Kind::Scalar(Scalar::Timestamp);
const TIMESTAMP_TZ: Kind = Kind::Scalar(Scalar::TimestampTz);

fn cut(part: DatePart, kind: Kind, format: Format, cell: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    generalise(part, kind, format, cell, &mut out).then_some(out)
}

fn cut_text(part: DatePart, kind: Kind, cell: &str) -> Option<String> {
    cut(part, kind, Format::Text, cell.as_bytes()).map(|out| String::from_utf8(out).expect("ASCII"))
}

#[test]
fn iso_text_is_cut_to_the_first_of_the_month_or_year() {
    for (kind, cell, month, year) in [
        (DATE, "2024-05-17", "2024-05-01", "2024-01-01"),
        (DATE, "0044-03-15 BC", "0044-03-01 BC", "0044-01-01 BC"),
        (DATE, "0001-12-31 BC", "0001-12-01 BC", "0001-01-01 BC"),
        (DATE, "5874897-12-31", "5874897-12-01", "5874897-01-01"),
        (
            TIMESTAMP,
            "2024-05-17 13:14:15.123456",
            "2024-05-01 00:00:00",
            "2024-01-01 00:00:00",
        ),
        (
            TIMESTAMP,
            "0044-03-15 12:00:00 BC",
            "0044-03-01 00:00:00 BC",
            "0044-01-01 00:00:00 BC",
        ),
        (
            TIMESTAMP_TZ,
            "2024-05-17 13:14:15+02",
            "2024-05-01 00:00:00+00",
            "2024-01-01 00:00:00+00",
        ),
        (
            TIMESTAMP_TZ,
            "2024-01-01 01:00:00+05:30",
            "2023-12-01 00:00:00+00",
            "2023-01-01 00:00:00+00",
        ),
        (
            TIMESTAMP_TZ,
            "2023-12-31 23:00:00-03",
            "2024-01-01 00:00:00+00",
            "2024-01-01 00:00:00+00",
        ),
        (Kind::Text, "2024-05-17", "2024-05-01", "2024-01-01"),
        (Kind::Blank, "2024-05-17   ", "2024-05-01", "2024-01-01"),
        (
            Kind::Text,
            "2024-05-17T13:14:15Z",
            "2024-05-01T00:00:00Z",
            "2024-01-01T00:00:00Z",
        ),
    ] {
        assert_eq!(cut_text(Month, kind, cell).as_deref(), Some(month), "{cell}");
        assert_eq!(cut_text(Year, kind, cell).as_deref(), Some(year), "{cell}");
    }
}

#[test]
fn what_is_no_iso_date_becomes_null() {
    for (kind, cell) in [
        (DATE, "infinity"),
        (DATE, "-infinity"),
        (DATE, "05/17/2024"),
        (DATE, "17.05.2024"),
        (DATE, "Fri 17 May 2024"),
        (DATE, "2024-02-30"),
        (DATE, "2023-02-29"),
        (DATE, "1900-02-29"),
        (DATE, "0002-02-29 BC"),
        (DATE, "2024-04-31"),
        (DATE, "2024-13-01"),
        (DATE, "2024-00-01"),
        (DATE, "2024-01-00"),
        (DATE, "0000-01-01"),
        (DATE, "024-01-01"),
        (DATE, "20240-1-01"),
        (DATE, "2024-05-17 10:00:00"),
        (DATE, "4714-11-24 BC"),
        (DATE, "99999999-01-01"),
        (TIMESTAMP, "2024-05-17"),
        (TIMESTAMP, "2024-05-17 24:00:00"),
        (TIMESTAMP, "2024-05-17 10:60:00"),
        (TIMESTAMP, "2024-05-17 10:00:00.1234567"),
        (TIMESTAMP, "2024-05-17 10:00:00."),
        (TIMESTAMP, "2024-05-17 10:00:00+02"),
        (TIMESTAMP_TZ, "2024-05-17 10:00:00"),
        (TIMESTAMP_TZ, "2024-05-17T10:00:00Z"),
        (TIMESTAMP_TZ, "2024-05-17 10:00:00+02:"),
        (TIMESTAMP_TZ, "2024-05-17 10:00:00+02:00:00:00"),
        (Kind::Text, "born 2024-05-17"),
        (Kind::Text, "2024-05-17 "),
        (Kind::Text, ""),
        (Kind::Json, "2024-05-17"),
        (Kind::Other, "2024-05-17"),
        (Kind::Scalar(Scalar::Int4), "20240517"),
    ] {
        assert_eq!(cut_text(Month, kind, cell), None, "{cell:?} as {kind:?}");
    }
}

#[test]
fn binary_days_and_microseconds_are_cut() {
    // 2024-05-17 is day 8,903.
    let day = 8_903_i32;
    assert_eq!(
        cut(Month, DATE, Format::Binary, &day.to_be_bytes()),
        Some((day - 16).to_be_bytes().to_vec())
    );
    assert_eq!(
        cut(Year, DATE, Format::Binary, &day.to_be_bytes()),
        Some(8_766_i32.to_be_bytes().to_vec())
    );
    // 1999-12-31 lies before the epoch.
    assert_eq!(
        cut(Year, DATE, Format::Binary, &(-1_i32).to_be_bytes()),
        Some((-365_i32).to_be_bytes().to_vec())
    );
    for kind in [TIMESTAMP, TIMESTAMP_TZ] {
        let moment = i64::from(day) * MICROSECONDS_PER_DAY + 12_345;
        let expected = i64::from(day - 16) * MICROSECONDS_PER_DAY;
        assert_eq!(
            cut(Month, kind, Format::Binary, &moment.to_be_bytes()),
            Some(expected.to_be_bytes().to_vec())
        );
        let expected = -365 * MICROSECONDS_PER_DAY;
        assert_eq!(
            cut(Year, kind, Format::Binary, &(-1_i64).to_be_bytes()),
            Some(expected.to_be_bytes().to_vec())
        );
    }
}

#[test]
fn binary_infinities_limits_and_wrong_lengths_become_null() {
    for day in [i32::MIN, i32::MAX, i32::MIN + 1, -2_451_545] {
        assert_eq!(
            cut(Month, DATE, Format::Binary, &day.to_be_bytes()),
            None,
            "day {day}"
        );
    }
    for moment in [i64::MIN, i64::MAX, i64::MIN + 1, -211_813_488_000_000_000] {
        assert_eq!(
            cut(Month, TIMESTAMP, Format::Binary, &moment.to_be_bytes()),
            None,
            "moment {moment}"
        );
    }
    for length in [0, 3, 5, 7, 9] {
        assert_eq!(cut(Month, DATE, Format::Binary, &vec![0; length]), None);
        assert_eq!(cut(Month, TIMESTAMP_TZ, Format::Binary, &vec![0; length]), None);
    }
}

proptest! {
    #[test]
    fn days_and_numbers_go_both_ways(number in DAY_MIN..=DAY_MAX) {
        prop_assert_eq!(Day::of(number).number(), number);
        prop_assert!(Day::of(number).exists());
        let (day, next) = (Day::of(number), Day::of(number + 1));
        prop_assert!(next.day == day.day + 1 && next.month == day.month || next.day == 1);
    }

    #[test]
    fn text_and_binary_agree(number in DAY_MIN + 400..2_000_000) {
        let mut text = Vec::new();
        let day = Day::of(number);
        day.write(&mut text);
        if day.year <= 0 {
            text.extend_from_slice(b" BC");
        }
        let binary = i32::try_from(number).expect("in range").to_be_bytes();
        for part in [Month, Year] {
            let from_binary = cut(part, DATE, Format::Binary, &binary).expect("cut");
            let from_text = cut(part, DATE, Format::Text, &text).expect("cut");
            let moment = Moment::parse(&from_text).expect("a date");
            let number = i32::from_be_bytes(from_binary.try_into().expect("four bytes"));
            prop_assert_eq!(moment.day.number(), i64::from(number));
        }
    }

    #[test]
    fn arbitrary_text_never_panics(cell in proptest::collection::vec(any::<u8>(), 0..40), like in "[0-9]{4}-[0-9]{2}-[0-9]{2}[ T]?[0-9:.+-]{0,16}( BC)?") {
        for kind in [DATE, TIMESTAMP, TIMESTAMP_TZ, Kind::Text, Kind::Blank, Kind::Other] {
            for format in [Format::Text, Format::Binary] {
                cut(Month, kind, format, &cell);
                cut(Year, kind, format, like.as_bytes());
            }
        }
    }
}
