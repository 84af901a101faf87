//! Where somebody comes from, as far as limits go.

mod allowance;

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

pub(crate) use allowance::Allowances;

/// How many of an IPv6 address's bits tell networks apart: whoever has one address of such a
/// network has them all.
const PREFIX: u32 = 64;

/// What one limit is for: an IPv4 address, or a network of IPv6 addresses.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Network(Option<IpAddr>);

impl Network {
    /// Everybody of whom it is not known.
    pub(crate) const UNKNOWN: Self = Self(None);

    /// Returns the network of an address.
    pub(crate) fn of(address: IpAddr) -> Self {
        Self(Some(match address.to_canonical() {
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << PREFIX)).into(),
            address => address,
        }))
    }

    /// Returns the network of a peer as logs name it, `address:port`.
    pub(crate) fn of_peer(peer: &str) -> Self {
        let peer = peer.parse::<SocketAddr>();
        peer.map_or(Self::UNKNOWN, |peer| Self::of(peer.ip()))
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(IpAddr::V6(address)) => write!(f, "{address}/{PREFIX}"),
            Some(address) => write!(f, "{address}"),
            None => f.write_str("unknown"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_network_is_one_and_an_ipv4_address_too_however_it_is_written() {
        let of = |peer: &str| Network::of_peer(peer).to_string();
        assert_eq!(of("[2001:db8:1:2:3:4:5:6]:443"), "2001:db8:1:2::/64");
        assert_eq!(of("[2001:db8:1:2::]:80"), "2001:db8:1:2::/64");
        assert_eq!(of("[2001:db8:1:3::1]:80"), "2001:db8:1:3::/64");
        assert_eq!(of("192.0.2.1:80"), "192.0.2.1");
        assert_eq!(of("[::ffff:192.0.2.1]:80"), "192.0.2.1");
        assert_eq!(of("unknown"), "unknown");
    }
}
