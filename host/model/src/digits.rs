//! Numbers as text without the detour through `fmt`: two entries are written for each statement.

/// Returns a byte as two lower-case hexadecimal digits.
pub(crate) const fn hex_digits(byte: u8) -> [u8; 2] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    [DIGITS[(byte >> 4) as usize], DIGITS[(byte & 15) as usize]]
}

/// Appends bytes in hexadecimal.
pub(crate) fn push_hex(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend(bytes.iter().flat_map(|byte| hex_digits(*byte)));
}

/// Appends a number in decimal.
pub(crate) fn push_decimal(number: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_fmt_writes_them() {
        for number in [0, 9, 10, 12_345, u64::MAX] {
            let mut out = Vec::new();
            push_decimal(number, &mut out);
            push_hex(&number.to_be_bytes(), &mut out);
            assert_eq!(out, format!("{number}{number:016x}").into_bytes());
        }
    }
}
