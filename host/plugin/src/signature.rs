//! Signatures of components: who vouches for a file, by keys that the operator trusts.
//!
//! What is signed is the payload of cosign's "simple signing": a JSON document that names the
//! component's SHA-256. Payloads and signatures lie beside the component, in `NAME.wasm.sig`; a
//! component may have several, one is enough. Keys are Ed25519 or ECDSA on P-256.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, ED25519, EcdsaKeyPair, Ed25519KeyPair,
    UnparsedPublicKey, VerificationAlgorithm,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{PrivatePkcs8KeyDer, SubjectPublicKeyInfoDer};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest as _, Sha256};

/// The largest file of signatures: 16 signatures with room.
const SIGNATURES_BYTES_MAX: u64 = 64 << 10;

/// Signatures of one component. A handful of people vouch for a release.
const SIGNATURES_MAX: usize = 16;

/// What precedes the 32 bytes of an Ed25519 key in a SubjectPublicKeyInfo (RFC 8410).
const ED25519_PREFIX: [u8; 12] = [
    0x30, 0x2A, 0x30, 0x05, 0x06, 0x03, 0x2B, 0x65, 0x70, 0x03, 0x21, 0x00,
];

/// What precedes the 65 bytes of an uncompressed P-256 point in one (RFC 5480).
const P256_PREFIX: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01, 0x06, 0x08, 0x2A, 0x86,
    0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// The `type` of cosign's payload.
const PAYLOAD_TYPE: &str = "cosign container image signature";

/// Why a component is not vouched for, or can't be signed.
#[derive(Debug, thiserror::Error)]
pub enum SignatureError {
    /// Signatures are required and there are none.
    #[error("{0} is not there, and a signature is required: sign the component with `tidegate plugin sign`")]
    Unsigned(String),
    /// The file of signatures can't be read.
    #[error("{0} holds no signatures that can be read")]
    Malformed(String),
    /// No signature is of a trusted key.
    #[error("{0} holds no signature of a trusted key over this very file")]
    Untrusted(String),
    /// A key can't be used.
    #[error("it is no public key: give a PEM file of Ed25519 or of ECDSA on P-256")]
    PublicKey,
    /// A key can't be used to sign.
    #[error("it is no private key: give an unencrypted PKCS#8 PEM file of Ed25519 or of ECDSA on P-256")]
    PrivateKey,
}

/// A key whose signatures count.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TrustedKey {
    algorithm: Algorithm,
    public: Vec<u8>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Algorithm {
    Ed25519,
    P256,
}

impl Algorithm {
    fn verification(self) -> &'static dyn VerificationAlgorithm {
        match self {
            Self::Ed25519 => &ED25519,
            Self::P256 => &ECDSA_P256_SHA256_ASN1,
        }
    }
}

impl TrustedKey {
    /// Reads a public key as PEM (`BEGIN PUBLIC KEY`), as openssl and cosign write it.
    ///
    /// # Errors
    /// When it is none of the two kinds.
    pub fn from_pem(pem: &[u8]) -> Result<Self, SignatureError> {
        let der = SubjectPublicKeyInfoDer::from_pem_slice(pem).map_err(|_| SignatureError::PublicKey)?;
        let (algorithm, public) = if let Some(public) = der.strip_prefix(&ED25519_PREFIX) {
            (Algorithm::Ed25519, public)
        } else if let Some(public) = der.strip_prefix(&P256_PREFIX) {
            (Algorithm::P256, public)
        } else {
            return Err(SignatureError::PublicKey);
        };
        let length = match algorithm {
            Algorithm::Ed25519 => 32,
            Algorithm::P256 => 65,
        };
        if public.len() != length {
            return Err(SignatureError::PublicKey);
        }
        Ok(Self {
            algorithm,
            public: public.to_vec(),
        })
    }

    /// Returns the beginning of the key's SHA-256: enough to tell keys apart in a log.
    #[must_use]
    pub fn id(&self) -> String {
        hex::encode(&Sha256::digest(&self.public)[..8])
    }

    fn vouches(&self, signature: &Signature, component: &[u8; 32]) -> bool {
        let (Ok(payload), Ok(value)) = (
            STANDARD.decode(&signature.payload),
            STANDARD.decode(&signature.signature),
        ) else {
            return false;
        };
        let key = UnparsedPublicKey::new(self.algorithm.verification(), &self.public);
        // What is not signed is not read.
        key.verify(&payload, &value).is_ok() && names(&payload, component)
    }
}

/// Whose signatures count, and whether one must be there.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Trust {
    /// The keys; without any, signatures are not looked at.
    pub keys: Vec<TrustedKey>,
    /// Whether a component without a signature is refused.
    pub required: bool,
}

/// One signature.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Signature {
    /// What is signed, in base64.
    payload: String,
    /// The signature over its bytes, in base64: 64 bytes of Ed25519, or ECDSA's in DER.
    signature: String,
}

/// Returns where a component's signatures lie.
#[must_use]
pub fn signatures_of(component: &Path) -> PathBuf {
    let mut path = component.as_os_str().to_owned();
    path.push(".sig");
    path.into()
}

/// Holds a component against whom the operator trusts; returns the id of the key that vouches
/// for it. `None`: nobody has to.
///
/// # Errors
/// When a signature must be there and is not, or there are some and none counts.
pub fn check(trust: &Trust, component: &Path, digest: &[u8; 32]) -> Result<Option<String>, SignatureError> {
    if trust.keys.is_empty() && !trust.required {
        return Ok(None);
    }
    let path = signatures_of(component);
    let name = || path.display().to_string();
    let signatures = match read(&path)? {
        Some(signatures) => signatures,
        None if trust.required => return Err(SignatureError::Unsigned(name())),
        None => return Ok(None),
    };
    let vouching = trust
        .keys
        .iter()
        .find(|key| signatures.iter().any(|signature| key.vouches(signature, digest)));
    match vouching {
        Some(key) => Ok(Some(key.id())),
        None => Err(SignatureError::Untrusted(name())),
    }
}

fn read(path: &Path) -> Result<Option<Vec<Signature>>, SignatureError> {
    let malformed = || SignatureError::Malformed(path.display().to_string());
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(_) => return Err(malformed()),
    };
    let mut text = Vec::new();
    let read = file.take(SIGNATURES_BYTES_MAX + 1).read_to_end(&mut text);
    if read.is_err() || text.len() as u64 > SIGNATURES_BYTES_MAX {
        return Err(malformed());
    }
    let signatures: Vec<Signature> = serde_json::from_slice(&text).map_err(|_| malformed())?;
    if signatures.len() > SIGNATURES_MAX {
        return Err(malformed());
    }
    Ok(Some(signatures))
}

/// Signs a component with a private key (PKCS#8 PEM); returns the text of its file of signatures:
/// `before`, the text that is there, with one more.
///
/// # Errors
/// When the key can't be used, or `before` can't be read or is full.
pub fn sign(private_pem: &[u8], digest: &[u8; 32], before: Option<&[u8]>) -> Result<String, SignatureError> {
    let malformed = || SignatureError::Malformed("the file of signatures".to_owned());
    let mut signatures: Vec<Signature> = match before {
        Some(text) => serde_json::from_slice(text).map_err(|_| malformed())?,
        None => Vec::new(),
    };
    let payload = payload(digest);
    let key = PrivatePkcs8KeyDer::from_pem_slice(private_pem).map_err(|_| SignatureError::PrivateKey)?;
    let value = signed(key.secret_pkcs8_der(), &payload).ok_or(SignatureError::PrivateKey)?;
    // Signatures of other versions of the file are worth nothing any more.
    signatures.retain(|signature| {
        STANDARD
            .decode(&signature.payload)
            .is_ok_and(|payload| names(&payload, digest))
    });
    signatures.push(Signature {
        payload: STANDARD.encode(&payload),
        signature: STANDARD.encode(value),
    });
    if signatures.len() > SIGNATURES_MAX {
        return Err(malformed());
    }
    let mut text = serde_json::to_string_pretty(&signatures).map_err(|_| malformed())?;
    text.push('\n');
    Ok(text)
}

fn signed(key: &[u8], payload: &[u8]) -> Option<Vec<u8>> {
    if let Ok(key) = Ed25519KeyPair::from_pkcs8_maybe_unchecked(key) {
        return Some(key.sign(payload).as_ref().to_vec());
    }
    let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, key).ok()?;
    let signature = key.sign(&SystemRandom::new(), payload).ok()?;
    Some(signature.as_ref().to_vec())
}

/// The payload that names a component.
fn payload(digest: &[u8; 32]) -> Vec<u8> {
    json!({
        "critical": {
            "identity": { "docker-reference": "" },
            "image": { "docker-manifest-digest": format!("sha256:{}", hex::encode(digest)) },
            "type": PAYLOAD_TYPE,
        },
        "optional": null,
    })
    .to_string()
    .into_bytes()
}

/// Returns whether a payload names this component.
fn names(payload: &[u8], digest: &[u8; 32]) -> bool {
    let Ok(payload) = serde_json::from_slice::<serde_json::Value>(payload) else {
        return false;
    };
    let critical = &payload["critical"];
    critical["type"] == PAYLOAD_TYPE
        && critical["image"]["docker-manifest-digest"] == format!("sha256:{}", hex::encode(digest))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A pair of keys as PEM, private and public.
    fn keys(algorithm: &'static rcgen::SignatureAlgorithm) -> (String, TrustedKey) {
        let pair = rcgen::KeyPair::generate_for(algorithm).expect("a key");
        let public = TrustedKey::from_pem(pair.public_key_pem().as_bytes()).expect("a public key");
        (pair.serialize_pem(), public)
    }

    fn component(folder: &Path, signatures: &str) -> PathBuf {
        let path = folder.join("x.wasm");
        std::fs::write(signatures_of(&path), signatures).expect("written");
        path
    }

    fn trust(keys: &[&TrustedKey]) -> Trust {
        Trust {
            keys: keys.iter().map(|key| (*key).clone()).collect(),
            required: true,
        }
    }

    #[test]
    fn both_kinds_of_keys_sign_and_a_second_signature_stands_beside_the_first() {
        let folder = tempfile::tempdir().expect("a folder");
        let (one, one_public) = keys(&rcgen::PKCS_ED25519);
        let (two, two_public) = keys(&rcgen::PKCS_ECDSA_P256_SHA256);
        let first = sign(one.as_bytes(), &[7; 32], None).expect("signed");
        let both = sign(two.as_bytes(), &[7; 32], Some(first.as_bytes())).expect("signed");
        let path = component(folder.path(), &both);
        for key in [&one_public, &two_public] {
            let vouching = check(&trust(&[key]), &path, &[7; 32]).expect("vouched for");
            assert_eq!(vouching, Some(key.id()));
        }
    }

    #[test]
    fn another_file_another_key_and_a_changed_payload_are_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let (private, public) = keys(&rcgen::PKCS_ED25519);
        let (_, stranger) = keys(&rcgen::PKCS_ED25519);
        let signed = sign(private.as_bytes(), &[7; 32], None).expect("signed");
        let path = component(folder.path(), &signed);
        let refused =
            |trust: &Trust, digest: [u8; 32]| check(trust, &path, &digest).expect_err("refused").to_string();
        assert!(refused(&trust(&[&public]), [8; 32]).contains("no signature of a trusted key"));
        assert!(refused(&trust(&[&stranger]), [7; 32]).contains("no signature of a trusted key"));

        let mut forged: Vec<Signature> = serde_json::from_str(&signed).expect("JSON");
        forged[0].payload = STANDARD.encode(payload(&[8; 32]));
        component(folder.path(), &serde_json::to_string(&forged).expect("JSON"));
        assert!(refused(&trust(&[&public]), [8; 32]).contains("no signature of a trusted key"));
        component(folder.path(), "junk");
        assert!(refused(&trust(&[&public]), [7; 32]).contains("no signatures that can be read"));
    }

    #[test]
    fn without_a_signature_only_those_load_that_need_none() {
        let folder = tempfile::tempdir().expect("a folder");
        let (_, public) = keys(&rcgen::PKCS_ED25519);
        let path = folder.path().join("x.wasm");
        let mut trust = trust(&[&public]);
        let error = check(&trust, &path, &[7; 32]).expect_err("refused").to_string();
        assert!(error.contains("a signature is required"), "{error}");
        trust.required = false;
        assert!(matches!(check(&trust, &path, &[7; 32]), Ok(None)));
    }

    #[test]
    fn keys_of_other_kinds_are_refused() {
        let other = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).expect("a key");
        assert!(TrustedKey::from_pem(other.public_key_pem().as_bytes()).is_err());
        assert!(sign(other.serialize_pem().as_bytes(), &[7; 32], None).is_err());
        assert!(TrustedKey::from_pem(b"-----BEGIN").is_err());
    }
}
