//! Each change of an approval: in its turn, in the journal first, and only if nothing changed
//! in between.

use model::approval::{Approval, ContentHash, Vote};
use model::event::{ApprovalEvent, Event};
use model::{ApprovalId, OperationId, Principal, Refusal, SessionId, Verdict};
use tokio::sync::OwnedMutexGuard;

use super::error::{Failure, unknown};
use super::{Inner, Kept, Left};

impl Inner {
    pub(super) async fn consume(
        &self,
        id: ApprovalId,
        content: ContentHash,
        operation: OperationId,
    ) -> Result<(), Refusal> {
        let _turn = self.turn(id).await;
        let kept = self.state.approval(id).await.map_err(Failure::from);
        let kept = kept.map_err(|failure| failure.refusal())?;
        let mut approval = kept.ok_or_else(|| unknown(id))?.approval;
        let (now_us, revision) = (self.clock.now_us(), approval.revision);
        approval.consume(&content, operation, now_us)?;
        let used = Event::Approval(ApprovalEvent::Used {
            approval: id,
            operation,
        });
        self.keep(&approval, revision, None, &[used], now_us)
            .await
            .map_err(|failure| failure.refusal())
    }

    pub(super) async fn leave(&self, id: ApprovalId, session: SessionId, left: Left) -> Result<(), Failure> {
        let turn = self.turn(id).await;
        let Some(others) = self.open.stop_waiting(id, session) else {
            return Ok(());
        };
        if left == Left::Gone && others.is_none() {
            drop(turn);
            return self.end(id, "whoever waited for it has gone", None).await;
        }
        self.state.set_waiting(id, others).await?;
        let _ = self.changes.send(id);
        Ok(())
    }

    /// Withdraws an approval, unless it is over or somebody waits for it again.
    pub(super) async fn end(&self, id: ApprovalId, reason: &str, by: Option<&str>) -> Result<(), Failure> {
        let _turn = self.turn(id).await;
        let Some(kept) = self.state.approval(id).await? else {
            return Ok(());
        };
        let (mut approval, now_us) = (kept.approval, self.clock.now_us());
        let revision = approval.revision;
        if self.open.is_waited_for(id) || !(approval.expire(now_us) || approval.withdraw()) {
            return Ok(());
        }
        approval.waiting = None;
        let ended = ended(&approval, reason, by);
        self.keep(&approval, revision, None, &[ended], now_us).await
    }

    /// Writes down what happened, keeps what became of the approval, and tells everybody.
    pub(super) async fn keep(
        &self,
        approval: &Approval,
        revision: u64,
        vote: Option<&Vote>,
        events: &[Event<'_>],
        now_us: u64,
    ) -> Result<(), Failure> {
        self.write(events, now_us).await?;
        if !self
            .state
            .update_approval(approval, revision, vote, now_us)
            .await?
        {
            return Err(Failure::Changed);
        }
        self.open.tell(approval);
        self.wake.notify_one();
        // Nobody may be listening.
        let _ = self.changes.send(approval.id);
        Ok(())
    }

    /// Writes to the journal; durable when it returns.
    pub(super) async fn write(&self, events: &[Event<'_>], now_us: u64) -> Result<(), Failure> {
        let mut last = None;
        for event in events {
            let ticket = self.journal.append(|out| event.encode(now_us, out));
            last = Some(ticket.map_err(|error| Failure::unwritten(&error))?);
        }
        match last {
            Some(ticket) => {
                let durable = self.journal.durable(ticket).await;
                durable.map_err(|error| Failure::unwritten(&error))
            }
            None => Ok(()),
        }
    }

    /// Waits for the turn to change an approval; `None` for one that is over, which nobody
    /// changes any more.
    pub(super) async fn turn(&self, id: ApprovalId) -> Option<OwnedMutexGuard<()>> {
        Some(self.open.turn(id)?.lock_owned().await)
    }

    pub(super) fn judge(&self, voter: &Principal, kept: &Kept, now_us: u64) -> Verdict {
        self.policy.approve(
            voter,
            &kept.approval.requester,
            &kept.approval.resource,
            &kept.case.facts,
            &kept.case.assessment,
            now_us / 1_000_000,
        )
    }

    pub(super) fn as_of_now(&self, mut kept: Kept) -> Kept {
        kept.approval.standing = kept.approval.standing_at(self.clock.now_us());
        kept
    }
}

pub(super) fn ended<'a>(approval: &Approval, reason: &'a str, by: Option<&'a str>) -> Event<'a> {
    Event::Approval(ApprovalEvent::Ended {
        approval: approval.id,
        standing: approval.standing,
        reason,
        by,
    })
}
