//! What the driver does about an operation that waits for people.

use std::time::Duration;

use model::approval::ContentHash;
use model::{ApprovalId, Fault, Refusal, Rule, Verdict};
use proto::postgres::relay::{Held, JudgedStatement, NOTICE_EVERY_US};
use proto::session::Waiting;
use tokio::time::Instant;

use super::{Drive, Turn};
use crate::approvals::Left;
use crate::clock;
use crate::over;
use crate::postgres::estimate::Estimate;
use crate::postgres::hold::{self, Hold, Step};
use crate::postgres::surroundings::Next;

impl<'a> Drive<'a> {
    /// Goes on with the hold as far as that needs no waiting; returns whether it is over.
    pub(super) fn advance_hold(&mut self, turn: &mut Turn<'a>, now_us: u64) -> bool {
        let Some(held) = self.relay.held(&turn.client_in.bytes) else {
            self.relay.refuse_hold(unseen(), now_us);
            return true;
        };
        let known = turn.hold.as_ref().filter(|hold| hold.operation == held.operation);
        if let Some(hold) = known {
            return match hold.agreed() {
                Some(approval) => self.look_again(approval, turn, now_us),
                None => false,
            };
        }
        let asker = self.surroundings.asker();
        let content = self.content(&held, held.judged);
        let question = hold::question(&held, self.relay.changes(), asker, &self.origin, content);
        let estimate = self.estimate(&held);
        let services = self.surroundings.shared();
        let asked = (question, estimate);
        let whom = (&services.approvals, &services.logins, &self.login);
        let begun = Hold::ask(asked, held.operation, asker.session, whom);
        if let Some(other) = turn.hold.replace(begun) {
            other.leave(Left::Gone);
        }
        let soonest = turn
            .next_tick(&self.deadlines)
            .min(self.hold_ends(Instant::now()));
        turn.timer.as_mut().reset(soonest);
        false
    }

    /// Returns what exactly an approval of the held operation is for, if it runs by `judged`.
    fn content(&self, held: &Held<'_>, judged: &JudgedStatement) -> ContentHash {
        held.content(
            judged,
            &self.surroundings.asker().principal,
            self.origin.name.as_str(),
            self.surroundings.policy_hash(),
            self.relay.surroundings(),
        )
    }

    /// Returns how to find out how many rows the held operation would touch, where that can be
    /// told. On another connection the text means the same as long as the session has changed
    /// nothing that its meaning depends on.
    fn estimate(&self, held: &Held<'_>) -> Option<Estimate> {
        let as_it_began = self.relay.surroundings() == [0; 32];
        if !self.origin.estimate || !as_it_began {
            return None;
        }
        Estimate::of(held, &self.account, self.surroundings.services())
    }

    /// People agreed: asks everything once more that the operation depends on, then uses the
    /// approval up. Returns whether the hold is over.
    fn look_again(&mut self, approval: ApprovalId, turn: &mut Turn<'a>, now_us: u64) -> bool {
        if self.follow_catalog(turn) {
            self.refresh_catalog(turn);
            return false;
        }
        let judged = match self.still_allowed() {
            Ok(()) => match self
                .surroundings
                .judge_held(&self.relay, &turn.client_in.bytes, turn.fresh)
            {
                Next::Judged(judged) => judged,
                Next::RefreshCatalog => {
                    self.refresh_catalog(turn);
                    return false;
                }
                Next::Wait => return false,
            },
            Err(refusal) => {
                self.relay.refuse_hold(refusal, now_us);
                return true;
            }
        };
        turn.fresh = None;
        if let Verdict::Refuse(refusal) = &judged.verdict {
            let refusal = refusal.clone();
            self.relay.refuse_hold(refusal, now_us);
            return true;
        }
        let (Some(held), Some(hold)) = (self.relay.held(&turn.client_in.bytes), &mut turn.hold) else {
            return true;
        };
        if hold::needs_changed(held.judged, &judged) {
            self.relay.refuse_hold(changed(), now_us);
            return true;
        }
        let content = self.content(&held, &judged);
        hold.consume(approval, content, judged);
        false
    }

    /// Whether the session itself may still run anything.
    fn still_allowed(&self) -> Result<(), Refusal> {
        if Instant::now() >= self.deadlines.token {
            return Err(over::token_expired());
        }
        let asker = self.surroundings.asker();
        let locks = &self.surroundings.shared().locks;
        locks.check(&asker.principal, &self.origin.name)
    }

    /// Takes in what has become of the hold.
    pub(super) fn on_hold(&mut self, step: Step, turn: &mut Turn<'a>) {
        let now_us = clock::unix_us();
        match step {
            Step::Asked(approval) => {
                self.relay.asked(approval);
                self.status.hold(Some(approval));
                self.tell_waiting(turn, now_us);
            }
            // The road is looked at in the next turn.
            Step::Agreed(approval) => self.relay.asked(approval),
            Step::Release(approval, judged) => self.relay.release_hold(approval, judged, now_us),
            Step::Refuse(refusal) => self.relay.refuse_hold(refusal, now_us),
        }
    }

    /// Lets the hold's time pass, and tells the client that it still waits.
    pub(super) fn tick_hold(&mut self, turn: &mut Turn<'a>, now_us: u64) {
        if let Waiting::Approval { until_us, .. } = self.relay.waiting() {
            if until_us <= now_us {
                if let Some(hold) = turn.hold.take() {
                    if let Some(refusal) = hold.overtaken() {
                        self.relay.refuse_hold(refusal, now_us);
                    }
                    hold.leave(Left::TimedOut);
                    self.status.hold(None);
                }
            } else if now_us >= turn.told_us + NOTICE_EVERY_US {
                self.tell_waiting(turn, now_us);
            }
        }
        self.relay.tick(now_us);
    }

    /// When the hold's time is over, or the client is to be told of it.
    pub(super) fn hold_ends(&self, now: Instant) -> Instant {
        match self.relay.waiting() {
            Waiting::Approval { until_us, .. } => {
                let left = until_us.saturating_sub(clock::unix_us()).min(NOTICE_EVERY_US);
                now + Duration::from_micros(left)
            }
            _ => now + super::QUIET_TICK,
        }
    }

    /// Gives a hold up whose operation is not held any more, whatever ended that.
    pub(super) fn settle_hold(&mut self, turn: &mut Turn<'a>) {
        let held = match self.relay.waiting() {
            Waiting::Approval { .. } => self.relay.held(&turn.client_in.bytes).map(|held| held.operation),
            _ => None,
        };
        if let Some(hold) = turn.hold.take_if(|hold| Some(hold.operation) != held) {
            hold.leave(Left::Gone);
            self.status.hold(None);
        }
    }

    fn tell_waiting(&mut self, turn: &mut Turn<'a>, now_us: u64) {
        turn.told_us = now_us;
        let Some(approval) = self.relay.held_approval() else {
            return;
        };
        let message = format!("waiting for approval {approval}");
        let detail = match &self.surroundings.shared().console_url {
            Some(url) => format!("{url}/approvals/{approval}"),
            None => format!("an approver answers with: tidegate approve {approval}"),
        };
        self.relay.notify(&message, &detail, &mut self.surroundings);
    }
}

/// People agreed to what they saw; that is not what would run now.
fn changed() -> Refusal {
    Refusal::new(
        Rule::ApprovalUnavailable,
        Fault::Client,
        "what is known of the operation, or who must agree to it, has changed since people were asked",
    )
    .hint("send it again to ask anew")
}

/// What cannot be shown to anyone cannot be agreed to.
fn unseen() -> Refusal {
    Refusal::new(
        Rule::ApprovalUnavailable,
        Fault::Gateway,
        "the operation needs an approval, and could not be shown to anyone",
    )
    .hint("send it again, with its values bound anew")
}
