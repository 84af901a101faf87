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
    pub postgres: Option<SocketAddr>,
    /// HTTP clients.
    pub http: Option<SocketAddr>,
    /// SSH clients.
    pub ssh: Option<SocketAddr>,
    /// API, console, health and metrics.
    pub admin: Option<SocketAddr>,
    /// Whether the admin listener speaks TLS, with the certificate of `[tls]`.
    pub admin_tls: bool,
    /// Whether clients may send their token without TLS. Loopback only.
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
    let postgres = section.parse("postgres", socket_address);
    let http = section.parse("http", socket_address);
    let ssh = section.parse("ssh", socket_address);
    if !["postgres", "http", "ssh"].iter().any(|door| section.has(door)) {
        let remedy = "name the address for clients, e.g. postgres = \"0.0.0.0:5432\"";
        section.fault("postgres", problem("is missing", remedy));
    }
    let admin = section.parse("admin", socket_address);
    let admin_tls = section.flag("admin_tls");
    check_admin(&section, admin, admin_tls, has_tls);
    let insecure_plaintext = section.flag("insecure_plaintext");
    for (key, address) in [("postgres", postgres), ("http", http)] {
        let Some(address) = address else { continue };
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
                key,
                problem(
                    "needs TLS: a token is never asked for in clear text",
                    "set [tls] certificate and key, or, on 127.0.0.1 only, insecure_plaintext = true",
                ),
            );
        }
    }
    section.finish();
    Some(ListenConfig {
        postgres,
        http,
        ssh,
        admin,
        admin_tls,
        insecure_plaintext,
    })
}

/// Tokens and what they open go over the admin listener: beyond this machine only encrypted.
fn check_admin(section: &Section<'_>, admin: Option<SocketAddr>, admin_tls: bool, has_tls: bool) {
    if admin_tls && !has_tls {
        section.fault(
            "admin_tls",
            problem(
                "has no certificate to show",
                "set [tls] certificate and key, or take it out",
            ),
        );
    }
    if admin_tls && !section.has("admin") {
        section.fault(
            "admin_tls",
            problem(
                "has no listener",
                "set admin = \"127.0.0.1:8443\", or take it out",
            ),
        );
    }
    if let Some(address) = admin.filter(|address| !address.ip().is_loopback() && !admin_tls) {
        section.fault(
            "admin",
            problem(
                format!("would carry tokens in clear text over {address}"),
                "set admin_tls = true, or listen on 127.0.0.1",
            ),
        );
    }
}
