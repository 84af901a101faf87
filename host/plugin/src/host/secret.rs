//! `tidegate:host/secrets`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::bindings::imports::tidegate::base::types::{Code, Error};
use crate::bindings::imports::tidegate::host::secrets;
use crate::config::Secret;
use crate::host::error;
use crate::store::State;

/// What one signature may cover. The contract says so.
const SIGNED_BYTES_MAX: usize = 16 << 20;

/// How a key of Standard Webhooks begins.
const WEBHOOK_PREFIX: &[u8] = b"whsec_";

impl State {
    fn secret(&self, name: &str) -> Result<&Secret, Error> {
        self.profile
            .policy
            .secrets
            .get(name)
            .ok_or_else(|| error(Code::Unauthorized, "this secret is not granted"))
    }
}

impl secrets::Host for State {
    fn hmac_sha256(&mut self, name: String, data: Vec<u8>) -> Result<Vec<u8>, Error> {
        let key = signing_key(self.secret(&name)?)?;
        if data.len() > SIGNED_BYTES_MAX {
            return Err(error(Code::InvalidInput, "more than 16 MiB to sign"));
        }
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&key).map_err(|_| error(Code::InvalidConfig, "not a key"))?;
        mac.update(&data);
        Ok(mac.finalize().into_bytes().to_vec())
    }

    fn equals(&mut self, name: String, candidate: Vec<u8>) -> Result<bool, Error> {
        Ok(self.secret(&name)?.expose().ct_eq(&candidate).into())
    }

    fn reveal(&mut self, name: String) -> Result<Vec<u8>, Error> {
        let secret = self.secret(&name)?;
        let plugin = self.profile.name.as_str();
        if !secret.reveal {
            tracing::warn!(
                plugin,
                secret = name,
                "plugin asked to see a secret it may only use"
            );
            return Err(error(Code::Unauthorized, "this secret may be used but not seen"));
        }
        tracing::info!(plugin, secret = name, "plugin was shown a secret");
        Ok(secret.expose().to_vec())
    }
}

fn signing_key(secret: &Secret) -> Result<Zeroizing<Vec<u8>>, Error> {
    match secret.expose().strip_prefix(WEBHOOK_PREFIX) {
        Some(encoded) => STANDARD
            .decode(encoded)
            .map(Zeroizing::new)
            .map_err(|_| error(Code::InvalidConfig, "what follows whsec_ is not base64")),
        None => Ok(Zeroizing::new(secret.expose().to_vec())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_webhook_key_is_decoded_and_any_other_is_taken_as_it_is() {
        let key = |secret: &str| {
            signing_key(&Secret::new(secret))
                .map(|key| key.to_vec())
                .map_err(|e| e.code)
        };
        assert_eq!(key("whsec_AQID"), Ok(vec![1, 2, 3]));
        assert_eq!(key("plain"), Ok(b"plain".to_vec()));
        assert_eq!(key("whsec_*"), Err(Code::InvalidConfig));
    }
}
