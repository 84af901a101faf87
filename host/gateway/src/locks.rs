//! Who and what is shut out, until somebody lifts it.
//!
//! Locks are stored, and all in force are in memory: looking is never a wait, and nothing of it
//! is done per session. Ending the sessions that a new lock hits is [`crate::revocation`]'s part.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use journal::Journal;
use model::event::{Event, LockEvent};
use model::{Fault, Lock, LockId, LockTarget, Principal, Refusal, ResourceName, Rule};

use crate::clock;
use crate::evidence::write_down;
use crate::services::random;
use crate::state::{State, StateError};

/// The longest reason of a lock that is kept, in bytes: everyone it hits is told it.
pub const LOCK_REASON_BYTES_MAX: usize = 1 << 10;

/// How many locks may be in force. Each is looked up by name, so this bounds memory only.
const LOCKS_MAX: usize = 10_000;

/// The locks in force. Cheap to clone.
#[derive(Clone)]
pub struct Locks {
    inner: Arc<Inner>,
}

struct Inner {
    state: State,
    journal: Journal,
    force: ArcSwap<Force>,
    /// Changes happen one after another.
    changing: tokio::sync::Mutex<()>,
}

/// The locks in force at one moment.
#[derive(Default)]
struct Force {
    generation: u64,
    /// In the order they were set.
    locks: Vec<Arc<Lock>>,
    everything: Option<Arc<Lock>>,
    resources: HashMap<ResourceName, Arc<Lock>>,
    principals: HashMap<String, Arc<Lock>>,
}

impl Locks {
    /// Takes up the locks that are stored.
    ///
    /// # Errors
    /// They cannot all be read: somebody who is shut out would be let in.
    pub async fn open(state: State, journal: Journal) -> Result<Self, StateError> {
        let locks = state.locks_in_force().await?.into_iter().map(Arc::new);
        let force = Force::of(locks.collect(), 0);
        Ok(Self {
            inner: Arc::new(Inner {
                state,
                journal,
                force: ArcSwap::from_pointee(force),
                changing: tokio::sync::Mutex::default(),
            }),
        })
    }

    /// Tells whether a principal is shut out of a resource. Never waits.
    ///
    /// The gateway's own doors ([`ResourceName::GATEWAY`]) stay open to those who are not shut
    /// out themselves: otherwise nobody could lift a lock on everything.
    ///
    /// # Errors
    /// The refusal for the client: that it was revoked, and why.
    pub fn check(&self, principal: &Principal, resource: &ResourceName) -> Result<(), Refusal> {
        match self.inner.force.load().find(principal, Some(resource)) {
            None => Ok(()),
            Some(lock) => Err(refusal(lock)),
        }
    }

    /// Tells whether a principal is shut out whatever it wants to use: asked before anybody
    /// may know which resources there are.
    pub(crate) fn check_principal(&self, principal: &Principal) -> Result<(), Refusal> {
        match self.inner.force.load().find(principal, None) {
            None => Ok(()),
            Some(lock) => Err(refusal(lock)),
        }
    }

    /// Returns a number that changes with every lock set or lifted.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.inner.force.load().generation
    }

    /// Shuts somebody or something out: written down, then in force, then stored. A longer
    /// reason is cut to [`LOCK_REASON_BYTES_MAX`].
    ///
    /// # Errors
    /// It could not be written down, or there are too many: then nothing happened. Or it could
    /// not be stored: then it is in force until the gateway is started again.
    pub async fn set(&self, target: LockTarget, reason: &str, by: &Principal) -> Result<Lock, StateError> {
        self.set_and(target, reason, by, || {}).await
    }

    /// Likewise; does `then` the moment it is in force, before it waits for the database.
    pub(crate) async fn set_and(
        &self,
        target: LockTarget,
        reason: &str,
        by: &Principal,
        then: impl FnOnce(),
    ) -> Result<Lock, StateError> {
        let inner = &self.inner;
        let _one_at_a_time = inner.changing.lock().await;
        let force = inner.force.load_full();
        if force.locks.len() >= LOCKS_MAX {
            return Err(StateError::Full {
                what: "locks",
                max: LOCKS_MAX,
            });
        }
        let now_us = clock::unix_us();
        let lock = Lock {
            id: LockId::new(now_us / 1_000, random()),
            target,
            reason: reason[..reason.floor_char_boundary(LOCK_REASON_BYTES_MAX)].to_owned(),
            by: by.key(),
            since_us: now_us,
            lifted: None,
        };
        write_down(&inner.journal, &Event::Lock(LockEvent::Set { lock: &lock }))
            .await
            .map_err(StateError::Journal)?;
        let mut locks = force.locks.clone();
        locks.push(Arc::new(lock.clone()));
        inner
            .force
            .store(Arc::new(Force::of(locks, force.generation + 1)));
        then();
        inner.state.insert_lock(&lock).await?;
        Ok(lock)
    }

    /// Lifts a lock, after that is written down and stored; `None` if it is not in force.
    ///
    /// # Errors
    /// It could not be written down or stored: the lock is still in force.
    pub async fn lift(&self, id: LockId, by: &Principal) -> Result<Option<Lock>, StateError> {
        let inner = &self.inner;
        let _one_at_a_time = inner.changing.lock().await;
        let force = inner.force.load_full();
        let Some(lock) = force.locks.iter().find(|lock| lock.id == id) else {
            return Ok(None);
        };
        let (by, now_us) = (by.key(), clock::unix_us());
        let event = Event::Lock(LockEvent::Lifted {
            lock: id,
            target: &lock.target,
            by: &by,
        });
        write_down(&inner.journal, &event)
            .await
            .map_err(StateError::Journal)?;
        // A lock that could not be stored when it was set is not there; it is lifted all the same.
        inner.state.lift_lock(id, &by, now_us).await?;
        let rest = force.locks.iter().filter(|lock| lock.id != id).cloned();
        inner
            .force
            .store(Arc::new(Force::of(rest.collect(), force.generation + 1)));
        Ok(Some(Lock {
            lifted: Some((now_us, by)),
            ..Lock::clone(lock)
        }))
    }

    /// Returns the locks in force, the oldest first.
    #[must_use]
    pub fn list(&self) -> Vec<Lock> {
        let force = self.inner.force.load();
        force.locks.iter().map(|lock| Lock::clone(lock)).collect()
    }
}

impl Force {
    fn of(locks: Vec<Arc<Lock>>, generation: u64) -> Self {
        let mut force = Self {
            generation,
            ..Self::default()
        };
        for lock in &locks {
            let lock = Arc::clone(lock);
            match &lock.target {
                LockTarget::Principal(key) => {
                    force.principals.entry(key.clone()).or_insert(lock);
                }
                LockTarget::Resource(name) => {
                    force.resources.entry(name.clone()).or_insert(lock);
                }
                LockTarget::All => {
                    force.everything.get_or_insert(lock);
                }
            }
        }
        force.locks = locks;
        force
    }

    /// Returns a lock that hits; without a resource, one that hits on all of them.
    fn find(&self, principal: &Principal, resource: Option<&ResourceName>) -> Option<&Lock> {
        // By far the most common, and asked before every operation.
        if self.locks.is_empty() {
            return None;
        }
        let own = || self.principals.get(&principal.key());
        let through = || {
            let actors = principal.delegation_keys().into_iter();
            actors.filter_map(|key| self.principals.get(&key)).next()
        };
        let own_doors = resource.is_some_and(|resource| resource.as_str() == ResourceName::GATEWAY);
        let everywhere = || self.everything.as_ref().filter(|_| !own_doors);
        let here = || resource.and_then(|resource| self.resources.get(resource));
        let lock = own()
            .or_else(through)
            .or_else(everywhere)
            .or_else(|| here().filter(|_| !own_doors));
        lock.map(AsRef::as_ref)
    }
}

/// What those are told who are shut out.
fn refusal(lock: &Lock) -> Refusal {
    let message = match lock.reason.trim() {
        "" => "your access was revoked".to_owned(),
        reason => format!("your access was revoked: {reason}"),
    };
    Refusal::new(Rule::Locked, Fault::Client, message)
        .hint(format!("ask the operator to lift lock {}", lock.id))
}

#[cfg(test)]
mod tests;
