//! How many connections there are, and whose: nobody takes all the places.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::network::Network;

/// How many connections at once: probes, scrapers, commands and some open pages; more are
/// closed at once.
const CONNECTIONS_MAX: usize = 256;

/// How many of them one network may have. A reverse proxy has everybody behind it; but requests
/// are answered in moments, and what lives long by right does not count: see [`Place::settle`].
pub(in crate::admin) const CONNECTIONS_OF_ONE_MAX: usize = 64;

/// How many places are kept for networks that have none: health checks come one by one, and are
/// heard however many others there are.
const KEPT: usize = 16;

/// The places for connections.
#[derive(Debug, Default)]
pub(super) struct Places(Mutex<Taken>);

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    of: HashMap<Network, usize>,
}

impl Places {
    /// Takes a place for a connection from `network`, if it may have one.
    pub(super) fn take(self: &Arc<Self>, network: Network) -> Option<Place> {
        let mut taken = self.lock();
        let own = taken.of.get(&network).copied().unwrap_or(0);
        let most = if own == 0 {
            CONNECTIONS_MAX
        } else {
            CONNECTIONS_MAX - KEPT
        };
        if own >= CONNECTIONS_OF_ONE_MAX || taken.all >= most {
            return None;
        }
        taken.all += 1;
        taken.of.insert(network, own + 1);
        Some(Place {
            places: Arc::clone(self),
            network: Some(network),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place for one connection, until dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    /// Whose places it is one of.
    network: Option<Network>,
}

impl Place {
    /// Counts it no longer among those of its network: it belongs to somebody who is known, and
    /// of such there is a limit elsewhere.
    pub(super) fn settle(&mut self) {
        let Some(network) = self.network.take() else {
            return;
        };
        let mut taken = self.places.lock();
        if let Some(own) = taken.of.get_mut(&network) {
            *own -= 1;
            if *own == 0 {
                taken.of.remove(&network);
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.settle();
        self.places.lock().all -= 1;
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn network(last: u8) -> Network {
        Network::of(IpAddr::from([192, 0, 2, last]))
    }

    /// Takes as many places as a network gets.
    fn take_all(places: &Arc<Places>, last: u8) -> Vec<Place> {
        std::iter::from_fn(|| places.take(network(last))).collect()
    }

    #[test]
    fn no_network_has_more_than_its_share() {
        let places = Arc::new(Places::default());
        let mut first = take_all(&places, 1);
        assert_eq!(first.len(), CONNECTIONS_OF_ONE_MAX);
        assert!(places.take(network(2)).is_some());
        first.pop();
        assert!(
            places.take(network(1)).is_some(),
            "a place that was left is free again"
        );
    }

    #[test]
    fn whoever_has_no_connection_gets_one_when_the_others_have_all_they_can() {
        let places = Arc::new(Places::default());
        let held: Vec<Place> = (1..=8).flat_map(|last| take_all(&places, last)).collect();
        assert!(held.len() >= CONNECTIONS_MAX - KEPT && held.len() < CONNECTIONS_MAX);
        let probe = places.take(network(200));
        assert!(probe.is_some(), "a health check is heard");
        assert!(
            places.take(network(200)).is_none(),
            "and has no second place of those"
        );
        assert!(places.take(network(201)).is_some());
    }

    #[test]
    fn what_lives_long_by_right_is_nobodys_share_and_a_place_all_the_same() {
        let places = Arc::new(Places::default());
        let mut held = take_all(&places, 1);
        held[0].settle();
        held[0].settle();
        assert!(places.take(network(1)).is_some());
        assert_eq!(places.lock().all, CONNECTIONS_OF_ONE_MAX);
        held.clear();
        assert_eq!(places.lock().all, 0);
        assert!(places.lock().of.is_empty());
    }
}
