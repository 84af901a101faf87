//! What time does: questions that nobody answered or used are over, approved grants are made,
//! and what is long over is forgotten.

use std::sync::atomic::Ordering;
use std::time::Duration;

use model::ApprovalId;
use model::approval::{Standing, Subject};
use tokio_util::sync::CancellationToken;

use super::change::ended;
use super::error::Failure;
use super::{Approvals, Inner, operation_id};

/// How long approvals that are over are kept, to be looked up; the journal has them for longer.
const KEPT_FOR: Duration = Duration::from_hours(24 * 90);

/// How many approvals that are over are kept at the most: at some kilobytes each, less than a
/// gigabyte.
const KEPT_MAX: u32 = 100_000;

/// How often old ones are looked for.
const SWEEP_EVERY: Duration = Duration::from_hours(1);

/// How many are deleted in one transaction, so that nobody waits long for the database.
const SWEEP_BATCH: u32 = 500;

/// How long to wait with what the database, the journal or a grant's maker failed at.
const AGAIN_AFTER: Duration = Duration::from_secs(5);

impl Approvals {
    /// Ends what is over, at the moment it is, until told to stop.
    pub async fn keep_time(self, stop: CancellationToken) {
        loop {
            let next_us = self.inner.tick().await;
            let wait = Duration::from_micros(next_us.saturating_sub(self.inner.clock.now_us()));
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.inner.wake.notified() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }
}

impl Inner {
    /// Does what is due, and returns when something is due again, in microseconds of Unix time.
    pub(super) async fn tick(&self) -> u64 {
        let now_us = self.clock.now_us();
        let mut again = false;
        for id in self.open.due(now_us) {
            if let Err(error) = self.expire(id).await {
                let error: &dyn std::error::Error = &error;
                tracing::error!(error, approval = %id, "that an approval is over could not be kept");
                again = true;
            }
        }
        for id in self.open.to_give() {
            again |= !self.give(id).await;
        }
        let sweep_us = self.sweep(now_us).await;
        let next_us = self
            .open
            .next_due(now_us)
            .map_or(sweep_us, |due| due.min(sweep_us));
        if again {
            next_us.min(now_us.saturating_add(micros(AGAIN_AFTER)))
        } else {
            next_us
        }
    }

    async fn expire(&self, id: ApprovalId) -> Result<(), Failure> {
        let _turn = self.turn(id).await;
        let Some(kept) = self.state.approval(id).await? else {
            self.open.forget(id);
            return Ok(());
        };
        let (mut approval, now_us) = (kept.approval, self.clock.now_us());
        let (revision, before) = (approval.revision, approval.standing);
        if !approval.expire(now_us) {
            // Somebody was faster; it is over, or later than it seemed.
            self.open.tell(&approval);
            return Ok(());
        }
        approval.waiting = None;
        let reason = match before {
            Standing::Approved => "nobody used it in time",
            _ => "not enough people answered in time",
        };
        let ended = ended(&approval, reason, None);
        self.keep(&approval, revision, None, &[ended], now_us).await
    }

    /// Has the grant made that an approval is for, and uses the approval up; returns whether
    /// that is done, or there is nothing to do.
    pub(super) async fn give(&self, id: ApprovalId) -> bool {
        let Some(grants) = self.grants.get() else {
            return false;
        };
        let _giving = self.giving.lock().await;
        let kept = match self.state.approval(id).await {
            Ok(Some(kept)) => kept,
            Ok(None) => return true,
            Err(error) => return untold(id, &error),
        };
        let approved = kept.approval.standing_at(self.clock.now_us()) == Standing::Approved;
        if !approved || kept.approval.subject != Subject::Grant {
            return true;
        }
        if let Err(error) = grants.given(&kept).await {
            return untold(id, &error);
        }
        match self.state.approval(id).await {
            // Whoever made the grant has used it up already.
            Ok(Some(kept)) if kept.approval.standing != Standing::Approved => true,
            Ok(_) => {
                let operation = operation_id(self.clock.now_us());
                self.consume(id, kept.approval.content, operation).await.is_ok()
            }
            Err(error) => untold(id, &error),
        }
    }

    /// Forgets what is long over, if it is time to; returns when it is next.
    async fn sweep(&self, now_us: u64) -> u64 {
        let due_us = self.sweep_due_us.load(Ordering::Relaxed);
        if now_us < due_us {
            return due_us;
        }
        let before_us = now_us.saturating_sub(micros(KEPT_FOR));
        let swept = self.state.sweep_approvals(before_us, KEPT_MAX, SWEEP_BATCH).await;
        let next_us = match swept {
            // There may be more.
            Ok(swept) if swept >= u64::from(SWEEP_BATCH) => now_us.saturating_add(micros(AGAIN_AFTER)),
            Ok(_) => now_us.saturating_add(micros(SWEEP_EVERY)),
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::error!(error, "old approvals could not be deleted");
                now_us.saturating_add(micros(SWEEP_EVERY))
            }
        };
        self.sweep_due_us.store(next_us, Ordering::Relaxed);
        next_us
    }
}

fn untold(id: ApprovalId, error: &(dyn std::error::Error + 'static)) -> bool {
    tracing::error!(error, approval = %id, "a grant could not be made of an approval yet");
    false
}

pub(super) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
