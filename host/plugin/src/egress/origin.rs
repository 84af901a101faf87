//! Origins: what a grant names and what a request is held against.

use std::fmt;
use std::net::IpAddr;

use http::Uri;
use url::{Host, Url};

/// Scheme, host and port. Compared as a whole.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Origin {
    pub(super) tls: bool,
    pub(super) host: Host,
    pub(super) port: u16,
}

/// Why a granted origin can't be used.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum OriginError {
    /// It is no origin at all.
    #[error("not an origin such as https://host:port")]
    Malformed,
    /// Unencrypted requests leave the machine for nobody.
    #[error("http:// is for loopback addresses only; use https://")]
    Plain,
}

impl Origin {
    /// Reads a granted origin.
    pub(crate) fn parse(text: &str) -> Result<Self, OriginError> {
        let url = Url::parse(text).map_err(|_| OriginError::Malformed)?;
        let bare = url.path() == "/"
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none();
        let tls = match url.scheme() {
            "https" => true,
            "http" => false,
            _ => return Err(OriginError::Malformed),
        };
        let (true, Some(host), Some(port)) = (bare, url.host(), url.port_or_known_default()) else {
            return Err(OriginError::Malformed);
        };
        // The URL standard lets more into a name than any resolver takes, `*` for one.
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        if matches!(host, Host::Domain(name) if !name.bytes().all(plain)) {
            return Err(OriginError::Malformed);
        }
        let origin = Self {
            tls,
            host: host.to_owned(),
            port,
        };
        if !tls && !origin.is_loopback() {
            return Err(OriginError::Plain);
        }
        Ok(origin)
    }

    /// Reads the origin of a request. `None` for what no grant could name: another scheme,
    /// user information, a host that is not in its one normal form.
    pub(super) fn of_request(uri: &Uri) -> Option<Self> {
        let authority = uri.authority()?;
        if authority.as_str().contains('@') {
            return None;
        }
        let tls = match uri.scheme_str()? {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let host = Host::parse(authority.host()).ok()?;
        let port = match (authority.port_u16(), tls) {
            (Some(port), _) => port,
            (None, true) => 443,
            (None, false) => 80,
        };
        Some(Self { tls, host, port })
    }

    /// Returns the address, where the host is written as one.
    pub(super) fn address(&self) -> Option<IpAddr> {
        match self.host {
            Host::Ipv4(address) => Some(address.into()),
            Host::Ipv6(address) => Some(address.into()),
            Host::Domain(_) => None,
        }
    }

    /// Returns the host as a resolver and TLS take it: no brackets.
    pub(super) fn host_name(&self) -> String {
        match &self.host {
            Host::Domain(name) => name.clone(),
            Host::Ipv4(address) => address.to_string(),
            Host::Ipv6(address) => address.to_string(),
        }
    }

    fn is_loopback(&self) -> bool {
        match &self.host {
            Host::Domain(name) => name == "localhost",
            Host::Ipv4(address) => address.is_loopback(),
            Host::Ipv6(address) => address.is_loopback(),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        write!(f, "{scheme}://{}:{}", self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_names_scheme_host_and_port_and_nothing_else() {
        assert_eq!(
            Origin::parse("https://Hec.Example.com").map(|o| o.to_string()),
            Ok("https://hec.example.com:443".to_owned())
        );
        assert_eq!(
            Origin::parse("http://127.0.0.1:8088/").map(|o| o.to_string()),
            Ok("http://127.0.0.1:8088".to_owned())
        );
        assert_eq!(
            Origin::parse("http://[::1]:80").map(|o| o.to_string()),
            Ok("http://[::1]:80".to_owned())
        );
        assert_eq!(Origin::parse("http://hec.example.com"), Err(OriginError::Plain));
        for text in [
            "",
            "hec.example.com",
            "ftp://a",
            "https://a/b",
            "https://u@a",
            "https://a?b",
            "https://a#b",
            "https://*",
        ] {
            assert_eq!(Origin::parse(text), Err(OriginError::Malformed), "{text}");
        }
    }

    #[test]
    fn a_request_has_the_origin_it_goes_to_however_it_is_written() {
        let granted = Origin::parse("https://hec.example.com").expect("an origin");
        for same in ["https://hec.example.com/x", "https://HEC.example.com:443/"] {
            assert_eq!(
                Origin::of_request(&same.parse().expect("a uri")),
                Some(granted.clone()),
                "{same}"
            );
        }
        for other in [
            "http://hec.example.com/",
            "https://hec.example.com:8443/",
            "https://hec.example.com.evil.org/",
        ] {
            assert_ne!(
                Origin::of_request(&other.parse().expect("a uri")),
                Some(granted.clone()),
                "{other}"
            );
        }
        let tricked: Uri = "https://hec.example.com@evil.org/".parse().expect("a uri");
        assert_eq!(Origin::of_request(&tricked), None);
        // Octal, hexadecimal and short forms all are the address they lead to.
        for loopback in ["http://127.1/", "http://0x7f000001/", "http://2130706433/"] {
            let origin = Origin::of_request(&loopback.parse().expect("a uri")).expect("an origin");
            assert_eq!(
                origin.address(),
                Some("127.0.0.1".parse().expect("an address")),
                "{loopback}"
            );
        }
    }
}
