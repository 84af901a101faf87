//! PostgreSQL's dates and timestamps: its text and binary forms, and cutting them down.

use model::mask::DatePart;

use super::fields::Format;
use super::types::{self, Kind, Scalar};
use crate::mask::date::{DAY_MAX, DAY_MIN, Day, Moment, cut_text};

const MICROSECONDS_PER_DAY: i64 = 86_400_000_000;

/// Returns a day, counted from 2000-01-01, as PostgreSQL prints it; `None` beyond what it can
/// hold.
pub(in crate::postgres) fn day_text(number: i64) -> Option<String> {
    if !(DAY_MIN..=DAY_MAX).contains(&number) {
        return None;
    }
    let day = Day::of(number);
    let mut out = Vec::new();
    day.write(&mut out);
    if day.year <= 0 {
        out.extend_from_slice(b" BC");
    }
    String::from_utf8(out).ok()
}

/// Returns whether PostgreSQL prints values of this type in this form; false for types that are
/// neither dates nor timestamps.
pub(super) fn fits(moment: Moment, scalar: Scalar) -> bool {
    match scalar {
        Scalar::Date => moment.is_day(),
        Scalar::Timestamp => moment.is_local_time(),
        Scalar::TimestampTz => moment.is_zoned_time(),
        _ => false,
    }
}

/// Appends `cell` cut down to `part`; false where the cell must become NULL.
///
/// Text columns may hold ISO dates and timestamps too, and keep their form.
pub(super) fn generalise(part: DatePart, kind: Kind, format: Format, cell: &[u8], out: &mut Vec<u8>) -> bool {
    match (kind, format) {
        (Kind::Scalar(Scalar::Date), Format::Binary) => cut_days(part, cell, out).is_some(),
        (Kind::Scalar(Scalar::Timestamp | Scalar::TimestampTz), Format::Binary) => {
            cut_microseconds(part, cell, out).is_some()
        }
        (Kind::Scalar(scalar @ (Scalar::Date | Scalar::Timestamp | Scalar::TimestampTz)), Format::Text) => {
            Moment::parse(cell).is_some_and(|moment| fits(moment, scalar) && moment.write_cut(part, out))
        }
        (Kind::Text, _) => cut_text(part, cell, out),
        (Kind::Blank, _) => cut_text(part, types::without_trailing_blanks(cell), out),
        _ => false,
    }
}

fn cut_days(part: DatePart, cell: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let days = i64::from(i32::from_be_bytes(cell.try_into().ok()?));
    // The two infinities lie beyond the days that a date can hold.
    let days = Some(days).filter(|days| (DAY_MIN..=DAY_MAX).contains(days))?;
    let days = i32::try_from(Day::of(days).cut(part)?.number()).ok()?;
    out.extend_from_slice(&days.to_be_bytes());
    Some(())
}

fn cut_microseconds(part: DatePart, cell: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let microseconds = i64::from_be_bytes(cell.try_into().ok()?);
    if matches!(microseconds, i64::MIN | i64::MAX) {
        return None;
    }
    let day = Day::of(microseconds.div_euclid(MICROSECONDS_PER_DAY)).cut(part)?;
    out.extend_from_slice(&day.number().checked_mul(MICROSECONDS_PER_DAY)?.to_be_bytes());
    Some(())
}

#[cfg(test)]
mod tests;
