//! Keyed pseudonyms in the wire form of a column's type.
//!
//! The canonical value is a text's bytes (of `bpchar` without trailing blanks), an integer's
//! decimal digits, a UUID's 16 bytes; so it is the same in both wire formats.
//!
//! - Integers: 1 + (the first 64 bits modulo the type's largest value). The same number gets
//!   different pseudonyms in `int4` and `int8`; and in `int2` 32,767 of them must do for all.
//! - UUID: the first 128 bits as a UUID of version 8.
//! - Texts as everywhere; everything else: NULL.

use super::fields::Format;
use super::number;
use super::types::{self, Kind, Scalar};
use crate::mask::pseudonym::Pseudonym;

/// Appends the pseudonym of `cell`; false where the cell must become NULL.
pub(super) fn write(
    pseudonym: &Pseudonym,
    kind: Kind,
    format: Format,
    cell: &[u8],
    out: &mut Vec<u8>,
) -> bool {
    match kind {
        Kind::Blank => pseudonym.write_text(types::without_trailing_blanks(cell), out),
        Kind::Text => pseudonym.write_text(cell, out),
        Kind::Scalar(scalar @ (Scalar::Int2 | Scalar::Int4 | Scalar::Int8)) => {
            write_integer(pseudonym, scalar, format, cell, out).is_some()
        }
        Kind::Scalar(Scalar::Uuid) => write_uuid(pseudonym, format, cell, out).is_some(),
        Kind::Json | Kind::Jsonb | Kind::Other | Kind::Scalar(_) | Kind::Xml => false,
    }
}

fn write_integer(
    pseudonym: &Pseudonym,
    scalar: Scalar,
    format: Format,
    cell: &[u8],
    out: &mut Vec<u8>,
) -> Option<()> {
    let value = number::read_integer(scalar, format, cell)?;
    let largest = match scalar {
        Scalar::Int2 => i16::MAX.into(),
        Scalar::Int4 => i32::MAX.into(),
        _ => i64::MAX,
    };
    let start = out.len();
    number::write_integer(scalar, Format::Text, value, out)?;
    let mac = pseudonym.mac(&out[start..]);
    out.truncate(start);
    let drawn = mac.first_chunk().map(|head| u64::from_be_bytes(*head))?;
    let stand_in = i64::try_from(drawn % largest.unsigned_abs()).ok()? + 1;
    number::write_integer(scalar, format, stand_in, out)
}

fn write_uuid(pseudonym: &Pseudonym, format: Format, cell: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let value: [u8; 16] = match format {
        Format::Binary => cell.try_into().ok()?,
        Format::Text => types::parse_uuid(cell)?,
    };
    let mut uuid: [u8; 16] = *pseudonym.mac(&value).first_chunk()?;
    uuid[6] = uuid[6] & 0x0F | 0x80;
    uuid[8] = uuid[8] & 0x3F | 0x80;
    match format {
        Format::Binary => out.extend_from_slice(&uuid),
        Format::Text => types::write_uuid(&uuid, out),
    }
    Some(())
}

#[cfg(test)]
mod tests;
