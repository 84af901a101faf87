//! Sends a request to its upstream, and accounts for what came of it.

use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use model::event::Outcome;
use model::{Fault, OperationId};

use super::body::RequestBody;
use super::dial::{DialError, Sender};
use super::pool::Lent;
use super::upstream::Upstream;
use super::visit::Visit;
use crate::clock;

/// Why there is no answer. For the log; the client is told less.
#[derive(Debug, thiserror::Error)]
pub(super) enum ForwardError {
    #[error(transparent)]
    Dial(#[from] DialError),
    #[error("the upstream broke off: {0}")]
    Broken(#[source] hyper::Error),
    #[error("the upstream did not begin to answer within {0:?}")]
    TimedOut(Duration),
}

impl ForwardError {
    /// Returns who must act.
    pub(super) const fn fault(&self) -> Fault {
        match self {
            Self::Dial(error) => error.fault(),
            Self::Broken(_) | Self::TimedOut(_) => Fault::Upstream,
        }
    }
}

/// An answer, and the connection it came by, if another request can use it afterwards.
pub(super) struct Answered {
    pub(super) response: Response<Incoming>,
    pub(super) sender: Option<http1::SendRequest<RequestBody>>,
}

impl Upstream {
    /// Sends a request over a connection that was lent for it. One that had been closed before
    /// anything was sent is replaced once: the upstream has seen nothing of the request.
    pub(super) async fn send(
        &self,
        lent: Lent,
        request: Request<RequestBody>,
    ) -> Result<Answered, ForwardError> {
        let patience = self.config.timeout;
        let sent = tokio::time::timeout(patience, self.send_unbounded(lent, request));
        sent.await.map_err(|_| ForwardError::TimedOut(patience))?
    }

    async fn send_unbounded(
        &self,
        lent: Lent,
        request: Request<RequestBody>,
    ) -> Result<Answered, ForwardError> {
        let (reused, mut sender) = match lent.sender {
            Sender::Http1(sender) => (lent.reused, sender),
            Sender::Http2(mut sender) => {
                sender.ready().await.map_err(ForwardError::Broken)?;
                let response = sender.send_request(request).await.map_err(ForwardError::Broken)?;
                return Ok(Answered {
                    response,
                    sender: None,
                });
            }
        };
        let mut error = match sender.try_send_request(request).await {
            Ok(response) => return Ok(answered(response, sender)),
            Err(error) => error,
        };
        let unsent = error.take_message().filter(|_| reused);
        let Some(request) = unsent else {
            return Err(ForwardError::Broken(error.into_error()));
        };
        let Sender::Http1(mut sender) = self.pool.connect(&self.target).await?.sender else {
            return Err(ForwardError::Broken(error.into_error()));
        };
        let response = sender.send_request(request).await.map_err(ForwardError::Broken)?;
        Ok(answered(response, sender))
    }
}

fn answered(response: Response<Incoming>, sender: http1::SendRequest<RequestBody>) -> Answered {
    Answered {
        response,
        sender: Some(sender),
    }
}

/// An operation that was let through: whatever becomes of it is written down.
pub(super) struct Spent {
    visit: Arc<Visit>,
    operation: OperationId,
    began_us: u64,
    status: Option<u16>,
    sender: Option<http1::SendRequest<RequestBody>>,
    told: bool,
}

impl Spent {
    /// Takes note that an operation is about to be sent.
    pub(super) fn begin(visit: &Arc<Visit>, operation: OperationId) -> Self {
        visit.runs(true);
        Self {
            visit: Arc::clone(visit),
            operation,
            began_us: clock::unix_us(),
            status: None,
            sender: None,
            told: false,
        }
    }

    /// Takes note of the head of its answer.
    pub(super) fn answered(&mut self, status: u16, sender: Option<http1::SendRequest<RequestBody>>) {
        self.status = Some(status);
        self.sender = sender;
    }

    /// The whole answer has passed.
    pub(super) fn complete(mut self, bytes: u64, masked: u64) {
        let failed = self.status.is_none_or(|status| status >= 400);
        self.tell(if failed { "error" } else { "ok" }, bytes, masked);
        if let Some(sender) = self.sender.take() {
            self.visit.upstream.pool.give_back(sender);
        }
    }

    /// Nothing came of it that could be passed on.
    pub(super) fn failed(mut self) {
        self.tell("error", 0, 0);
    }

    /// The answer ended before its end.
    pub(super) fn cut_off(mut self, bytes: u64) {
        self.tell("lost", bytes, 0);
    }

    fn tell(&mut self, result: &'static str, bytes: u64, masked: u64) {
        self.told = true;
        let now_us = clock::unix_us();
        let outcome = Outcome {
            operation: self.operation,
            session: self.visit.asker.session,
            result,
            sqlstate: None,
            status: self.status.map(u32::from),
            rows: 0,
            bytes,
            masked,
            took_us: now_us.saturating_sub(self.began_us),
        };
        self.visit.outcome(&outcome);
        self.visit.runs(false);
    }
}

impl Drop for Spent {
    fn drop(&mut self) {
        if !self.told {
            // The client is gone before the end.
            self.tell("lost", 0, 0);
        }
    }
}
