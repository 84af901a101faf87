//! A constant in the wire form of a column's type.

use super::date;
use super::fields::Format;
use super::number;
use super::types::{self, Kind, Scalar};
use crate::mask::date::Moment;

/// Returns `value` as a cell of this kind and format; `None` where it is none of its values or
/// no codec exists, so that the mask is NULL.
///
/// Texts are taken as they are, without a look at the column's length. Booleans are `true`,
/// `false`, `t` or `f`; dates `YYYY-MM-DD`, given in the ISO style whatever the session's is.
pub(super) fn encode(value: &str, kind: Kind, format: Format) -> Option<Vec<u8>> {
    match kind {
        // PostgreSQL's texts can't hold a NUL, and clients in C would stop at it.
        Kind::Blank | Kind::Text if value.contains('\0') => None,
        Kind::Blank | Kind::Text => Some(value.as_bytes().to_vec()),
        Kind::Scalar(scalar) => encode_scalar(value.as_bytes(), scalar, format),
        Kind::Json | Kind::Jsonb | Kind::Other | Kind::Xml => None,
    }
}

fn encode_scalar(value: &[u8], scalar: Scalar, format: Format) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    match (scalar, format) {
        (Scalar::Bool, _) => {
            let truth = match value {
                b"true" | b"t" => true,
                b"false" | b"f" => false,
                _ => return None,
            };
            out.push(match format {
                Format::Binary => u8::from(truth),
                Format::Text if truth => b't',
                Format::Text => b'f',
            });
        }
        (Scalar::Date, Format::Binary) => {
            let moment = Moment::parse(value).filter(|moment| date::fits(*moment, scalar))?;
            out.extend_from_slice(&i32::try_from(moment.day.number()).ok()?.to_be_bytes());
        }
        (Scalar::Float4 | Scalar::Float8, _) => {
            number::write_float(scalar, format, number::parse_float(value)?, &mut out)?;
        }
        (Scalar::Int2 | Scalar::Int4 | Scalar::Int8, _) => {
            number::write_integer(scalar, format, number::parse_integer(value)?, &mut out)?;
        }
        (Scalar::Uuid, Format::Binary) => out.extend_from_slice(&types::parse_uuid(value)?),
        (Scalar::Uuid, Format::Text) => types::write_uuid(&types::parse_uuid(value)?, &mut out),
        (Scalar::Date | Scalar::Numeric, Format::Text) if scalar.accepts(value) => {
            out.extend_from_slice(value)
        }
        (Scalar::Date | Scalar::Numeric | Scalar::Timestamp | Scalar::TimestampTz, _) => return None,
    }
    Some(out)
}
