//! Accepts connections to the admin listener and bounds what a peer can send, withhold or hold.

mod places;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
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
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

use self::places::{Place, Places};
use crate::network::Network;

#[cfg(test)]
pub(super) use self::places::CONNECTIONS_OF_ONE_MAX;

/// How much a request's line and headers may be, in bytes. A token may have sixteen thousand.
pub(super) const REQUEST_BYTES_MAX: usize = 32 << 10;

/// How many headers a request may have.
pub(super) const HEADERS_MAX: usize = 64;

/// How long a peer may take to set up TLS and to send its request's headers: a connection that
/// has asked for nothing lives no longer.
pub(super) const REQUEST_TIME_MAX: Duration = Duration::from_secs(5);

/// How long a connection may live once it has asked for something, unless the answer asks for
/// more: see [`Life`].
const CONNECTION_TIME_MAX: Duration = Duration::from_secs(30);

/// How long answers under way have to end once the listener stops.
const STOP_MAX: Duration = Duration::from_secs(1);

/// How long to wait after a connection could not be accepted: mostly for want of file
/// descriptors, which trying again at once does not bring back.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How often the log tells that connections are closed because there are too many: whoever opens
/// them must not fill it.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// The address that a request came from.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    text: Arc<str>,
    network: Network,
}

impl Peer {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self {
            text: address.to_string().into(),
            network: Network::of(address.ip()),
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the network of whoever sends a request, as far as it is known.
    pub(crate) fn network(peer: Option<&Self>) -> Network {
        peer.map_or(Network::UNKNOWN, |peer| peer.network)
    }
}

/// How long the connection of a request may live. Whatever answers slowly on purpose asks for
/// more, once and for a time that is bounded itself.
#[derive(Clone, Debug)]
pub(crate) struct Life {
    until: Arc<watch::Sender<Instant>>,
    place: Arc<Mutex<Place>>,
}

impl Life {
    /// Lets the connection live for `time` from now. It is somebody's who is known, so it does
    /// not count any more among those that its network may have.
    pub(crate) fn extend(&self, time: Duration) {
        self.until.send_replace(Instant::now() + time);
        self.place.lock().unwrap_or_else(PoisonError::into_inner).settle();
    }
}

/// Serves `router` until `stop` is cancelled; answers under way then have a second to end.
pub async fn serve(
    listener: TcpListener,
    tls: Option<Arc<ServerConfig>>,
    router: Router,
    stop: CancellationToken,
) {
    let places = Arc::new(Places::default());
    let connections = TaskTracker::new();
    let acceptor = tls.map(TlsAcceptor::from);
    let mut told = None;
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
        let Some(place) = places.take(Network::of(peer.ip())) else {
            if told.is_none_or(|told: Instant| told.elapsed() >= TELL_EVERY) {
                told = Some(Instant::now());
                tracing::warn!(%peer, "too many connections to the admin listener; some are closed");
            }
            continue;
        };
        connections.spawn(connection(stream, peer, place, acceptor.clone(), router.clone()));
    }
    drop(listener);
    connections.close();
    let _ = tokio::time::timeout(STOP_MAX, connections.wait()).await;
}

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    place: Place,
    acceptor: Option<TlsAcceptor>,
    router: Router,
) {
    let silent_until = Instant::now() + REQUEST_TIME_MAX;
    let (until, ends) = watch::channel(silent_until);
    let life = Life {
        until: Arc::new(until),
        place: Arc::new(Mutex::new(place)),
    };
    let Some(acceptor) = acceptor else {
        return exchange(stream, peer, (life, ends), router).await;
    };
    match tokio::time::timeout_at(silent_until, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => exchange(stream, peer, (life, ends), router).await,
        Ok(Err(error)) => tracing::debug!(%error, "TLS on the admin listener failed"),
        Err(_) => tracing::debug!("TLS on the admin listener took too long"),
    }
}

/// Serves one request on one connection.
async fn exchange<S>(
    stream: S,
    peer: SocketAddr,
    (life, mut until): (Life, watch::Receiver<Instant>),
    router: Router,
) where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let peer = Peer::new(peer);
    let service = service_fn(|request| {
        life.until.send_replace(Instant::now() + CONNECTION_TIME_MAX);
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
