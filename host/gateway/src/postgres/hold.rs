//! One operation that waits for people: asked about, answered, looked at once more, let through
//! once.
//!
//! The session's own loop drives it, so of everything that can happen to a hold (an answer, the
//! client's cancel or goodbye, the end of its time, the upstream's end, a revocation) exactly
//! one comes first, and that one counts.

mod question;
#[cfg(test)]
mod tests;

use std::future::Future as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use model::approval::{ContentHash, Standing};
use model::{ApprovalId, Fault, OperationId, Principal, Refusal, Rule, SessionId};
use proto::postgres::relay::JudgedStatement;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use super::estimate::Estimate;
use crate::approvals::{Approvals, Asked, Left, Question};
use crate::identity::Login;
use crate::logins::Logins;
pub(super) use question::{needs_changed, question};

/// A hold of one operation. Dropped, it is given up: whoever is asked by then need not answer.
pub(super) struct Hold {
    /// The operation.
    pub(super) operation: OperationId,
    session: SessionId,
    requester: Arc<Principal>,
    approvals: Approvals,
    logins: Logins,
    login: Arc<Login>,
    stage: Stage,
}

enum Stage {
    /// The question is being put.
    Asking(JoinHandle<Result<Asked, Refusal>>),
    /// People think.
    Waiting(ApprovalId, JoinHandle<Standing>),
    /// They agreed: the identity provider is asked whether the login still holds.
    Confirming(ApprovalId, JoinHandle<Result<(), Refusal>>),
    /// It does not, or nobody knows.
    Unconfirmed(ApprovalId),
    /// They agreed: everything is to be looked at once more.
    Agreed(ApprovalId),
    /// They did not: the reason is being looked up.
    Declined(JoinHandle<Refusal>),
    /// The approval is being used up for this operation, by this judgement.
    Using(ApprovalId, Arc<JudgedStatement>, JoinHandle<Result<(), Refusal>>),
    /// Nothing is left to do.
    Over,
}

/// What has become of a hold.
pub(super) enum Step {
    /// People have been asked; the client is to be told what it waits for.
    Asked(ApprovalId),
    /// They agreed: look at everything once more, then [`Hold::consume`].
    Agreed(ApprovalId),
    /// The approval is used up: the operation runs, by this judgement.
    Release(ApprovalId, Arc<JudgedStatement>),
    /// It does not run.
    Refuse(Refusal),
}

impl Hold {
    /// Begins to ask: the upstream how many rows it is about, then people.
    pub(super) fn ask(
        (mut question, estimate): (Question, Option<Estimate>),
        operation: OperationId,
        session: SessionId,
        (approvals, logins, login): (&Approvals, &Logins, &Arc<Login>),
    ) -> Self {
        let asking = approvals.clone();
        Self {
            operation,
            session,
            requester: Arc::clone(&question.requester),
            approvals: asking.clone(),
            logins: logins.clone(),
            login: Arc::clone(login),
            stage: Stage::Asking(tokio::spawn(async move {
                if let Some(estimate) = estimate {
                    question.case.estimated_rows = estimate.rows().await;
                }
                asking.ask(question).await
            })),
        }
    }

    /// Whether everything is to be looked at once more.
    pub(super) fn agreed(&self) -> Option<ApprovalId> {
        match self.stage {
            Stage::Agreed(approval) => Some(approval),
            _ => None,
        }
    }

    /// Goes on as far as anything is ready.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Step> {
        let step = match &mut self.stage {
            Stage::Asking(task) => match ready!(Pin::new(task).poll(cx)) {
                Ok(Ok(Asked::Approved(approval))) => {
                    self.confirm(approval);
                    return self.poll(cx);
                }
                Ok(Ok(Asked::Waiting(mut waiting))) => {
                    let approval = waiting.id;
                    let decided = tokio::spawn(async move { waiting.decided().await });
                    self.stage = Stage::Waiting(approval, decided);
                    return Poll::Ready(Step::Asked(approval));
                }
                Ok(Err(refusal)) => Step::Refuse(refusal),
                Err(_) => Step::Refuse(broken()),
            },
            Stage::Waiting(approval, task) => {
                let approval = *approval;
                match ready!(Pin::new(task).poll(cx)) {
                    Ok(Standing::Approved) => {
                        self.confirm(approval);
                        return self.poll(cx);
                    }
                    Ok(_) | Err(_) => {
                        self.decline(approval);
                        return self.poll(cx);
                    }
                }
            }
            Stage::Confirming(approval, task) => {
                let approval = *approval;
                let refusal = match ready!(Pin::new(task).poll(cx)) {
                    Ok(Ok(())) => {
                        self.stage = Stage::Agreed(approval);
                        return Poll::Ready(Step::Agreed(approval));
                    }
                    Ok(Err(refusal)) => refusal,
                    Err(_) => broken(),
                };
                self.stage = Stage::Unconfirmed(approval);
                return Poll::Ready(Step::Refuse(refusal));
            }
            Stage::Declined(task) => {
                Step::Refuse(ready!(Pin::new(task).poll(cx)).unwrap_or_else(|_| broken()))
            }
            Stage::Using(approval, judged, task) => match ready!(Pin::new(task).poll(cx)) {
                Ok(Ok(())) => Step::Release(*approval, Arc::clone(judged)),
                Ok(Err(refusal)) => Step::Refuse(refusal),
                Err(_) => Step::Refuse(broken()),
            },
            Stage::Unconfirmed(_) | Stage::Agreed(_) | Stage::Over => return Poll::Pending,
        };
        self.stage = Stage::Over;
        Poll::Ready(step)
    }

    fn confirm(&mut self, approval: ApprovalId) {
        let (logins, login) = (self.logins.clone(), Arc::clone(&self.login));
        let requester = Arc::clone(&self.requester);
        let task = tokio::spawn(async move { logins.still_hold(&login, &requester).await });
        self.stage = Stage::Confirming(approval, task);
    }

    fn decline(&mut self, approval: ApprovalId) {
        let approvals = self.approvals.clone();
        let task = tokio::spawn(async move { approvals.refusal(approval).await });
        self.stage = Stage::Declined(task);
    }

    /// Uses the approval up for this operation, if it is for exactly `content`.
    pub(super) fn consume(
        &mut self,
        approval: ApprovalId,
        content: ContentHash,
        judged: Arc<JudgedStatement>,
    ) {
        let (approvals, operation) = (self.approvals.clone(), self.operation);
        let session = self.session;
        let task = tokio::spawn(async move {
            let used = approvals.consume(approval, content, operation).await;
            if used.is_err() {
                // It does not let this through, and this session does not wait for it any more.
                approvals.leave(approval, session, Left::Gone).await;
            }
            used
        });
        self.stage = Stage::Using(approval, judged, task);
    }

    /// Returns what the client is told whose time is over: the same operation finds its question
    /// again, unless the approval is being used up at this moment.
    pub(super) fn overtaken(&self) -> Option<Refusal> {
        matches!(self.stage, Stage::Using(..)).then(overtaken)
    }

    /// Gives up. What was asked stays open where only the time is over, so that the same can
    /// be sent again; otherwise nobody wants the answer any more.
    pub(super) fn leave(mut self, left: Left) {
        self.give_up(left);
    }

    fn give_up(&mut self, left: Left) {
        // Where the event loop has ended there is nobody left to tell: the next start withdraws
        // what sessions waited for.
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        let (approvals, session) = (self.approvals.clone(), self.session);
        match std::mem::replace(&mut self.stage, Stage::Over) {
            Stage::Asking(task) => {
                runtime.spawn(async move {
                    // The question may be put already: it must not stay behind.
                    if let Ok(Ok(Asked::Waiting(waiting))) = task.await {
                        approvals.leave(waiting.id, session, left).await;
                    }
                });
            }
            Stage::Waiting(approval, task) => {
                task.abort();
                runtime.spawn(async move { approvals.leave(approval, session, left).await });
            }
            // What people agreed to can be sent again, by whoever is known again.
            Stage::Unconfirmed(approval) => {
                runtime.spawn(async move { approvals.leave(approval, session, Left::TimedOut).await });
            }
            Stage::Confirming(approval, _) | Stage::Agreed(approval) => {
                runtime.spawn(async move { approvals.leave(approval, session, left).await });
            }
            // Over, or used up by now: what was let through for nobody is let through no more.
            Stage::Declined(_) | Stage::Using(..) | Stage::Over => {}
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.give_up(Left::Gone);
    }
}

/// The time was over while the approval was being used up.
fn overtaken() -> Refusal {
    Refusal::new(
        Rule::ApprovalUnavailable,
        Fault::Client,
        "its time was over while its approval was being used up: the operation has not run, and the approval may be used up",
    )
    .hint("send it again; where the approval is used up, people are asked anew")
}

fn broken() -> Refusal {
    Refusal::new(Rule::ApprovalUnavailable, Fault::Gateway, "the approval was lost")
        .hint("send the operation again; report this to the operator")
}
