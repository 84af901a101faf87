//! Dates and times in their ISO text form, and cutting them down.
//!
//! The calendar is the proleptic Gregorian one. Years count astronomically inside (0 is 1 BC).
//! Day numbers count from 2000-01-01 and stay within what PostgreSQL can hold, the widest range
//! of those that write dates to us.

use model::mask::DatePart;

/// 4714-11-24 BC, the first day PostgreSQL can hold.
pub(crate) const DAY_MIN: i64 = -2_451_545;
/// 5874897-12-31, the last day a `date` can hold.
pub(crate) const DAY_MAX: i64 = 2_145_031_948;
const SECONDS_PER_DAY: i64 = 86_400;
/// The digits of the last year a `date` can hold.
const YEAR_DIGITS_MAX: usize = 7;
/// Days from 0000-03-01, the start of the 400-year cycle, to 2000-01-01.
const EPOCH_DAYS: i64 = 730_425;
const CYCLE_DAYS: i64 = 146_097;

/// A day of the calendar.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Day {
    /// Astronomical: 0 is 1 BC.
    pub(crate) year: i64,
    /// 1 to 12.
    pub(crate) month: u8,
    /// 1 to 31.
    pub(crate) day: u8,
}

impl Day {
    /// Returns the day of a day number. `number` is far within `i64`: at most a few billion.
    pub(crate) fn of(number: i64) -> Self {
        let days = number + EPOCH_DAYS;
        let cycle = days.div_euclid(CYCLE_DAYS);
        let in_cycle = days.rem_euclid(CYCLE_DAYS);
        // Leap days fall on the last day of a year that begins in March.
        let year = (in_cycle - in_cycle / 1_460 + in_cycle / 36_524 - in_cycle / 146_096) / 365;
        let in_year = in_cycle - (365 * year + year / 4 - year / 100);
        let march_month = (5 * in_year + 2) / 153;
        let day = in_year - (153 * march_month + 2) / 5 + 1;
        let month = if march_month < 10 {
            march_month + 3
        } else {
            march_month - 9
        };
        Self {
            year: cycle * 400 + year + i64::from(month <= 2),
            month: narrow(month),
            day: narrow(day),
        }
    }

    /// Returns the day number.
    pub(crate) fn number(self) -> i64 {
        let year = self.year - i64::from(self.month <= 2);
        let in_cycle = year.rem_euclid(400);
        let march_month = (i64::from(self.month) + 9) % 12;
        let in_year = (153 * march_month + 2) / 5 + i64::from(self.day) - 1;
        year.div_euclid(400) * CYCLE_DAYS + in_cycle * 365 + in_cycle / 4 - in_cycle / 100 + in_year
            - EPOCH_DAYS
    }

    /// Returns the first day of this day's month or year; `None` where PostgreSQL can't hold it.
    pub(crate) fn cut(self, part: DatePart) -> Option<Self> {
        let month = match part {
            DatePart::Month => self.month,
            DatePart::Year => 1,
        };
        let first = Self {
            month,
            day: 1,
            ..self
        };
        (DAY_MIN..=DAY_MAX).contains(&first.number()).then_some(first)
    }

    /// Appends year, month and day in the ISO style, without the era.
    pub(crate) fn write(self, out: &mut Vec<u8>) {
        let mut year = if self.year > 0 { self.year } else { 1 - self.year };
        let mut digits = [b'0'; YEAR_DIGITS_MAX];
        let mut count = 0;
        while year > 0 || count < 4 {
            count += 1;
            digits[YEAR_DIGITS_MAX - count] += narrow(year % 10);
            year /= 10;
        }
        out.extend_from_slice(&digits[YEAR_DIGITS_MAX - count..]);
        for part in [self.month, self.day] {
            out.extend_from_slice(&[b'-', b'0' + part / 10, b'0' + part % 10]);
        }
    }

    /// Returns whether the calendar has this day.
    pub(crate) fn exists(self) -> bool {
        let leap = self.year % 4 == 0 && (self.year % 100 != 0 || self.year % 400 == 0);
        let length = match self.month {
            2 => 28 + u8::from(leap),
            4 | 6 | 9 | 11 => 30,
            1..=12 => 31,
            _ => 0,
        };
        (1..=length).contains(&self.day)
    }
}

fn narrow(value: i64) -> u8 {
    u8::try_from(value).expect("two digits at most")
}

/// A date or timestamp read from ISO text.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Moment {
    /// The day as written, in the zone as written.
    pub(crate) day: Day,
    time: Option<Time>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Time {
    /// Since midnight; fractions are checked and dropped, since masks only cut downwards.
    seconds: i64,
    /// A blank as PostgreSQL writes, or `T`.
    separator: u8,
    /// East of UTC, in seconds.
    offset: Option<i64>,
    /// `Z` instead of an offset.
    zulu: bool,
}

impl Moment {
    /// Reads `YYYY-MM-DD`, optionally with `HH:MM:SS[.ffffff]` after a blank or `T`, an offset
    /// and `BC`. `None` for anything else, so for every other DateStyle and for infinity.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        let (text, before_christ) = match text.strip_suffix(b" BC") {
            Some(text) => (text, true),
            None => (text, false),
        };
        let (year, rest) = digits(text, 4, YEAR_DIGITS_MAX)?;
        let (month, rest) = digits(rest.strip_prefix(b"-")?, 2, 2)?;
        let (day, rest) = digits(rest.strip_prefix(b"-")?, 2, 2)?;
        let year = match (year, before_christ) {
            (0, _) => return None,
            (year, true) => 1 - year,
            (year, false) => year,
        };
        let day = Some(Day {
            year,
            month: narrow(month),
            day: narrow(day),
        })
        .filter(|day| day.exists())?;
        let time = match rest.split_first() {
            None => None,
            Some((&separator @ (b' ' | b'T'), rest)) => Some(Time::parse(separator, rest)?),
            Some(_) => return None,
        };
        Some(Self { day, time })
    }

    /// Returns whether it is a day alone.
    pub(crate) fn is_day(self) -> bool {
        self.time.is_none()
    }

    /// Returns whether it is a day and a time after a blank, without an offset.
    pub(crate) fn is_local_time(self) -> bool {
        self.time
            .is_some_and(|time| time.separator == b' ' && time.offset.is_none())
    }

    /// Returns whether it is a day and a time after a blank, with an offset in digits.
    pub(crate) fn is_zoned_time(self) -> bool {
        self.time
            .is_some_and(|time| time.separator == b' ' && time.offset.is_some() && !time.zulu)
    }

    /// Cuts down and writes. A time with an offset is cut in UTC and written in UTC: the binary
    /// form gives the same instant, and a summer offset would betray the half of the year.
    pub(crate) fn write_cut(self, part: DatePart, out: &mut Vec<u8>) -> bool {
        let offset = self.time.and_then(|time| time.offset).unwrap_or(0);
        let seconds = self.time.map_or(0, |time| time.seconds) - offset;
        // Only an offset can carry a time into another day.
        let day = match seconds.div_euclid(SECONDS_PER_DAY) {
            0 => self.day,
            days => Day::of(self.day.number() + days),
        };
        let Some(first) = day.cut(part) else { return false };
        first.write(out);
        if let Some(time) = self.time {
            out.push(time.separator);
            out.extend_from_slice(b"00:00:00");
            match time.offset {
                Some(_) if time.zulu => out.push(b'Z'),
                Some(_) => out.extend_from_slice(b"+00"),
                None => {}
            }
        }
        if first.year <= 0 {
            out.extend_from_slice(b" BC");
        }
        true
    }
}

impl Time {
    fn parse(separator: u8, text: &[u8]) -> Option<Self> {
        let (hours, rest) = below(text, 24)?;
        let (minutes, rest) = below(rest.strip_prefix(b":")?, 60)?;
        let (seconds, mut rest) = below(rest.strip_prefix(b":")?, 60)?;
        if let Some(fraction) = rest.strip_prefix(b".") {
            rest = digits(fraction, 1, 6)?.1;
        }
        let (offset, zulu) = match rest {
            b"" => (None, false),
            b"Z" => (Some(0), true),
            _ => (Some(parse_offset(rest)?), false),
        };
        Some(Self {
            seconds: (hours * 60 + minutes) * 60 + seconds,
            separator,
            offset,
            zulu,
        })
    }
}

fn parse_offset(text: &[u8]) -> Option<i64> {
    let (&sign, rest) = text.split_first()?;
    let (hours, mut rest) = below(rest, 24)?;
    let mut offset = hours * 3_600;
    for unit in [60, 1] {
        let Some(part) = rest.strip_prefix(b":") else {
            break;
        };
        let (value, after) = below(part, 60)?;
        offset += value * unit;
        rest = after;
    }
    match (sign, rest) {
        (b'+', b"") => Some(offset),
        (b'-', b"") => Some(-offset),
        _ => None,
    }
}

/// Reads two digits of a value below `limit`.
fn below(text: &[u8], limit: i64) -> Option<(i64, &[u8])> {
    digits(text, 2, 2).filter(|(value, _)| *value < limit)
}

/// Reads at least `least` and at most `most` digits, and no digit may follow.
fn digits(text: &[u8], least: usize, most: usize) -> Option<(i64, &[u8])> {
    let count = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if count < least || count > most {
        return None;
    }
    let value = text[..count]
        .iter()
        .fold(0, |value, digit| value * 10 + i64::from(digit - b'0'));
    Some((value, &text[count..]))
}

/// Appends the date or time `text` cut down to `part`, in its own form; false where it is none.
pub(crate) fn cut_text(part: DatePart, text: &[u8], out: &mut Vec<u8>) -> bool {
    Moment::parse(text).is_some_and(|moment| moment.write_cut(part, out))
}
