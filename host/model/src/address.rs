//! Which network addresses are special, so that requests made for others never reach them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Returns whether `address` is anything but a public unicast address: loopback, private,
/// link-local, metadata, multicast, documentation, translated or reserved.
///
/// Addresses that wrap an IPv4 address (mapped, translated, 6to4, Teredo) are special as a
/// whole: no public service is reached by them, and each has been a way round such a check.
#[must_use]
pub fn is_special(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_special_v4(v4),
        IpAddr::V6(v6) => is_special_v6(v6),
    }
}

fn is_special_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    matches!(
        (a, b, c),
        (0 | 10 | 127 | 224..=255, ..)
            | (100, 64..=127, _)
            | (169, 254, _)
            | (172, 16..=31, _)
            | (192, 0, 0 | 2)
            | (192, 88, 99)
            | (192, 168, _)
            | (198, 18 | 19, _)
            | (198, 51, 100)
            | (203, 0, 113)
    )
    // Azure's metadata and DNS service, on an address that is formally public.
        || address == Ipv4Addr::new(168, 63, 129, 16)
}

fn is_special_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    // Global unicast is 2000::/3 and nothing else.
    segments[0] & 0xE000 != 0x2000
        || segments[0] == 0x2002
        || (segments[0] == 0x2001 && (segments[1] < 0x0200 || segments[1] == 0x0DB8))
        || segments[0] == 0x3FFF
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_addresses_are_told_from_public_ones() {
        for special in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.192",
            "192.168.1.1",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "168.63.129.16",
            "::",
            "::1",
            "::ffff:8.8.8.8",
            "fe80::1",
            "fd00:ec2::254",
            "ff02::1",
            "64:ff9b::808:808",
            "2002:7f00:1::",
            "2001::1",
            "2001:db8::1",
        ] {
            assert!(is_special(special.parse().expect("an address")), "{special}");
        }
        for public in [
            "8.8.8.8",
            "1.1.1.1",
            "172.32.0.1",
            "2606:4700::1111",
            "2a00:1450::1",
        ] {
            assert!(!is_special(public.parse().expect("an address")), "{public}");
        }
    }
}
