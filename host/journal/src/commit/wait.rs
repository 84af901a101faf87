//! Waiting until an entry is durable.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use super::{CommitMode, Core, Ticket, Unwritable, attend, closed};

/// Resolves when an entry, and everything before it, has been synced; or never will be.
///
/// Cancel safe: dropping it changes nothing about the entry.
#[derive(Debug)]
#[must_use = "an entry that was not waited for may be lost in a crash"]
pub struct Durable<'a> {
    core: &'a Core,
    index: u64,
    /// Others that are ready on this runtime have had their turn to append.
    yielded: bool,
    registered: Option<Waker>,
}

impl<'a> Durable<'a> {
    pub(crate) fn new(core: &'a Core, ticket: Ticket) -> Self {
        Self {
            core,
            index: ticket.0,
            yielded: false,
            registered: None,
        }
    }

    /// Leaves a waker, or says how it ended; `None` if the commit that was under way is over
    /// and the caller must see to the next one.
    fn register(&mut self, waker: &Waker) -> Option<Poll<Result<(), Unwritable>>> {
        let mut state = self.core.lock();
        // All this may have changed before the lock was taken.
        if self.core.durable_size() > self.index {
            return Some(Poll::Ready(Ok(())));
        }
        if let Some(dead) = &state.dead {
            return Some(Poll::Ready(Err(dead.clone())));
        }
        let under_way = state.committing.is_some();
        if !under_way && self.index >= state.first + u64::from(state.count) {
            return Some(Poll::Ready(Err(closed())));
        }
        let inline = self.core.mode() == CommitMode::Inline;
        if inline && !under_way {
            return None;
        }
        if !self
            .registered
            .as_ref()
            .is_some_and(|known| known.will_wake(waker))
        {
            attend::leave(self.core, &mut state, self.index, waker);
            self.registered = Some(waker.clone());
        }
        // An inline commit under way ends by seeing to those who still wait.
        if !inline {
            self.core.ask_writer(&mut state);
        }
        Some(Poll::Pending)
    }
}

impl Future for Durable<'_> {
    type Output = Result<(), Unwritable>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        if this.core.durable_size() > this.index {
            return Poll::Ready(Ok(()));
        }
        if this.core.mode() == CommitMode::Inline && !this.yielded {
            this.yielded = true;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        loop {
            this.core.commit_inline();
            if let Some(poll) = this.register(context.waker()) {
                return poll;
            }
        }
    }
}

impl std::fmt::Debug for Core {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Core")
            .field("durable", &self.durable_size())
            .field("mode", &self.mode())
            .finish_non_exhaustive()
    }
}
