//! The built-in types that masks know, by OID. Every other type is opaque and masks to NULL.

use super::date;
use super::number;
use crate::mask::date::Moment;

/// What masks can do with a type. Domains arrive as their base type; extension types such as
/// `citext` have an OID of their own in each database, so they are [`Kind::Other`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    /// `bpchar`: text whose trailing blanks mean nothing.
    Blank,
    /// `json`: text in both formats.
    Json,
    /// `jsonb`: in binary, a version byte before the text.
    Jsonb,
    /// Anything else, also arrays, ranges and composites.
    Other,
    /// A type whose values the host can read and write.
    Scalar(Scalar),
    /// `text`, `varchar`, `name` and `unknown`: the same bytes in both formats.
    Text,
    /// `xml`: text in both formats.
    Xml,
}

/// The types whose values the host can read and write.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Scalar {
    Bool,
    Date,
    Float4,
    Float8,
    Int2,
    Int4,
    Int8,
    Numeric,
    Timestamp,
    TimestampTz,
    Uuid,
}

/// OID, name and kind of each known type, as `pg_type` fixes them for every database.
const KNOWN: [(u32, &str, Kind); 19] = [
    (16, "bool", Kind::Scalar(Scalar::Bool)),
    (19, "name", Kind::Text),
    (20, "int8", Kind::Scalar(Scalar::Int8)),
    (21, "int2", Kind::Scalar(Scalar::Int2)),
    (23, "int4", Kind::Scalar(Scalar::Int4)),
    (25, "text", Kind::Text),
    (114, "json", Kind::Json),
    (142, "xml", Kind::Xml),
    (700, "float4", Kind::Scalar(Scalar::Float4)),
    (701, "float8", Kind::Scalar(Scalar::Float8)),
    (705, "unknown", Kind::Text),
    (1042, "bpchar", Kind::Blank),
    (1043, "varchar", Kind::Text),
    (1082, "date", Kind::Scalar(Scalar::Date)),
    (1114, "timestamp", Kind::Scalar(Scalar::Timestamp)),
    (1184, "timestamptz", Kind::Scalar(Scalar::TimestampTz)),
    (1700, "numeric", Kind::Scalar(Scalar::Numeric)),
    (2950, "uuid", Kind::Scalar(Scalar::Uuid)),
    (3802, "jsonb", Kind::Jsonb),
];

impl Kind {
    /// Returns what masks can do with the type of this OID.
    pub(super) fn of(oid: u32) -> Self {
        KNOWN
            .iter()
            .find(|known| known.0 == oid)
            .map_or(Self::Other, |known| known.2)
    }

    /// Returns whether native masks see the type as text.
    pub(super) const fn is_text(self) -> bool {
        matches!(self, Self::Blank | Self::Text)
    }
}

/// Returns the name of a known type.
pub(super) fn name(oid: u32) -> Option<&'static str> {
    KNOWN.iter().find(|known| known.0 == oid).map(|known| known.1)
}

impl Scalar {
    /// Returns whether `cell` has the form in which PostgreSQL prints values of this type
    /// (dates in the ISO style only), within the type's range where it has a narrow one.
    pub(super) fn accepts(self, cell: &[u8]) -> bool {
        match self {
            Self::Bool => matches!(cell, b"t" | b"f"),
            Self::Date | Self::Timestamp | Self::TimestampTz => {
                Moment::parse(cell).is_some_and(|moment| date::fits(moment, self))
            }
            Self::Float4 => number::parse_float(cell).is_some_and(number::fits_float4),
            Self::Float8 => number::parse_float(cell).is_some(),
            Self::Int2 | Self::Int4 | Self::Int8 => {
                number::parse_integer(cell).is_some_and(|value| self.holds(value.into()))
            }
            Self::Numeric => number::is_decimal(cell),
            Self::Uuid => parse_uuid(cell).is_some(),
        }
    }

    /// Returns whether an integer type's range holds `value`; false for the other types.
    pub(super) fn holds(self, value: i128) -> bool {
        match self {
            Self::Int2 => i16::try_from(value).is_ok(),
            Self::Int4 => i32::try_from(value).is_ok(),
            Self::Int8 => i64::try_from(value).is_ok(),
            Self::Bool
            | Self::Date
            | Self::Float4
            | Self::Float8
            | Self::Numeric
            | Self::Timestamp
            | Self::TimestampTz
            | Self::Uuid => false,
        }
    }
}

/// Returns a `bpchar` without the blanks that pad it.
pub(super) fn without_trailing_blanks(cell: &[u8]) -> &[u8] {
    let blanks = cell.iter().rev().take_while(|&&byte| byte == b' ').count();
    &cell[..cell.len() - blanks]
}

/// Where a UUID's text form has its hyphens.
const HYPHENS: [usize; 4] = [8, 13, 18, 23];

/// Reads the 36 characters of a UUID; upper and lower case.
pub(super) fn parse_uuid(cell: &[u8]) -> Option<[u8; 16]> {
    if cell.len() != 36 || HYPHENS.iter().any(|&at| cell[at] != b'-') {
        return None;
    }
    let mut uuid = [0; 16];
    let mut nibbles = cell.iter().enumerate().filter(|(at, _)| !HYPHENS.contains(at));
    for byte in &mut uuid {
        let (high, low) = (nibbles.next()?.1, nibbles.next()?.1);
        *byte = hexadecimal(*high)? << 4 | hexadecimal(*low)?;
    }
    Some(uuid)
}

/// Appends the 36 characters of a UUID, in lower case.
pub(super) fn write_uuid(uuid: &[u8; 16], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for (index, byte) in uuid.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            out.push(b'-');
        }
        out.extend_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    }
}

fn hexadecimal(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|value| u8::try_from(value).ok())
}
