//! What a channel has to look at, and when. Pure.

use std::collections::{BTreeSet, HashMap, HashSet};

use model::ApprovalId;

/// The questions of one channel by the time at which they are to be looked at. None is looked
/// at twice at once; one that is due again meanwhile is looked at right afterwards.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    by_time: BTreeSet<(u64, ApprovalId)>,
    times: HashMap<ApprovalId, u64>,
    busy: HashSet<ApprovalId>,
    again: HashSet<ApprovalId>,
    /// Nothing is looked at before: the outside system asks for patience.
    paused_until_us: u64,
}

impl Agenda {
    /// Something has happened to it.
    pub(super) fn poke(&mut self, id: ApprovalId, now_us: u64) {
        if self.busy.contains(&id) {
            self.again.insert(id);
        } else {
            self.set(id, Some(now_us));
        }
    }

    /// Returns what is to be looked at now.
    pub(super) fn take(&mut self, now_us: u64) -> Option<ApprovalId> {
        let (due_us, id) = *self.by_time.first()?;
        if due_us > now_us || self.paused_until_us > now_us {
            return None;
        }
        self.set(id, None);
        self.busy.insert(id);
        Some(id)
    }

    /// It has been looked at, and is to be again at `next_us`.
    pub(super) fn done(&mut self, id: ApprovalId, next_us: Option<u64>, now_us: u64) {
        self.busy.remove(&id);
        let again = self.again.remove(&id);
        self.set(id, if again { Some(now_us) } else { next_us });
    }

    pub(super) fn pause(&mut self, until_us: u64) {
        self.paused_until_us = self.paused_until_us.max(until_us);
    }

    /// Returns when there is something to look at.
    pub(super) fn next_us(&self) -> Option<u64> {
        let (due_us, _) = self.by_time.first()?;
        Some(self.paused_until_us.max(*due_us))
    }

    fn set(&mut self, id: ApprovalId, due_us: Option<u64>) {
        if let Some(old) = self.times.remove(&id) {
            self.by_time.remove(&(old, id));
        }
        if let Some(due_us) = due_us {
            self.times.insert(id, due_us);
            self.by_time.insert((due_us, id));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u8) -> ApprovalId {
        ApprovalId::new(1, [number; 10])
    }

    #[test]
    fn what_is_due_first_comes_first_and_nothing_comes_early() {
        let mut agenda = Agenda::default();
        agenda.poke(id(1), 20);
        agenda.poke(id(2), 10);
        assert_eq!((agenda.next_us(), agenda.take(9)), (Some(10), None));
        assert_eq!([agenda.take(20), agenda.take(20)], [Some(id(2)), Some(id(1))]);
        assert_eq!((agenda.next_us(), agenda.take(99)), (None, None));
    }

    #[test]
    fn what_is_looked_at_waits_for_its_next_look() {
        let mut agenda = Agenda::default();
        agenda.poke(id(1), 10);
        assert_eq!(agenda.take(10), Some(id(1)));
        agenda.poke(id(1), 11);
        assert_eq!(agenda.take(99), None);
        agenda.done(id(1), Some(500), 12);
        assert_eq!((agenda.next_us(), agenda.take(12)), (Some(12), Some(id(1))));
        agenda.done(id(1), Some(500), 13);
        assert_eq!(agenda.next_us(), Some(500));
        // News make it due at once.
        agenda.poke(id(1), 14);
        assert_eq!(agenda.take(14), Some(id(1)));
    }

    #[test]
    fn a_pause_is_for_everything() {
        let mut agenda = Agenda::default();
        agenda.pause(100);
        agenda.pause(50);
        agenda.poke(id(1), 10);
        assert_eq!((agenda.next_us(), agenda.take(99)), (Some(100), None));
        assert_eq!(agenda.take(100), Some(id(1)));
    }
}
