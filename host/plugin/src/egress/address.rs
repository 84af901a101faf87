//! Which addresses a name may lead to.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

/// The most addresses of one name that are looked at. Real services have a handful.
const ADDRESSES_MAX: usize = 16;

/// Resolves once and keeps what `permits` lets through.
pub(super) async fn resolve(
    host: &str,
    port: u16,
    permits: impl Fn(IpAddr) -> bool,
) -> io::Result<Vec<SocketAddr>> {
    permitted(tokio::net::lookup_host((host, port)).await?, permits)
}

/// Keeps of one answer of the resolver what `permits` lets through.
fn permitted(
    answer: impl Iterator<Item = SocketAddr>,
    permits: impl Fn(IpAddr) -> bool,
) -> io::Result<Vec<SocketAddr>> {
    let mut answer = answer.take(ADDRESSES_MAX).peekable();
    if answer.peek().is_none() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address"));
    }
    let permitted: Vec<_> = answer.filter(|address| permits(address.ip())).collect();
    if permitted.is_empty() {
        return Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            "the name leads to special addresses only",
        ));
    }
    Ok(permitted)
}

/// A range of addresses, written `10.20.0.0/16` or as a single address.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct AddressRange {
    network: IpAddr,
    prefix: u8,
}

impl AddressRange {
    /// Returns whether `address` lies in the range. IPv4 and mapped IPv6 are different families.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.network, address) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let differ = network.to_bits() ^ address.to_bits();
                differ.leading_zeros() >= u32::from(self.prefix)
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let differ = network.to_bits() ^ address.to_bits();
                differ.leading_zeros() >= u32::from(self.prefix)
            }
            _ => false,
        }
    }
}

impl fmt::Display for AddressRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.network, self.prefix)
    }
}

/// Says that a text is not an address range.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("not an address range such as 10.20.0.0/16")]
pub struct NotAnAddressRange;

impl FromStr for AddressRange {
    type Err = NotAnAddressRange;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (network, prefix) = match text.split_once('/') {
            Some((network, prefix)) => (network, Some(prefix)),
            None => (text, None),
        };
        let network: IpAddr = network.parse().map_err(|_| NotAnAddressRange)?;
        let bits: u8 = if network.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => {
                digits.parse().map_err(|_| NotAnAddressRange)?
            }
            Some(_) => return Err(NotAnAddressRange),
            None => bits,
        };
        if prefix > bits {
            return Err(NotAnAddressRange);
        }
        Ok(Self { network, prefix })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_holds_its_own_addresses_only() {
        let range: AddressRange = "10.20.0.0/16".parse().expect("a range");
        assert!(range.contains("10.20.255.1".parse().expect("an address")));
        assert!(!range.contains("10.21.0.1".parse().expect("an address")));
        assert!(!range.contains("::ffff:10.20.0.1".parse().expect("an address")));
        let single: AddressRange = "::1".parse().expect("a range");
        assert!(single.contains("::1".parse().expect("an address")));
        assert!(!single.contains("::2".parse().expect("an address")));
        let everything: AddressRange = "0.0.0.0/0".parse().expect("a range");
        assert!(everything.contains("192.168.1.1".parse().expect("an address")));
    }

    #[test]
    fn what_is_no_range_does_not_parse() {
        for text in [
            "",
            "10.0.0.0/33",
            "10.0.0.0/-1",
            "10.0.0.0/+8",
            "10.0.0/8",
            "example.com",
            "::/129",
        ] {
            assert_eq!(text.parse::<AddressRange>(), Err(NotAnAddressRange), "{text}");
        }
    }

    #[tokio::test]
    async fn a_name_that_leads_to_special_addresses_only_is_refused() {
        let refused = super::super::resolve_checked("localhost", 80, false).await;
        assert_eq!(
            refused.map_err(|error| error.kind()),
            Err(io::ErrorKind::PermissionDenied)
        );
        let allowed = super::super::resolve_checked("localhost", 80, true)
            .await
            .expect("localhost");
        assert!(allowed.iter().all(|address| address.ip().is_loopback()));
    }
    #[test]
    fn a_name_that_is_rebound_to_a_special_address_is_refused_from_then_on() {
        let public = |address: IpAddr| !model::address::is_special(address);
        let ask = |answer: &[&str]| {
            let addresses = answer
                .iter()
                .map(|text| SocketAddr::new(text.parse().expect("an address"), 443));
            let kept = permitted(addresses, public).map_err(|error| error.kind())?;
            Ok(kept
                .iter()
                .map(|address| address.ip().to_string())
                .collect::<Vec<_>>())
        };
        let refused = Err(io::ErrorKind::PermissionDenied);
        assert_eq!(ask(&["93.184.216.34"]), Ok(vec!["93.184.216.34".to_owned()]));
        for special in [
            "127.0.0.1",
            "::1",
            "169.254.169.254",
            "10.0.0.7",
            "::ffff:127.0.0.1",
            "fd00::1",
        ] {
            assert_eq!(ask(&[special]), refused, "{special}");
            // Beside a public one it is left out: no second choice leads to it.
            let beside = ask(&[special, "93.184.216.34"]);
            assert_eq!(beside, Ok(vec!["93.184.216.34".to_owned()]), "{special}");
        }
        assert_eq!(ask(&[]), Err(io::ErrorKind::NotFound));
    }
}
