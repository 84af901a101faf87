//! The admin listener: health and metrics for whoever reaches it, the API for whoever brings a
//! token, the console for whoever logged in.
//!
//! HTTP/1.1, one request per connection, over TLS where configured. Health and metrics tell
//! nothing about clients, statements or upstreams, and change nothing. Everything else is an
//! operation like any other: judged by the policies and written down first. Everything a peer
//! can send or withhold is bounded.

mod answer;
pub(crate) mod api;
mod backchannel;
mod callback;
pub(crate) mod caller;
pub(crate) mod console;
pub(crate) mod feed;
mod front;
pub(crate) mod input;
pub(crate) mod listener;
pub(crate) mod operation;
pub(crate) mod output;
pub(crate) mod page;
pub(crate) mod problem;
pub(crate) mod reads;
pub(crate) mod repeat;
pub(crate) mod search;
#[cfg(test)]
mod tests;
pub(crate) mod time;

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use self::answer::answer;
pub use self::console::Console;
use self::feed::Feed;
pub use self::listener::serve;
use self::page::Cursors;
use self::reads::Reads;
use self::repeat::Answers;
use self::search::Starts;
use crate::services::Services;

/// How many recordings are read at once: each takes a thread and reads much of the journal.
const REPLAYS_MAX: usize = 4;

/// How many streams of changes at once, out of the connections there may be.
const LISTENERS_MAX: usize = 128;

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

/// What is behind the API and the console. Cheap to clone.
#[derive(Clone)]
pub struct Site {
    pub(crate) services: Arc<Services>,
    /// The answers to requests that may come twice.
    pub(crate) answers: Arc<Answers>,
    /// Where the next pages of lists begin.
    pub(crate) cursors: Arc<Cursors>,
    /// How sessions began, as far as anybody asked.
    pub(crate) starts: Arc<Starts>,
    /// Who reads the journal at this moment.
    pub(crate) reads: Arc<Reads>,
    /// A permit for each recording that is being read.
    pub(crate) replays: Arc<Semaphore>,
    /// A permit for each stream of changes.
    pub(crate) listeners: Arc<Semaphore>,
    /// What has changed.
    pub(crate) feed: Feed,
    /// What the gateway counts.
    pub(crate) metrics: PrometheusHandle,
    /// Cancelled when the listener stops: what answers for long ends then.
    pub(crate) stop: CancellationToken,
}

impl Site {
    /// Makes the site of a gateway. To be called within a runtime.
    #[must_use]
    pub fn new(services: Arc<Services>, metrics: PrometheusHandle, stop: CancellationToken) -> Self {
        Self {
            answers: Arc::default(),
            cursors: Arc::new(Cursors::new()),
            starts: Arc::default(),
            reads: Arc::default(),
            replays: Arc::new(Semaphore::new(REPLAYS_MAX)),
            listeners: Arc::new(Semaphore::new(LISTENERS_MAX)),
            feed: Feed::start(services.journal.clone(), stop.clone()),
            services,
            metrics,
            stop,
        }
    }
}

/// Returns everything the admin listener serves.
pub fn router(site: &Site, health: Arc<dyn Health>, console: Option<Console>) -> Router {
    let router = pages(health, site.metrics.clone())
        .merge(api::router(site.clone()))
        .merge(backchannel::router(Arc::clone(&site.services)))
        .merge(callback::router(site.clone()));
    match console {
        Some(console) => router.merge(console::router(console)),
        None => router,
    }
}

/// Returns the pages that nobody has to log in for: they answer whatever no other route does.
fn pages(health: Arc<dyn Health>, metrics: PrometheusHandle) -> Router {
    Router::new().fallback(move |request: Request| {
        let answered = answer(request.method(), request.uri().path(), &*health, &metrics);
        std::future::ready(answered)
    })
}
