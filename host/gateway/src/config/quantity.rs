//! Durations, sizes, names and addresses as the configuration writes them.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::report::{Problem, problem};

/// The longest name of anything, in bytes: fits a label, a file name and a log line.
const NAME_BYTES_MAX: usize = 63;

/// Reads `20ms`, `5s`, `10m` or `24h`, within `range`.
pub(super) fn duration(range: RangeInclusive<Duration>) -> impl Fn(&str) -> Result<Duration, Problem> {
    move |text| {
        let parsed = split_unit(text).and_then(|(number, unit)| {
            let ms = match unit {
                "ms" => 1,
                "s" => 1_000,
                "m" => 60_000,
                "h" => 3_600_000,
                _ => return None,
            };
            Some(Duration::from_millis(number.checked_mul(ms)?))
        });
        let Some(duration) = parsed else {
            return Err(problem(
                format!("\"{text}\" is not a duration"),
                "write a whole number and ms, s, m or h, e.g. \"20ms\"",
            ));
        };
        if !range.contains(&duration) {
            let (least, most) = (range.start(), range.end());
            return Err(problem(
                format!("{text} is out of range"),
                format!("choose a duration from {least:?} to {most:?}"),
            ));
        }
        Ok(duration)
    }
}

/// Reads `512B`, `64KiB`, `64MiB` or `1GiB` into bytes, within `range`.
pub(super) fn size(range: RangeInclusive<u64>) -> impl Fn(&str) -> Result<u64, Problem> {
    move |text| {
        let parsed = split_unit(text).and_then(|(number, unit)| {
            let shift = match unit {
                "B" => 0,
                "KiB" => 10,
                "MiB" => 20,
                "GiB" => 30,
                _ => return None,
            };
            number.checked_mul(1 << shift)
        });
        let Some(bytes) = parsed else {
            return Err(problem(
                format!("\"{text}\" is not a size"),
                "write a whole number and B, KiB, MiB or GiB, e.g. \"64MiB\"",
            ));
        };
        if !range.contains(&bytes) {
            return Err(problem(
                format!("{text} is out of range"),
                format!("choose a size from {} to {} bytes", range.start(), range.end()),
            ));
        }
        Ok(bytes)
    }
}

fn split_unit(text: &str) -> Option<(u64, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    Some((number.parse().ok()?, unit))
}

/// Reads the name of a thing: lower case letters, digits, `-`, `_` and `.`.
pub(super) fn name(text: &str) -> Result<String, Problem> {
    let fits = !text.is_empty()
        && text.len() <= NAME_BYTES_MAX
        && text
            .bytes()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.'))
        && text.starts_with(|first: char| first.is_ascii_alphanumeric());
    if fits {
        Ok(text.to_owned())
    } else {
        Err(problem(
            "is not a valid name",
            format!(
                "use 1 to {NAME_BYTES_MAX} letters, digits, '-', '_' or '.', beginning with a letter or digit"
            ),
        ))
    }
}

/// Reads any text that is not empty.
pub(super) fn text(text: &str) -> Result<String, Problem> {
    if text.is_empty() {
        return Err(problem("is empty", "write a text, or take the key out"));
    }
    Ok(text.to_owned())
}

/// Reads `ADDRESS:PORT`.
pub(super) fn socket_address(text: &str) -> Result<SocketAddr, Problem> {
    text.parse().map_err(|_| {
        problem(
            format!("\"{text}\" is not an address with a port"),
            "write an IP address and a port, e.g. \"0.0.0.0:5432\" or \"[::]:5432\"",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_sizes_read_with_their_units() {
        let any = || duration(Duration::ZERO..=Duration::MAX);
        assert_eq!(any()("20ms"), Ok(Duration::from_millis(20)));
        assert_eq!(any()("24h"), Ok(Duration::from_hours(24)));
        assert_eq!(size(0..=u64::MAX)("64MiB"), Ok(64 << 20));
        for bad in ["", "5", "s", "-5s", "5 s", "1.5s", "5d", "99999999999999999999s"] {
            assert!(any()(bad).is_err(), "{bad}");
            assert!(size(0..=u64::MAX)(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_out_of_range_is_refused() {
        assert!(duration(Duration::from_secs(1)..=Duration::from_secs(2))("3s").is_err());
        assert!(size(1..=1023)("1KiB").is_err());
    }
}
