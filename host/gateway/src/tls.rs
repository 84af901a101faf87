//! TLS towards clients and towards upstreams.

use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, ServerConfig, SignatureScheme};
use sha2::{Digest as _, Sha256, Sha384, Sha512};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::config::{SslMode, TlsConfig};

/// The protocol name of PostgreSQL in ALPN.
pub(crate) const ALPN_POSTGRES: &[u8] = b"postgresql";

/// The protocol name of HTTP/1.1 in ALPN.
pub(crate) const ALPN_HTTP: &[u8] = b"http/1.1";

/// The protocol name of HTTP/2 in ALPN.
pub(crate) const ALPN_HTTP2: &[u8] = b"h2";

/// Why TLS could not be set up. Names files, never their content.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A certificate or key file could not be read.
    #[error("{file}: {reason}")]
    File {
        /// The file.
        file: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The system's certificate authorities could not be read.
    #[error("no certificate authority of the system could be loaded; set root_certificate")]
    NoRoots,
    /// Certificate and key do not fit, or something like it.
    #[error(transparent)]
    Rustls(#[from] rustls::Error),
}

fn file_error(file: &Path, reason: impl ToString) -> TlsError {
    TlsError::File {
        file: file.display().to_string(),
        reason: reason.to_string(),
    }
}

/// Loads what the gateway shows to its clients.
///
/// # Errors
/// [`TlsError`], naming the file.
pub fn server(config: &TlsConfig) -> Result<Arc<ServerConfig>, TlsError> {
    serving(config, &[ALPN_POSTGRES])
}

/// Loads the same for HTTP clients.
///
/// # Errors
/// [`TlsError`], naming the file.
pub fn http(config: &TlsConfig) -> Result<Arc<ServerConfig>, TlsError> {
    serving(config, &[ALPN_HTTP2, ALPN_HTTP])
}

/// Loads the same for the admin listener, which speaks HTTP/1.1 and nothing else.
///
/// # Errors
/// [`TlsError`], naming the file.
pub fn admin(config: &TlsConfig) -> Result<Arc<ServerConfig>, TlsError> {
    serving(config, &[ALPN_HTTP])
}

fn serving(config: &TlsConfig, protocols: &[&[u8]]) -> Result<Arc<ServerConfig>, TlsError> {
    let chain = certificates(&config.certificate)?;
    let key = PrivateKeyDer::from_pem_file(&config.key).map_err(|e| file_error(&config.key, e))?;
    let mut server = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    // A client that offers only other protocols meant another server: it is turned away.
    server.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    Ok(Arc::new(server))
}

/// Makes the client side for an upstream; `None` for plain text.
///
/// # Errors
/// [`TlsError`], naming the file.
pub fn client(mode: SslMode, roots: Option<&Path>) -> Result<Option<Arc<ClientConfig>>, TlsError> {
    let builder = ClientConfig::builder();
    let config = match mode {
        SslMode::Disable => return Ok(None),
        SslMode::Require => builder
            .dangerous()
            .with_custom_certificate_verifier(Lenient::new(None))
            .with_no_client_auth(),
        SslMode::VerifyCa => builder
            .dangerous()
            .with_custom_certificate_verifier(Lenient::new(Some(verifier(roots)?)))
            .with_no_client_auth(),
        SslMode::VerifyFull => builder
            .with_webpki_verifier(verifier(roots)?)
            .with_no_client_auth(),
    };
    Ok(Some(Arc::new(config)))
}

/// Makes the client side for an HTTP upstream, whose name is always verified.
///
/// # Errors
/// [`TlsError`], naming the file.
pub fn http_client(roots: Option<&Path>, own: Option<(&Path, &Path)>) -> Result<Arc<ClientConfig>, TlsError> {
    let builder = ClientConfig::builder().with_webpki_verifier(verifier(roots)?);
    let mut config = match own {
        Some((certificate, key)) => {
            let chain = certificates(certificate)?;
            let key = PrivateKeyDer::from_pem_file(key).map_err(|e| file_error(key, e))?;
            builder.with_client_auth_cert(chain, key)?
        }
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![ALPN_HTTP2.to_vec(), ALPN_HTTP.to_vec()];
    Ok(Arc::new(config))
}

fn verifier(roots: Option<&Path>) -> Result<Arc<WebPkiServerVerifier>, TlsError> {
    let mut store = RootCertStore::empty();
    match roots {
        Some(file) => {
            for certificate in certificates(file)? {
                store.add(certificate).map_err(|e| file_error(file, e))?;
            }
        }
        None => {
            store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    if store.is_empty() {
        return Err(TlsError::NoRoots);
    }
    WebPkiServerVerifier::builder(Arc::new(store))
        .build()
        .map_err(|error| TlsError::Rustls(rustls::Error::General(error.to_string())))
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let certificates = CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|e| file_error(file, e))?;
    if certificates.is_empty() {
        return Err(file_error(file, io::Error::other("holds no certificate")));
    }
    Ok(certificates)
}

/// Returns the hash of a server's certificate that SCRAM binds to (RFC 5929); `None` where the
/// certificate's signature algorithm defines none.
#[must_use]
pub fn end_point_hash(certificate: &[u8]) -> Option<Vec<u8>> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    let hash = match parsed.signature_algorithm.algorithm.to_id_string().as_str() {
        // MD5 and SHA-1 are replaced by SHA-256; RSA and ECDSA, each with SHA-2.
        "1.2.840.113549.1.1.4"
        | "1.2.840.113549.1.1.5"
        | "1.2.840.113549.1.1.11"
        | "1.2.840.10045.4.1"
        | "1.2.840.10045.4.3.2" => Sha256::digest(certificate).to_vec(),
        "1.2.840.113549.1.1.12" | "1.2.840.10045.4.3.3" => Sha384::digest(certificate).to_vec(),
        "1.2.840.113549.1.1.13" | "1.2.840.10045.4.3.4" => Sha512::digest(certificate).to_vec(),
        _ => return None,
    };
    Some(hash)
}

/// Verifies less than `verify-full`: with a chain, that a trusted authority vouches for the
/// server under whatever name (`verify-ca`); without, nothing (`require`: the connection counts
/// as untrusted). Signatures are always checked.
#[derive(Debug)]
struct Lenient {
    chain: Option<Arc<WebPkiServerVerifier>>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Lenient {
    fn new(chain: Option<Arc<WebPkiServerVerifier>>) -> Arc<Self> {
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        Arc::new(Self {
            chain,
            algorithms: provider.signature_verification_algorithms,
        })
    }
}

impl ServerCertVerifier for Lenient {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Some(chain) = &self.chain else {
            return Ok(ServerCertVerified::assertion());
        };
        match chain.verify_server_cert(end_entity, intermediates, name, ocsp, now) {
            Err(rustls::Error::InvalidCertificate(
                rustls::CertificateError::NotValidForName
                | rustls::CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
