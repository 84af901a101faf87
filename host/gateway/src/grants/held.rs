//! The grants that hold, at one moment: found by whom they are for, and each over at its end.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use model::{Grant, GrantId, Principal, ResourceName};

/// Grants that are neither taken back nor known to be over. Never changed, only replaced.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// Grows with every replacement by more than [`Held::over`] can shrink by it.
    base: u64,
    /// The first to end first.
    grants: Vec<Arc<Grant>>,
    /// By the principal's key, the last to end first.
    principals: HashMap<String, Vec<Arc<Grant>>>,
}

impl Held {
    pub(super) fn new(grants: Vec<Arc<Grant>>) -> Self {
        Self::of(grants, 0)
    }

    fn of(mut grants: Vec<Arc<Grant>>, base: u64) -> Self {
        grants.sort_by_key(|grant| grant.ends_us);
        let mut principals: HashMap<String, Vec<Arc<Grant>>> = HashMap::new();
        for grant in grants.iter().rev() {
            let own = principals.entry(grant.principal.clone()).or_default();
            own.push(Arc::clone(grant));
        }
        Self {
            base,
            grants,
            principals,
        }
    }

    pub(super) fn with(&self, grant: Arc<Grant>) -> Self {
        let mut grants = self.grants.clone();
        grants.push(grant);
        Self::of(grants, self.base + 1)
    }

    pub(super) fn without(&self, ids: &HashSet<GrantId>) -> Self {
        let rest: Vec<_> = self
            .grants
            .iter()
            .filter(|grant| !ids.contains(&grant.id))
            .cloned()
            .collect();
        let gone = (self.grants.len() - rest.len()) as u64;
        Self::of(rest, self.base + gone + 1)
    }

    pub(super) fn len(&self) -> usize {
        self.grants.len()
    }

    pub(super) fn find(&self, id: GrantId) -> Option<Arc<Grant>> {
        self.grants.iter().find(|grant| grant.id == id).cloned()
    }

    pub(super) fn holding(
        &self,
        principal: &Principal,
        resource: &ResourceName,
        now_us: u64,
    ) -> Vec<Arc<Grant>> {
        if self.grants.is_empty() {
            return Vec::new();
        }
        let own = self.principals.get(&principal.key()).into_iter().flatten();
        let holds = |grant: &&Arc<Grant>| {
            grant.resource == *resource && grant.holds_at(now_us) && grant.is_of(principal)
        };
        own.filter(holds).cloned().collect()
    }

    /// Returns a number that grows with every replacement and with every end that passes. The
    /// clock is only looked at where something can end.
    pub(super) fn generation(&self, now_us: impl FnOnce() -> u64) -> u64 {
        if self.grants.is_empty() {
            return self.base;
        }
        self.base + self.over(now_us()) as u64
    }

    pub(super) fn next_end(&self) -> Option<u64> {
        self.grants.first().map(|grant| grant.ends_us)
    }

    /// Returns those whose time is over at `now_us`.
    pub(super) fn due(&self, now_us: u64) -> Vec<Arc<Grant>> {
        self.grants[..self.over(now_us)].to_vec()
    }

    fn over(&self, now_us: u64) -> usize {
        self.grants.partition_point(|grant| grant.ends_us <= now_us)
    }
}
