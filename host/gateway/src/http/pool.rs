//! Keeps connections to one upstream for the next request.
//!
//! All of them carry the same credential, so it does not matter whose request is next. One that
//! has seen an error, or a switch of protocols, never comes back.

use std::sync::Mutex;
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use hyper::client::conn::{http1, http2};

use super::body::RequestBody;
use super::dial::{DialError, Sender, Target};
use crate::mutex::lock;

/// How many idle connections are kept: more only helps when hundreds of clients come in bursts.
const IDLE_MAX: usize = 128;

/// How long an idle connection is kept: below what servers usually allow (nginx 75 s, Node 5 s
/// and told by its `Keep-Alive`), so that we are seldom surprised by their goodbye.
const IDLE_FOR: Duration = Duration::from_secs(30);

/// The connections to one upstream that wait for the next request.
#[derive(Default)]
pub(super) struct Pool {
    idle: Mutex<Vec<Idle>>,
    shared: Mutex<Option<http2::SendRequest<RequestBody>>>,
}

/// An idle HTTP/1 connection; its task lives on the event loop of one thread.
struct Idle {
    sender: http1::SendRequest<RequestBody>,
    thread: ThreadId,
    since: Instant,
}

/// A connection for one request, and whether it was used before: then the upstream may have
/// said goodbye meanwhile.
pub(super) struct Lent {
    pub(super) sender: Sender,
    pub(super) reused: bool,
}

impl Pool {
    /// Returns a connection for one request: an idle one if there is any, else a new one.
    pub(super) async fn lend(&self, target: &Target) -> Result<Lent, DialError> {
        if let Some(sender) = self.shared() {
            return Ok(Lent {
                sender: Sender::Http2(sender),
                reused: true,
            });
        }
        while let Some(mut sender) = self.take_idle() {
            // It may just be finishing the answer before; one that is gone says so at once.
            if sender.ready().await.is_ok() {
                return Ok(Lent {
                    sender: Sender::Http1(sender),
                    reused: true,
                });
            }
        }
        self.connect(target).await
    }

    /// Returns a new connection.
    pub(super) async fn connect(&self, target: &Target) -> Result<Lent, DialError> {
        let sender = target.connect().await?;
        if let Sender::Http2(sender) = &sender {
            *lock(&self.shared) = Some(sender.clone());
        }
        Ok(Lent {
            sender,
            reused: false,
        })
    }

    /// Takes a connection back whose answer has been read to its end.
    pub(super) fn give_back(&self, sender: http1::SendRequest<RequestBody>) {
        if sender.is_closed() {
            return;
        }
        let mut idle = lock(&self.idle);
        if idle.len() < IDLE_MAX {
            idle.push(Idle {
                sender,
                thread: thread::current().id(),
                since: Instant::now(),
            });
        }
    }

    fn shared(&self) -> Option<http2::SendRequest<RequestBody>> {
        let mut shared = lock(&self.shared);
        if shared.as_ref().is_some_and(http2::SendRequest::is_closed) {
            *shared = None;
        }
        shared.clone()
    }

    /// Takes the connection that was used last, if possible one of this thread's own: another
    /// one's would have to be woken for each step.
    fn take_idle(&self) -> Option<http1::SendRequest<RequestBody>> {
        let mut idle = lock(&self.idle);
        idle.retain(|idle| idle.since.elapsed() < IDLE_FOR && !idle.sender.is_closed());
        let here = thread::current().id();
        let at = idle.iter().rposition(|idle| idle.thread == here);
        let at = at.or_else(|| idle.len().checked_sub(1))?;
        Some(idle.remove(at).sender)
    }
}
