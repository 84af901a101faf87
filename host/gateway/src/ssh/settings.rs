//! What the gateway is in SSH's terms, to both sides.

use std::borrow::Cow;
use std::time::Duration;

use russh::keys::ssh_key::EcdsaCurve;
use russh::keys::{Algorithm, HashAlg, PrivateKey};
use russh::{MethodKind, MethodSet, Preferred, SshId, cipher, client, compression, kex, mac, server};

/// What the gateway says of itself: nothing about its version or what it is made with.
const OWN_ID: &str = "SSH-2.0-Tidegate";

/// How many bytes a peer may send ahead on one channel: OpenSSH's own.
const WINDOW_BYTES: u32 = 2 << 20;

/// The largest packet: what every peer must take.
const PACKET_BYTES_MAX: u32 = 32 << 10;

/// How often a silent peer is asked whether it is there, and how often in vain.
const PING_EVERY: Duration = Duration::from_secs(30);
const PINGS_MAX: usize = 3;

/// How long a wrong credential waits for its answer.
const REFUSED_AFTER: Duration = Duration::from_secs(1);

/// How many wrong credentials one connection may try.
const TRIES_MAX: usize = 6;

/// How many messages of one channel the library queues. What may wait is limited in bytes (see
/// `transport`), long before this; it is for peers that send messages with nothing in them.
const QUEUE_MAX: usize = 8_192;

/// Returns what clients meet.
pub(super) fn server(host_key: PrivateKey) -> server::Config {
    server::Config {
        server_id: SshId::Standard(Cow::Borrowed(OWN_ID)),
        methods: methods(),
        auth_rejection_time: REFUSED_AFTER,
        // The probe with which clients ask for the methods is no try.
        auth_rejection_time_initial: Some(Duration::ZERO),
        max_auth_attempts: TRIES_MAX,
        keys: vec![host_key],
        preferred: preferred(),
        window_size: WINDOW_BYTES,
        maximum_packet_size: PACKET_BYTES_MAX,
        channel_buffer_size: QUEUE_MAX,
        // An approval may take minutes, a shell may be left alone.
        inactivity_timeout: None,
        keepalive_interval: Some(PING_EVERY),
        keepalive_max: PINGS_MAX,
        nodelay: true,
        ..server::Config::default()
    }
}

/// Returns the ways to log in.
pub(super) fn methods() -> MethodSet {
    MethodSet::from(
        &[
            MethodKind::PublicKey,
            MethodKind::KeyboardInteractive,
            MethodKind::Password,
        ][..],
    )
}

/// Returns what hosts meet.
pub(super) fn client() -> client::Config {
    client::Config {
        client_id: SshId::Standard(Cow::Borrowed(OWN_ID)),
        preferred: Preferred {
            host_key_certificates: Cow::Owned(keys()),
            ..preferred()
        },
        window_size: WINDOW_BYTES,
        maximum_packet_size: PACKET_BYTES_MAX,
        channel_buffer_size: QUEUE_MAX,
        keepalive_interval: Some(PING_EVERY),
        keepalive_max: PINGS_MAX,
        nodelay: true,
        ..client::Config::default()
    }
}

/// Nothing with SHA-1, nothing with compression (its bombs, and what lengths tell), the fastest
/// first.
fn preferred() -> Preferred {
    Preferred {
        kex: Cow::Borrowed(&[
            kex::MLKEM768X25519_SHA256,
            kex::CURVE25519,
            kex::CURVE25519_PRE_RFC_8731,
            kex::ECDH_SHA2_NISTP256,
            kex::ECDH_SHA2_NISTP384,
            kex::ECDH_SHA2_NISTP521,
            kex::DH_G16_SHA512,
            kex::DH_G18_SHA512,
            kex::EXTENSION_SUPPORT_AS_CLIENT,
            kex::EXTENSION_SUPPORT_AS_SERVER,
            kex::EXTENSION_OPENSSH_STRICT_KEX_AS_CLIENT,
            kex::EXTENSION_OPENSSH_STRICT_KEX_AS_SERVER,
        ]),
        key: Cow::Owned(keys()),
        host_key_certificates: Cow::Borrowed(&[]),
        cipher: Cow::Borrowed(&[
            cipher::AES_128_GCM,
            cipher::AES_256_GCM,
            cipher::CHACHA20_POLY1305,
            cipher::AES_256_CTR,
            cipher::AES_128_CTR,
        ]),
        mac: Cow::Borrowed(&[
            mac::HMAC_SHA256_ETM,
            mac::HMAC_SHA512_ETM,
            mac::HMAC_SHA256,
            mac::HMAC_SHA512,
        ]),
        compression: Cow::Borrowed(&[compression::NONE]),
    }
}

fn keys() -> Vec<Algorithm> {
    let ecdsa = |curve| Algorithm::Ecdsa { curve };
    let rsa = |hash| Algorithm::Rsa { hash: Some(hash) };
    vec![
        Algorithm::Ed25519,
        ecdsa(EcdsaCurve::NistP256),
        ecdsa(EcdsaCurve::NistP384),
        ecdsa(EcdsaCurve::NistP521),
        rsa(HashAlg::Sha512),
        rsa(HashAlg::Sha256),
    ]
}
