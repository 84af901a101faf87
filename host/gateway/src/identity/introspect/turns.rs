//! Whose turn it is to ask a provider about a token. Nobody waits behind those who are less known.

use tokio::sync::{Semaphore, SemaphorePermit};

/// How many questions to one provider about tokens of live sessions at once: each has a
/// connection of its own there.
pub(crate) const QUESTIONS_MAX: usize = 8;

/// How many about tokens that want to be let in, at once; those that the provider has signed and
/// those that anybody can make up are apart, and all of them from the live sessions.
pub(in crate::identity) const ARRIVALS_MAX: usize = 4;

/// How many of each of the two wait for their turn: a pool of clients that connects at once does.
/// More are refused at once.
pub(in crate::identity) const WAITING_MAX: usize = 64;

/// For whom a provider is asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Asker {
    /// A session that lives.
    Live,
    /// Whoever brings a token that the provider has signed.
    Signed,
    /// Whoever brings any text.
    Stranger,
}

/// Those who ask one provider.
#[derive(Debug)]
pub(super) struct Turns {
    live: Line,
    signed: Line,
    strangers: Line,
}

/// Those who wait for their turn to ask, and those who ask.
#[derive(Debug)]
struct Line {
    places: Semaphore,
    turns: Semaphore,
}

impl Line {
    fn new(turns: usize, waiting: usize) -> Self {
        Self {
            places: Semaphore::new(turns + waiting),
            turns: Semaphore::new(turns),
        }
    }
}

impl Turns {
    pub(super) fn new() -> Self {
        Self {
            // Whoever watches over the live sessions asks no more than have a turn; what people
            // agreed to asks besides, and a session waits for one such thing at a time.
            live: Line::new(QUESTIONS_MAX, Semaphore::MAX_PERMITS - QUESTIONS_MAX),
            signed: Line::new(ARRIVALS_MAX, WAITING_MAX),
            strangers: Line::new(ARRIVALS_MAX, WAITING_MAX),
        }
    }

    /// Returns a place to wait for one's turn at; `None` where too many wait already.
    pub(super) fn place(&self, asker: Asker) -> Option<Place<'_>> {
        let line = match asker {
            Asker::Live => &self.live,
            Asker::Signed => &self.signed,
            Asker::Stranger => &self.strangers,
        };
        Some(Place {
            turns: &line.turns,
            _place: line.places.try_acquire().ok()?,
        })
    }
}

/// A place in a line, until dropped.
pub(super) struct Place<'a> {
    turns: &'a Semaphore,
    _place: SemaphorePermit<'a>,
}

impl Place<'_> {
    /// Waits for the turn, which lasts until what it returns is dropped.
    pub(super) async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        // Never closed: without a turn there is only waiting, and the caller's time is bounded.
        self.turns.acquire().await.ok()
    }
}
