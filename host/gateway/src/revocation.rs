//! Takes access away: from a principal, a resource or everybody until that is lifted, or one
//! session or one grant for good; and ends the live sessions that are hit.
//!
//! Nothing is done per session but telling it: one look over the list, whatever its length.

use model::event::Event;
use model::{Fault, GrantId, LockId, LockTarget, Principal, ResourceName, Revocation, Rule, SessionId};

use crate::evidence::write_down;
use crate::grants::GrantError;
use crate::locks::LOCK_REASON_BYTES_MAX;
use crate::postgres::Ending;
use crate::services::Services;
use crate::state::StateError;

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
            Self::NoSession | Self::Gateway | Self::NoResource | Self::ReasonTooLong => Fault::Client,
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
                "the state database failed; a lock may only hold until the gateway is started again".to_owned()
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
    if reason.len() > LOCK_REASON_BYTES_MAX {
        return Err(RevokeError::ReasonTooLong);
    }
    match revocation {
        Revocation::Lock(target) => lock(services, target, reason, by).await,
        Revocation::Session(id) => end_session(services, id, reason, by).await,
        Revocation::Grant(id) => take_back(services, id, reason, by).await,
    }
}

async fn lock(
    services: &Services,
    target: LockTarget,
    reason: &str,
    by: &Principal,
) -> Result<Revoked, RevokeError> {
    if let LockTarget::Resource(name) = &target {
        if name.as_str() == ResourceName::GATEWAY {
            return Err(RevokeError::Gateway);
        }
        services
            .upstream(name.as_str())
            .ok_or(RevokeError::NoResource)?;
    }
    let set = match services.locks.set(target.clone(), reason, by).await {
        Err(error @ (StateError::Journal(_) | StateError::Full { .. })) => return Err(error.into()),
        // In force, if maybe not stored.
        set => set,
    };
    let sessions_ended = services.sessions.end_where(
        |live| target.hits(&live.principal, &live.resource),
        ending(Rule::Locked, "your access was revoked", reason),
    );
    let lock = set?.id;
    tracing::warn!(%lock, ?target, by = by.key(), sessions_ended, "access revoked");
    Ok(Revoked {
        lock: Some(lock),
        sessions_ended,
    })
}

async fn end_session(
    services: &Services,
    session: SessionId,
    reason: &str,
    by: &Principal,
) -> Result<Revoked, RevokeError> {
    let known = services.sessions.list().iter().any(|live| live.id == session);
    if !known {
        return Err(RevokeError::NoSession);
    }
    let by = by.key();
    let event = Event::SessionRevoked {
        session,
        by: &by,
        reason,
    };
    write_down(&services.journal, &event)
        .await
        .map_err(StateError::Journal)?;
    let sessions_ended = services.sessions.end_where(
        |live| live.id == session,
        ending(Rule::SessionEnded, "your session was ended", reason),
    );
    Ok(Revoked {
        lock: None,
        sessions_ended,
    })
}

async fn take_back(
    services: &Services,
    id: GrantId,
    reason: &str,
    by: &Principal,
) -> Result<Revoked, RevokeError> {
    let (_, sessions_ended) = services.grants.revoke_counting(id, by, reason).await?;
    Ok(Revoked {
        lock: None,
        sessions_ended,
    })
}

/// What a session is told that ends because of this.
fn ending(rule: Rule, what: &str, reason: &str) -> Ending {
    let told = match reason.trim() {
        "" => what.to_owned(),
        reason => format!("{what}: {reason}"),
    };
    Ending {
        rule,
        reason: told.into(),
    }
}
