//! Who was here when, and what nobody uses any more: what a review of access goes by.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use model::{Grant, Lock, Principal, PrincipalKind, ResourceName};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::clock;
use crate::grants::Grants;
use crate::locks::Locks;
use crate::state::{State, StateError};

/// How often it is stored who was let in. What a crash loses is no older.
const SAVE_EVERY: Duration = Duration::from_secs(60);

/// How many pairs of principal and resource wait to be stored. More in a minute than there are
/// sessions allowed are not worth memory; they are noted when they come again.
const WAITING_MAX: usize = 20_000;

/// For how long it is known that somebody was here: a yearly review still sees it.
const KEPT_FOR: Duration = Duration::from_secs(400 * 24 * 3_600);

/// How many lines a review has of each kind.
const LINES_MAX: u32 = 1_000;

/// A principal, when it was last let in, and to what.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Seen {
    /// Who: `issuer|subject`.
    pub principal: String,
    /// A person or an agent.
    pub kind: PrincipalKind,
    /// The configured name of its identity provider.
    pub identity: String,
    /// The groups its token had.
    pub groups: Vec<String>,
    /// When, in microseconds of Unix time.
    pub last_us: u64,
    /// To what.
    pub resource: ResourceName,
}

/// What somebody who reviews access should look at.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Review {
    /// Who has not been here for so long, those gone longest first; each with the last place.
    pub dormant: Vec<Seen>,
    /// Grants of that time that nobody has used, the newest first.
    pub unused: Vec<Grant>,
    /// Locks in force, the oldest first.
    pub locks: Vec<Lock>,
    /// Whether there is more of anything than is told.
    pub cut: bool,
}

/// Remembers who was let in. Cheap to clone.
#[derive(Clone)]
pub struct Access {
    state: State,
    grants: Grants,
    locks: Locks,
    waiting: Arc<Mutex<HashMap<(String, ResourceName), Seen>>>,
}

impl Access {
    /// Begins to remember.
    #[must_use]
    pub fn new(state: State, grants: Grants, locks: Locks) -> Self {
        Self {
            state,
            grants,
            locks,
            waiting: Arc::default(),
        }
    }

    /// Takes note that a principal was let in to a resource. Never waits: it is stored later.
    /// Whoever acts through somebody else was not here: the token is the other's, and says no
    /// more of when they logged in, or in which groups they are since.
    pub fn note(&self, principal: &Principal, resource: &ResourceName, now_us: u64) {
        if !principal.delegation.is_empty() {
            return;
        }
        let key = (principal.key(), resource.clone());
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() >= WAITING_MAX && !waiting.contains_key(&key) {
            return;
        }
        let seen = Seen {
            principal: key.0.clone(),
            kind: principal.kind,
            identity: principal.identity.clone(),
            groups: principal.groups.clone(),
            last_us: now_us,
            resource: resource.clone(),
        };
        waiting.insert(key, seen);
    }

    /// Returns when, where and with which groups a person (`issuer|subject`) was last let in,
    /// stored yet or not. Agents that go by the same name do not count.
    ///
    /// # Errors
    /// The state database cannot be read.
    pub async fn last_seen(&self, principal: &str) -> Result<Option<Seen>, StateError> {
        let waiting = {
            let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            let own = waiting
                .values()
                .filter(|seen| seen.principal == principal && seen.kind == PrincipalKind::Person);
            own.max_by_key(|seen| seen.last_us).cloned()
        };
        let stored = self.state.last_seen(principal).await?;
        Ok(waiting.into_iter().chain(stored).max_by_key(|seen| seen.last_us))
    }

    /// Returns who has not been here for `dormant_for`, which grants of that time nobody has
    /// used, and which locks are in force; `now_us` in microseconds of Unix time.
    ///
    /// # Errors
    /// The state database cannot be read.
    pub async fn review(&self, now_us: u64, dormant_for: Duration) -> Result<Review, StateError> {
        self.save().await;
        self.grants.save_uses().await;
        let micros = u64::try_from(dormant_for.as_micros()).unwrap_or(u64::MAX);
        let since_us = now_us.saturating_sub(micros);
        let mut dormant = self.state.dormant(since_us, LINES_MAX + 1).await?;
        let mut unused = self.state.unused_grants(since_us, LINES_MAX + 1).await?;
        let mut locks = self.locks.list();
        let max = LINES_MAX as usize;
        let cut = dormant.len() > max || unused.len() > max || locks.len() > max;
        dormant.truncate(max);
        unused.truncate(max);
        locks.truncate(max);
        Ok(Review {
            dormant,
            unused,
            locks,
            cut,
        })
    }

    /// Stores what was noted once a minute, until `stop`, and then once more.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let kept_us = u64::try_from(KEPT_FOR.as_micros()).unwrap_or(u64::MAX);
        let before_us = clock::unix_us().saturating_sub(kept_us);
        if let Err(error) = self.state.forget_seen(before_us).await {
            let error: &dyn std::error::Error = &error;
            tracing::error!(error, "who was here long ago could not be forgotten");
        }
        while !stop.is_cancelled() {
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(SAVE_EVERY) => {}
            }
            self.save().await;
        }
    }

    async fn save(&self) {
        let waiting = std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        if waiting.is_empty() {
            return;
        }
        let all: Vec<Seen> = waiting.into_values().collect();
        if let Err(error) = self.state.save_seen(&all).await {
            let error: &dyn std::error::Error = &error;
            tracing::error!(error, "it could not be stored who was let in");
        }
    }
}

#[cfg(test)]
mod tests;
