//! Keyed pseudonyms: the same value gets the same stand-in within one domain, and without the
//! key nobody can tell which value it was or try values out.

use std::fmt;

use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use zeroize::Zeroize as _;

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
/// A pseudonym is HMAC-SHA256(key, domain ‖ 0x00 ‖ canonical value), in a form of the value's
/// type. That of a text, whose canonical value are its bytes, is `p_` and 26 characters of
/// base32, the first 130 bits.
pub(crate) struct Pseudonym {
    /// Keyed, and fed with the domain and its end.
    keyed: Hmac<Sha256>,
}

impl Pseudonym {
    /// `domain` holds no NUL, so that domain and value can't run into each other.
    pub(crate) fn new(key: &PseudonymKey, domain: &str) -> Self {
        let mut keyed = Hmac::new_from_slice(&key.0).expect("HMAC takes keys of every length");
        keyed.update(domain.as_bytes());
        keyed.update(&[0]);
        Self { keyed }
    }

    /// Returns the bits that pseudonyms of a canonical value are made of.
    pub(crate) fn mac(&self, canonical: &[u8]) -> [u8; 32] {
        let mut keyed = self.keyed.clone();
        keyed.update(canonical);
        keyed.finalize().into_bytes().into()
    }

    /// Appends the pseudonym of a text; false where it is not UTF-8.
    pub(crate) fn write_text(&self, cell: &[u8], out: &mut Vec<u8>) -> bool {
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
}
