//! What clients log in with that cannot send a token: short-lived certificates, and tickets.
//!
//! Both stand for a token that was verified when they were given out, and for nothing after it:
//! who it is with which groups is kept here, in memory, under the certificate's serial number or
//! the ticket's hash, and goes by the token's own end. After a new start of the gateway nobody
//! holds one any more; `tidegate login` gets another.

use std::collections::{HashMap, VecDeque};
use std::sync::Mutex;

use russh::keys::ssh_key::certificate::{Builder, CertType};
use russh::keys::ssh_key::public::KeyData;
use russh::keys::{Certificate, HashAlg, PrivateKey, PublicKey};
use sha2::{Digest as _, Sha256};

use crate::identity::Verified;
use crate::mutex::lock;
use crate::services::random;

/// How long a certificate holds at the most, in seconds.
const CERTIFICATE_SECONDS: u64 = 3_600;

/// By how much the clocks of client and gateway may differ, in seconds.
const CLOCKS_SECONDS: u64 = 60;

/// How long a ticket waits to be used, in seconds.
const TICKET_SECONDS: u64 = 300;

/// How many of each somebody may hold: the oldest goes first.
const HELD_MAX: usize = 64;

/// How many of each there are at the most.
const ALL_MAX: usize = 100_000;

/// The longest line of a public key, in bytes.
const KEY_LINE_BYTES_MAX: usize = 16 << 10;

/// The smallest RSA key.
const RSA_BITS_MIN: u32 = 3_072;

/// The only name a certificate is for, whoever holds it: who that is, the serial number says.
const PRINCIPAL: &str = "tidegate";

/// A host that trusted our authority by mistake refuses what it does not know.
const GATEWAY_ONLY: &str = "gateway-only@tidegate";

/// The kinds of channel that a certificate may open.
const EXTENSIONS: [&str; 2] = ["permit-port-forwarding", "permit-pty"];

/// Gives out certificates and tickets, and knows whom each stands for.
pub(crate) struct Credentials {
    authority: PrivateKey,
    certificates: Mutex<Held<u64>>,
    tickets: Mutex<Held<[u8; 32]>>,
}

/// A certificate that was given out.
#[derive(Debug)]
pub(crate) struct Certified {
    /// As it stands in a file.
    pub(crate) text: String,
    /// When it ends, in seconds of Unix time.
    pub(crate) until: u64,
}

/// Why a key gets no certificate.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Uncertifiable {
    #[error("that is no public key as it stands in a .pub file")]
    NoKey,
    #[error("keys of this kind or length are too weak: make one with ssh-keygen -t ed25519")]
    Weak,
    #[error("the token ends too soon")]
    Expired,
    #[error("the certificate could not be made")]
    Failed,
}

/// Why a certificate or ticket lets nobody in; for the journal, never for the client.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum NotHeld {
    #[error("the certificate is not for a user")]
    Type,
    #[error("the certificate is not of the gateway's own authority")]
    Authority,
    #[error("the certificate is over, not yet valid, or not signed")]
    Invalid,
    #[error("the certificate is for other names")]
    Names,
    #[error("the certificate has conditions that nobody here knows")]
    Conditions,
    #[error("the certificate was not given out since the gateway was started, or is another")]
    Unknown,
    #[error("the ticket is unknown, used or over")]
    Ticket,
    #[error("the token behind it has ended")]
    Expired,
}

/// What was given out, by what it is known by, and to whom.
struct Held<K> {
    all: HashMap<K, Kept>,
    by_principal: HashMap<String, VecDeque<K>>,
}

struct Kept {
    verified: Verified,
    /// The fingerprint of the key it is for, or the resource.
    of: String,
    until: u64,
}

impl<K: Copy + Eq + std::hash::Hash> Held<K> {
    fn new() -> Mutex<Self> {
        Mutex::new(Self {
            all: HashMap::new(),
            by_principal: HashMap::new(),
        })
    }

    fn keep(&mut self, key: K, kept: Kept, now: u64) {
        if self.all.len() >= ALL_MAX {
            self.all.retain(|_, kept| kept.until > now);
            let all = &self.all;
            self.by_principal.retain(|_, keys| {
                keys.retain(|key| all.contains_key(key));
                !keys.is_empty()
            });
        }
        if self.all.len() >= ALL_MAX {
            // Nobody is let in by what was never kept.
            return;
        }
        let keys = self
            .by_principal
            .entry(kept.verified.principal.key())
            .or_default();
        keys.push_back(key);
        if keys.len() > HELD_MAX
            && let Some(oldest) = keys.pop_front()
        {
            self.all.remove(&oldest);
        }
        self.all.insert(key, kept);
    }
}

impl Credentials {
    pub(super) fn new(authority: PrivateKey) -> Self {
        Self {
            authority,
            certificates: Held::new(),
            tickets: Held::new(),
        }
    }

    /// Gives a certificate for a public key to whom a token stands for.
    pub(crate) fn certify(
        &self,
        key: &PublicKey,
        verified: &Verified,
        now: u64,
    ) -> Result<Certified, Uncertifiable> {
        let until = (now + CERTIFICATE_SECONDS).min(verified.expires);
        if until <= now {
            return Err(Uncertifiable::Expired);
        }
        let serial = u64::from_be_bytes(random());
        let certificate = self.sign(key, serial, (now - CLOCKS_SECONDS, until));
        let text = certificate
            .and_then(|certificate| certificate.to_openssh())
            .map_err(|_| Uncertifiable::Failed)?;
        let kept = Kept {
            verified: verified.clone(),
            of: fingerprint(key.key_data()),
            until,
        };
        lock(&self.certificates).keep(serial, kept, now);
        Ok(Certified { text, until })
    }

    fn sign(
        &self,
        key: &PublicKey,
        serial: u64,
        (after, before): (u64, u64),
    ) -> Result<Certificate, russh::keys::ssh_key::Error> {
        let nonce: [u8; 32] = random();
        let mut builder = Builder::new(nonce, key.key_data().clone(), after, before)?;
        builder.serial(serial)?;
        builder.cert_type(CertType::User)?;
        builder.key_id(format!("tidegate {serial:016x}"))?;
        builder.valid_principal(PRINCIPAL)?;
        builder.critical_option(GATEWAY_ONLY, "")?;
        for extension in EXTENSIONS {
            builder.extension(extension, "")?;
        }
        builder.sign(&self.authority)
    }

    /// Returns for whom a certificate stands, whose key the client was shown to hold.
    pub(super) fn holder(&self, certificate: &Certificate, now: u64) -> Result<Verified, NotHeld> {
        let authority = self.authority.public_key().key_data();
        if certificate.cert_type() != CertType::User {
            return Err(NotHeld::Type);
        }
        if certificate.signature_key() != authority {
            return Err(NotHeld::Authority);
        }
        let trusted = authority.fingerprint(HashAlg::Sha256);
        certificate
            .validate_at(now, [&trusted])
            .map_err(|_| NotHeld::Invalid)?;
        if certificate.valid_principals() != [PRINCIPAL] {
            return Err(NotHeld::Names);
        }
        let conditions = certificate.critical_options();
        let extensions = certificate.extensions().keys();
        if !conditions.keys().eq([GATEWAY_ONLY]) || !extensions.eq(EXTENSIONS) {
            return Err(NotHeld::Conditions);
        }
        let certificates = lock(&self.certificates);
        let kept = certificates.all.get(&certificate.serial());
        let kept = kept.filter(|kept| kept.of == fingerprint(certificate.public_key()));
        let kept = kept.ok_or(NotHeld::Unknown)?;
        if kept.verified.expires <= now {
            return Err(NotHeld::Expired);
        }
        Ok(kept.verified.clone())
    }

    /// Gives a ticket for one login to a resource; returns it and when it ends.
    pub(crate) fn ticket(&self, resource: &str, verified: &Verified, now: u64) -> (String, u64) {
        let secret: [u8; 32] = random();
        let ticket = format!("tgt-{}", hex::encode(secret));
        let until = (now + TICKET_SECONDS).min(verified.expires);
        let kept = Kept {
            verified: verified.clone(),
            of: resource.to_owned(),
            until,
        };
        lock(&self.tickets).keep(Sha256::digest(&ticket).into(), kept, now);
        (ticket, until)
    }

    /// Whether a secret is a ticket rather than a token.
    pub(super) fn is_ticket(secret: &str) -> bool {
        secret.starts_with("tgt-")
    }

    /// Returns for whom a ticket stands, and uses it up.
    pub(super) fn redeem(&self, ticket: &str, resource: &str, now: u64) -> Result<Verified, NotHeld> {
        let hash: [u8; 32] = Sha256::digest(ticket).into();
        let kept = lock(&self.tickets).all.remove(&hash);
        // One for another resource is used up, too: somebody else has got hold of it.
        let kept = kept.filter(|kept| kept.of == resource && kept.until > now);
        kept.map(|kept| kept.verified).ok_or(NotHeld::Ticket)
    }
}

/// Reads the public key that somebody wants a certificate for.
pub(crate) fn public_key(line: &str) -> Result<PublicKey, Uncertifiable> {
    use russh::keys::Algorithm;

    if line.len() > KEY_LINE_BYTES_MAX {
        return Err(Uncertifiable::NoKey);
    }
    let key = PublicKey::from_openssh(line.trim()).map_err(|_| Uncertifiable::NoKey)?;
    let strong = match key.key_data() {
        KeyData::Rsa(rsa) => rsa.key_size() >= RSA_BITS_MIN,
        data => matches!(
            data.algorithm(),
            Algorithm::Ed25519
                | Algorithm::Ecdsa { .. }
                | Algorithm::SkEd25519
                | Algorithm::SkEcdsaSha2NistP256
        ),
    };
    if strong { Ok(key) } else { Err(Uncertifiable::Weak) }
}

/// Returns what a key is known by.
pub(crate) fn fingerprint(key: &KeyData) -> String {
    key.fingerprint(HashAlg::Sha256).to_string()
}

#[cfg(test)]
mod tests {
    use model::{Principal, PrincipalKind};
    use russh::keys::ssh_key::private::Ed25519Keypair;

    use super::*;

    const NOW: u64 = 1_800_000_000;

    fn key(seed: u8) -> PrivateKey {
        PrivateKey::from(Ed25519Keypair::from_seed(&[seed; 32]))
    }

    fn verified(subject: &str, expires: u64) -> Verified {
        Verified {
            principal: Principal {
                identity: "corp".to_owned(),
                issuer: "https://issuer.test".to_owned(),
                subject: subject.to_owned(),
                groups: Vec::new(),
                kind: PrincipalKind::Agent,
                delegation: Vec::new(),
                client: None,
                token_id: None,
            },
            expires,
            login: crate::identity::Login::default(),
        }
    }

    fn certificate(credentials: &Credentials, expires: u64) -> Certificate {
        let given = credentials.certify(key(2).public_key(), &verified("agent-7", expires), NOW);
        Certificate::from_openssh(&given.expect("given").text).expect("reads")
    }

    #[test]
    fn a_certificate_stands_for_whom_it_was_given_to_until_the_token_ends() {
        let credentials = Credentials::new(key(1));
        let certificate = certificate(&credentials, NOW + 100);
        let holder = credentials.holder(&certificate, NOW + 99).expect("held");
        assert_eq!(holder.principal.subject, "agent-7");
        assert_eq!(credentials.holder(&certificate, NOW + 100), Err(NotHeld::Invalid));
        assert_eq!(credentials.holder(&certificate, NOW - 61), Err(NotHeld::Invalid));
        assert!(certificate.critical_options().contains_key(GATEWAY_ONLY));
    }

    #[test]
    fn a_long_token_makes_no_long_certificate() {
        let credentials = Credentials::new(key(1));
        let certificate = certificate(&credentials, NOW + 1_000_000);
        assert_eq!(certificate.valid_before(), NOW + CERTIFICATE_SECONDS);
    }

    #[test]
    fn each_wrong_certificate_is_refused_for_its_own_reason() {
        let credentials = Credentials::new(key(1));
        let others = Credentials::new(key(3));
        assert_eq!(
            credentials.holder(&certificate(&others, NOW + 100), NOW),
            Err(NotHeld::Authority)
        );
        let sign = |change: &dyn Fn(&mut Builder)| {
            let subject = key(2).public_key().key_data().clone();
            let mut builder = Builder::new([7; 32], subject, NOW - 1, NOW + 100).expect("begins");
            change(&mut builder);
            builder.sign(&key(1)).expect("signs")
        };
        let user = |builder: &mut Builder, name: &str| {
            builder.cert_type(CertType::User).expect("a type");
            builder.valid_principal(name).expect("a name");
        };
        for (change, why) in [
            (
                &(|builder: &mut Builder| {
                    builder.cert_type(CertType::Host).expect("a type");
                    builder.valid_principal(PRINCIPAL).expect("a name");
                }) as &dyn Fn(&mut Builder),
                NotHeld::Type,
            ),
            (&|builder: &mut Builder| user(builder, "root"), NotHeld::Names),
            (
                &|builder: &mut Builder| {
                    builder.cert_type(CertType::User).expect("a type");
                    builder.all_principals_valid().expect("any name");
                },
                NotHeld::Names,
            ),
            (
                &|builder: &mut Builder| user(builder, PRINCIPAL),
                NotHeld::Conditions,
            ),
            (
                &|builder: &mut Builder| {
                    user(builder, PRINCIPAL);
                    builder.critical_option("force-command", "id").expect("an option");
                },
                NotHeld::Conditions,
            ),
        ] {
            assert_eq!(credentials.holder(&sign(change), NOW), Err(why));
        }
        // Signed by the authority, but never given out.
        let known = certificate(&credentials, NOW + 100);
        lock(&credentials.certificates).all.clear();
        assert_eq!(credentials.holder(&known, NOW), Err(NotHeld::Unknown));
    }

    #[test]
    fn whoever_asks_without_end_loses_the_oldest() {
        let credentials = Credentials::new(key(1));
        let first = certificate(&credentials, NOW + 100);
        for _ in 0..HELD_MAX {
            certificate(&credentials, NOW + 100);
        }
        assert_eq!(credentials.holder(&first, NOW), Err(NotHeld::Unknown));
        assert_eq!(lock(&credentials.certificates).all.len(), HELD_MAX);
    }

    #[test]
    fn a_ticket_is_for_one_login_to_one_resource() {
        let credentials = Credentials::new(key(1));
        let somebody = verified("agent-7", NOW + 1_000);
        let (ticket, until) = credentials.ticket("box", &somebody, NOW);
        assert!(ticket.len() <= 128 && Credentials::is_ticket(&ticket));
        assert_eq!(until, NOW + TICKET_SECONDS);
        assert!(credentials.redeem(&ticket, "box", NOW).is_ok());
        assert_eq!(credentials.redeem(&ticket, "box", NOW), Err(NotHeld::Ticket));
        let (ticket, _) = credentials.ticket("box", &somebody, NOW);
        assert_eq!(credentials.redeem(&ticket, "other", NOW), Err(NotHeld::Ticket));
        assert_eq!(credentials.redeem(&ticket, "box", NOW), Err(NotHeld::Ticket));
        let (ticket, until) = credentials.ticket("box", &somebody, NOW);
        assert_eq!(credentials.redeem(&ticket, "box", until), Err(NotHeld::Ticket));
    }

    #[test]
    fn weak_keys_and_what_is_no_key_get_no_certificate() {
        let good = key(2).public_key().to_openssh().expect("writes");
        assert!(public_key(&good).is_ok());
        let known = Credentials::new(key(1));
        let certificate = certificate(&known, NOW + 100).to_openssh().expect("writes");
        for bad in [
            "",
            "ssh-ed25519",
            "ssh-dss AAAA",
            &certificate,
            &"x".repeat(20_000),
        ] {
            assert!(public_key(bad).is_err(), "{bad:.40}");
        }
    }
}
