//! A session over HTTP: one principal on one resource, by one token, over one connection.

use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use model::{Grant, Principal, Refusal};
use sha2::{Digest as _, Sha256};

use super::connection::Connection;
use super::masks::Masks;
use super::upstream::Upstream;
use crate::identity::Verified;
use crate::mutex::lock;
use crate::stay::{Ground, Guest, Stay};

/// SHA-256 of a token: by it a session is found again, and the token itself is not kept.
pub(super) type TokenDigest = [u8; 32];

pub(super) fn digest(token: &str) -> TokenDigest {
    Sha256::digest(token).into()
}

/// One session.
pub(super) struct Visit {
    pub(super) stay: Arc<Stay>,
    pub(super) upstream: Arc<Upstream>,
    exchanges: AtomicU64,
    /// The masks of its answers, and under which version they were chosen.
    masks: Mutex<Option<(u128, Arc<Masks>)>>,
}

impl Deref for Visit {
    type Target = Stay;

    fn deref(&self) -> &Stay {
        &self.stay
    }
}

impl Visit {
    /// Begins a session.
    pub(super) fn begin(
        connection: &Connection,
        upstream: &Arc<Upstream>,
        (principal, verified): (Arc<Principal>, Verified),
        grant: Option<Arc<Grant>>,
    ) -> Result<Arc<Self>, Refusal> {
        let ground = Ground {
            resource: upstream.name.clone(),
            protocol: "http",
            seats: Arc::clone(&upstream.seats),
            decide_within: upstream.decide_within,
            use_within: upstream.use_within,
        };
        let guest = Guest {
            principal,
            verified,
            grant,
            client: &connection.client,
            closing: connection.closing.clone(),
        };
        Ok(Arc::new(Self {
            stay: Stay::begin(&connection.services, ground, guest)?,
            upstream: Arc::clone(upstream),
            exchanges: AtomicU64::new(0),
            masks: Mutex::default(),
        }))
    }

    /// Returns what masks answers to this principal; `None` where nothing has a mask.
    pub(super) fn masks(&self) -> Result<Option<Arc<Masks>>, Refusal> {
        if self.upstream.tags.is_empty() && !self.upstream.config.scan_untagged {
            return Ok(None);
        }
        let version = self.services.gate.version(0);
        let known = lock(&self.masks).clone();
        if let Some((_, masks)) = known.filter(|(known, _)| *known == version) {
            return Ok(Some(masks));
        }
        let revealed = self.revealed(&self.upstream.tags);
        let masks = self.upstream.masks(&self.services, revealed)?;
        *lock(&self.masks) = Some((version, Arc::clone(&masks)));
        Ok(Some(masks))
    }

    /// Numbers a further exchange in the recording.
    pub(super) fn exchange(&self) -> u64 {
        self.exchanges.fetch_add(1, Ordering::Relaxed)
    }
}
