//! Numbers: PostgreSQL's text and binary forms, and rounding down to a multiple of a step.

use std::io::Write as _;

use super::fields::Format;
use super::types::{Kind, Scalar};

/// The digits of a `numeric` before its point: what PostgreSQL can hold.
const NUMERIC_DIGITS_MAX: usize = 131_072;

/// The largest step for floating point: beyond it a step has no exact `float8`.
const FLOAT_STEP_MAX: u64 = 1 << 53;

/// Reads a decimal integer as PostgreSQL prints it: an optional minus and digits.
pub(super) fn parse_integer(cell: &[u8]) -> Option<i64> {
    let digits = cell.strip_prefix(b"-").unwrap_or(cell);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(cell).ok()?.parse().ok()
}

/// Reads a finite number with an optional fraction and exponent.
pub(super) fn parse_float(cell: &[u8]) -> Option<f64> {
    let mantissa_end = cell
        .iter()
        .position(|byte| matches!(byte, b'e' | b'E'))
        .unwrap_or(cell.len());
    let (mantissa, exponent) = cell.split_at(mantissa_end);
    let exponent_holds = exponent.split_first().is_none_or(|(_, exponent)| {
        let digits = exponent
            .strip_prefix(b"+")
            .or(exponent.strip_prefix(b"-"))
            .unwrap_or(exponent);
        !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
    });
    if !exponent_holds || split_decimal(mantissa).is_none() {
        return None;
    }
    let value: f64 = std::str::from_utf8(cell).ok()?.parse().ok()?;
    value.is_finite().then_some(value)
}

/// Returns whether a `float8` does not overflow as a `float4`.
#[expect(clippy::cast_possible_truncation, reason = "the narrowing is what is tested")]
pub(super) fn fits_float4(value: f64) -> bool {
    (value as f32).is_finite()
}

/// Returns whether `cell` is a finite `numeric` as PostgreSQL prints it.
pub(super) fn is_numeric(cell: &[u8]) -> bool {
    split_decimal(cell).is_some_and(|decimal| decimal.whole.len() <= NUMERIC_DIGITS_MAX)
}

#[derive(Clone, Copy)]
struct Decimal<'a> {
    negative: bool,
    whole: &'a [u8],
    fraction: &'a [u8],
}

/// Splits `-12.34`; `None` unless both sides of the point, where there is one, hold digits only.
fn split_decimal(cell: &[u8]) -> Option<Decimal<'_>> {
    let (unsigned, negative) = cell
        .strip_prefix(b"-")
        .map_or((cell, false), |unsigned| (unsigned, true));
    let point = unsigned.iter().position(|&byte| byte == b'.');
    let (whole, fraction) = match point {
        Some(at) if at + 1 == unsigned.len() => return None,
        Some(at) => (&unsigned[..at], &unsigned[at + 1..]),
        None => (unsigned, &[][..]),
    };
    let holds = !whole.is_empty() && whole.iter().chain(fraction).all(u8::is_ascii_digit);
    holds.then_some(Decimal {
        negative,
        whole,
        fraction,
    })
}

/// Appends `cell` rounded toward negative infinity to a multiple of `step`, which is at least 1;
/// false where the cell must become NULL.
///
/// Fractions vanish, also in the form: a `numeric` comes back without its decimal places.
pub(super) fn generalise(step: u64, kind: Kind, format: Format, cell: &[u8], out: &mut Vec<u8>) -> bool {
    let Kind::Scalar(scalar) = kind else { return false };
    match (scalar, format) {
        (Scalar::Int2 | Scalar::Int4 | Scalar::Int8, _) => {
            round_integer(step, scalar, format, cell, out).is_some()
        }
        (Scalar::Float4 | Scalar::Float8, _) => round_float(step, scalar, format, cell, out).is_some(),
        (Scalar::Numeric, Format::Text) => is_numeric(cell) && round_numeric(step, cell, out).is_some(),
        _ => false,
    }
}

fn round_integer(step: u64, scalar: Scalar, format: Format, cell: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let value = i128::from(read_integer(scalar, format, cell)?);
    let rounded = value - value.rem_euclid(i128::from(step));
    write_integer(scalar, format, i64::try_from(rounded).ok()?, out)
}

/// Reads an integer of one of the three integer types.
pub(super) fn read_integer(scalar: Scalar, format: Format, cell: &[u8]) -> Option<i64> {
    let value = match (format, scalar) {
        (Format::Text, _) => parse_integer(cell)?,
        (Format::Binary, Scalar::Int2) => i16::from_be_bytes(cell.try_into().ok()?).into(),
        (Format::Binary, Scalar::Int4) => i32::from_be_bytes(cell.try_into().ok()?).into(),
        (Format::Binary, _) => i64::from_be_bytes(cell.try_into().ok()?),
    };
    scalar.holds(value.into()).then_some(value)
}

/// Appends an integer of one of the three integer types; `None` if it is out of range.
pub(super) fn write_integer(scalar: Scalar, format: Format, value: i64, out: &mut Vec<u8>) -> Option<()> {
    if !scalar.holds(value.into()) {
        return None;
    }
    match (format, scalar) {
        (Format::Text, _) => write!(out, "{value}").ok()?,
        (Format::Binary, Scalar::Int2) => out.extend_from_slice(&i16::try_from(value).ok()?.to_be_bytes()),
        (Format::Binary, Scalar::Int4) => out.extend_from_slice(&i32::try_from(value).ok()?.to_be_bytes()),
        (Format::Binary, _) => out.extend_from_slice(&value.to_be_bytes()),
    }
    Some(())
}

fn round_float(step: u64, scalar: Scalar, format: Format, cell: &[u8], out: &mut Vec<u8>) -> Option<()> {
    if step > FLOAT_STEP_MAX {
        return None;
    }
    let value: f64 = match (format, scalar) {
        (Format::Text, _) => parse_float(cell)?,
        (Format::Binary, Scalar::Float4) => f32::from_be_bytes(cell.try_into().ok()?).into(),
        (Format::Binary, _) => f64::from_be_bytes(cell.try_into().ok()?),
    };
    #[expect(clippy::cast_precision_loss, reason = "exact up to FLOAT_STEP_MAX")]
    let step = step as f64;
    // `%` is exact, so the result never lies above the value; division would round upwards.
    let remainder = value % step;
    let rounded = value - remainder - if remainder < 0.0 { step } else { 0.0 };
    write_float(scalar, format, rounded, out)
}

/// Appends a number of one of the two floating point types; `None` if it is not finite there.
pub(super) fn write_float(scalar: Scalar, format: Format, value: f64, out: &mut Vec<u8>) -> Option<()> {
    // Minus zero would show that the value was negative.
    let value = if value == 0.0 { 0.0 } else { value };
    if !value.is_finite() || (scalar == Scalar::Float4 && !fits_float4(value)) {
        return None;
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a float4 was asked for, and it fits"
    )]
    let narrow = value as f32;
    match (format, scalar) {
        (Format::Text, Scalar::Float4) => write!(out, "{narrow}").ok()?,
        (Format::Text, _) => write!(out, "{value}").ok()?,
        (Format::Binary, Scalar::Float4) => out.extend_from_slice(&narrow.to_be_bytes()),
        (Format::Binary, _) => out.extend_from_slice(&value.to_be_bytes()),
    }
    Some(())
}

/// Rounds the digits themselves, since a `numeric` has more of them than any machine number.
fn round_numeric(step: u64, cell: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let decimal = split_decimal(cell)?;
    let step = u128::from(step);
    let remainder = decimal.whole.iter().fold(0, |remainder, digit| {
        (remainder * 10 + u128::from(digit - b'0')) % step
    });
    let exact = remainder == 0 && decimal.fraction.iter().all(|&digit| digit == b'0');
    let start = out.len();
    // Room for the sign and, where the step is the longer number, for its 20 digits.
    out.extend_from_slice(b"-00000000000000000000");
    out.extend_from_slice(decimal.whole);
    let digits = &mut out[start + 1..];
    subtract(digits, remainder);
    if decimal.negative && !exact {
        add(digits, step);
    }
    let leading = digits
        .iter()
        .take_while(|&&digit| digit == b'0')
        .count()
        .min(digits.len() - 1);
    let negative = decimal.negative && digits[leading..] != *b"0";
    out.drain(start + usize::from(negative)..=start + leading);
    Some(())
}

/// Takes `value`, which is at most the number, away from decimal digits.
fn subtract(digits: &mut [u8], mut value: u128) {
    let mut borrow = 0;
    for digit in digits.iter_mut().rev() {
        let take = narrow(value % 10) + borrow;
        value /= 10;
        borrow = u8::from(*digit - b'0' < take);
        *digit = *digit + 10 * borrow - take;
        if value == 0 && borrow == 0 {
            break;
        }
    }
}

/// Adds `value` to decimal digits that have room for it.
fn add(digits: &mut [u8], mut value: u128) {
    for digit in digits.iter_mut().rev() {
        value += u128::from(*digit - b'0');
        *digit = b'0' + narrow(value % 10);
        value /= 10;
        if value == 0 {
            break;
        }
    }
}

fn narrow(digit: u128) -> u8 {
    u8::try_from(digit).expect("a digit is below 10")
}

#[cfg(test)]
mod tests;
