//! Asks a provider over HTTP, for its keys above all, and nobody but whom the configuration
//! allows.
//!
//! The issuer comes from the configuration, never from a token. No redirects; the address is
//! resolved once, checked, and connected to; every answer has a size and a deadline.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::header::{ACCEPT, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, HOST, HeaderValue, USER_AGENT};
use hyper_util::rt::TokioIo;
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject as _};
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Map, Value};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use url::{Host, Url};

use super::error::{KeysError, shown};
use super::json;
use super::keys::JWKS_BYTES_MAX;
use super::login::Endpoints;
use crate::config::HttpKeys;
use crate::secret::Secret;

/// How long discovery and keys may take together; a client waits for it while logging in.
const FETCH: Duration = Duration::from_secs(5);

/// How many of a host's addresses are tried.
const ADDRESSES_MAX: usize = 3;

/// Asks one provider.
#[derive(Clone)]
pub(super) struct Fetcher {
    discovery: Url,
    hosts: Vec<String>,
    tls: Arc<ClientConfig>,
    /// Whether the configured issuer itself is on this machine.
    loopback: bool,
    allow_private: bool,
}

impl std::fmt::Debug for Fetcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fetcher")
            .field("discovery", &self.discovery.as_str())
            .finish_non_exhaustive()
    }
}

/// A JWKS and how long its server calls it fresh, in seconds.
#[derive(Debug)]
pub(super) struct Fetched {
    pub(super) body: Vec<u8>,
    pub(super) max_age: Option<u64>,
}

impl Fetcher {
    /// Prepares fetching for `issuer`.
    pub(super) fn new(issuer: &str, config: &HttpKeys) -> Result<Self, KeysError> {
        // OIDC Discovery, 4: the issuer's path stays in front.
        let address = format!(
            "{}/.well-known/openid-configuration",
            issuer.trim_end_matches('/')
        );
        let discovery = Url::parse(&address).map_err(|_| KeysError::Malformed("discovery"))?;
        Ok(Self {
            loopback: is_loopback(&discovery),
            discovery,
            hosts: config.hosts.clone(),
            tls: Arc::new(tls(config)?),
            allow_private: config.allow_private,
        })
    }

    /// Fetches the discovery document and the keys it points to.
    pub(super) async fn keys(&self, issuer: &str) -> Result<Fetched, KeysError> {
        let fetched = async {
            let document = self.discover(issuer).await?;
            let address = document.get("jwks_uri").and_then(Value::as_str);
            self.get(&self.endpoint("jwks_uri", address.unwrap_or_default())?)
                .await
        };
        self.in_time(fetched).await
    }

    /// Fetches the discovery document and reads where to ask whether a token still holds.
    pub(super) async fn introspection(&self, issuer: &str) -> Result<Url, KeysError> {
        let fetched = async {
            let document = self.discover(issuer).await?;
            let address = document.get("introspection_endpoint").and_then(Value::as_str);
            self.endpoint("introspection_endpoint", address.unwrap_or_default())
        };
        self.in_time(fetched).await
    }

    async fn discover(&self, issuer: &str) -> Result<Map<String, Value>, KeysError> {
        let discovery = self.get(&self.discovery).await?;
        let document = json::object(&discovery.body).map_err(|_| KeysError::Malformed("discovery"))?;
        match document.get("issuer").and_then(Value::as_str) {
            Some(own) if own == issuer => Ok(document),
            other => Err(KeysError::OtherIssuer(shown(other.unwrap_or_default()))),
        }
    }

    /// Fetches the discovery document and reads where people log in.
    pub(super) async fn endpoints(&self, issuer: &str) -> Result<Endpoints, KeysError> {
        let fetched = async {
            let document = self.discover(issuer).await?;
            let text = |name: &str| document.get(name).and_then(Value::as_str);
            let endpoint = |name| self.endpoint(name, text(name).unwrap_or_default());
            let methods = document.get("token_endpoint_auth_methods_supported");
            let offers = |method: &str| {
                let listed = methods.and_then(Value::as_array);
                listed.is_some_and(|methods| methods.iter().any(|offered| offered == method))
            };
            Ok(Endpoints {
                issuer: issuer.to_owned(),
                authorization: endpoint("authorization_endpoint")?,
                token: endpoint("token_endpoint")?,
                end_session: match text("end_session_endpoint") {
                    Some(_) => Some(endpoint("end_session_endpoint")?),
                    None => None,
                },
                names_issuer: document.get("authorization_response_iss_parameter_supported")
                    == Some(&Value::Bool(true)),
                // Basic is the default of the standard (OIDC Discovery, 3).
                secret_in_form: offers("client_secret_post") && !offers("client_secret_basic"),
            })
        };
        self.in_time(fetched).await
    }

    /// Sends a form to one of the provider's endpoints, with the header that names the client.
    pub(super) async fn post(
        &self,
        url: &Url,
        authorization: Option<&Secret>,
        form: &Secret,
    ) -> Result<Answer, KeysError> {
        let host = url.host_str().unwrap_or_default();
        let mut request = hyper::Request::post(&url[url::Position::BeforePath..url::Position::AfterQuery])
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        if let Some(basic) = authorization {
            let value = HeaderValue::from_bytes(basic.expose());
            let mut value = value.map_err(|_| KeysError::Malformed("authorization"))?;
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        let request = request
            .body(Full::new(Bytes::copy_from_slice(form.expose())))
            .map_err(|error| KeysError::Unreachable {
                host: host.to_owned(),
                reason: error.to_string(),
            })?;
        self.in_time(self.send(url, request)).await
    }

    async fn in_time<T>(&self, fetched: impl Future<Output = Result<T, KeysError>>) -> Result<T, KeysError> {
        let host = self.discovery.host_str().unwrap_or_default();
        tokio::time::timeout(FETCH, fetched)
            .await
            .unwrap_or_else(|_| Err(KeysError::TimedOut(host.to_owned())))
    }

    /// Checks where an endpoint is said to be: on the issuer's host, or an allowed one.
    fn endpoint(&self, name: &'static str, text: &str) -> Result<Url, KeysError> {
        let forbidden = || KeysError::ForbiddenEndpoint {
            name,
            address: shown(text),
        };
        let url = Url::parse(text).map_err(|_| forbidden())?;
        let host = url.host_str().ok_or_else(forbidden)?;
        let known = self.discovery.host_str() == Some(host) || self.hosts.iter().any(|known| known == host);
        let scheme = url.scheme() == "https"
            || url.scheme() == "http" && self.discovery.scheme() == "http" && is_loopback(&url);
        let bare = url.username().is_empty() && url.password().is_none();
        if known && scheme && bare {
            Ok(url)
        } else {
            Err(forbidden())
        }
    }

    async fn get(&self, url: &Url) -> Result<Fetched, KeysError> {
        let host = url.host_str().unwrap_or_default();
        let request = hyper::Request::get(&url[url::Position::BeforePath..url::Position::AfterQuery])
            .body(Full::new(Bytes::new()))
            .map_err(|error| KeysError::Unreachable {
                host: host.to_owned(),
                reason: error.to_string(),
            })?;
        let answer = self.send(url, request).await?;
        if answer.status != 200 {
            return Err(KeysError::Status {
                host: host.to_owned(),
                status: answer.status,
            });
        }
        Ok(Fetched {
            body: answer.body,
            max_age: answer.max_age,
        })
    }

    /// Sends one request over a connection of its own.
    async fn send(&self, url: &Url, request: hyper::Request<Full<Bytes>>) -> Result<Answer, KeysError> {
        let host = url.host_str().unwrap_or_default();
        let stream = self.connect(url).await?;
        if url.scheme() != "https" {
            return exchange(url, stream, request).await;
        }
        let unreachable = |reason: String| KeysError::Unreachable {
            host: host.to_owned(),
            reason,
        };
        let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned())
            .map_err(|error| unreachable(error.to_string()))?;
        let stream = TlsConnector::from(Arc::clone(&self.tls))
            .connect(name, stream)
            .await
            .map_err(|error| unreachable(error.to_string()))?;
        exchange(url, stream, request).await
    }

    async fn connect(&self, url: &Url) -> Result<TcpStream, KeysError> {
        let host = url.host_str().unwrap_or_default();
        let unreachable = |error: std::io::Error| KeysError::Unreachable {
            host: host.to_owned(),
            reason: error.to_string(),
        };
        let port = url.port_or_known_default().unwrap_or(443);
        let addresses: Vec<SocketAddr> = match url.host() {
            Some(Host::Ipv4(address)) => vec![(address, port).into()],
            Some(Host::Ipv6(address)) => vec![(address, port).into()],
            Some(Host::Domain(name)) => tokio::net::lookup_host((name, port))
                .await
                .map_err(unreachable)?
                .collect(),
            None => Vec::new(),
        };
        let mut result = Err(KeysError::ForbiddenAddress(host.to_owned()));
        let allowed = addresses.into_iter().filter(|address| self.allows(address.ip()));
        for address in allowed.take(ADDRESSES_MAX) {
            match TcpStream::connect(address).await {
                Ok(stream) => return Ok(stream),
                Err(error) => result = Err(unreachable(error)),
            }
        }
        result
    }

    fn allows(&self, address: IpAddr) -> bool {
        !model::address::is_special(address) || self.allow_private || self.loopback && address.is_loopback()
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

fn tls(config: &HttpKeys) -> Result<ClientConfig, KeysError> {
    let failed = |reason: String| KeysError::Authorities(reason);
    let mut roots = RootCertStore::empty();
    match &config.root_certificate {
        Some(path) => {
            let certificates = CertificateDer::pem_file_iter(path)
                .and_then(Iterator::collect::<Result<Vec<_>, _>>)
                .map_err(|error| failed(format!("{}: {error}", path.display())))?;
            for certificate in certificates {
                roots
                    .add(certificate)
                    .map_err(|error| failed(format!("{}: {error}", path.display())))?;
            }
            if roots.is_empty() {
                return Err(failed(format!("{}: holds no certificate", path.display())));
            }
        }
        // What the system calls a certificate and is none is left out, as everywhere.
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(error.to_string()))?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

/// What a server answered.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// The media type of the body, without its parameters, in lower case.
    pub(super) media_type: Option<String>,
    max_age: Option<u64>,
    pub(super) body: Vec<u8>,
}

/// Sends one request over `stream` and reads the answer.
async fn exchange<S>(
    url: &Url,
    stream: S,
    mut request: hyper::Request<Full<Bytes>>,
) -> Result<Answer, KeysError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let host = url.host_str().unwrap_or_default();
    let unreachable = |reason: String| KeysError::Unreachable {
        host: host.to_owned(),
        reason,
    };
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| unreachable(error.to_string()))?;
    let authority = url
        .port()
        .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
    let headers = request.headers_mut();
    let authority = HeaderValue::from_str(&authority).map_err(|error| unreachable(error.to_string()))?;
    headers.insert(HOST, authority);
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    headers.insert(
        USER_AGENT,
        HeaderValue::from_static(concat!("tidegate/", env!("CARGO_PKG_VERSION"))),
    );
    let answer = async {
        let response = sender
            .send_request(request)
            .await
            .map_err(|error| unreachable(error.to_string()))?;
        read(response, host).await
    };
    // The connection is driven right here and ends with the answer: no task outlives it.
    tokio::pin!(answer, connection);
    let mut closed = false;
    loop {
        tokio::select! {
            biased;
            fetched = &mut answer => return fetched,
            _ = &mut connection, if !closed => closed = true,
        }
    }
}

async fn read(mut response: hyper::Response<hyper::body::Incoming>, host: &str) -> Result<Answer, KeysError> {
    let status = response.status().as_u16();
    let max_age = response
        .headers()
        .get(CACHE_CONTROL)
        .and_then(|value| value.to_str().ok())
        .and_then(max_age);
    let media_type = response
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .map(|value| value.trim().to_ascii_lowercase());
    let mut body = Vec::new();
    while let Some(frame) = response.body_mut().frame().await {
        let frame = frame.map_err(|error| KeysError::Unreachable {
            host: host.to_owned(),
            reason: error.to_string(),
        })?;
        if let Some(data) = frame.data_ref() {
            if body.len() + data.len() > JWKS_BYTES_MAX {
                return Err(KeysError::TooLarge);
            }
            body.extend_from_slice(data);
        }
    }
    Ok(Answer {
        status,
        media_type,
        max_age,
        body,
    })
}

/// Reads `max-age` out of a `Cache-Control` header; `no-store` and `no-cache` mean 0.
fn max_age(header: &str) -> Option<u64> {
    let mut age = None;
    for directive in header.split(',').map(str::trim) {
        if directive.eq_ignore_ascii_case("no-store") || directive.eq_ignore_ascii_case("no-cache") {
            return Some(0);
        }
        let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
        if name.eq_ignore_ascii_case("max-age") {
            age = value.trim_matches('"').parse().ok();
        }
    }
    age
}
