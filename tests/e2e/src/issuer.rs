//! An identity provider in memory: keys, a JWKS file, and tokens with any claims.

use std::fs;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use crate::postgres::random_word;

/// The `aud` the gateway asks for.
pub const AUDIENCE: &str = "tidegate";

/// The `iss` of every proper token.
pub const ISSUER: &str = "https://issuer.test";

/// An issuer with one ES256 key.
#[derive(Debug)]
pub struct Issuer {
    private: Vec<u8>,
    public: Vec<u8>,
    key_id: String,
}

impl Issuer {
    /// Makes an issuer with a fresh key.
    ///
    /// # Errors
    /// When the operating system has no randomness.
    pub fn new() -> Result<Self> {
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let private = EcdsaKeyPair::generate_pkcs8(algorithm, &SystemRandom::new())
            .ok()
            .context("no key")?;
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, private.as_ref())
            .ok()
            .context("a key just made")?;
        let public = pair.public_key().as_ref().to_vec();
        Ok(Self {
            private: private.as_ref().to_vec(),
            public,
            key_id: random_word("key")?,
        })
    }

    /// Returns the id under which the key is published.
    #[must_use]
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// Writes the public key as a JWKS file.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write_jwks(&self, path: &Path) -> Result<()> {
        // An uncompressed point is 0x04, then 32 bytes each of x and y (SEC 1, 2.3.3).
        let coordinate = |from: usize| URL_SAFE_NO_PAD.encode(&self.public[from..from + 32]);
        let key = json!({
            "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": self.key_id,
            "x": coordinate(1), "y": coordinate(33),
        });
        Ok(fs::write(path, json!({ "keys": [key] }).to_string())?)
    }

    /// Returns the claims of a proper token that ends in an hour.
    #[must_use]
    pub fn claims(&self, subject: &str, groups: &[&str]) -> Value {
        let now = unix_now();
        json!({
            "iss": ISSUER, "aud": AUDIENCE, "sub": subject, "groups": groups,
            "iat": now, "nbf": now - 5, "exp": now + 3_600,
        })
    }

    /// Returns a proper token.
    ///
    /// # Errors
    /// When signing fails.
    pub fn token(&self, subject: &str, groups: &[&str]) -> Result<String> {
        self.sign(&self.claims(subject, groups))
    }

    /// Returns a token of a human being, who may answer holds if policy says so.
    ///
    /// # Errors
    /// When signing fails.
    pub fn person(&self, subject: &str, groups: &[&str]) -> Result<String> {
        let mut claims = self.claims(subject, groups);
        claims["kind"] = "person".into();
        self.sign(&claims)
    }

    /// Signs any claims with the published key.
    ///
    /// # Errors
    /// When signing fails.
    pub fn sign(&self, claims: &Value) -> Result<String> {
        self.sign_as(&self.key_id, claims)
    }

    /// Signs any claims, naming any key.
    ///
    /// # Errors
    /// When signing fails.
    pub fn sign_as(&self, key_id: &str, claims: &Value) -> Result<String> {
        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some(key_id.to_owned());
        Ok(jsonwebtoken::encode(
            &header,
            claims,
            &EncodingKey::from_ec_der(&self.private),
        )?)
    }

    /// Returns a token that claims to need no signature.
    #[must_use]
    pub fn unsigned(&self, claims: &Value) -> String {
        let header = json!({ "alg": "none", "typ": "JWT", "kid": self.key_id });
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        format!("{}.{}.", part(&header), part(claims))
    }

    /// Returns a token signed with HS256, its secret the public key as PEM: the classic
    /// confusion of algorithms.
    ///
    /// # Errors
    /// When signing fails.
    pub fn confused(&self, claims: &Value) -> Result<String> {
        let mut header = Header::new(Algorithm::HS256);
        header.kid = Some(self.key_id.clone());
        Ok(jsonwebtoken::encode(
            &header,
            claims,
            &EncodingKey::from_secret(self.public_pem().as_bytes()),
        )?)
    }

    fn public_pem(&self) -> String {
        let der = [P256_SPKI_PREFIX, self.public.as_slice()].concat();
        format!(
            "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
            STANDARD.encode(der)
        )
    }
}

/// Returns the seconds of Unix time.
#[must_use]
pub fn unix_now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

/// What precedes the point in a SubjectPublicKeyInfo for P-256 (RFC 5480).
const P256_SPKI_PREFIX: &[u8] = &[
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
    0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
