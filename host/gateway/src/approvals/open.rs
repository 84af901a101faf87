//! The open approvals, in memory: who waits, whose turn it is, and what is over next. What
//! they are stands in the state database.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::approval::{Approval, Standing, Subject};
use model::{ApprovalId, Fault, Refusal, Rule, SessionId};
use tokio::sync::watch;

use crate::state::approvals::OpenApproval;

/// How many questions one requester may have open: people answer a few a minute, and whoever
/// asks for more is stuck in a loop.
pub(super) const OPEN_PER_REQUESTER_MAX: usize = 50;

/// How many there may be in all. Each takes some kilobytes here, and up to 256 KiB on the disk.
pub(super) const OPEN_MAX: usize = 5_000;

#[derive(Default)]
pub(super) struct Open {
    entries: Mutex<HashMap<ApprovalId, Entry>>,
}

struct Entry {
    subject: Subject,
    requester: String,
    due_us: u64,
    standing: watch::Sender<Standing>,
    /// The sessions that wait for it, the latest last: one requester can have several.
    waiting: Vec<SessionId>,
    turn: Arc<tokio::sync::Mutex<()>>,
}

impl Open {
    fn lock(&self) -> MutexGuard<'_, HashMap<ApprovalId, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn add(&self, open: &OpenApproval) {
        let entry = Entry {
            subject: open.subject,
            requester: open.requester.clone(),
            due_us: open.due_us,
            standing: watch::Sender::new(open.standing),
            waiting: Vec::new(),
            turn: Arc::default(),
        };
        self.lock().insert(open.id, entry);
    }

    /// Tells whether `requester` may ask one more.
    pub(super) fn room(&self, requester: &str) -> Result<(), Refusal> {
        let entries = self.lock();
        let own = entries
            .values()
            .filter(|entry| entry.requester == requester)
            .count();
        let full = |what: String, fault| {
            Refusal::new(Rule::ApprovalUnavailable, fault, what)
                .hint("wait until some are answered, or withdraw some")
        };
        if own >= OPEN_PER_REQUESTER_MAX {
            let what =
                format!("you have {OPEN_PER_REQUESTER_MAX} open approvals, which is as many as one may have");
            return Err(full(what, Fault::Client));
        }
        if entries.len() >= OPEN_MAX {
            let what = format!("there are {OPEN_MAX} open approvals, which is as many as there may be");
            return Err(full(what, Fault::Operator));
        }
        Ok(())
    }

    /// Returns what `requester` (`issuer|subject`) has asked.
    pub(super) fn of(&self, requester: &str) -> Vec<ApprovalId> {
        let entries = self.lock();
        let own = entries.iter().filter(|(_, entry)| entry.requester == requester);
        own.map(|(id, _)| *id).collect()
    }

    pub(super) fn turn(&self, id: ApprovalId) -> Option<Arc<tokio::sync::Mutex<()>>> {
        self.lock().get(&id).map(|entry| Arc::clone(&entry.turn))
    }

    /// Returns where to hear how it stands, and lists `session` among those who wait.
    pub(super) fn wait(
        &self,
        id: ApprovalId,
        session: Option<SessionId>,
    ) -> Option<watch::Receiver<Standing>> {
        let mut entries = self.lock();
        let entry = entries.get_mut(&id)?;
        if let Some(session) = session {
            entry.waiting.retain(|other| *other != session);
            entry.waiting.push(session);
        }
        Some(entry.standing.subscribe())
    }

    /// Takes `session` from those who wait; returns the latest of the others, or `None` if it
    /// did not wait.
    pub(super) fn stop_waiting(&self, id: ApprovalId, session: SessionId) -> Option<Option<SessionId>> {
        let mut entries = self.lock();
        let entry = entries.get_mut(&id)?;
        let at = entry.waiting.iter().position(|other| *other == session)?;
        entry.waiting.remove(at);
        Some(entry.waiting.last().copied())
    }

    pub(super) fn is_waited_for(&self, id: ApprovalId) -> bool {
        self.lock()
            .get(&id)
            .is_some_and(|entry| !entry.waiting.is_empty())
    }

    /// Tells those who wait how it stands now. One that is over is open no more.
    pub(super) fn tell(&self, approval: &Approval) {
        let mut entries = self.lock();
        if let Some(entry) = entries.get_mut(&approval.id) {
            entry.due_us = OpenApproval::of(approval).due_us;
            entry.standing.send_replace(approval.standing);
        }
        if approval.standing.is_final() {
            entries.remove(&approval.id);
        }
    }

    /// Returns those that are over at `now_us`.
    pub(super) fn due(&self, now_us: u64) -> Vec<ApprovalId> {
        let entries = self.lock();
        let due = entries.iter().filter(|(_, entry)| entry.due_us <= now_us);
        due.map(|(id, _)| *id).collect()
    }

    /// Returns when the next one after `now_us` is over.
    pub(super) fn next_due(&self, now_us: u64) -> Option<u64> {
        let entries = self.lock();
        let due = entries.values().map(|entry| entry.due_us);
        due.filter(|due_us| *due_us > now_us).min()
    }

    /// Drops one that is not there any more; whoever waits for it hears that it is withdrawn.
    pub(super) fn forget(&self, id: ApprovalId) {
        self.lock().remove(&id);
    }

    /// Returns the approved ones of which no grant was made yet.
    pub(super) fn to_give(&self) -> Vec<ApprovalId> {
        let entries = self.lock();
        let to_give = entries.iter().filter(|(_, entry)| {
            entry.subject == Subject::Grant && *entry.standing.borrow() == Standing::Approved
        });
        to_give.map(|(id, _)| *id).collect()
    }
}
