//! Reaches an HTTP upstream. Nothing learnt here is ever shown to a client.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use model::Fault;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::body::RequestBody;
use super::connection::BUFFER_BYTES_MAX;
use crate::tls::ALPN_HTTP2;
use crate::wire::{Wire, tune};

/// How long reaching an upstream may take, from the name to the first byte of HTTP.
pub(super) const DIAL_MAX: Duration = Duration::from_secs(15);

/// The most bytes of a head that an upstream may send over HTTP/2: what servers allow themselves. Over
/// HTTP/1 it is the library's buffer, [`BUFFER_BYTES_MAX`].
const HEAD_BYTES_MAX: usize = 64 << 10;

/// The most headers of an answer.
const HEADERS_MAX: usize = 128;

/// How many bytes an upstream may send ahead of what the client has taken, per HTTP/2 stream: at
/// 10 ms round-trip time enough for 100 MB/s.
const WINDOW_BYTES: u32 = 1 << 20;

/// Where an upstream is.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) tls: Option<Arc<ClientConfig>>,
    /// Whether HTTP/2 is spoken without anybody negotiating it.
    pub(super) http2: bool,
}

/// Why an upstream could not be used. For the log.
#[derive(Debug, thiserror::Error)]
pub(super) enum DialError {
    #[error("the upstream could not be reached: {0}")]
    Connect(#[source] io::Error),
    #[error("the upstream's TLS failed: {0}")]
    Tls(#[source] io::Error),
    #[error("the upstream's HTTP failed: {0}")]
    Handshake(#[source] hyper::Error),
    #[error("the upstream did not answer within {} s", DIAL_MAX.as_secs())]
    TimedOut,
}

impl DialError {
    /// Returns who must act.
    pub(super) const fn fault(&self) -> Fault {
        match self {
            Self::Tls(_) => Fault::Operator,
            Self::Connect(_) | Self::Handshake(_) | Self::TimedOut => Fault::Upstream,
        }
    }
}

/// One connection to an upstream, ready for requests.
pub(super) enum Sender {
    /// One request at a time.
    Http1(http1::SendRequest<RequestBody>),
    /// Many at once.
    Http2(http2::SendRequest<RequestBody>),
}

impl Target {
    pub(super) async fn connect(&self) -> Result<Sender, DialError> {
        tokio::time::timeout(DIAL_MAX, self.connect_unbounded())
            .await
            .map_err(|_| DialError::TimedOut)?
    }

    async fn connect_unbounded(&self) -> Result<Sender, DialError> {
        let stream = TcpStream::connect((self.host.as_str(), self.port))
            .await
            .map_err(DialError::Connect)?;
        tune(&stream).map_err(DialError::Connect)?;
        let Some(config) = &self.tls else {
            return shake_hands(Wire::Plain(stream), self.http2).await;
        };
        let name = ServerName::try_from(self.host.clone())
            .map_err(|_| DialError::Tls(io::Error::other("the host is no valid server name")))?;
        let stream = TlsConnector::from(Arc::clone(config))
            .connect(name, stream)
            .await
            .map_err(DialError::Tls)?;
        let http2 = stream.get_ref().1.alpn_protocol() == Some(ALPN_HTTP2);
        shake_hands(Wire::Tls(Box::new(stream.into())), http2).await
    }
}

async fn shake_hands(wire: Wire, http2: bool) -> Result<Sender, DialError> {
    let io = TokioIo::new(wire);
    if http2 {
        let (sender, connection) = http2::Builder::new(TokioExecutor::new())
            .initial_stream_window_size(WINDOW_BYTES)
            .initial_connection_window_size(WINDOW_BYTES)
            .max_header_list_size(u32::try_from(HEAD_BYTES_MAX).unwrap_or(u32::MAX))
            .handshake(io)
            .await
            .map_err(DialError::Handshake)?;
        tokio::spawn(run(connection));
        return Ok(Sender::Http2(sender));
    }
    let (sender, connection) = http1::Builder::new()
        .max_buf_size(BUFFER_BYTES_MAX)
        .max_headers(HEADERS_MAX)
        .handshake(io)
        .await
        .map_err(DialError::Handshake)?;
    tokio::spawn(run(connection.with_upgrades()));
    Ok(Sender::Http1(sender))
}

async fn run(connection: impl Future<Output = hyper::Result<()>>) {
    if let Err(error) = connection.await {
        // Whoever has a request on it is told, too.
        tracing::debug!(%error, "a connection to an upstream ended");
    }
}
