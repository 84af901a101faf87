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

pub(crate) fn sign(secret: &str, id: &str, seconds: u64, body: &[u8]) -> Result<String, Error> {
    Ok(format!(
        "v1,{}",
        BASE64_STANDARD.encode(mac(secret, id, &seconds.to_string(), body)?)
    ))
}

/// Returns whether a message is signed by the secret and not too old.
pub(crate) fn is_genuine(secret: &str, message: &Message, now_ms: u64) -> Result<bool, Error> {
    let (Some(id), Some(timestamp), Some(signatures)) = (
        message.header("webhook-id"),
        message.header("webhook-timestamp"),
        message.header("webhook-signature"),
    ) else {
        return Ok(false);
    };
    // A full stop in the id would let one signed text be read as two different messages.
    let fresh = timestamp
        .parse::<u64>()
        .is_ok_and(|at| at.abs_diff(now_ms / 1000) <= AGE_SECONDS_MAX);
    if !fresh || id.contains('.') {
        return Ok(false);
    }
    let expected = mac(secret, id, timestamp, &message.body)?;
    let matches = |signature: &str| {
        let given = signature
            .strip_prefix("v1,")
            .and_then(|encoded| BASE64_STANDARD.decode(encoded).ok());
        given.is_some_and(|given| bool::from(given.ct_eq(&expected)))
    };
    Ok(signatures.split(' ').take(SIGNATURES_MAX).any(matches))
}

/// What proves a message later on: the headers that were signed or sign, and the body.
pub(crate) fn evidence(message: &Message) -> Vec<u8> {
    let mut evidence = Vec::new();
    for name in ["webhook-id", "webhook-timestamp", "webhook-signature"] {
        evidence.extend_from_slice(format!("{name}: {}\n", message.header(name).unwrap_or("")).as_bytes());
    }
    evidence.push(b'\n');
    evidence.extend_from_slice(&message.body);
    evidence
}

fn mac(secret: &str, id: &str, timestamp: &str, body: &[u8]) -> Result<Vec<u8>, Error> {
    let mut signed = format!("{id}.{timestamp}.").into_bytes();
    signed.extend_from_slice(body);
    secrets::hmac_sha256(secret, &signed)
}
