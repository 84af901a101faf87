//! PostgreSQL's numbers: text and binary forms, and rounding down to a multiple of a step.

use std::io::Write as _;

use super::fields::Format;
use super::types::{Kind, Scalar};
use crate::mask::number;
pub(super) use crate::mask::number::{is_decimal, parse_float};

/// Reads a decimal integer as PostgreSQL prints it: an optional minus and digits.
pub(super) fn parse_integer(cell: &[u8]) -> Option<i64> {
    let digits = cell.strip_prefix(b"-").unwrap_or(cell);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(cell).ok()?.parse().ok()
}

/// Returns whether a `float8` does not overflow as a `float4`.
#[expect(clippy::cast_possible_truncation, reason = "the narrowing is what is tested")]
pub(super) fn fits_float4(value: f64) -> bool {
    (value as f32).is_finite()
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
        (Scalar::Numeric, Format::Text) => number::round_decimal(step, cell, out).is_some(),
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
    let value: f64 = match (format, scalar) {
        (Format::Text, _) => parse_float(cell)?,
        (Format::Binary, Scalar::Float4) => f32::from_be_bytes(cell.try_into().ok()?).into(),
        (Format::Binary, _) => f64::from_be_bytes(cell.try_into().ok()?),
    };
    write_float(scalar, format, number::round_float(step, value)?, out)
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

#[cfg(test)]
mod tests;
