//! Time-boxed permissions: asked for, given by people, visible to policy while they hold, and
//! over by themselves.
//!
//! A grant is an answer to an approval and begins with it; its end is fixed then. All that hold
//! are in memory, so that looking is never a wait. What ends a grant ends the sessions that
//! depend on it.

mod asking;
mod giving;
mod held;
#[cfg(test)]
pub(crate) mod tests;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use journal::{AppendError, Journal};
use model::event::{Event, GrantEvent};
use model::{Fault, Grant, GrantId, Principal, ResourceName, Rule};
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub use self::asking::{Asking, Connecting, Times};
use self::held::Held;
use crate::clock::Clock;
use crate::evidence::write_down;
use crate::sessions::{Ending, Live};
use crate::state::{State, StateError};

/// How many grants may hold at once. Each change copies the list.
const GRANTS_HELD_MAX: usize = 10_000;

/// How often the wall clock is looked at, whatever the timer says: it can be set.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How often it is stored which grants were used.
const SAVE_EVERY: Duration = Duration::from_secs(60);

/// Ends live sessions from outside.
pub(crate) trait Ends: Send + Sync {
    /// Ends every session that is hit, and returns how many that are.
    fn end_where(&self, hit: &dyn Fn(&Live) -> bool, ending: Ending) -> usize;
}

/// The grants. Cheap to clone.
#[derive(Clone)]
pub struct Grants {
    inner: Arc<Inner>,
}

struct Inner {
    state: State,
    journal: Journal,
    sessions: Arc<dyn Ends>,
    asking: Asking,
    clock: Clock,
    held: ArcSwap<Held>,
    /// When grants were used since that was stored last.
    uses: Mutex<HashMap<GrantId, u64>>,
    /// Changes happen one after another.
    changing: tokio::sync::Mutex<()>,
    /// The first end may be another one.
    changed: Notify,
}

/// Which grants to list.
#[derive(Clone, Debug)]
pub struct GrantFilter {
    /// Whose: `issuer|subject`.
    pub principal: Option<String>,
    /// For what.
    pub resource: Option<ResourceName>,
    /// Only those that hold.
    pub holding: bool,
    /// Only those made before this one: the last of the page before.
    pub before: Option<GrantId>,
    /// How many, at most [`GrantFilter::PAGE_MAX`].
    pub limit: u32,
}

impl GrantFilter {
    /// How many grants one page has at the most.
    pub const PAGE_MAX: u32 = 200;
}

impl Default for GrantFilter {
    fn default() -> Self {
        Self {
            principal: None,
            resource: None,
            holding: false,
            before: None,
            limit: Self::PAGE_MAX,
        }
    }
}

/// Why a grant could not be taken back.
#[derive(Debug, thiserror::Error)]
pub enum GrantError {
    /// There is no such grant.
    #[error("there is no such grant")]
    NotFound,
    /// It has ended, or was taken back before.
    #[error("the grant is over already")]
    Over,
    /// It could not be written down; it still holds.
    #[error("it could not be written down in the journal, so it was not done")]
    Journal(#[source] AppendError),
    /// It is taken back, but will hold again if the gateway is started again before its end.
    #[error("it could not be stored, so it only counts until the gateway is started again")]
    State(#[from] StateError),
}

impl GrantError {
    /// Returns who must act.
    #[must_use]
    pub const fn fault(&self) -> Fault {
        match self {
            Self::NotFound | Self::Over => Fault::Client,
            Self::Journal(_) | Self::State(_) => Fault::Operator,
        }
    }

    /// Returns what a client may know of it.
    #[must_use]
    pub fn for_client(&self) -> String {
        self.to_string()
    }
}

impl Grants {
    /// Takes up the grants that are stored. Until [`Grants::run`] is running, none ends its
    /// sessions; whether one holds is right at any time.
    ///
    /// # Errors
    /// They cannot all be read.
    pub(crate) async fn open(
        state: State,
        journal: Journal,
        sessions: Arc<dyn Ends>,
        asking: Asking,
        clock: Clock,
    ) -> Result<Self, StateError> {
        let grants = state.open_grants().await?.into_iter().map(Arc::new);
        let held = Held::new(grants.collect());
        Ok(Self {
            inner: Arc::new(Inner {
                state,
                journal,
                sessions,
                asking,
                clock,
                held: ArcSwap::from_pointee(held),
                uses: Mutex::default(),
                changing: tokio::sync::Mutex::default(),
                changed: Notify::new(),
            }),
        })
    }

    /// Returns the grants of a principal for a resource that hold at `now_us`, the one that
    /// ends last first. Never waits.
    #[must_use]
    pub fn holding(&self, principal: &Principal, resource: &ResourceName, now_us: u64) -> Vec<Arc<Grant>> {
        self.inner.held.load().holding(principal, resource, now_us)
    }

    /// Whether this grant holds at `now_us`.
    #[must_use]
    pub fn holds(&self, id: GrantId, now_us: u64) -> bool {
        let held = self.inner.held.load();
        held.find(id).is_some_and(|grant| grant.holds_at(now_us))
    }

    /// Returns a number that grows with every grant given, taken back or run out, the moment
    /// that happens: part of the key of whatever was judged with a grant in sight.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.inner.held.load().generation(|| self.inner.clock.now_us())
    }

    /// Takes note that a grant let something through at `now_us`.
    pub fn used(&self, id: GrantId, now_us: u64) {
        let mut uses = self.inner.uses.lock().unwrap_or_else(PoisonError::into_inner);
        // No more than hold, each once.
        if uses.len() < GRANTS_HELD_MAX || uses.contains_key(&id) {
            uses.insert(id, now_us);
        }
    }

    /// Takes a grant back: written down, then at an end, with the sessions that depend on it,
    /// then stored.
    ///
    /// # Errors
    /// See [`GrantError`].
    pub async fn revoke(&self, id: GrantId, by: &Principal, reason: &str) -> Result<Arc<Grant>, GrantError> {
        self.revoke_counting(id, by, reason).await.map(|(grant, _)| grant)
    }

    /// Likewise; returns how many sessions ended with it, too.
    pub(crate) async fn revoke_counting(
        &self,
        id: GrantId,
        by: &Principal,
        reason: &str,
    ) -> Result<(Arc<Grant>, usize), GrantError> {
        let inner = &self.inner;
        let _one_at_a_time = inner.changing.lock().await;
        let now_us = inner.clock.now_us();
        let found = inner.held.load().find(id).filter(|grant| grant.holds_at(now_us));
        let Some(grant) = found else {
            let known = inner.state.grant(id).await?.is_some();
            return Err(if known {
                GrantError::Over
            } else {
                GrantError::NotFound
            });
        };
        let by = by.key();
        let event = Event::Grant(GrantEvent::Ended {
            grant: id,
            principal: &grant.principal,
            resource: &grant.resource,
            why: "revoked",
            by: Some(&by),
            reason: Some(reason),
        });
        write_down(&inner.journal, &event)
            .await
            .map_err(GrantError::Journal)?;
        let ending = Ending::because(Rule::SessionEnded, "the grant was taken back", reason);
        let ended = inner.end(&[Arc::clone(&grant)], ending);
        inner.state.revoke_grant(id, &by, now_us).await?;
        let grant = Grant {
            revoked: Some((now_us, by)),
            ..Grant::clone(&grant)
        };
        Ok((Arc::new(grant), ended))
    }

    /// Returns a page of grants, the newest first.
    ///
    /// # Errors
    /// They cannot be read.
    pub async fn list(&self, filter: &GrantFilter) -> Result<Vec<Grant>, StateError> {
        let mut grants = self.inner.state.grants(filter, self.inner.clock.now_us()).await?;
        let uses = self.inner.uses.lock().unwrap_or_else(PoisonError::into_inner);
        for grant in &mut grants {
            grant.used_us = grant.used_us.max(uses.get(&grant.id).copied());
        }
        Ok(grants)
    }

    /// Ends grants when their time is over, until `stop`.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let clock = self.inner.clock.clone();
        let mut saved = Instant::now();
        while !stop.is_cancelled() {
            self.end_due(clock.now_us()).await;
            if saved.elapsed() >= SAVE_EVERY {
                saved = Instant::now();
                self.save_uses().await;
            }
            let until = self.inner.held.load().next_end().map_or(LOOK_EVERY, |end_us| {
                Duration::from_micros(end_us.saturating_sub(clock.now_us())).min(LOOK_EVERY)
            });
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.inner.changed.notified() => {}
                () = tokio::time::sleep(until) => {}
            }
        }
        self.save_uses().await;
    }

    /// Ends what is over at `now_us`. The sessions end first: that is not put off until it is
    /// written down.
    async fn end_due(&self, now_us: u64) {
        let inner = &self.inner;
        let _one_at_a_time = inner.changing.lock().await;
        let due = inner.held.load().due(now_us);
        if due.is_empty() {
            return;
        }
        inner.end(&due, Ending::of_grant());
        for grant in &due {
            let event = Event::Grant(GrantEvent::Ended {
                grant: grant.id,
                principal: &grant.principal,
                resource: &grant.resource,
                why: "ran out",
                by: None,
                reason: None,
            });
            if let Err(error) = write_down(&inner.journal, &event).await {
                // It is not closed, so the next start writes it down.
                tracing::error!(%error, grant = %grant.id, "the end of a grant could not be written down");
                return;
            }
        }
        let ids: Vec<GrantId> = due.iter().map(|grant| grant.id).collect();
        if let Err(error) = inner.state.close_grants(&ids).await {
            let error: &dyn std::error::Error = &error;
            tracing::error!(error, "ended grants could not be stored as such");
        }
    }

    /// Stores when grants were used last.
    pub(crate) async fn save_uses(&self) {
        let uses = std::mem::take(&mut *self.inner.uses.lock().unwrap_or_else(PoisonError::into_inner));
        if uses.is_empty() {
            return;
        }
        let uses: Vec<(GrantId, u64)> = uses.into_iter().collect();
        if let Err(error) = self.inner.state.save_grant_uses(&uses).await {
            let error: &dyn std::error::Error = &error;
            tracing::error!(error, "it could not be stored when grants were used");
        }
    }
}

impl Inner {
    /// Lets grants hold no more, and ends what depends on them; returns how many sessions.
    fn end(&self, grants: &[Arc<Grant>], ending: Ending) -> usize {
        let ids: HashSet<GrantId> = grants.iter().map(|grant| grant.id).collect();
        self.held.store(Arc::new(self.held.load().without(&ids)));
        self.changed.notify_one();
        self.sessions.end_where(
            &|live| live.grant.is_some_and(|grant| ids.contains(&grant)),
            ending,
        )
    }
}
