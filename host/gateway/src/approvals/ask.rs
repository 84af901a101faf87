//! Asking: finding what was asked before, or asking anew.

use std::sync::Arc;

use model::approval::{Approval, Standing};
use model::event::{ApprovalEvent, Event, short};
use model::{ApprovalId, Fault, Refusal, Rule};
use tokio::sync::oneshot;

use super::change::ended;
use super::error::{Failure, unknown};
use super::time::micros;
use super::{Approvals, Asked, Inner, Kept, Left, Question, Waiting};
use crate::services::random;
use crate::state::approvals::OpenApproval;

/// How many bytes of JSON a case may have: what nobody can read, nobody can answer.
const CASE_BYTES_MAX: usize = 256 << 10;

impl Approvals {
    /// Finds an open approval for the same content and requester, or asks anew. Durable, and
    /// written to the journal, when it returns. An open one that asks other people than the
    /// question does is withdrawn first.
    ///
    /// A session that waits must [`leave`](Self::leave) once it does not wait any more.
    ///
    /// # Errors
    /// The refusal for the client: it has too many open, or there are too many; it is too large
    /// to be shown to anybody; or it cannot be kept.
    pub async fn ask(&self, question: Question) -> Result<Asked, Refusal> {
        let (tell, told) = oneshot::channel();
        let this = self.clone();
        // Runs to its end whatever becomes of the caller; who then does not want it, leaves.
        tokio::spawn(async move {
            let session = question.session;
            let asked = this.inner.ask(&question).await;
            if let (Err(Ok(Asked::Waiting(waiting))), Some(session)) = (tell.send(asked), session) {
                this.leave(waiting.id, session, Left::Gone).await;
            }
        });
        match told.await {
            Ok(asked) => asked,
            Err(_) => Err(Failure::Changed.refusal()),
        }
    }
}

impl Inner {
    async fn ask(&self, question: &Question) -> Result<Asked, Refusal> {
        let _asking = self.asking.lock().await;
        let requester = question.requester.key();
        let open = self.state.open_approval(&requester, &question.content).await;
        let open = open.map_err(|error| Failure::from(error).refusal())?;
        if let Some(open) = open {
            let joined = self.join(open.approval.id, question).await;
            if let Some(asked) = joined.map_err(|failure| failure.refusal())? {
                return Ok(asked);
            }
        }
        self.open.room(&requester)?;
        let kept = self.kept(question);
        if serde_json::to_vec(&kept.case).map_or(usize::MAX, |json| json.len()) > CASE_BYTES_MAX {
            return Err(too_large());
        }
        let put = self.put(question, &kept).await;
        put.map_err(|failure| failure.refusal())?;
        let id = kept.approval.id;
        let standing = self.open.wait(id, question.session).ok_or_else(|| unknown(id))?;
        Ok(Asked::Waiting(Waiting { id, standing }))
    }

    /// Takes up an open approval, if it still is one that fits; ends one that does not.
    async fn join(&self, id: ApprovalId, question: &Question) -> Result<Option<Asked>, Failure> {
        let turn = self.turn(id).await;
        let Some(Kept { mut approval, .. }) = self.state.approval(id).await? else {
            return Ok(None);
        };
        let (now_us, revision) = (self.clock.now_us(), approval.revision);
        let standing = approval.standing_at(now_us);
        let fits = approval.quorum == question.quorum && approval.subject == question.subject;
        match standing {
            Standing::Approved if fits => return Ok(Some(Asked::Approved(id))),
            Standing::Pending if fits => {
                let Some(standing) = self.open.wait(id, question.session) else {
                    return Ok(None);
                };
                if question.session.is_some() {
                    self.state.set_waiting(id, question.session).await?;
                    let _ = self.changes.send(id);
                }
                return Ok(Some(Asked::Waiting(Waiting { id, standing })));
            }
            _ => {}
        }
        if approval.expire(now_us) || approval.withdraw() {
            let ended = ended(&approval, "it is asked anew", None);
            self.keep(&approval, revision, None, &[ended], now_us).await?;
        }
        drop(turn);
        Ok(None)
    }

    async fn put(&self, question: &Question, kept: &Kept) -> Result<(), Failure> {
        let approval = &kept.approval;
        let through = approval.requester.delegation_keys();
        let event = Event::Approval(ApprovalEvent::Asked {
            approval: approval.id,
            subject: approval.subject,
            by: &approval.requester.key(),
            through: &through,
            resource: &approval.resource,
            session: question.session,
            operation: question.operation,
            content: &approval.content.to_string(),
            quorum: &approval.quorum.to_string(),
            decide_by_us: approval.decide_by_us,
            terms: kept.case.grant.as_ref(),
            reason: kept.case.reason.as_deref().map(short),
        });
        self.write(&[event], approval.asked_us).await?;
        if !self.state.insert_approval(kept).await? {
            return Err(Failure::Changed);
        }
        self.open.add(&OpenApproval::of(approval));
        self.wake.notify_one();
        let _ = self.changes.send(approval.id);
        Ok(())
    }

    fn kept(&self, question: &Question) -> Kept {
        let now_us = self.clock.now_us();
        let approval = Approval {
            id: ApprovalId::new(now_us / 1_000, random()),
            subject: question.subject,
            content: question.content,
            requester: Arc::clone(&question.requester),
            resource: question.resource.clone(),
            quorum: question.quorum.clone(),
            waiting: question.session,
            asked_us: now_us,
            decide_by_us: now_us.saturating_add(micros(question.decide_within)),
            use_within_us: micros(question.use_within),
            approved_us: None,
            standing: Standing::Pending,
            revision: 0,
            votes: Vec::new(),
            used_by: None,
        };
        Kept {
            approval,
            case: question.case.clone(),
        }
    }
}

fn too_large() -> Refusal {
    Refusal::new(
        Rule::ApprovalUnavailable,
        Fault::Client,
        format!(
            "what is known of it takes more than {CASE_BYTES_MAX} bytes, too much for anybody to decide by"
        ),
    )
    .hint("ask for it in smaller parts")
}
