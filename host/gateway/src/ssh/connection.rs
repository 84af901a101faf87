//! One client's connection, from its first byte to its last: one session, once it is known whose.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use russh::server;
use tokio::net::TcpStream;
use tokio::sync::{Notify, OnceCell};
use tokio_util::sync::CancellationToken;

use super::client::Client;
use super::dial::{DialError, Reached, reach};
use super::transport::{Flow, Transport};
use super::upstream::Upstream;
use crate::config::SshAccount;
use crate::services::Services;
use crate::stay::Stay;
use crate::wire::tune;

/// How long a client may take to say who it is: people type here, too.
const LOGIN_MAX: Duration = Duration::from_secs(60);

/// How long channels have to tell their clients why the session ends.
const LAST_WORDS_MAX: Duration = Duration::from_millis(250);

/// How often a connection that is to end looks whether anything still runs.
const LOOK: Duration = Duration::from_millis(50);

/// What all channels of one connection share.
pub(super) struct Connection {
    pub(super) services: Arc<Services>,
    /// The client's address.
    pub(super) client: String,
    pub(super) flow: Arc<Flow>,
    /// Cancelled when no further channel is to be taken.
    pub(super) closing: CancellationToken,
    entered: OnceLock<Arc<Entered>>,
    known: Notify,
    open: AtomicUsize,
}

/// A client that is known.
pub(super) struct Entered {
    pub(super) stay: Arc<Stay>,
    pub(super) upstream: Arc<Upstream>,
    pub(super) account: SshAccount,
    /// The connection to the host, from the first operation on.
    reached: OnceCell<Reached>,
    channels: AtomicU64,
    /// How many operations run, or wait to.
    busy: AtomicUsize,
}

/// An operation runs, or waits to, for as long as this lives.
pub(super) struct Busy<'a>(&'a Entered);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.busy.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Entered {
    pub(super) fn new(stay: Arc<Stay>, upstream: Arc<Upstream>, account: SshAccount) -> Self {
        Self {
            stay,
            upstream,
            account,
            reached: OnceCell::new(),
            channels: AtomicU64::new(0),
            busy: AtomicUsize::new(0),
        }
    }

    /// Marks a time in which the session is quiet, but not idle.
    pub(super) fn busy(&self) -> Busy<'_> {
        self.busy.fetch_add(1, Ordering::AcqRel);
        Busy(self)
    }

    /// Returns the connection to the host, made at the first call.
    pub(super) async fn reach(&self) -> Result<&Reached, DialError> {
        self.reached
            .get_or_try_init(|| reach(&self.upstream.config, &self.account))
            .await
    }

    /// Numbers a further channel in the recording.
    pub(super) fn channel(&self) -> u64 {
        self.channels.fetch_add(1, Ordering::Relaxed)
    }
}

impl Connection {
    /// Takes note of who it is.
    pub(super) fn enter(&self, entered: Entered) {
        // Somebody is let in once: the library takes no login after the first that succeeded.
        let _ = self.entered.set(Arc::new(entered));
        self.known.notify_one();
    }

    pub(super) fn entered(&self) -> Option<Arc<Entered>> {
        self.entered.get().cloned()
    }

    /// Counts a channel for as long as the result is kept; `None` if there are `max` already.
    pub(super) fn open(self: &Arc<Self>, max: usize) -> Option<Open> {
        let open = self.open.fetch_add(1, Ordering::AcqRel);
        let counted = Open(Arc::clone(self));
        (open < max).then_some(counted)
    }

    /// Resolves once nothing has moved, and nothing has run, for as long as the resource allows.
    async fn idle(&self, entered: &Entered) {
        let Some(idle) = entered.upstream.idle_timeout else {
            return std::future::pending().await;
        };
        self.flow.moves();
        loop {
            if entered.busy.load(Ordering::Acquire) > 0 {
                self.flow.moves();
            }
            let quiet = self.flow.quiet();
            if quiet >= idle {
                return;
            }
            // What is busy now may be done a moment before.
            tokio::time::sleep((idle - quiet).min(idle / 4)).await;
        }
    }

    /// Waits until the session is to end, and its channels have said why.
    async fn over(&self, entered: &Entered) {
        let stay = &entered.stay;
        let ended = stay.ended();
        tokio::select! {
            () = ended.cancelled() => {}
            () = self.idle(entered) => stay.end_idle().await,
            () = self.closing.cancelled() => {
                while self.open.load(Ordering::Acquire) > 0 && !ended.is_cancelled() {
                    tokio::time::sleep(LOOK).await;
                }
            }
        }
        // The channels say why.
        let told = async {
            while self.open.load(Ordering::Acquire) > 0 {
                tokio::time::sleep(LOOK).await;
            }
        };
        let _ = tokio::time::timeout(LAST_WORDS_MAX, told).await;
    }
}

/// An open channel.
pub(super) struct Open(Arc<Connection>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Serves one connection to its end.
pub(crate) async fn serve_client(stream: TcpStream, services: Arc<Services>) {
    let Some(config) = services.ssh.server.clone() else {
        return;
    };
    let client = stream
        .peer_addr()
        .map_or_else(|_| "unknown".into(), |peer| peer.to_string());
    if let Err(error) = tune(&stream) {
        tracing::debug!(%error, "a connection was gone before it began");
        return;
    }
    let connection = Arc::new(Connection {
        services,
        client,
        flow: Arc::default(),
        closing: CancellationToken::new(),
        entered: OnceLock::new(),
        known: Notify::new(),
        open: AtomicUsize::new(0),
    });
    serve(stream, config, &connection).await;
    connection.flow.cut();
    if let Some(entered) = connection.entered() {
        if let Some(reached) = entered.reached.get() {
            reached.cut();
        }
        entered.stay.end("closed by the client").await;
    }
}

async fn serve(stream: TcpStream, config: Arc<server::Config>, connection: &Arc<Connection>) {
    let client = &connection.client;
    let transport = Transport::new(stream, &connection.flow);
    let handler = Client::new(Arc::clone(connection));
    let login = async {
        let running = server::run_stream(config, transport, handler).await?;
        let mut running = Box::pin(running);
        tokio::select! {
            done = &mut running => done.map(|()| None),
            () = connection.known.notified() => Ok(Some(running)),
        }
    };
    let running = match tokio::time::timeout(LOGIN_MAX, login).await {
        Ok(Ok(Some(running))) => running,
        Ok(Ok(None)) => return tracing::debug!(client, "a client left before it was known"),
        Ok(Err(error)) => return tracing::debug!(client, %error, "a client was not understood"),
        Err(_) => return tracing::info!(client, "a client did not say in time who it is"),
    };
    let Some(entered) = connection.entered() else {
        return;
    };
    tokio::select! {
        done = running => if let Err(error) = done {
            tracing::debug!(client, %error, "a connection broke");
        },
        () = connection.over(&entered) => {}
    }
}
