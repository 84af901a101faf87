//! A bound or a returned value as text. Pure.

use std::fmt::Write as _;

/// How many bytes of a value that is not text are shown.
const HEX_BYTES_MAX: usize = 64;

/// The format code of text; 1 is the type's binary form.
pub(super) const TEXT: u16 = 0;

/// Returns the value as text; `oid` is the type's, 0 where it is not known.
pub(super) fn render(oid: u32, format: u16, bytes: &[u8]) -> String {
    if format == TEXT {
        return String::from_utf8_lossy(bytes).into_owned();
    }
    binary(oid, bytes).unwrap_or_else(|| hex(bytes))
}

/// The binary forms of the commonest types, by the OIDs of PostgreSQL's `pg_type.dat`.
fn binary(oid: u32, bytes: &[u8]) -> Option<String> {
    match oid {
        16 => Some(if bytes == [0] { "f" } else { "t" }.to_owned()).filter(|_| bytes.len() == 1),
        20 => Some(i64::from_be_bytes(bytes.try_into().ok()?).to_string()),
        21 => Some(i16::from_be_bytes(bytes.try_into().ok()?).to_string()),
        23 => Some(i32::from_be_bytes(bytes.try_into().ok()?).to_string()),
        26 => Some(u32::from_be_bytes(bytes.try_into().ok()?).to_string()),
        700 => Some(f32::from_be_bytes(bytes.try_into().ok()?).to_string()),
        701 => Some(f64::from_be_bytes(bytes.try_into().ok()?).to_string()),
        // Text by any name, and JSON.
        18 | 19 | 25 | 114 | 142 | 705 | 1042 | 1043 => String::from_utf8(bytes.to_vec()).ok(),
        // jsonb begins with its version.
        3802 => String::from_utf8(bytes.strip_prefix(&[1])?.to_vec()).ok(),
        2950 => uuid(bytes),
        _ => None,
    }
}

fn uuid(bytes: &[u8]) -> Option<String> {
    let value = u128::from_be_bytes(bytes.try_into().ok()?);
    let hex = format!("{value:032x}");
    Some(format!(
        "{}-{}-{}-{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..]
    ))
}

fn hex(bytes: &[u8]) -> String {
    let shown = &bytes[..bytes.len().min(HEX_BYTES_MAX)];
    let mut out = String::from("\\x");
    for byte in shown {
        // Writing to a string cannot fail.
        let _ = write!(out, "{byte:02x}");
    }
    if shown.len() < bytes.len() {
        let _ = write!(out, "…+{} bytes", bytes.len() - shown.len());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_common_types_read_the_same_in_both_formats() {
        assert_eq!(render(25, 0, b"abc"), "abc");
        assert_eq!(render(23, 1, &7_i32.to_be_bytes()), "7");
        assert_eq!(render(20, 1, &(-7_i64).to_be_bytes()), "-7");
        assert_eq!(render(16, 1, &[1]), "t");
        assert_eq!(render(1043, 1, "дом".as_bytes()), "дом");
        assert_eq!(render(3802, 1, b"\x01{}"), "{}");
        assert_eq!(
            render(2950, 1, &[0x11; 16]),
            "11111111-1111-1111-1111-111111111111"
        );
    }

    #[test]
    fn what_is_not_what_its_type_says_is_shown_as_bytes() {
        assert_eq!(render(23, 1, &[1, 2]), "\\x0102");
        assert_eq!(render(25, 1, &[0xFF]), "\\xff");
        assert_eq!(
            render(0, 1, &[0; 100]),
            format!("\\x{}…+36 bytes", "00".repeat(64))
        );
    }
}
