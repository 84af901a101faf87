//! Whoever was turned away at a door: each is written down, up to a rate for the network they
//! come from; past it they are only counted, and the counts written down once a minute. Whoever
//! knocks without end fills neither the journal nor the log.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use journal::Journal;
use model::ResourceName;
use model::event::Event;
use tokio_util::sync::CancellationToken;

use crate::clock;
use crate::network::{Allowances, Network};
use crate::services::Services;

/// How many from one network are written down one by one at once, and how long until one more
/// is, in seconds: a pool of clients whose token has ended stays below, a search for a token
/// does not.
pub(crate) const WRITTEN_MAX: u64 = 60;
const WRITTEN_EVERY: u64 = 1;

/// How often the counts of the others are written down.
const COUNTED_EVERY: Duration = Duration::from_secs(60);

/// From how many networks they are counted apart within that time; those of further ones are
/// counted together.
const NETWORKS_MAX: usize = 1_024;

/// Who was turned away lately.
#[derive(Debug)]
pub(crate) struct Refused {
    written: Allowances,
    counted: Mutex<HashMap<Network, u64>>,
}

impl Refused {
    pub(crate) fn new() -> Self {
        Self {
            written: Allowances::new(WRITTEN_MAX, WRITTEN_EVERY),
            counted: Mutex::default(),
        }
    }

    fn count(&self, network: Network) {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let full = counted.len() >= NETWORKS_MAX && !counted.contains_key(&network);
        let network = if full { Network::UNKNOWN } else { network };
        *counted.entry(network).or_default() += 1;
    }

    /// Writes down how many were only counted since the last time.
    pub(crate) fn write_counts(&self, journal: &Journal) {
        let counted = std::mem::take(&mut *self.counted.lock().unwrap_or_else(PoisonError::into_inner));
        for (network, count) in counted {
            let client = network.to_string();
            tracing::warn!(client, count, "more logins were refused than are told one by one");
            let event = Event::LoginsRefused {
                client: &client,
                count,
            };
            if let Err(error) = journal.append(|out| event.encode(clock::unix_us(), out)) {
                tracing::error!(%error, "how many logins were refused could not be written down");
            }
        }
    }
}

impl Services {
    /// Takes note that a client, `address:port`, was turned away before it had a session.
    pub(crate) fn login_refused(&self, client: &str, resource: Option<&ResourceName>, reason: &str) {
        self.meters.login_refused();
        let network = Network::of_peer(client);
        if self.refused.written.take(network, clock::unix_seconds()).is_err() {
            return self.refused.count(network);
        }
        tracing::warn!(client, reason, "login refused");
        let event = Event::LoginRefused {
            client,
            resource,
            reason,
        };
        if let Err(error) = self.journal.append(|out| event.encode(clock::unix_us(), out)) {
            tracing::error!(%error, "a refused login could not be written down");
        }
    }
}

/// Writes down once a minute how many were only counted, until `stop`, and then once more.
pub(crate) async fn run(services: Arc<Services>, stop: CancellationToken) {
    while !stop.is_cancelled() {
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(COUNTED_EVERY) => {}
        }
        services.refused.write_counts(&services.journal);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ground::Ground;

    #[tokio::test]
    async fn those_of_more_networks_than_are_told_apart_are_counted_together() {
        let ground = Ground::new().await;
        let refused = Refused::new();
        let networks = u32::try_from(NETWORKS_MAX).expect("few");
        for number in 0..networks + 5 {
            refused.count(Network::of(std::net::IpAddr::from(number.to_be_bytes())));
        }
        refused.write_counts(&ground.journal);
        // Told once.
        refused.write_counts(&ground.journal);
        ground.close_journal().await;
        let told = ground.journaled("login.refused-many");
        assert_eq!(told.len(), NETWORKS_MAX + 1);
        let together = told.iter().find(|entry| entry["client"] == "unknown");
        assert_eq!(together.map(|entry| &entry["count"]), Some(&serde_json::json!(5)));
    }
}
