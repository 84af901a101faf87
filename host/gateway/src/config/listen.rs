//! `[listen]` and `[tls]`: where clients connect, and with which certificate.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::quantity::{socket_address, text};
use super::report::problem;
use super::section::Section;

/// Where the gateway listens.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ListenConfig {
    /// PostgreSQL clients.
    pub postgres: SocketAddr,
    /// Health and metrics.
    pub admin: Option<SocketAddr>,
    /// Whether PostgreSQL clients may send their token without TLS. Loopback only.
    pub insecure_plaintext: bool,
}

/// The gateway's own certificate.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TlsConfig {
    /// The chain in PEM, leaf first.
    pub certificate: PathBuf,
    /// The private key in PEM.
    pub key: PathBuf,
}

pub(super) fn tls(section: Section<'_>, folder: &Path) -> Option<TlsConfig> {
    let path = |value: &str| text(value).map(|value| folder.join(value));
    let certificate = section.require("certificate", "name the PEM file of the certificate chain", path);
    let key = section.require("key", "name the PEM file of the private key", path);
    section.finish();
    Some(TlsConfig {
        certificate: certificate?,
        key: key?,
    })
}

pub(super) fn read(root: &Section<'_>, has_tls: bool) -> Option<ListenConfig> {
    let Some(section) = root.table("listen") else {
        if !root.has("listen") {
            let remedy = "add [listen] with postgres = \"0.0.0.0:5432\"";
            root.fault("listen", problem("is missing: nothing would listen", remedy));
        }
        return None;
    };
    let postgres = section.require(
        "postgres",
        "name the address for PostgreSQL clients, e.g. \"0.0.0.0:5432\"",
        socket_address,
    );
    let admin = section.parse("admin", socket_address);
    let insecure_plaintext = section.flag("insecure_plaintext");
    section.not_built_yet("http", "the HTTP listener");
    section.not_built_yet("ssh", "the SSH listener");
    if let Some(address) = postgres {
        if insecure_plaintext && !address.ip().is_loopback() {
            section.fault(
                "insecure_plaintext",
                problem(
                    format!("would carry tokens in clear text over {address}"),
                    "take it out and set [tls], or listen on 127.0.0.1",
                ),
            );
        }
        if !insecure_plaintext && !has_tls {
            section.fault(
                "postgres",
                problem(
                    "needs TLS: a token is never asked for in clear text",
                    "set [tls] certificate and key, or, on 127.0.0.1 only, insecure_plaintext = true",
                ),
            );
        }
    }
    section.finish();
    Some(ListenConfig {
        postgres: postgres?,
        admin,
        insecure_plaintext,
    })
}
