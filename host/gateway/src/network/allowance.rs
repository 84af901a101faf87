//! How much may come from each network: so much at once, and one more every so often. Pure: the
//! time comes in.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::Network;

/// How many networks are remembered for what they have spent; past that, the one that has all
/// of it back first is forgotten.
const NETWORKS_MAX: usize = 1_024;

/// An allowance for each network.
#[derive(Debug)]
pub(crate) struct Allowances {
    most: u64,
    every: u64,
    /// When each network has everything back, in seconds.
    whole_at: Mutex<HashMap<Network, u64>>,
}

impl Allowances {
    /// Allows `most` at once, and one more every `every` seconds.
    pub(crate) fn new(most: u64, every: u64) -> Self {
        Self {
            most,
            every,
            whole_at: Mutex::default(),
        }
    }

    /// Returns in how many seconds a network has something left again; `None` if it has now.
    pub(crate) fn wait(&self, network: Network, now: u64) -> Option<u64> {
        let whole_at = self.whole_at.lock().unwrap_or_else(PoisonError::into_inner);
        self.wait_until(whole_at.get(&network).copied(), now)
    }

    /// Spends one, whether or not there is one left.
    pub(crate) fn spend(&self, network: Network, now: u64) {
        let mut whole_at = self.whole_at.lock().unwrap_or_else(PoisonError::into_inner);
        self.note(&mut whole_at, network, now);
    }

    /// Spends one if there is one left.
    ///
    /// # Errors
    /// In how many seconds there is one again.
    pub(crate) fn take(&self, network: Network, now: u64) -> Result<(), u64> {
        let mut whole_at = self.whole_at.lock().unwrap_or_else(PoisonError::into_inner);
        match self.wait_until(whole_at.get(&network).copied(), now) {
            Some(wait) => Err(wait),
            None => {
                self.note(&mut whole_at, network, now);
                Ok(())
            }
        }
    }

    fn wait_until(&self, whole_at: Option<u64>, now: u64) -> Option<u64> {
        // A clock that was set back makes nobody wait for longer than if everything was spent.
        let missing = whole_at?.saturating_sub(now).min(self.most * self.every);
        let over = missing.saturating_sub((self.most - 1) * self.every);
        (over > 0).then_some(over)
    }

    fn note(&self, whole_at: &mut HashMap<Network, u64>, network: Network, now: u64) {
        if whole_at.len() >= NETWORKS_MAX && !whole_at.contains_key(&network) {
            whole_at.retain(|_, at| now < *at);
            let first = whole_at.iter().min_by_key(|(_, at)| **at);
            if let Some(first) = first.map(|(network, _)| *network)
                && whole_at.len() >= NETWORKS_MAX
            {
                whole_at.remove(&first);
            }
        }
        let at = whole_at.entry(network).or_insert(now);
        let most_at = now.saturating_add(self.most * self.every);
        *at = (*at).max(now).saturating_add(self.every).min(most_at);
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn network(number: u32) -> Network {
        Network::of(IpAddr::from(number.to_be_bytes()))
    }

    #[test]
    fn whoever_has_spent_everything_waits_and_others_do_not() {
        let allowances = Allowances::new(20, 3);
        for _ in 0..20 {
            assert_eq!(allowances.wait(network(1), 100), None);
            assert_eq!(allowances.take(network(1), 100), Ok(()));
        }
        assert_eq!(allowances.take(network(1), 100), Err(3));
        assert_eq!(allowances.wait(network(2), 100), None);
        assert_eq!(allowances.wait(Network::UNKNOWN, 100), None);
        assert_eq!(allowances.wait(network(1), 102), Some(1));
        assert_eq!(allowances.take(network(1), 103), Ok(()));
        assert_eq!(allowances.wait(network(1), 103), Some(3));
        assert_eq!(allowances.wait(network(1), 106), None);
    }

    #[test]
    fn one_network_of_ipv6_has_one_allowance_whatever_address_it_takes() {
        let allowances = Allowances::new(2, 3);
        let of = |address: &str| Network::of(address.parse().expect("an address"));
        assert_eq!(allowances.take(of("2001:db8::1"), 100), Ok(()));
        assert_eq!(allowances.take(of("2001:db8::ffff:1"), 100), Ok(()));
        assert_eq!(allowances.take(of("2001:db8::2"), 100), Err(3));
        assert_eq!(allowances.take(of("2001:db8:0:1::2"), 100), Ok(()));
    }

    #[test]
    fn a_clock_that_is_set_back_makes_nobody_wait_for_long() {
        let allowances = Allowances::new(20, 3);
        for _ in 0..30 {
            allowances.spend(network(1), 1_000_000);
        }
        assert_eq!(allowances.wait(network(1), 1_000_000), Some(3));
        assert_eq!(allowances.wait(network(1), 100), Some(3));
        allowances.spend(network(1), 100);
        assert_eq!(allowances.wait(network(1), 103), None);
    }

    #[test]
    fn only_so_many_networks_are_remembered_the_worst_longest() {
        let allowances = Allowances::new(20, 3);
        for _ in 0..20 {
            allowances.spend(network(0), 100);
        }
        for number in 1..3_000 {
            allowances.spend(network(number), 100);
        }
        let remembered = || allowances.whole_at.lock().expect("whole").len();
        assert_eq!(remembered(), NETWORKS_MAX);
        assert!(allowances.wait(network(0), 100).is_some());
        allowances.spend(network(3_001), 10_000);
        assert_eq!(remembered(), 1, "what has everything back goes first");
    }
}
