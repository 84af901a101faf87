//! The keys of hosts: by which clients know the gateway, and by which it knows the hosts.

use std::path::Path;

use anyhow::{Context as _, Result};
use russh::keys::ssh_key::LineEnding;
use russh::keys::ssh_key::certificate::CertType;
use russh::keys::ssh_key::private::Ed25519Keypair;
use russh::keys::{Certificate, HashAlg, PrivateKey, PublicKeyOrCertificate};
use zeroize::Zeroizing;

use crate::config::SshConfig;
use crate::secret::{self, Secret};
use crate::services::random;

/// Returns a key of the gateway's own; makes it, readable by its owner only, if there is none.
///
/// # Errors
/// The file cannot be read or created, or holds no such key.
pub(super) fn own_key(path: &Path) -> Result<PrivateKey> {
    let text = secret::own_file(path, || {
        let pair = Ed25519Keypair::from_seed(&Zeroizing::new(random()));
        let text = PrivateKey::from(pair).to_openssh(LineEnding::LF);
        Ok(Zeroizing::new(
            text.map_err(std::io::Error::other)?.as_bytes().to_vec(),
        ))
    })?;
    private_key(&text).with_context(|| format!("the SSH key {}", path.display()))
}

/// Reads a private key without a passphrase.
///
/// # Errors
/// It is none; its text is not in the error.
pub(super) fn private_key(text: &Secret) -> Result<PrivateKey> {
    let key = PrivateKey::from_openssh(text.expose()).context("it is no private key in OpenSSH's format")?;
    anyhow::ensure!(
        !key.is_encrypted(),
        "it has a passphrase, which nobody could enter"
    );
    Ok(key)
}

/// Whether a host is the one that is configured. That it holds the key is known by then.
pub(super) fn is_host(config: &SshConfig, shown: &PublicKeyOrCertificate, now: u64) -> bool {
    match shown {
        PublicKeyOrCertificate::PublicKey { key, .. } => config
            .host_keys
            .iter()
            .any(|known| known.key_data() == key.key_data()),
        PublicKeyOrCertificate::Certificate(certificate) => is_vouched_for(config, certificate, now),
    }
}

/// Whether a configured authority vouches for this host, now, without conditions.
fn is_vouched_for(config: &SshConfig, certificate: &Certificate, now: u64) -> bool {
    let authority = config
        .host_authorities
        .iter()
        .any(|authority| authority.key_data() == certificate.signature_key());
    let fingerprint = certificate.signature_key().fingerprint(HashAlg::Sha256);
    let named = certificate
        .valid_principals()
        .iter()
        .any(|name| name.eq_ignore_ascii_case(&config.host));
    certificate.cert_type() == CertType::Host
        && authority
        && named
        && certificate.critical_options().is_empty()
        && certificate.validate_at(now, [&fingerprint]).is_ok()
}
