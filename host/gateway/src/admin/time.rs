//! Moments as the API writes and reads them: RFC 3339 in UTC.

use super::problem::Problem;

/// Reads a moment out of a parameter, in microseconds of Unix time.
///
/// # Errors
/// It is not one.
pub(crate) fn parameter(text: &str) -> Result<u64, Problem> {
    parse(text).ok_or_else(|| {
        Problem::bad_request(
            "invalid-parameters",
            "a moment is written like 2026-01-31T08:30:00Z",
        )
    })
}

/// Reads `YYYY-MM-DDTHH:MM:SS[.ffffff]Z`; nothing before 1970.
fn parse(text: &str) -> Option<u64> {
    let text = text.strip_suffix('Z')?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let bytes = whole.as_bytes();
    let marks = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    if bytes.len() != 19 || marks.iter().any(|(at, mark)| bytes[*at] != *mark) {
        return None;
    }
    let number = |from: usize, to: usize| {
        let digits = whole.get(from..to)?;
        let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
        plain.then(|| digits.parse::<u64>().ok())?
    };
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let sound = (1..=12).contains(&month)
        && (1..=days_in(year, month)).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60;
    if !sound {
        return None;
    }
    let us = match fraction.len() {
        0 if !text.ends_with('.') => 0,
        1..=6 if fraction.bytes().all(|byte| byte.is_ascii_digit()) => {
            fraction.parse::<u64>().ok()? * 10_u64.pow(6 - u32::try_from(fraction.len()).ok()?)
        }
        _ => return None,
    };
    let seconds = days_since_1970(year, month, day)? * 86_400 + hour * 3_600 + minute * 60 + second;
    Some(seconds * 1_000_000 + us)
}

const fn days_in(year: u64, month: u64) -> u64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Counts the days by eras of 400 years that begin in March, so that the leap day comes last.
fn days_since_1970(year: u64, month: u64, day: u64) -> Option<u64> {
    let year = if month <= 2 { year.checked_sub(1)? } else { year };
    let (era, year_of_era) = (year / 400, year % 400);
    let march_month = (month + 9) % 12;
    let day_of_year = (153 * march_month + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    (era * 146_097 + day_of_era).checked_sub(719_468)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::terminal::moment;

    #[test]
    fn a_moment_that_was_written_reads_back() {
        for us in [
            0,
            1,
            951_782_400_000_000,
            1_709_251_199_999_999,
            1_709_251_200_000_000,
            4_102_444_799_000_001,
        ] {
            assert_eq!(parse(&moment(us)), Some(us), "{}", moment(us));
        }
        assert_eq!(parse("1970-01-01T00:00:01Z"), Some(1_000_000));
        assert_eq!(parse("1970-01-01T00:00:01.5Z"), Some(1_500_000));
    }

    #[test]
    fn what_is_no_moment_does_not_read() {
        for text in [
            "",
            "Z",
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:00:00",
            "2026-01-01 00:00:00Z",
            "2026-01-01T00:00:00.Z",
            "2026-01-01T00:00:00.1234567Z",
            "1969-12-31T23:59:59Z",
            "+026-01-01T00:00:00Z",
            "20é6-01-01T00:00:0Z",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
