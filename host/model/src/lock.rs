//! Revocations: who or what is shut out until somebody lifts it.

use serde::{Deserialize, Serialize};

use crate::id::{GrantId, LockId, SessionId};
use crate::name::ResourceName;
use crate::principal::Principal;

/// Who or what is shut out.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase", tag = "kind", content = "value")]
pub enum LockTarget {
    /// A principal, `issuer|subject`, and whoever it acts for or who acts for it.
    Principal(String),
    /// A resource: nobody uses it.
    Resource(ResourceName),
    /// Everything.
    All,
}

impl LockTarget {
    /// Whether it shuts `principal` out of `resource`.
    #[must_use]
    pub fn hits(&self, principal: &Principal, resource: &ResourceName) -> bool {
        match self {
            Self::Principal(key) => principal.involves(key),
            Self::Resource(name) => name == resource,
            Self::All => true,
        }
    }
}

/// What can be revoked: a lock shuts out until it is lifted, the others are over for good.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Revocation {
    /// Shuts somebody or something out.
    Lock(LockTarget),
    /// Ends one live session.
    Session(SessionId),
    /// Takes a grant back, and ends the sessions that depend on it.
    Grant(GrantId),
}

/// One lock.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Lock {
    /// Its name everywhere.
    pub id: LockId,
    /// Who or what is shut out.
    pub target: LockTarget,
    /// Why: those it hits are told.
    pub reason: String,
    /// Who set it: `issuer|subject`.
    pub by: String,
    /// Since when, in microseconds of Unix time.
    pub since_us: u64,
    /// When and by whom (`issuer|subject`) it was lifted.
    pub lifted: Option<(u64, String)>,
}
