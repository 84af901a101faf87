//! Slack's signature on what it sends, and ours on the buttons it sends back.
//!
//! Both are HMAC-SHA-256 with the signing secret. What Slack signs begins with `v0:`, what we
//! sign with `button:`, so neither can pass for the other.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use subtle::ConstantTimeEq as _;
use tidegate_sdk::Error;
use tidegate_sdk::approver::Message;
use tidegate_sdk::host::secrets;

use crate::Place;

/// The headers that are signed, or sign.
pub(crate) const PROOF: [&str; 2] = ["x-slack-request-timestamp", "x-slack-signature"];

/// How far a request's time may be from ours; what Slack recommends.
const AGE_SECONDS_MAX: u64 = 300;

/// What a button does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Action {
    Approve,
    Deny,
}

impl Action {
    pub(crate) const ALL: [Self; 2] = [Self::Approve, Self::Deny];

    /// Returns the id that the button has in Slack.
    pub(crate) const fn id(self) -> &'static str {
        match self {
            Self::Approve => "tidegate_approve",
            Self::Deny => "tidegate_deny",
        }
    }
}

/// Returns when Slack signed a message, in milliseconds of Unix time; `None` unless the secret
/// signed it and it is not too old.
pub(crate) fn signed_at(secret: &str, message: &Message, now_ms: u64) -> Result<Option<u64>, Error> {
    let [Some(timestamp), Some(given)] = PROOF.map(|name| message.sole_header(name)) else {
        return Ok(None);
    };
    let Some(at) = seconds(timestamp).filter(|at| at.abs_diff(now_ms / 1000) <= AGE_SECONDS_MAX) else {
        return Ok(None);
    };
    let mut signed = format!("v0:{timestamp}:").into_bytes();
    signed.extend_from_slice(&message.body);
    let expected = format!("v0={}", hex::encode(secrets::hmac_sha256(secret, &signed)?));
    let is_genuine = bool::from(expected.as_bytes().ct_eq(given.as_bytes()));
    Ok(is_genuine.then(|| at.saturating_mul(1000)))
}

/// Reads a time of digits only: `parse` takes a sign too, which Slack never writes.
fn seconds(timestamp: &str) -> Option<u64> {
    let is_plain = timestamp.bytes().all(|b| b.is_ascii_digit());
    timestamp.parse().ok().filter(|_| is_plain)
}

/// Returns the value of a button: the approval's id and a MAC over what the button does, where
/// it stands and the id. The parts before the id hold no colon.
pub(crate) fn seal(secret: &str, place: &Place, action: Action, approval_id: &str) -> Result<String, Error> {
    let Place { team, channel, app } = place;
    let sealed = format!("button:{}:{app}:{team}:{channel}:{approval_id}", action.id());
    let mac = secrets::hmac_sha256(secret, sealed.as_bytes())?;
    Ok(format!("{approval_id}.{}", BASE64_URL_SAFE_NO_PAD.encode(mac)))
}

/// Returns the approval's id in a button's value, if the value is what `seal` makes of it.
pub(crate) fn unseal(
    value: &str,
    seal: impl Fn(&str) -> Result<String, Error>,
) -> Result<Option<&str>, Error> {
    let Some((approval_id, _)) = value.rsplit_once('.') else {
        return Ok(None);
    };
    let expected = seal(approval_id)?;
    let is_ours = bool::from(expected.as_bytes().ct_eq(value.as_bytes()));
    Ok(is_ours.then_some(approval_id))
}
