//! Takes access away: from a principal, a resource or everybody until that is lifted, or one
//! session or one grant for good; and ends the live sessions that are hit.
//!
//! Nothing is done per session but telling it: one look over the list, whatever its length.

use journal::Journal;
use model::event::Event;
use model::{Fault, LockId, LockTarget, Principal, ResourceName, Revocation, Rule, SessionId};

use crate::evidence::write_down;
use crate::grants::{GrantError, Grants};
use crate::identity::TOKEN_BYTES_MAX;
use crate::locks::{LOCK_REASON_BYTES_MAX, Locks};
use crate::services::Services;
use crate::sessions::{Ending, Sessions};
use crate::state::StateError;

/// The longest name of a principal that is locked, in bytes: no accepted token holds a longer one.
const KEY_BYTES_MAX: usize = TOKEN_BYTES_MAX;

/// What a revocation came to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Revoked {
    /// The lock that keeps those it hits out, if it set one.
    pub lock: Option<LockId>,
    /// How many live sessions were told to end.
    pub sessions_ended: usize,
}

/// Why nothing, or not all, was revoked.
#[derive(Debug, thiserror::Error)]
pub enum RevokeError {
    /// There is no such session any more.
    #[error("there is no such session any more")]
    NoSession,
    /// The gateway's own doors cannot be shut: lock a principal instead.
    #[error("the gateway itself cannot be locked; lock a principal, or everything")]
    Gateway,
    /// There is no such resource.
    #[error("there is no such resource")]
    NoResource,
    /// What should name a principal names none, so the lock would keep nobody out.
    #[error("a principal is written ISSUER|SUBJECT, in at most {KEY_BYTES_MAX} bytes")]
    NoPrincipal,
    /// The reason is too long.
    #[error("the reason is longer than {LOCK_REASON_BYTES_MAX} bytes")]
    ReasonTooLong,
    /// The grant could not be taken back.
    #[error(transparent)]
    Grant(#[from] GrantError),
    /// The lock is not in force, or only until the gateway is started again; or it could not be
    /// written down who ends a session.
    #[error(transparent)]
    State(#[from] StateError),
}

impl RevokeError {
    /// Returns who must act.
    #[must_use]
    pub const fn fault(&self) -> Fault {
        match self {
            Self::NoSession | Self::Gateway | Self::NoResource | Self::NoPrincipal | Self::ReasonTooLong => {
                Fault::Client
            }
            Self::Grant(error) => error.fault(),
            Self::State(error) => error.fault(),
        }
    }

    /// Returns what a client may know of it.
    #[must_use]
    pub fn for_client(&self) -> String {
        match self {
            Self::State(StateError::Journal(_)) => {
                "it could not be written down, so it was not done".to_owned()
            }
            Self::State(StateError::Full { .. }) => self.to_string(),
            Self::State(_) => {
                "the state database failed; a lock may only hold until the gateway is started again"
                    .to_owned()
            }
            other => other.to_string(),
        }
    }
}

/// Revokes: written down first, then in force, then the sessions that are hit are told to end.
/// Whether `by` may do that was asked before.
///
/// # Errors
/// See [`RevokeError`]. A lock that could not be stored ends its sessions all the same.
pub async fn revoke(
    services: &Services,
    revocation: Revocation,
    reason: &str,
    by: &Principal,
) -> Result<Revoked, RevokeError> {
    let reach = Reach {
        journal: &services.journal,
        sessions: &services.sessions,
        locks: &services.locks,
        grants: &services.grants,
        is_resource: &|name| services.has_resource(name.as_str()),
    };
    reach.revoke(revocation, reason, by).await
}

/// What revoking takes of the gateway.
struct Reach<'a> {
    journal: &'a Journal,
    sessions: &'a Sessions,
    locks: &'a Locks,
    grants: &'a Grants,
    is_resource: &'a (dyn Fn(&ResourceName) -> bool + Sync),
}

impl Reach<'_> {
    async fn revoke(
        &self,
        revocation: Revocation,
        reason: &str,
        by: &Principal,
    ) -> Result<Revoked, RevokeError> {
        if reason.len() > LOCK_REASON_BYTES_MAX {
            return Err(RevokeError::ReasonTooLong);
        }
        match revocation {
            Revocation::Lock(target) => self.lock(target, reason, by).await,
            Revocation::Session(id) => self.end_session(id, reason, by).await,
            Revocation::Grant(id) => {
                let (_, sessions_ended) = self.grants.revoke_counting(id, by, reason).await?;
                Ok(Revoked {
                    lock: None,
                    sessions_ended,
                })
            }
        }
    }

    async fn lock(&self, target: LockTarget, reason: &str, by: &Principal) -> Result<Revoked, RevokeError> {
        match &target {
            LockTarget::Resource(name) if name.as_str() == ResourceName::GATEWAY => {
                return Err(RevokeError::Gateway);
            }
            LockTarget::Resource(name) if !(self.is_resource)(name) => return Err(RevokeError::NoResource),
            LockTarget::Principal(key) if !is_key(key) => return Err(RevokeError::NoPrincipal),
            _ => {}
        }
        let mut sessions_ended = 0;
        let end = || {
            sessions_ended = self.sessions.end_where(
                |live| target.hits(&live.principal, &live.resource),
                Ending::because(Rule::Locked, "your access was revoked", reason),
            );
        };
        let lock = self.locks.set_and(target.clone(), reason, by, end).await?.id;
        tracing::warn!(%lock, ?target, by = by.key(), sessions_ended, "access revoked");
        Ok(Revoked {
            lock: Some(lock),
            sessions_ended,
        })
    }

    async fn end_session(
        &self,
        session: SessionId,
        reason: &str,
        by: &Principal,
    ) -> Result<Revoked, RevokeError> {
        let is_live = self.sessions.list().iter().any(|live| live.id == session);
        if !is_live {
            return Err(RevokeError::NoSession);
        }
        let by = by.key();
        let event = Event::SessionRevoked {
            session,
            by: &by,
            reason,
        };
        write_down(self.journal, &event)
            .await
            .map_err(StateError::Journal)?;
        let sessions_ended = self.sessions.end_where(
            |live| live.id == session,
            Ending::because(Rule::SessionEnded, "your session was ended", reason),
        );
        Ok(Revoked {
            lock: None,
            sessions_ended,
        })
    }
}

/// Whether `key` can be a principal's: an issuer, which is a URL without this sign, and a subject.
fn is_key(key: &str) -> bool {
    let (issuer, subject) = key.split_once('|').unwrap_or_default();
    key.len() <= KEY_BYTES_MAX && !issuer.is_empty() && !subject.is_empty()
}

#[cfg(test)]
mod tests;
