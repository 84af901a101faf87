//! Identifiers of sessions, operations, approvals, grants and locks: UUIDv7, so that they sort
//! by time.

use std::borrow::Cow;
use std::fmt;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::digits::hex_digits;

/// Builds a UUIDv7 (RFC 9562, section 5.7) from a Unix time and ten random bytes.
const fn uuid_v7(unix_ms: u64, random: [u8; 10]) -> u128 {
    let mut tail = [0_u8; 16];
    let mut i = 0;
    while i < 10 {
        tail[i + 6] = random[i];
        i += 1;
    }
    let random = u128::from_be_bytes(tail);
    let time = ((unix_ms & 0xFFFF_FFFF_FFFF) as u128) << 80;
    let version_and_variant_cleared = random & !(0xF000_u128 << 64) & !(0xC000_u128 << 48);
    time | version_and_variant_cleared | (0x7000_u128 << 64) | (0x8000_u128 << 48)
}

/// Returns the dashed form. By hand, because every entry of an operation has two of them.
fn uuid_text(value: u128) -> [u8; 36] {
    let mut text = [b'-'; 36];
    let mut at = 0;
    for (index, byte) in value.to_be_bytes().into_iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            at += 1;
        }
        text[at..at + 2].copy_from_slice(&hex_digits(byte));
        at += 2;
    }
    text
}

fn parse_uuid(text: &str) -> Option<u128> {
    let dashes_in_place = text.len() == 36
        && text
            .bytes()
            .enumerate()
            .all(|(i, b)| (b == b'-') == matches!(i, 8 | 13 | 18 | 23));
    if !dashes_in_place {
        return None;
    }
    u128::from_str_radix(&text.replace('-', ""), 16).ok()
}

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub struct $name(u128);

        impl $name {
            /// Makes an id for the moment `unix_ms` (milliseconds) from random bytes.
            #[must_use]
            pub const fn new(unix_ms: u64, random: [u8; 10]) -> Self {
                Self(uuid_v7(unix_ms, random))
            }

            /// Reads the dashed form that `Display` writes; `None` for anything else.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                parse_uuid(text).map(Self)
            }

            /// Returns the dashed form that `Display` writes, in ASCII.
            #[must_use]
            pub fn text(self) -> [u8; 36] {
                uuid_text(self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(std::str::from_utf8(&self.text()).map_err(|_| fmt::Error)?)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = Cow::<str>::deserialize(deserializer)?;
                Self::parse(&text).ok_or_else(|| Error::custom("not an id: a UUID with dashes"))
            }
        }
    };
}

uuid_id! {
    /// One authenticated client connection to one resource.
    SessionId
}
uuid_id! {
    /// One unit of judgement within a session.
    OperationId
}
uuid_id! {
    /// One question put to humans, and their answer.
    ApprovalId
}
uuid_id! {
    /// One time-boxed permission.
    GrantId
}
uuid_id! {
    /// One revocation in force.
    LockId
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_a_version_7_uuid_and_reads_back() {
        let id = SessionId::new(0x0123_4567_89AB, [0xFF; 10]);
        assert_eq!(id.to_string(), "01234567-89ab-7fff-bfff-ffffffffffff");
        assert_eq!(SessionId::parse(&id.to_string()), Some(id));
    }

    #[test]
    fn ids_sort_by_time() {
        assert!(OperationId::new(1, [0xFF; 10]) < OperationId::new(2, [0; 10]));
    }

    #[test]
    fn what_is_not_a_uuid_does_not_parse() {
        for text in [
            "",
            "0123",
            "01234567-89ab-7fff-bfff-fffffffffff",
            "01234567-89ab-7fff-bfff-fffffffffffg",
        ] {
            assert_eq!(SessionId::parse(text), None, "{text}");
        }
    }
}
