//! Accepts connections to the admin listener and bounds what a peer can send, withhold or hold.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

/// How many connections at once: probes, scrapers, commands and some open pages; more are
/// closed at once.
pub(super) const CONNECTIONS_MAX: usize = 256;

/// How much a request's line and headers may be, in bytes. A token may have sixteen thousand.
pub(super) const REQUEST_BYTES_MAX: usize = 32 << 10;

/// How many headers a request may have.
pub(super) const HEADERS_MAX: usize = 64;

/// How long a peer may take to set up TLS, and then to send its request's headers.
const REQUEST_TIME_MAX: Duration = Duration::from_secs(5);

/// How long a connection may live, unless the answer asks for more: see [`Life`].
const CONNECTION_TIME_MAX: Duration = Duration::from_secs(30);

/// How long answers under way have to end once the listener stops.
const STOP_MAX: Duration = Duration::from_secs(1);

/// How long to wait after a connection could not be accepted: mostly for want of file
/// descriptors, which trying again at once does not bring back.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The address that a request came from.
#[derive(Clone, Debug)]
pub(crate) struct Peer(Arc<str>);

impl Peer {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// How long the connection of a request may live. Whatever answers slowly on purpose asks for
/// more, once and for a time that is bounded itself.
#[derive(Clone, Debug)]
pub(crate) struct Life(Arc<watch::Sender<Instant>>);

impl Life {
    /// Lets the connection live for `time` from now.
    pub(crate) fn extend(&self, time: Duration) {
        self.0.send_replace(Instant::now() + time);
    }
}

/// Serves `router` until `stop` is cancelled; answers under way then have a second to end.
pub async fn serve(
    listener: TcpListener,
    tls: Option<Arc<ServerConfig>>,
    router: Router,
    stop: CancellationToken,
) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let connections = TaskTracker::new();
    let acceptor = tls.map(TlsAcceptor::from);
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection to the admin listener could not be accepted");
                tokio::select! {
                    () = stop.cancelled() => break,
                    () = tokio::time::sleep(ACCEPT_PAUSE) => continue,
                }
            }
        };
        match Arc::clone(&slots).try_acquire_owned() {
            Ok(slot) => connections.spawn(connection(stream, peer, slot, acceptor.clone(), router.clone())),
            Err(_) => {
                tracing::warn!(
                    limit = CONNECTIONS_MAX,
                    "too many connections to the admin listener; one was closed"
                );
                continue;
            }
        };
    }
    drop(listener);
    connections.close();
    let _ = tokio::time::timeout(STOP_MAX, connections.wait()).await;
}

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    _slot: OwnedSemaphorePermit,
    acceptor: Option<TlsAcceptor>,
    router: Router,
) {
    let Some(acceptor) = acceptor else {
        return exchange(stream, peer, router).await;
    };
    match tokio::time::timeout(REQUEST_TIME_MAX, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => exchange(stream, peer, router).await,
        Ok(Err(error)) => tracing::debug!(%error, "TLS on the admin listener failed"),
        Err(_) => tracing::debug!("TLS on the admin listener took too long"),
    }
}

/// Serves one request on one connection.
async fn exchange<S>(stream: S, peer: SocketAddr, router: Router)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (life, mut until) = watch::channel(Instant::now() + CONNECTION_TIME_MAX);
    let (life, peer) = (Life(Arc::new(life)), Peer(peer.to_string().into()));
    let service = service_fn(|request| {
        let (router, life, peer) = (router.clone(), life.clone(), peer.clone());
        async move { Ok::<_, Infallible>(answer(router, request, life, peer).await) }
    });
    let serving = http1::Builder::new()
        .keep_alive(false)
        .max_buf_size(REQUEST_BYTES_MAX)
        .max_headers(HEADERS_MAX)
        .timer(TokioTimer::new())
        .header_read_timeout(REQUEST_TIME_MAX)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(serving);
    loop {
        let end = *until.borrow_and_update();
        tokio::select! {
            served = &mut serving => {
                if let Err(error) = served {
                    tracing::debug!(%error, "a connection to the admin listener failed");
                }
                return;
            }
            () = tokio::time::sleep_until(end) => {
                tracing::debug!("a connection to the admin listener took too long");
                return;
            }
            Ok(()) = until.changed() => {}
        }
    }
}

async fn answer(router: Router, request: hyper::Request<Incoming>, life: Life, peer: Peer) -> Response {
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(life);
    request.extensions_mut().insert(peer);
    match router.oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}
