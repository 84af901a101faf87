//! The admin listener: whether the gateway lives, whether it is ready, and its metrics.
//!
//! Plain HTTP/1.1, one request per connection, `GET` and `HEAD` only. It tells nothing about
//! clients, statements or upstreams, and changes nothing. Everything a peer can send or
//! withhold is bounded.

mod answer;
#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::answer::answer;

/// How many connections at once: probes and scrapers are few; more are closed at once.
const CONNECTIONS_MAX: usize = 64;

/// How much a request's line and headers may be, in bytes: the least that hyper allows.
const REQUEST_BYTES_MAX: usize = 8192;

/// How many headers a request may have.
const HEADERS_MAX: usize = 64;

/// How long a peer may take to send its request.
const REQUEST_TIME_MAX: Duration = Duration::from_secs(5);

/// How long a connection may live, whatever it does: a scrape takes milliseconds.
const CONNECTION_TIME_MAX: Duration = Duration::from_secs(30);

/// How long answers under way have to end once the listener stops.
const STOP_MAX: Duration = Duration::from_secs(1);

/// How long to wait after a connection could not be accepted: mostly for want of file
/// descriptors, which trying again at once does not bring back.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What the health pages ask. Called for each request: quick, and never waiting.
pub trait Health: Send + Sync {
    /// Returns whether the process does its work at all.
    ///
    /// # Errors
    /// What is broken for good, in words for the operator.
    fn live(&self) -> Result<(), String>;

    /// Returns whether clients should be sent here now.
    ///
    /// # Errors
    /// Every reason against it, in words for the operator.
    fn ready(&self) -> Result<(), Vec<String>>;
}

/// Serves until `stop` is cancelled; answers under way then have a second to end.
pub async fn serve(
    listener: TcpListener,
    health: Arc<dyn Health>,
    metrics: PrometheusHandle,
    stop: CancellationToken,
) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "a connection to the admin listener could not be accepted");
                tokio::select! {
                    () = stop.cancelled() => break,
                    () = tokio::time::sleep(ACCEPT_PAUSE) => continue,
                }
            }
        };
        match Arc::clone(&slots).try_acquire_owned() {
            Ok(slot) => connections.spawn(connection(stream, slot, Arc::clone(&health), metrics.clone())),
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

/// Serves one request on one connection.
async fn connection(
    stream: TcpStream,
    _slot: OwnedSemaphorePermit,
    health: Arc<dyn Health>,
    metrics: PrometheusHandle,
) {
    let service = service_fn(|request| {
        let answered = answer(request.method(), request.uri().path(), &*health, &metrics);
        std::future::ready(Ok::<_, Infallible>(answered))
    });
    let serving = http1::Builder::new()
        .keep_alive(false)
        .max_buf_size(REQUEST_BYTES_MAX)
        .max_headers(HEADERS_MAX)
        .timer(TokioTimer::new())
        .header_read_timeout(REQUEST_TIME_MAX)
        .serve_connection(TokioIo::new(stream), service);
    match tokio::time::timeout(CONNECTION_TIME_MAX, serving).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "a connection to the admin listener failed"),
        Err(_) => tracing::debug!("a connection to the admin listener took too long"),
    }
}
