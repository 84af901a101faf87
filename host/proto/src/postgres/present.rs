//! What a human is shown of a statement: bound values as text, whatever format they came in.
//!
//! For reading only. What runs is always the client's own bytes.

use model::approval::{BIND_BYTES_MAX, BINDS_MAX, BoundValue};

use super::frame::{Body, FrameError};
use super::mask::day_text;

/// Returns the values of a Bind message, from its count of parameter formats on, and whether
/// there are more than are shown. `types` and `declared` are OIDs of four bytes each; the
/// first that knows a parameter's type counts.
///
/// # Errors
/// The message is malformed; the relay has checked that it is not.
pub fn bound_values(
    bound: &[u8],
    types: &[u8],
    declared: &[u8],
) -> Result<(Vec<BoundValue>, bool), FrameError> {
    let mut body = Body::within_bind(bound);
    let formats: Vec<u16> = (0..body.u16()?).map(|_| body.u16()).collect::<Result<_, _>>()?;
    let count = usize::from(body.u16()?);
    let mut values = Vec::with_capacity(count.min(BINDS_MAX));
    for index in 0..count {
        let value = body.value()?;
        if index >= BINDS_MAX {
            continue;
        }
        let format = match formats[..] {
            [] => 0,
            [all] => all,
            _ => formats.get(index).copied().unwrap_or(0),
        };
        let oid = oid(types, index).or_else(|| oid(declared, index));
        values.push(match value {
            None => BoundValue {
                text: None,
                cut: false,
            },
            Some(bytes) if format == 0 => shown(&String::from_utf8_lossy(bytes)),
            Some(bytes) => shown(&binary(oid, bytes).unwrap_or_else(|| hexadecimal(bytes))),
        });
    }
    Ok((values, count > BINDS_MAX))
}

fn oid(types: &[u8], index: usize) -> Option<u32> {
    let bytes = types.get(index * 4..index * 4 + 4)?.try_into().ok()?;
    Some(u32::from_be_bytes(bytes)).filter(|oid| *oid != 0)
}

fn shown(text: &str) -> BoundValue {
    let end = text.floor_char_boundary(BIND_BYTES_MAX);
    BoundValue {
        text: Some(text[..end].to_owned()),
        cut: end < text.len(),
    }
}

/// Reads a value of a built-in type in binary format; `None` for other types and for bytes
/// that are no value of the type.
fn binary(oid: Option<u32>, bytes: &[u8]) -> Option<String> {
    let text = |bytes: &[u8]| std::str::from_utf8(bytes).ok().map(str::to_owned);
    match oid? {
        BOOL => match bytes {
            [0] => Some("f".to_owned()),
            [1] => Some("t".to_owned()),
            _ => None,
        },
        INT2 => Some(i16::from_be_bytes(bytes.try_into().ok()?).to_string()),
        INT4 => Some(i32::from_be_bytes(bytes.try_into().ok()?).to_string()),
        INT8 => Some(i64::from_be_bytes(bytes.try_into().ok()?).to_string()),
        OID => Some(u32::from_be_bytes(bytes.try_into().ok()?).to_string()),
        FLOAT4 => Some(f32::from_be_bytes(bytes.try_into().ok()?).to_string()),
        FLOAT8 => Some(f64::from_be_bytes(bytes.try_into().ok()?).to_string()),
        NAME | TEXT | JSON | XML | UNKNOWN | BPCHAR | VARCHAR => text(bytes),
        JSONB => text(bytes.strip_prefix(&[1])?),
        DATE => day_text(i64::from(i32::from_be_bytes(bytes.try_into().ok()?))),
        TIMESTAMP => moment(bytes, ""),
        TIMESTAMPTZ => moment(bytes, "+00"),
        NUMERIC => numeric(bytes),
        UUID => {
            let uuid: [u8; 16] = bytes.try_into().ok()?;
            let hex: String = uuid.iter().map(|byte| format!("{byte:02x}")).collect();
            let parts = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]];
            Some(parts.join("-"))
        }
        _ => None,
    }
}

const MICROSECONDS_A_DAY: i64 = 86_400_000_000;

/// Microseconds since 2000-01-01, as PostgreSQL counts.
fn moment(bytes: &[u8], zone: &str) -> Option<String> {
    let at = i64::from_be_bytes(bytes.try_into().ok()?);
    match at {
        i64::MAX => return Some("infinity".to_owned()),
        i64::MIN => return Some("-infinity".to_owned()),
        _ => {}
    }
    let day = day_text(at.div_euclid(MICROSECONDS_A_DAY))?;
    let rest = at.rem_euclid(MICROSECONDS_A_DAY);
    let (seconds, fraction) = (rest / 1_000_000, rest % 1_000_000);
    let (hours, minutes) = (seconds / 3_600, seconds / 60 % 60);
    let fraction = match fraction {
        0 => String::new(),
        some => format!(".{some:06}"),
    };
    Some(format!(
        "{day} {hours:02}:{minutes:02}:{:02}{fraction}{zone}",
        seconds % 60
    ))
}

/// Digits to the base of 10,000 after count, weight of the first, sign and scale.
fn numeric(bytes: &[u8]) -> Option<String> {
    let word = |at: usize| {
        bytes
            .get(at * 2..at * 2 + 2)?
            .try_into()
            .ok()
            .map(u16::from_be_bytes)
    };
    let (count, sign, scale) = (usize::from(word(0)?), word(2)?, usize::from(word(3)?));
    if bytes.len() != 8 + count * 2 {
        return None;
    }
    match sign {
        0 | 0x4000 => {}
        0xC000 => return Some("NaN".to_owned()),
        0xD000 => return Some("Infinity".to_owned()),
        0xF000 => return Some("-Infinity".to_owned()),
        _ => return None,
    }
    let weight = i64::from(i16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?));
    let digit = |place: i64| {
        let index = usize::try_from(weight - place)
            .ok()
            .filter(|index| *index < count);
        index.and_then(|index| word(4 + index)).unwrap_or(0)
    };
    let mut whole: String = (0..=weight.max(0))
        .rev()
        .map(|place| format!("{:04}", digit(place)))
        .collect();
    whole = whole.trim_start_matches('0').to_owned();
    if whole.is_empty() {
        whole.push('0');
    }
    let groups = i64::try_from(scale.div_ceil(4)).ok()?;
    let fraction: String = (1..=groups)
        .map(|place| format!("{:04}", digit(-place)))
        .collect();
    let sign = if sign == 0x4000 { "-" } else { "" };
    let point = if scale > 0 { "." } else { "" };
    Some(format!("{sign}{whole}{point}{}", fraction.get(..scale)?))
}

fn hexadecimal(bytes: &[u8]) -> String {
    let shown = &bytes[..bytes.len().min(BIND_BYTES_MAX)];
    let digits: String = shown.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("\\x{digits}")
}

// OIDs of built-in types, as `pg_type` fixes them for every database.
const BOOL: u32 = 16;
const NAME: u32 = 19;
const INT8: u32 = 20;
const INT2: u32 = 21;
const INT4: u32 = 23;
const TEXT: u32 = 25;
const OID: u32 = 26;
const JSON: u32 = 114;
const XML: u32 = 142;
const FLOAT4: u32 = 700;
const FLOAT8: u32 = 701;
const UNKNOWN: u32 = 705;
const BPCHAR: u32 = 1042;
const VARCHAR: u32 = 1043;
const DATE: u32 = 1082;
const TIMESTAMP: u32 = 1114;
const TIMESTAMPTZ: u32 = 1184;
const NUMERIC: u32 = 1700;
const UUID: u32 = 2950;
const JSONB: u32 = 3802;

#[cfg(test)]
mod tests;
