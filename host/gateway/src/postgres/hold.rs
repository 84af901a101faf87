//! One operation that waits for people: asked about, answered, looked at once more, let through
//! once.
//!
//! The session's own loop drives it, so of everything that can happen to a hold (an answer, the
//! client's cancel or goodbye, the end of its time, the upstream's end, a revocation) exactly
//! one comes first, and that one counts.

use std::future::Future as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use model::approval::{Case, ContentHash, OPERATION_BYTES_MAX, Quorum, Standing, Subject};
use model::{ApprovalId, Fault, OperationId, Principal, Refusal, Rule, SessionId, Verdict};
use proto::postgres::relay::{Held, JudgedStatement};
use proto::postgres::{present, sql};
use tokio::task::JoinHandle;

use super::Upstream;
use super::estimate::Estimate;
use crate::approvals::{Approvals, Asked, Left, Question};
use crate::gate::Asker;
use crate::identity::Login;
use crate::logins::Logins;
use crate::services::Services;

/// A hold of one operation.
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
        (services, login): (&Services, &Arc<Login>),
    ) -> Self {
        let asking = services.approvals.clone();
        Self {
            operation,
            session,
            requester: Arc::clone(&question.requester),
            approvals: asking.clone(),
            logins: services.logins.clone(),
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

    /// Gives up. What was asked stays open where only the time is over, so that the same can
    /// be sent again; otherwise nobody wants the answer any more.
    pub(super) fn leave(self, left: Left) {
        let (approvals, session) = (self.approvals, self.session);
        match self.stage {
            Stage::Asking(task) => {
                tokio::spawn(async move {
                    // The question may be put already: it must not stay behind.
                    if let Ok(Ok(Asked::Waiting(waiting))) = task.await {
                        approvals.leave(waiting.id, session, left).await;
                    }
                });
            }
            Stage::Waiting(approval, task) => {
                task.abort();
                tokio::spawn(async move { approvals.leave(approval, session, left).await });
            }
            // What people agreed to can be sent again, by whoever is known again.
            Stage::Unconfirmed(approval) => {
                tokio::spawn(async move { approvals.leave(approval, session, Left::TimedOut).await });
            }
            Stage::Confirming(approval, _) | Stage::Agreed(approval) => {
                tokio::spawn(async move { approvals.leave(approval, session, left).await });
            }
            // Over, or used up by now: what was let through for nobody is let through no more.
            Stage::Declined(_) | Stage::Using(..) | Stage::Over => {}
        }
    }
}

/// Whether people were asked by other facts than hold now, or fewer of them.
pub(super) fn needs_changed(asked: &JudgedStatement, now: &JudgedStatement) -> bool {
    let more = quorum(now).is_some_and(|now| quorum(asked) != Some(now));
    more || asked.analysis.facts != now.analysis.facts
}

/// Returns how many people a judgement asks for, if it asks for any.
fn quorum(judged: &JudgedStatement) -> Option<&Quorum> {
    match &judged.verdict {
        Verdict::Hold { quorum, .. } => Some(quorum),
        Verdict::Run { .. } | Verdict::Refuse(_) => None,
    }
}

/// Returns the question to put for the held operation.
pub(super) fn question(
    held: &Held<'_>,
    asker: &Asker,
    upstream: &Upstream,
    content: ContentHash,
) -> Question {
    let conduct = &held.judged.analysis;
    let (policies, quorum) = match &held.judged.verdict {
        Verdict::Hold { policies, quorum, .. } => (policies.clone(), quorum.clone()),
        Verdict::Run { .. } | Verdict::Refuse(_) => Default::default(),
    };
    let (operation, long) = shown(held);
    let (binds, more) = match held.bound {
        // The relay has checked the message; what cannot be read is shown as cut.
        Some(bound) => present::bound_values(bound, held.types, held.declared_types)
            .unwrap_or_else(|_| (Vec::new(), true)),
        None => (Vec::new(), false),
    };
    let verbs: Vec<&str> = conduct
        .facts
        .statements
        .iter()
        .map(|s| s.verb.as_str())
        .take(VERBS_SHOWN)
        .collect();
    let case = Case {
        protocol: "postgres".to_owned(),
        title: format!(
            "{} on {} by {}",
            verbs.join(", "),
            upstream.name,
            asker.principal.subject
        ),
        operation,
        cut: long || more || binds.iter().any(|bind| bind.cut),
        binds,
        facts: conduct.facts.clone(),
        assessment: conduct.assessment.clone(),
        tags: conduct.facts.tags(),
        policies,
        transaction_open: held.transaction_open,
        estimated_rows: None,
        reason: None,
        grant: None,
    };
    Question {
        subject: Subject::Operation,
        content,
        requester: Arc::clone(&asker.principal),
        resource: upstream.name.clone(),
        session: Some(asker.session),
        operation: Some(held.operation),
        quorum,
        case,
        decide_within: upstream.decide_within,
        use_within: upstream.use_within,
    }
}

/// How many commands the title names.
const VERBS_SHOWN: usize = 3;

/// Returns what people are shown of the statement, and whether there is more. Of what EXECUTE
/// runs, the text is shown too.
fn shown(held: &Held<'_>) -> (String, bool) {
    let conduct = &held.judged.analysis;
    let text = String::from_utf8_lossy(held.sql);
    let mut shown = match &conduct.loggable {
        Some(loggable) => loggable.clone(),
        None => sql::layout(&text),
    };
    for (index, inner) in conduct.runs.iter().enumerate() {
        shown.push_str("\n\n-- runs:\n");
        if let Some(Some(loggable)) = conduct.loggable_runs.get(index) {
            shown.push_str(loggable);
            continue;
        }
        shown.push_str(&sql::layout(&String::from_utf8_lossy(inner)));
    }
    let end = shown.floor_char_boundary(OPERATION_BYTES_MAX);
    let cut = end < shown.len();
    shown.truncate(end);
    (shown, cut)
}

fn broken() -> Refusal {
    Refusal::new(Rule::ApprovalUnavailable, Fault::Gateway, "the approval was lost")
        .hint("send the operation again; report this to the operator")
}
