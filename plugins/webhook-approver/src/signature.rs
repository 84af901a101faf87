//! Signatures by Standard Webhooks: HMAC-SHA-256 over `id.timestamp.body`, as `v1,BASE64`.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use subtle::ConstantTimeEq as _;
use tidegate_sdk::Error;
use tidegate_sdk::approver::Message;
use tidegate_sdk::host::secrets;

/// How far a message's time may be from ours; what the specification's libraries allow.
const AGE_SECONDS_MAX: u64 = 300;

/// How many signatures of one message are tried: two keys in rotation and some room.
const SIGNATURES_MAX: usize = 8;

/// The headers that are signed, or sign.
pub(crate) const PROOF: [&str; 3] = ["webhook-id", "webhook-timestamp", "webhook-signature"];

pub(crate) fn sign(secret: &str, id: &str, seconds: u64, body: &[u8]) -> Result<String, Error> {
    Ok(format!(
        "v1,{}",
        BASE64_STANDARD.encode(mac(secret, id, &seconds.to_string(), body)?)
    ))
}

/// Returns when a message was signed, in milliseconds of Unix time; `None` unless the secret
/// signed it and it is not too old. Within that age the same message may come again: it names
/// the same answer of the same person at the same time, and the host counts it once.
pub(crate) fn signed_at(secret: &str, message: &Message, now_ms: u64) -> Result<Option<u64>, Error> {
    let [Some(id), Some(timestamp), Some(signatures)] = PROOF.map(|name| message.sole_header(name)) else {
        return Ok(None);
    };
    // A full stop in the id would let one signed text be read as two different messages.
    let Some(at) = seconds(timestamp).filter(|_| !id.contains('.')) else {
        return Ok(None);
    };
    if at.abs_diff(now_ms / 1000) > AGE_SECONDS_MAX {
        return Ok(None);
    }
    let expected = mac(secret, id, timestamp, &message.body)?;
    let matches = |signature: &str| {
        let given = signature
            .strip_prefix("v1,")
            .and_then(|encoded| BASE64_STANDARD.decode(encoded).ok());
        given.is_some_and(|given| bool::from(given.ct_eq(&expected)))
    };
    let is_genuine = signatures.split(' ').take(SIGNATURES_MAX).any(matches);
    Ok(is_genuine.then(|| at.saturating_mul(1000)))
}

/// Reads a time of digits only: `parse` takes a sign too, which another reader may not.
fn seconds(timestamp: &str) -> Option<u64> {
    let is_plain = timestamp.bytes().all(|b| b.is_ascii_digit());
    timestamp.parse().ok().filter(|_| is_plain)
}

fn mac(secret: &str, id: &str, timestamp: &str, body: &[u8]) -> Result<Vec<u8>, Error> {
    let mut signed = format!("{id}.{timestamp}.").into_bytes();
    signed.extend_from_slice(body);
    secrets::hmac_sha256(secret, &signed)
}
