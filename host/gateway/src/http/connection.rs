//! One client's connection, from its first byte to its last.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use model::ResourceName;
use proto::http::guard::{HEAD_BYTES_MAX, HEADERS_MAX, Protocol};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::body::ResponseBody;
use super::exchange;
use super::guarded::{Guarded, Watch};
use super::visit::{TokenDigest, Visit};
use crate::services::Services;
use crate::tls::ALPN_HTTP2;
use crate::wire::{Wire, tune};

/// How many sessions one connection may have: a proxy of the client's own that joins more
/// people than this in one connection can open a second.
pub(super) const VISITS_MAX: usize = 32;

/// How many requests may run at once on one HTTP/2 connection; the usual number.
const STREAMS_MAX: u32 = 128;

/// How many bytes the HTTP/1 library reads, and keeps of an answer, at once: what a kernel's buffer
/// has at high speed. A head has its own limit, which the guard holds.
pub(super) const BUFFER_BYTES_MAX: usize = 256 << 10;

/// How many bytes a client may send ahead of what the upstream has taken, per HTTP/2 stream and
/// per connection.
const STREAM_WINDOW_BYTES: u32 = 1 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 4 << 20;

/// How many bytes of answers wait for a slow client, per HTTP/2 stream.
const SEND_BYTES_MAX: usize = 256 << 10;

/// How many streams a client may open and reset before it is cut off (rapid reset).
const RESETS_MAX: usize = 64;

/// How often a silent HTTP/2 client is asked whether it is there, and how long it has to say so.
const PING_EVERY: Duration = Duration::from_secs(30);
const PONG_WITHIN: Duration = Duration::from_secs(20);

/// How often a connection looks whether it is still needed.
const LOOK: Duration = Duration::from_secs(5);

/// How long a connection is kept on which nothing happens: longer than clients keep theirs.
const IDLE_MAX: Duration = Duration::from_secs(120);

/// What all exchanges of one connection share.
pub(super) struct Connection {
    pub(super) services: Arc<Services>,
    /// The client's address.
    pub(super) client: String,
    pub(super) client_ip: IpAddr,
    pub(super) is_tls: bool,
    /// What the guard knows of HTTP/1 requests.
    pub(super) watch: Watch,
    /// How many requests have come.
    pub(super) requests: AtomicU64,
    /// Cancelled when no further request is to be taken.
    pub(super) closing: CancellationToken,
    visits: Mutex<HashMap<(TokenDigest, ResourceName), Arc<Visit>>>,
    running: AtomicUsize,
    /// Told when nothing runs any more.
    quiet: Notify,
}

impl Connection {
    fn lock(&self) -> MutexGuard<'_, HashMap<(TokenDigest, ResourceName), Arc<Visit>>> {
        self.visits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the session that this token has on a resource, if it goes on.
    pub(super) fn visit(&self, token: TokenDigest, resource: &ResourceName) -> Option<Arc<Visit>> {
        let visits = self.lock();
        let visit = visits.get(&(token, resource.clone()))?;
        (!visit.is_over()).then(|| Arc::clone(visit))
    }

    /// Keeps a session that `begin` makes, unless there is one by now or there are too many.
    pub(super) fn keep<E>(
        &self,
        token: TokenDigest,
        resource: &ResourceName,
        crowded: impl FnOnce() -> E,
        begin: impl FnOnce() -> Result<Arc<Visit>, E>,
    ) -> Result<Arc<Visit>, E> {
        let mut visits = self.lock();
        let key = (token, resource.clone());
        if let Some(visit) = visits.get(&key).filter(|visit| !visit.is_over()) {
            return Ok(Arc::clone(visit));
        }
        if visits.len() >= VISITS_MAX && !visits.contains_key(&key) {
            return Err(crowded());
        }
        let visit = begin()?;
        if let Some(over) = visits.insert(key, Arc::clone(&visit)) {
            tokio::spawn(async move { over.end("ended by the gateway").await });
        }
        Ok(visit)
    }

    async fn end(&self, reason: &'static str) {
        let visits: Vec<_> = self.lock().drain().map(|(_, visit)| visit).collect();
        for visit in visits {
            visit.end(reason).await;
        }
    }

    /// Counts a request as running for as long as the result is kept.
    pub(super) fn running(self: &Arc<Self>) -> Running {
        self.running.fetch_add(1, Ordering::Relaxed);
        Running(Arc::clone(self))
    }

    /// Waits until nothing runs: a connection that was switched to another protocol outlives its
    /// last request.
    async fn settled(&self) {
        loop {
            let mut quiet = std::pin::pin!(self.quiet.notified());
            // Counted among those who are told before it is looked.
            quiet.as_mut().enable();
            if self.running.load(Ordering::Acquire) == 0 {
                return;
            }
            quiet.await;
        }
    }

    /// Waits until the connection is to be closed: it was told so, or nothing happens on it.
    async fn over(&self) {
        let mut quiet = Duration::ZERO;
        let mut seen = 0;
        while quiet < IDLE_MAX {
            tokio::select! {
                () = self.closing.cancelled() => return,
                () = tokio::time::sleep(LOOK) => {}
            }
            let requests = self.requests.load(Ordering::Relaxed);
            let busy = self.running.load(Ordering::Relaxed) > 0 || requests != seen;
            seen = requests;
            quiet = if busy { Duration::ZERO } else { quiet + LOOK };
        }
    }
}

/// A request that runs, its answer's body included.
pub(super) struct Running(Arc<Connection>);

impl Drop for Running {
    fn drop(&mut self) {
        if self.0.running.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.quiet.notify_waiters();
        }
    }
}

/// Serves one connection to its end.
pub(crate) async fn serve_client(stream: TcpStream, services: Arc<Services>) {
    let peer = stream.peer_addr().ok();
    let client = peer
        .as_ref()
        .map_or_else(|| "unknown".into(), SocketAddr::to_string);
    if let Err(error) = tune(&stream) {
        tracing::debug!(%error, "a connection was gone before it began");
        return;
    }
    let greeted = tokio::time::timeout(services.login_max, greet(stream, &services));
    let (guarded, protocol) = match greeted.await {
        Ok(Ok(Some(greeted))) => greeted,
        Ok(Ok(None)) => return,
        Ok(Err(error)) => {
            tracing::debug!(client, %error, "a client left before its first request");
            return;
        }
        Err(_) => {
            tracing::info!(client, "a client said nothing for too long");
            return;
        }
    };
    let connection = Arc::new(Connection {
        client,
        client_ip: peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.ip().to_canonical()),
        is_tls: guarded.is_tls(),
        watch: guarded.watch(),
        requests: AtomicU64::new(0),
        closing: CancellationToken::new(),
        visits: Mutex::default(),
        running: AtomicUsize::new(0),
        quiet: Notify::new(),
        services,
    });
    let served = match protocol {
        Protocol::Http1 => serve_http1(guarded, &connection).await,
        Protocol::Http2 => serve_http2(guarded, &connection).await,
    };
    if let Err(error) = served {
        tracing::debug!(client = connection.client, %error, "a connection broke");
    }
    connection.settled().await;
    connection.end("closed by the client").await;
}

/// Secures the connection and finds out what it speaks.
async fn greet(stream: TcpStream, services: &Services) -> std::io::Result<Option<(Guarded, Protocol)>> {
    let Some(config) = &services.http_tls else {
        let mut guarded = Guarded::new(Wire::Plain(stream));
        let protocol = guarded.protocol().await?;
        return Ok(protocol.map(|protocol| (guarded, protocol)));
    };
    let stream = TlsAcceptor::from(Arc::clone(config)).accept(stream).await?;
    let negotiated = stream.get_ref().1.alpn_protocol() == Some(ALPN_HTTP2);
    let mut guarded = Guarded::new(Wire::Tls(Box::new(stream.into())));
    let protocol = guarded.protocol().await?;
    // What was agreed on must be what is spoken.
    Ok(protocol
        .filter(|protocol| negotiated == (*protocol == Protocol::Http2))
        .map(|protocol| (guarded, protocol)))
}

type Served = Result<(), hyper::Error>;

async fn serve_http1(guarded: Guarded, connection: &Arc<Connection>) -> Served {
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(connection.services.login_max)
        .max_buf_size(BUFFER_BYTES_MAX)
        .max_headers(HEADERS_MAX)
        .serve_connection(TokioIo::new(guarded), service(connection))
        .with_upgrades();
    let mut served = std::pin::pin!(served);
    tokio::select! {
        done = served.as_mut() => return done,
        () = connection.over() => {}
    }
    served.as_mut().graceful_shutdown();
    served.await
}

async fn serve_http2(guarded: Guarded, connection: &Arc<Connection>) -> Served {
    let served = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PONG_WITHIN)
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(u32::try_from(HEAD_BYTES_MAX).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(RESETS_MAX)
        .max_local_error_reset_streams(RESETS_MAX)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_send_buf_size(SEND_BYTES_MAX)
        .serve_connection(TokioIo::new(guarded), service(connection));
    let mut served = std::pin::pin!(served);
    tokio::select! {
        done = served.as_mut() => return done,
        () = connection.over() => {}
    }
    served.as_mut().graceful_shutdown();
    served.await
}

fn service(
    connection: &Arc<Connection>,
) -> impl hyper::service::Service<
    Request<Incoming>,
    Response = Response<ResponseBody>,
    Error = Infallible,
    Future = impl Future<Output = Result<Response<ResponseBody>, Infallible>> + Send + use<>,
> + use<> {
    let connection = Arc::clone(connection);
    service_fn(move |request| {
        let connection = Arc::clone(&connection);
        async move { Ok(exchange::answer(connection, request).await) }
    })
}
