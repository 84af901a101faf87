//! Keyed pseudonyms: the same value gets the same stand-in within one domain, and without the
//! key nobody can tell which value it was or try values out.

use std::fmt;

use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use zeroize::Zeroize as _;

use super::fields::Format;
use super::number;
use super::types::{self, Kind, Scalar};

/// What each pseudonym of a text begins with, so that nobody takes it for a value.
const TEXT_PREFIX: &[u8] = b"p_";
/// Characters after the prefix: 26 of 5 bits are 130 bits, so a billion values collide with a
/// chance below 1 in 10^20.
const TEXT_CHARACTERS: usize = 26;
/// RFC 4648's alphabet in lower case.
const BASE32: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// The key of all pseudonyms. Overwritten when dropped; never printed.
pub struct PseudonymKey([u8; 32]);

impl PseudonymKey {
    /// Takes the key; the caller overwrites its own copy.
    #[must_use]
    pub const fn new(key: [u8; 32]) -> Self {
        Self(key)
    }
}

impl Drop for PseudonymKey {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for PseudonymKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PseudonymKey(..)")
    }
}

/// Makes the pseudonyms of one domain.
///
/// A pseudonym is HMAC-SHA256(key, domain ‖ 0x00 ‖ canonical value), given the shape of the
/// column's type. The canonical value is a text's bytes (of `bpchar` without trailing blanks),
/// an integer's decimal digits, a UUID's 16 bytes; so it is the same in both wire formats.
///
/// - Text: `p_` and 26 characters of base32, the first 130 bits.
/// - Integers: 1 + (the first 64 bits modulo the type's largest value). The same number gets
///   different pseudonyms in `int4` and `int8`; and in `int2` 32,767 of them must do for all.
/// - UUID: the first 128 bits as a UUID of version 8.
/// - Everything else: NULL.
pub(super) struct Pseudonym {
    /// Keyed, and fed with the domain and its end.
    keyed: Hmac<Sha256>,
}

impl Pseudonym {
    /// `domain` holds no NUL, so that domain and value can't run into each other.
    pub(super) fn new(key: &PseudonymKey, domain: &str) -> Self {
        let mut keyed = Hmac::new_from_slice(&key.0).expect("HMAC takes keys of every length");
        keyed.update(domain.as_bytes());
        keyed.update(&[0]);
        Self { keyed }
    }

    /// Appends the pseudonym of `cell`; false where the cell must become NULL.
    pub(super) fn write(&self, kind: Kind, format: Format, cell: &[u8], out: &mut Vec<u8>) -> bool {
        match kind {
            Kind::Blank => self.write_text(types::without_trailing_blanks(cell), out),
            Kind::Text => self.write_text(cell, out),
            Kind::Scalar(scalar @ (Scalar::Int2 | Scalar::Int4 | Scalar::Int8)) => {
                self.write_integer(scalar, format, cell, out).is_some()
            }
            Kind::Scalar(Scalar::Uuid) => self.write_uuid(format, cell, out).is_some(),
            Kind::Json | Kind::Jsonb | Kind::Other | Kind::Scalar(_) | Kind::Xml => false,
        }
    }

    fn mac(&self, canonical: &[u8]) -> [u8; 32] {
        let mut keyed = self.keyed.clone();
        keyed.update(canonical);
        keyed.finalize().into_bytes().into()
    }

    fn write_text(&self, cell: &[u8], out: &mut Vec<u8>) -> bool {
        if std::str::from_utf8(cell).is_err() {
            return false;
        }
        let mac = self.mac(cell);
        out.extend_from_slice(TEXT_PREFIX);
        out.extend((0..TEXT_CHARACTERS).map(|index| {
            let bit = index * 5;
            let pair = u16::from_be_bytes([mac[bit / 8], mac[bit / 8 + 1]]);
            BASE32[usize::from(pair >> (11 - bit % 8) & 31)]
        }));
        true
    }

    fn write_integer(&self, scalar: Scalar, format: Format, cell: &[u8], out: &mut Vec<u8>) -> Option<()> {
        let value = number::read_integer(scalar, format, cell)?;
        let largest = match scalar {
            Scalar::Int2 => i16::MAX.into(),
            Scalar::Int4 => i32::MAX.into(),
            _ => i64::MAX,
        };
        let start = out.len();
        number::write_integer(scalar, Format::Text, value, out)?;
        let mac = self.mac(&out[start..]);
        out.truncate(start);
        let drawn = mac.first_chunk().map(|head| u64::from_be_bytes(*head))?;
        let pseudonym = i64::try_from(drawn % largest.unsigned_abs()).ok()? + 1;
        number::write_integer(scalar, format, pseudonym, out)
    }

    fn write_uuid(&self, format: Format, cell: &[u8], out: &mut Vec<u8>) -> Option<()> {
        let value: [u8; 16] = match format {
            Format::Binary => cell.try_into().ok()?,
            Format::Text => types::parse_uuid(cell)?,
        };
        let mut uuid: [u8; 16] = *self.mac(&value).first_chunk()?;
        uuid[6] = uuid[6] & 0x0F | 0x80;
        uuid[8] = uuid[8] & 0x3F | 0x80;
        match format {
            Format::Binary => out.extend_from_slice(&uuid),
            Format::Text => types::write_uuid(&uuid, out),
        }
        Some(())
    }
}

#[cfg(test)]
mod tests;
