//! Hosts and ports in one form, so that two spellings of one host are one host everywhere.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

/// The longest host name that DNS has.
const HOST_BYTES_MAX: usize = 253;

/// The longest label of a host name that DNS has.
const LABEL_BYTES_MAX: usize = 63;

/// A host with an optional port: lower case, without a trailing dot, addresses in their shortest form.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Authority {
    /// IPv6 addresses stand in brackets here.
    host: String,
    port: Option<u16>,
}

/// The text names no host in a form that everybody reads alike.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum AuthorityError {
    /// There is a user or password before the host.
    #[error("the host carries a user name")]
    UserInfo,
    /// The host is empty, too long, or has characters that host names lack.
    #[error("the host is not a host name or an address")]
    Host,
    /// The address has a zone, which means something to one machine only.
    #[error("the address carries a zone")]
    Zone,
    /// The port is no number from 1 to 65535 in its shortest form.
    #[error("the port is not a number from 1 to 65535")]
    Port,
}

impl Authority {
    /// Reads `host` or `host:port`.
    ///
    /// # Errors
    /// [`AuthorityError`] for anything that two readers could take for two hosts.
    pub fn parse(text: &[u8]) -> Result<Self, AuthorityError> {
        if text.contains(&b'@') {
            return Err(AuthorityError::UserInfo);
        }
        let text = std::str::from_utf8(text).map_err(|_| AuthorityError::Host)?;
        let (host, port) = if let Some(bracketed) = text.strip_prefix('[') {
            let (address, port) = bracketed.split_once(']').ok_or(AuthorityError::Host)?;
            let port = match port.strip_prefix(':') {
                Some(port) => Some(port),
                None if port.is_empty() => None,
                None => return Err(AuthorityError::Port),
            };
            (ipv6(address)?, port)
        } else {
            let (name, port) = match text.split_once(':') {
                Some((name, port)) => (name, Some(port)),
                None => (text, None),
            };
            (host_name(name)?, port)
        };
        let port = port.map(parse_port).transpose()?;
        Ok(Self { host, port })
    }

    /// Leaves out the port if it is `default`, the one of the scheme.
    #[must_use]
    pub fn without_default_port(mut self, default: u16) -> Self {
        self.port = self.port.filter(|&port| port != default);
        self
    }

    /// Returns the host; an IPv6 address in brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Returns the port, if one is named.
    #[must_use]
    pub const fn port(&self) -> Option<u16> {
        self.port
    }
}

impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.host)?;
        match self.port {
            Some(port) => write!(f, ":{port}"),
            None => Ok(()),
        }
    }
}

fn ipv6(address: &str) -> Result<String, AuthorityError> {
    if address.contains('%') {
        return Err(AuthorityError::Zone);
    }
    let address: Ipv6Addr = address.parse().map_err(|_| AuthorityError::Host)?;
    Ok(format!("[{address}]"))
}

fn host_name(name: &str) -> Result<String, AuthorityError> {
    let name = name.strip_suffix('.').unwrap_or(name);
    let labels_hold = name.split('.').all(|label| {
        !label.is_empty()
            && label.len() <= LABEL_BYTES_MAX
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    });
    if name.len() > HOST_BYTES_MAX || !labels_hold {
        return Err(AuthorityError::Host);
    }
    let name = name.to_ascii_lowercase();
    // A name whose last label is a number is an address to some resolvers: `127.1`, `0x7f.0.0.1`.
    let last = name.rsplit('.').next().unwrap_or(&name);
    let numeric = last.bytes().all(|byte| byte.is_ascii_digit()) || last.starts_with("0x");
    if numeric && name.parse::<Ipv4Addr>().is_err() {
        return Err(AuthorityError::Host);
    }
    Ok(name)
}

fn parse_port(port: &str) -> Result<u16, AuthorityError> {
    let shortest = !port.starts_with('0') && port.bytes().all(|byte| byte.is_ascii_digit());
    if !shortest {
        return Err(AuthorityError::Port);
    }
    port.parse().map_err(|_| AuthorityError::Port)
}

#[cfg(test)]
mod tests;
