//! What every session shares.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use journal::Journal;
use journal::recording::Recordings;
use model::{Principal, ResourceName};
use proto::postgres::mask::PseudonymKey;
use rustls::ServerConfig;

use crate::access::Access;
use crate::approvals::Approvals;
use crate::approvals::channels::Channels;
use crate::gate::Gate;
use crate::grants::Grants;
use crate::http;
use crate::identity::Identity;
use crate::locks::Locks;
use crate::logins::Logins;
use crate::meters::Meters;
use crate::plugins::Reload;
use crate::postgres::{Record, Upstream};
use crate::refused::Refused;
use crate::seats::Seats;
use crate::sessions::Sessions;
use crate::ssh;

/// How many pairs of principal and resource are told apart before the numbering starts over.
/// Old numbers are never used again; only what was cached under them is lost.
const SCOPES_MAX: usize = 100_000;

/// Everything a session needs that is not its own.
pub struct Services {
    /// Judges.
    pub gate: Gate,
    /// Exchanges the plugins.
    pub(crate) reload: Reload,
    /// Asks people.
    pub approvals: Approvals,
    /// Carries questions to people outside, and their answers back.
    pub channels: Channels,
    /// Knows who a token speaks for.
    pub identity: Arc<Identity>,
    /// Whether the logins behind live sessions still hold.
    pub logins: Logins,
    /// Where the console is, as people reach it.
    pub console_url: Option<String>,
    /// Where everything is written down first.
    pub journal: Journal,
    /// The journal's name, which no other gateway has.
    pub node: String,
    /// Where sessions are recorded.
    pub recordings: Recordings,
    /// Where that is: `file:` and a folder.
    pub recordings_place: String,
    /// The live sessions.
    pub(crate) sessions: Arc<Sessions>,
    /// Who and what is shut out.
    pub locks: Locks,
    /// The time-boxed permissions.
    pub grants: Grants,
    /// Who was here when.
    pub access: Access,
    /// The places of all sessions.
    pub(crate) seats: Arc<Seats>,
    /// The PostgreSQL resources by name.
    pub upstreams: HashMap<String, Arc<Upstream>>,
    /// The HTTP resources.
    pub(crate) http: http::Upstreams,
    /// The hosts.
    pub(crate) ssh: ssh::Upstreams,
    /// The certificate shown to clients.
    pub tls: Option<Arc<ServerConfig>>,
    /// The same for HTTP clients, who are also offered HTTP/2.
    pub(crate) http_tls: Option<Arc<ServerConfig>>,
    /// Whether clients may do without TLS: on a loopback listener, and only if configured.
    pub plaintext_allowed: bool,
    /// How long a client may take to log in.
    pub login_max: Duration,
    /// The key of the pseudonyms.
    pub pseudonym_key: PseudonymKey,
    /// What is counted.
    pub(crate) meters: Meters,
    /// Who was turned away lately.
    pub(crate) refused: Refused,
    /// The numbers of principals on resources.
    pub(crate) scopes: Scopes,
}

impl Services {
    /// Returns the resource that a client names as its database.
    pub(crate) fn upstream(&self, name: &str) -> Option<Arc<Upstream>> {
        self.upstreams.get(name).cloned()
    }

    /// Returns whether there is a resource of this name, of whatever kind.
    pub(crate) fn has_resource(&self, name: &str) -> bool {
        self.resources().any(|resource| resource.as_str() == name)
    }

    /// Returns the names of all resources, in no order.
    pub(crate) fn resources(&self) -> impl Iterator<Item = &ResourceName> {
        let postgres = self.upstreams.values().map(|upstream| &upstream.name);
        postgres.chain(self.http.names()).chain(self.ssh.names())
    }

    /// Returns where the gateway's own statements are written down.
    pub(crate) fn record(&self) -> Record<'_> {
        Record {
            journal: &self.journal,
            policy: self.gate.policy.hash(),
        }
    }
}

/// Numbers principals on resources, so that cache keys are short and never shared.
#[derive(Debug, Default)]
pub(crate) struct Scopes {
    known: Mutex<HashMap<(Principal, ResourceName), u64>>,
    last: AtomicUsize,
}

impl Scopes {
    /// Returns the number of this principal on this resource. All of the principal counts:
    /// other groups or another delegation make another number.
    pub(crate) fn number(&self, principal: &Principal, resource: &ResourceName) -> u64 {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        // The token's own id is no part of who somebody is.
        let principal = Principal {
            token_id: None,
            ..principal.clone()
        };
        let key = (principal, resource.clone());
        if let Some(number) = known.get(&key) {
            return *number;
        }
        if known.len() >= SCOPES_MAX {
            known.clear();
        }
        let number = self.last.fetch_add(1, Ordering::Relaxed) as u64;
        known.insert(key, number);
        number
    }
}

/// Returns random bytes of the operating system.
///
/// # Panics
/// If the system has none: nothing that follows could be safe.
#[must_use]
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system has randomness once it runs programs");
    bytes
}

#[cfg(test)]
mod tests;
