//! Connections to addresses that were checked.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::origin::Origin;

/// A byte stream to an upstream, encrypted or not.
pub(super) trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

/// Connects to the first of `addresses` that answers.
pub(super) async fn tcp(addresses: &[SocketAddr]) -> io::Result<TcpStream> {
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Encrypts a connection, with the origin's host as the name that the certificate must carry.
pub(super) async fn tls(
    stream: TcpStream,
    origin: &Origin,
    config: Arc<ClientConfig>,
) -> io::Result<impl Wire + use<>> {
    let name = ServerName::try_from(origin.host_name()).map_err(io::Error::other)?;
    TlsConnector::from(config).connect(name, stream).await
}

/// Makes a configuration that trusts the system's authorities and those in `ca_file`.
pub(super) fn tls_config(ca_file: Option<&Path>) -> io::Result<Arc<ClientConfig>> {
    let mut roots = system_roots().clone();
    if let Some(path) = ca_file {
        let before = roots.len();
        for certificate in CertificateDer::pem_file_iter(path).map_err(io::Error::other)? {
            let certificate = certificate.map_err(io::Error::other)?;
            roots.add(certificate).map_err(io::Error::other)?;
        }
        if roots.len() == before {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the file holds no certificate",
            ));
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// The system's authorities, read once: some hundred files on some systems.
fn system_roots() -> &'static RootCertStore {
    static ROOTS: OnceLock<RootCertStore> = OnceLock::new();
    ROOTS.get_or_init(|| {
        let mut roots = RootCertStore::empty();
        let found = rustls_native_certs::load_native_certs();
        for error in &found.errors {
            tracing::warn!(%error, "a certificate authority of this system can't be read");
        }
        roots.add_parsable_certificates(found.certs);
        roots
    })
}
