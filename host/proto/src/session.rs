//! The road every operation takes, as a state machine that all protocols drive.
//!
//! A protocol puts the operations of one batch on the road ([`Road::enter`]); each is judged;
//! one that a human must agree to is held; then the intents of all of them are made durable;
//! only then does the batch come off the road, each operation with its decision. Whatever goes
//! wrong on the way, the operations it concerns come off refused.

use std::sync::Arc;
use std::time::Duration;

use model::event::Judgement;
use model::{ApprovalId, Fault, OperationId, Refusal, Rule, Verdict};

/// A judged statement: shared between all executions it holds for.
#[derive(Debug)]
pub struct Judged<A> {
    /// What was decided.
    pub verdict: Verdict,
    /// The part of the journal entry that every execution shares.
    pub judgement: Judgement,
    /// What the protocol's own parser found, which the protocol needs again.
    pub analysis: A,
    /// Changes whenever a new judgement is due: policy, catalog or plugins have changed.
    pub version: u128,
}

/// One operation on the road.
#[derive(Debug)]
pub struct Operation<A> {
    /// Its id, unique for good.
    pub id: OperationId,
    /// How many values were bound; `None` where there is no such thing.
    pub binds: Option<u16>,
    /// Ties the bound values to the journal's entry.
    pub bind_commitment: Option<[u8; 32]>,
    judged: Option<Arc<Judged<A>>>,
    decision: Option<Refusal>,
    /// The approval that was asked for, or that let it through.
    approval: Option<ApprovalId>,
    released: bool,
}

impl<A> Operation<A> {
    /// Makes an operation nobody has judged yet.
    #[must_use]
    pub fn new(id: OperationId, binds: Option<u16>, bind_commitment: Option<[u8; 32]>) -> Self {
        Self {
            id,
            binds,
            bind_commitment,
            judged: None,
            decision: None,
            approval: None,
            released: false,
        }
    }

    /// Makes an operation that goes on with what `approval` has let through: the next rows of
    /// one execution are not asked for again.
    #[must_use]
    pub fn continuing(
        id: OperationId,
        binds: Option<u16>,
        bind_commitment: Option<[u8; 32]>,
        approval: ApprovalId,
    ) -> Self {
        Self {
            approval: Some(approval),
            released: true,
            ..Self::new(id, binds, bind_commitment)
        }
    }

    /// Returns the judgement, once there is one.
    #[must_use]
    pub fn judged(&self) -> Option<&Arc<Judged<A>>> {
        self.judged.as_ref()
    }

    /// Returns the approval that was asked for it or let it through, if there was any.
    #[must_use]
    pub fn approval(&self) -> Option<ApprovalId> {
        self.approval
    }

    /// Returns the approval that lets it run although policy asks for one.
    #[must_use]
    pub fn released_by(&self) -> Option<ApprovalId> {
        let held = matches!(
            self.judged.as_deref().map(|j| &j.verdict),
            Some(Verdict::Hold { .. })
        );
        self.approval.filter(|_| held && self.released)
    }

    /// Whether a human is to be asked about it, and has not answered.
    fn is_held(&self) -> bool {
        let verdict = self.judged.as_deref().map(|j| &j.verdict);
        matches!(verdict, Some(Verdict::Hold { .. })) && !self.released && self.decision.is_none()
    }

    /// Returns why the operation may not run; `None` if it may.
    ///
    /// An operation without a judgement may not run.
    #[must_use]
    pub fn refusal(&self) -> Option<Refusal> {
        if let Some(refusal) = &self.decision {
            return Some(refusal.clone());
        }
        match self.judged.as_deref().map(|j| &j.verdict) {
            Some(Verdict::Run { .. }) => None,
            Some(Verdict::Hold { .. }) if self.released => None,
            Some(Verdict::Refuse(refusal)) => Some(refusal.clone()),
            Some(Verdict::Hold { .. }) | None => Some(Refusal::new(
                Rule::PolicyDenied,
                Fault::Gateway,
                "the operation was not judged",
            )),
        }
    }
}

/// What the road waits for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Waiting {
    /// Nothing: the road is free.
    Free,
    /// A judgement of operation `index`.
    Judgement {
        /// Which operation of the batch.
        index: usize,
    },
    /// A human's answer for operation `index`.
    Approval {
        /// Which operation of the batch.
        index: usize,
        /// When the hold ends by itself, in microseconds of the driver's clock.
        until_us: u64,
    },
    /// The intents being durable.
    Durability,
    /// Nothing more: the batch can be taken off with [`Road::leave`].
    Done,
}

/// What comes of asking a human.
#[derive(Debug)]
pub enum Answer<A> {
    /// It runs, under this approval, by this judgement: a new one, made when it was released.
    Release {
        /// The approval, used up by now.
        approval: ApprovalId,
        /// What the gate says of the operation now. If that is a refusal, it does not run.
        judged: Arc<Judged<A>>,
    },
    /// It does not run.
    Refuse(Refusal),
}

/// The road for one batch of operations at a time.
#[derive(Debug)]
pub struct Road<A> {
    operations: Vec<Operation<A>>,
    waiting: Waiting,
    hold_for: Duration,
}

impl<A> Road<A> {
    /// Makes a free road on which a hold lasts at most `hold_for`.
    #[must_use]
    pub fn new(hold_for: Duration) -> Self {
        Self {
            operations: Vec::new(),
            waiting: Waiting::Free,
            hold_for,
        }
    }

    /// Returns what the road waits for.
    #[must_use]
    pub fn waiting(&self) -> Waiting {
        self.waiting
    }

    /// Returns the operations on the road.
    #[must_use]
    pub fn operations(&self) -> &[Operation<A>] {
        &self.operations
    }

    /// Puts a batch on the road. A batch without operations is done at once.
    ///
    /// The road must be free: a protocol reads no further while a batch is on it.
    pub fn enter(&mut self, operations: &mut Vec<Operation<A>>) {
        debug_assert_eq!(self.waiting, Waiting::Free, "one batch at a time");
        self.operations.append(operations);
        self.waiting = self.next_unjudged(0);
    }

    /// Takes in the judgement of the operation the road waits for.
    pub fn judge(&mut self, judged: Arc<Judged<A>>, now_us: u64) {
        let Waiting::Judgement { index } = self.waiting else {
            return;
        };
        self.operations[index].judged = Some(judged);
        self.waiting = match self.next_unjudged(index + 1) {
            // All are judged before a human is asked for any of them: a batch that is refused
            // anyway must not cost anyone's attention.
            Waiting::Durability if self.refuse_holds_beside_refusals() => Waiting::Durability,
            Waiting::Durability => self.next_hold(0, now_us),
            waiting => waiting,
        };
    }

    /// Takes the operations from place `length` on off the road again, as if they had never
    /// entered; returns how many there were. Those before it must not all be judged yet.
    pub fn truncate(&mut self, length: usize) -> u32 {
        debug_assert!(
            matches!(self.waiting, Waiting::Judgement { index } if index < length),
            "what the road waits for stays on it"
        );
        let cut = self.operations.len().saturating_sub(length);
        self.operations.truncate(length);
        u32::try_from(cut).unwrap_or(u32::MAX)
    }

    /// Refuses what is held if anything else of the batch is refused: it would be undone, or
    /// never get its turn.
    fn refuse_holds_beside_refusals(&mut self) -> bool {
        let is = |verdict: fn(&Verdict) -> bool| {
            move |operation: &Operation<A>| operation.judged.as_deref().is_some_and(|j| verdict(&j.verdict))
        };
        if !self
            .operations
            .iter()
            .any(is(|verdict| matches!(verdict, Verdict::Refuse(_))))
        {
            return false;
        }
        self.refuse_holds(0);
        true
    }

    /// Refuses what is held from place `from` on: something sent with it is refused.
    fn refuse_holds(&mut self, from: usize) {
        let held = self.operations[from..]
            .iter_mut()
            .filter(|operation| operation.is_held());
        for operation in held {
            operation.decision = Some(
                Refusal::new(
                    Rule::ApprovalUnavailable,
                    Fault::Client,
                    "nobody was asked, because another operation sent with it is refused",
                )
                .hint("send it by itself"),
            );
        }
    }

    /// Lets the operation at `index` go on with what `approval` lets through: it is part of an
    /// execution that is released.
    pub fn join(&mut self, index: usize, approval: ApprovalId) {
        if let Some(operation) = self
            .operations
            .get_mut(index)
            .filter(|operation| operation.is_held())
        {
            operation.approval = Some(approval);
            operation.released = true;
        }
    }

    /// Returns the operation that waits for a human's answer.
    #[must_use]
    pub fn held(&self) -> Option<&Operation<A>> {
        match self.waiting {
            Waiting::Approval { index, .. } => self.operations.get(index),
            _ => None,
        }
    }

    /// Takes note under which approval the held operation was asked for.
    pub fn asked(&mut self, approval: ApprovalId) {
        if let Waiting::Approval { index, .. } = self.waiting {
            self.operations[index].approval = Some(approval);
        }
    }

    /// Takes in the answer for the held operation.
    pub fn answer(&mut self, answer: Answer<A>, now_us: u64) {
        let Waiting::Approval { index, .. } = self.waiting else {
            return;
        };
        let operation = &mut self.operations[index];
        match answer {
            Answer::Release { approval, judged } => {
                operation.approval = Some(approval);
                operation.judged = Some(judged);
                operation.released = true;
            }
            Answer::Refuse(refusal) => {
                let refusal = match operation.approval {
                    Some(approval) => refusal.approval(approval),
                    None => refusal,
                };
                operation.decision = Some(refusal);
                // It would be undone, or never get its turn, and its approval be used up.
                self.refuse_holds(index + 1);
            }
        }
        self.waiting = self.next_hold(index + 1, now_us);
    }

    /// Lets time pass: a hold that has lasted too long is refused. What was asked stays open:
    /// the same operation, sent again, takes up where this one left.
    pub fn tick(&mut self, now_us: u64) {
        if let Waiting::Approval { until_us, .. } = self.waiting
            && until_us <= now_us
        {
            let refusal = Refusal::new(
                Rule::ApprovalPending,
                Fault::Client,
                "nobody has answered yet, and the operation waits no longer",
            )
            .hint("send exactly the same operation again; once it is approved, it runs");
            self.answer(Answer::Refuse(refusal), now_us);
        }
    }

    /// Takes in that the intents are durable, or that they cannot be made so.
    pub fn durable(&mut self, written: bool) {
        if self.waiting != Waiting::Durability {
            return;
        }
        if !written {
            for operation in &mut self.operations {
                operation.decision = Some(journal_unavailable());
            }
        }
        self.waiting = Waiting::Done;
    }

    /// Takes the batch off the road: each operation with its judgement and decision, in the
    /// order they entered. `None` while the road waits for anything.
    pub fn leave(&mut self) -> Option<Vec<Operation<A>>> {
        if self.waiting != Waiting::Done {
            return None;
        }
        self.waiting = Waiting::Free;
        Some(std::mem::take(&mut self.operations))
    }

    fn next_unjudged(&self, from: usize) -> Waiting {
        if self.operations.is_empty() {
            Waiting::Done
        } else if from < self.operations.len() {
            Waiting::Judgement { index: from }
        } else {
            Waiting::Durability
        }
    }

    fn next_hold(&self, from: usize, now_us: u64) -> Waiting {
        match self.operations[from..].iter().position(Operation::is_held) {
            Some(offset) => Waiting::Approval {
                index: from + offset,
                until_us: now_us.saturating_add(u64::try_from(self.hold_for.as_micros()).unwrap_or(u64::MAX)),
            },
            None => Waiting::Durability,
        }
    }
}

/// The refusal for anything that cannot be written down first.
#[must_use]
pub fn journal_unavailable() -> Refusal {
    Refusal::new(
        Rule::JournalUnavailable,
        Fault::Operator,
        "the journal cannot be written, so nothing may run",
    )
    .hint("the operator finds the reason in the gateway's log")
}

#[cfg(test)]
mod tests;
