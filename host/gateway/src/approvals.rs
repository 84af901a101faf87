//! Asks people, and makes sure that what they agreed to happens once.
//!
//! The model decides each step, the state database keeps it, the journal has it first. In
//! between stands one turn per approval: of answers, uses and ends that race, each sees what
//! the one before it left. Nothing is polled: whoever waits is told, and one timer is set for
//! whatever is over next.

mod answer;
mod ask;
mod change;
pub mod channels;
mod error;
mod open;
#[cfg(test)]
mod tests;
mod time;

use std::future::Future;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::Result;
use futures_util::future::BoxFuture;
use journal::Journal;
use model::approval::{Case, ContentHash, Quorum, Standing, Subject};
use model::{ApprovalId, OperationId, Principal, Refusal, ResourceName, SessionId, Verdict};
use tokio::sync::{Mutex, Notify, broadcast, watch};

use crate::clock::Clock;
use crate::policy::Policy;
use crate::services::random;
pub use crate::state::{Filter, Kept, PAGE_MAX};
use crate::state::{State, StateError};
pub use error::AnswerError;
use error::Failure;
use open::Open;

/// How many changes a slow listener may be behind before it is told that it missed some, and
/// has to look at everything again.
const CHANGES_MAX: usize = 256;

/// What is asked, of whom, and for how long.
#[derive(Clone, Debug)]
pub struct Question {
    /// What an answer permits.
    pub subject: Subject,
    /// What exactly it is for.
    pub content: ContentHash,
    /// Who asks.
    pub requester: Arc<Principal>,
    /// On what.
    pub resource: ResourceName,
    /// The session whose operation waits, if one does.
    pub session: Option<SessionId>,
    /// That operation.
    pub operation: Option<OperationId>,
    /// How many of whom must agree.
    pub quorum: Quorum,
    /// What they decide by.
    pub case: Case,
    /// How long it can be answered.
    pub decide_within: Duration,
    /// How long the answer can be used from when it was given.
    pub use_within: Duration,
}

/// What asking came to.
#[derive(Debug)]
pub enum Asked {
    /// It was agreed to before, and not used yet.
    Approved(ApprovalId),
    /// People have been asked.
    Waiting(Waiting),
}

/// An open question, to wait for.
#[derive(Debug)]
pub struct Waiting {
    /// The approval.
    pub id: ApprovalId,
    standing: watch::Receiver<Standing>,
}

impl Waiting {
    /// Waits until it stands otherwise than pending, and returns how: answered, over, or
    /// withdrawn. Cancel safe.
    pub async fn decided(&mut self) -> Standing {
        match self
            .standing
            .wait_for(|standing| *standing != Standing::Pending)
            .await
        {
            Ok(standing) => *standing,
            // The gateway is stopping, or somebody deleted it.
            Err(_) => Standing::Withdrawn,
        }
    }
}

/// How a session stopped waiting.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Left {
    /// Nobody answered in its time: the approval stays open, for the same to be sent again.
    TimedOut,
    /// Cancelled, disconnected, ended or revoked: nobody wants the answer any more.
    Gone,
}

/// Makes grants of approvals.
pub trait Given: Send + Sync {
    /// Makes the grant that `kept` has approved. Called again after a failure or a restart, for
    /// as long as the approval can be used, so a second call for one approval must not make a
    /// second grant. May use the approval up by itself; otherwise it is used up afterwards.
    ///
    /// # Errors
    /// The grant could not be made; it is tried again.
    fn given<'a>(&'a self, kept: &'a Kept) -> BoxFuture<'a, Result<(), StateError>>;
}

/// All approvals of this gateway. Cheap to clone.
#[derive(Clone)]
pub struct Approvals {
    inner: Arc<Inner>,
}

struct Inner {
    state: State,
    journal: Journal,
    policy: Arc<Policy>,
    clock: Clock,
    open: Open,
    /// Held while a question is looked up and asked: nobody is asked the same twice.
    asking: Mutex<()>,
    /// Held while a grant is made: it is made once.
    giving: Mutex<()>,
    grants: OnceLock<Arc<dyn Given>>,
    /// Something is over earlier than the timer knows.
    wake: Notify,
    changes: broadcast::Sender<ApprovalId>,
    sweep_due_us: AtomicU64,
}

impl Approvals {
    /// Takes up what is open in the state database. Approvals whose operation waited in a
    /// session are withdrawn: that session ended with the process that had it.
    ///
    /// # Errors
    /// The database or the journal cannot be read or written.
    pub async fn start(state: State, journal: Journal, policy: Arc<Policy>, clock: Clock) -> Result<Self> {
        let approvals = Self {
            inner: Arc::new(Inner {
                state,
                journal,
                policy,
                clock,
                open: Open::default(),
                asking: Mutex::default(),
                giving: Mutex::default(),
                grants: OnceLock::new(),
                wake: Notify::new(),
                changes: broadcast::channel(CHANGES_MAX).0,
                sweep_due_us: AtomicU64::new(0),
            }),
        };
        for open in approvals.inner.state.open_approvals().await? {
            let (id, waiting) = (open.id, open.waiting.is_some());
            approvals.inner.open.add(&open);
            if waiting {
                approvals.inner.end(id, "the gateway was restarted", None).await?;
            }
        }
        Ok(approvals)
    }

    /// Sets who makes grants; only the first call counts.
    pub fn on_grant(&self, grants: Arc<dyn Given>) {
        let _ = self.inner.grants.set(grants);
        self.inner.wake.notify_one();
    }

    /// Uses an approval up for `operation`: the one moment at which it lets anything through.
    /// Durable, and written to the journal, when it returns.
    ///
    /// # Errors
    /// The refusal for the client: it is not approved or not any more, was used, or is for
    /// something else; or that cannot be kept.
    pub async fn consume(
        &self,
        id: ApprovalId,
        content: ContentHash,
        operation: OperationId,
    ) -> Result<(), Refusal> {
        let inner = Arc::clone(&self.inner);
        complete(async move { inner.consume(id, content, operation).await }).await
    }

    /// Takes note that `session` does not wait for an approval any more. An approval that
    /// nobody else waits for is withdrawn if the session has gone.
    pub async fn leave(&self, id: ApprovalId, session: SessionId, left: Left) {
        let inner = Arc::clone(&self.inner);
        let leaving = async move { inner.leave(id, session, left).await };
        if let Err(error) = complete(leaving).await {
            let error: &dyn std::error::Error = &error;
            tracing::error!(error, approval = %id, "that nobody waits for an approval could not be kept");
        }
    }

    /// Returns why an operation that waits for this approval does not run, at this moment.
    pub async fn refusal(&self, id: ApprovalId) -> Refusal {
        match self.inner.state.approval(id).await {
            Ok(Some(kept)) => kept
                .approval
                .refusal(kept.approval.standing_at(self.inner.clock.now_us())),
            Ok(None) => error::unknown(id),
            Err(error) => Failure::State(error).refusal(),
        }
    }

    /// Returns an approval as it stands at this moment; `None` if there is none of that id.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn get(&self, id: ApprovalId) -> Result<Option<Kept>, StateError> {
        let kept = self.inner.state.approval(id).await?;
        Ok(kept.map(|kept| self.inner.as_of_now(kept)))
    }

    /// Returns a page of approvals as they stand at this moment, the newest first.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn list(&self, filter: &Filter) -> Result<Vec<Kept>, StateError> {
        let page = self.inner.state.approvals(filter).await?;
        Ok(page.into_iter().map(|kept| self.inner.as_of_now(kept)).collect())
    }

    /// Whether `voter` may answer it: it is pending, they have not answered yet, and policy
    /// lets them.
    #[must_use]
    pub fn may_answer(&self, voter: &Principal, kept: &Kept) -> bool {
        let (now_us, key) = (self.inner.clock.now_us(), voter.key());
        kept.approval.standing_at(now_us) == Standing::Pending
            && !kept.approval.votes.iter().any(|vote| vote.by == key)
            && matches!(self.inner.judge(voter, kept, now_us), Verdict::Run { .. })
    }

    /// Returns the ids of approvals as they change. Whoever is too slow is told that some are
    /// missing.
    #[must_use]
    pub fn changes(&self) -> broadcast::Receiver<ApprovalId> {
        self.inner.changes.subscribe()
    }
}

/// Runs to its end, even if whoever wants the result is gone by then: what was written down is
/// kept as well.
async fn complete<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> T {
    match tokio::spawn(work).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The event loop is ending, and this with it.
            Err(_) => std::future::pending().await,
        },
    }
}

fn operation_id(now_us: u64) -> OperationId {
    OperationId::new(now_us / 1_000, random())
}
