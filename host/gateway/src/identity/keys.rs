//! The keys of one provider: read from a JWKS, each bound to the algorithms it is for.
//!
//! The library's own reader ignores `alg`, `use` and `crv` and would turn a symmetric key
//! into one that signs; so keys are picked here, and only their numbers handed on.

use std::collections::HashMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey};
use serde_json::{Map, Value};

use super::error::{KeysError, TokenError, shown};
use super::json;
use crate::config::IdentityConfig;

/// The largest JWKS or discovery document, in bytes; large ones are some 20 KiB.
pub(super) const JWKS_BYTES_MAX: usize = 256 * 1024;

/// How many keys a JWKS may hold; providers rotate between two or three.
pub(super) const KEYS_MAX: usize = 100;

/// The sizes of RSA keys that are accepted, in bits: below is breakable, above is slow.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2_048..=8_192;

/// One key and what it may verify.
#[derive(Clone, Debug)]
pub(super) struct Key {
    kid: Option<String>,
    algorithms: Vec<Algorithm>,
    pub(super) key: DecodingKey,
}

/// The usable keys of a JWKS. A copy shares them.
#[derive(Clone, Debug)]
pub(super) struct KeySet {
    keys: Arc<[Key]>,
}

impl KeySet {
    /// Reads a JWKS. Keys that cannot be used are left out; so are keys that share a `kid`.
    pub(super) fn read(bytes: &[u8], config: &IdentityConfig) -> Result<Self, KeysError> {
        if bytes.len() > JWKS_BYTES_MAX {
            return Err(KeysError::TooLarge);
        }
        let document = json::object(bytes).map_err(|_| KeysError::Malformed("JWKS"))?;
        let Some(Value::Array(entries)) = document.get("keys") else {
            return Err(KeysError::Malformed("JWKS"));
        };
        if entries.len() > KEYS_MAX {
            return Err(KeysError::TooManyKeys);
        }
        let mut keys = Vec::new();
        let mut left_out = Vec::new();
        for entry in entries {
            match read_key(entry, config) {
                Ok(key) => keys.push(key),
                Err(reason) => left_out.push(reason),
            }
        }
        let mut uses: HashMap<Option<String>, usize> = HashMap::new();
        for key in &keys {
            *uses.entry(key.kid.clone()).or_default() += 1;
        }
        keys.retain(|key| {
            let unique = key.kid.is_none() || uses.get(&key.kid) == Some(&1);
            if !unique {
                left_out.push("its kid stands twice");
            }
            unique
        });
        left_out.sort_unstable();
        left_out.dedup();
        if keys.is_empty() {
            return Err(KeysError::NoUsableKey(left_out.join(", ")));
        }
        if !left_out.is_empty() {
            tracing::debug!(identity = config.name, reasons = ?left_out, "some keys are left out");
        }
        Ok(Self { keys: keys.into() })
    }

    /// Returns the key for a token that names `kid` and is signed with `algorithm`.
    pub(super) fn find(&self, kid: Option<&str>, algorithm: Algorithm) -> Result<&Key, TokenError> {
        if let Some(kid) = kid {
            let named = self.keys.iter().find(|key| key.kid.as_deref() == Some(kid));
            let key = named.ok_or_else(|| TokenError::UnknownKey(shown(kid)))?;
            if !key.algorithms.contains(&algorithm) {
                return Err(TokenError::KeyOfOtherAlgorithm(algorithm));
            }
            return Ok(key);
        }
        let mut fitting = self.keys.iter().filter(|key| key.algorithms.contains(&algorithm));
        let first = fitting
            .next()
            .ok_or_else(|| TokenError::UnknownKey("without a name".to_owned()))?;
        match fitting.next() {
            Some(_) => Err(TokenError::AmbiguousKey),
            None => Ok(first),
        }
    }
}

/// Reads one key, or says why it is left out.
fn read_key(entry: &Value, config: &IdentityConfig) -> Result<Key, &'static str> {
    let entry = entry.as_object().ok_or("it is not an object")?;
    let text = |name: &str| entry.get(name).and_then(Value::as_str);
    if text("use").is_some_and(|usage| usage != "sig") {
        return Err("it is not for signatures");
    }
    if let Some(operations) = entry.get("key_ops") {
        let verifies = operations
            .as_array()
            .is_some_and(|list| list.iter().any(|operation| operation == "verify"));
        if !verifies {
            return Err("it is not for verifying");
        }
    }
    if entry.contains_key("d") {
        return Err("it is a private key, which anybody could sign with");
    }
    let (key, possible): (_, &[Algorithm]) = match text("kty") {
        Some("RSA") => (rsa(entry)?, AlgorithmFamily::Rsa.algorithms()),
        Some("EC") => elliptic(entry)?,
        Some("OKP") => (edwards(entry)?, &[Algorithm::EdDSA]),
        Some("oct") => return Err("it is symmetric"),
        _ => return Err("its kty is not known"),
    };
    let algorithms = match entry.get("alg") {
        Some(name) => vec![bound(name, possible).ok_or("its alg does not fit")?],
        None if possible.len() == 1 => possible.to_vec(),
        None if config.algorithms_given => possible
            .iter()
            .copied()
            .filter(|algorithm| config.algorithms.contains(algorithm))
            .collect(),
        // What an RSA key without `alg` is for, everywhere.
        None => vec![Algorithm::RS256],
    };
    let kid = match entry.get("kid") {
        None => None,
        Some(Value::String(kid)) => Some(kid.clone()),
        Some(_) => return Err("its kid is not a text"),
    };
    Ok(Key { kid, algorithms, key })
}

fn bound(name: &Value, possible: &[Algorithm]) -> Option<Algorithm> {
    // RFC 9864 renames what RFC 8037 called EdDSA.
    let name = match name.as_str()? {
        "Ed25519" => "EdDSA",
        other => other,
    };
    name.parse().ok().filter(|algorithm| possible.contains(algorithm))
}

fn number(entry: &Map<String, Value>, name: &str) -> Result<Vec<u8>, &'static str> {
    let text = entry
        .get(name)
        .and_then(Value::as_str)
        .ok_or("it lacks a number")?;
    URL_SAFE_NO_PAD
        .decode(text)
        .map_err(|_| "a number of it is not base64url")
}

fn rsa(entry: &Map<String, Value>) -> Result<DecodingKey, &'static str> {
    let (modulus, exponent) = (number(entry, "n")?, number(entry, "e")?);
    let significant = modulus
        .iter()
        .position(|byte| *byte != 0)
        .map_or(&[][..], |at| &modulus[at..]);
    let bits = significant
        .first()
        .map_or(0, |first| significant.len() * 8 - first.leading_zeros() as usize);
    if !RSA_BITS.contains(&bits) {
        return Err("its RSA key is shorter than 2048 bits, or longer than 8192");
    }
    Ok(DecodingKey::from_rsa_raw_components(significant, &exponent))
}

fn elliptic(entry: &Map<String, Value>) -> Result<(DecodingKey, &'static [Algorithm]), &'static str> {
    let (length, possible): (_, &[Algorithm]) = match entry.get("crv").and_then(Value::as_str) {
        Some("P-256") => (32, &[Algorithm::ES256]),
        Some("P-384") => (48, &[Algorithm::ES384]),
        _ => return Err("its curve is not known"),
    };
    let (x, y) = (number(entry, "x")?, number(entry, "y")?);
    if x.len() != length || y.len() != length {
        return Err("its point does not fit its curve");
    }
    // The uncompressed point of SEC 1, section 2.3.3.
    let point = [&[4][..], &x, &y].concat();
    Ok((DecodingKey::from_ec_der(&point), possible))
}

fn edwards(entry: &Map<String, Value>) -> Result<DecodingKey, &'static str> {
    if entry.get("crv").and_then(Value::as_str) != Some("Ed25519") {
        return Err("its curve is not known");
    }
    let x = number(entry, "x")?;
    if x.len() != 32 {
        return Err("its point does not fit its curve");
    }
    Ok(DecodingKey::from_ed_der(&x))
}
