//! Outgoing HTTP of plugins, and the guard that keeps requests made for others off addresses
//! they must not reach.
//!
//! A plugin reaches the origins it was granted and nothing else. Each request resolves the name
//! once, drops special addresses unless they were granted, and connects to an address that was
//! checked. Redirects are the plugin's to see, never followed. Nothing is pooled: a connection
//! that outlives its check would outlive a change of grants.

mod address;
mod connect;
mod origin;
mod send;

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use rustls::ClientConfig;

pub use address::AddressRange;
pub(crate) use origin::Origin;
pub(crate) use send::Hooks;

use crate::config::Secret;
use std::collections::BTreeMap;

/// Resolves `host` and returns the addresses a request may connect to, in the resolver's order.
///
/// Special addresses (loopback, private, link-local, metadata and the like) are left out unless
/// `allow_special`. Callers connect to what is returned and never resolve again. There is no
/// time limit here; callers put the call under theirs.
///
/// # Errors
/// When the name does not resolve; [`io::ErrorKind::PermissionDenied`] when it resolves to
/// special addresses only.
pub async fn resolve_checked(host: &str, port: u16, allow_special: bool) -> io::Result<Vec<SocketAddr>> {
    address::resolve(host, port, |address| {
        allow_special || !model::address::is_special(address)
    })
    .await
}

/// What one plugin may reach, with what.
pub(crate) struct Policy {
    pub(crate) origins: Vec<Origin>,
    pub(crate) allow_private: Vec<AddressRange>,
    pub(crate) secrets: BTreeMap<String, Secret>,
    pub(crate) tls: Arc<ClientConfig>,
}

impl Policy {
    /// Returns whether a request to `origin` may connect to `address`.
    fn permits(&self, origin: &Origin, address: std::net::IpAddr) -> bool {
        !model::address::is_special(address)
            // An operator who writes an address has seen which one it is.
            || origin.address() == Some(address)
            || self.allow_private.iter().any(|range| range.contains(address))
    }
}

/// Makes the TLS configuration of a plugin's connections: the system's authorities and those
/// in `ca_file`.
///
/// # Errors
/// When `ca_file` can't be read or holds no certificate.
pub(crate) fn tls_config(ca_file: Option<&Path>) -> io::Result<Arc<ClientConfig>> {
    connect::tls_config(ca_file)
}
