//! Makes grants of what people agreed to: once, from that moment, for the time they agreed to.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use model::approval::Standing;
use model::event::{Event, GrantEvent};
use model::grant::{GRANT_SECONDS_MAX, Terms};
use model::{ApprovalId, Fault, Grant, GrantId, OperationId, Principal, Refusal, ResourceName, Rule};

use super::{GRANTS_HELD_MAX, Grants};
use crate::approvals::{Given, Kept};
use crate::evidence::write_down;
use crate::services::random;
use crate::state::StateError;

impl Grants {
    /// Makes a grant of an approval that stands approved, and uses the approval up.
    pub(super) async fn give_now(&self, id: ApprovalId) -> Result<Arc<Grant>, Refusal> {
        let failed = |error: StateError| {
            let error: &dyn std::error::Error = &error;
            tracing::error!(error, approval = %id, "a grant could not be given");
            unavailable(id)
        };
        let asking = &self.inner.asking;
        let kept = asking.approvals.get(id).await.map_err(failed)?;
        let kept = kept.ok_or_else(|| unavailable(id))?;
        let grant = self.give(&kept).await.map_err(|error| match error {
            NotGiven::Never(refusal) => refusal,
            NotGiven::Yet(error) => failed(error),
        })?;
        let operation = OperationId::new(self.inner.clock.now_us() / 1_000, random());
        // It gives no second grant, used up or not.
        let _ = asking
            .approvals
            .consume(id, kept.approval.content, operation)
            .await;
        Ok(grant)
    }

    /// Makes a grant of an approval, once: it begins with the moment at which people agreed,
    /// and lasts as long as they agreed to, or as long as a grant may last if that is less.
    ///
    /// # Errors
    /// There will never be one: it is not approved or not any more, was for other policies, its
    /// time is over, or its requester is shut out. Or it could not be kept yet.
    async fn give(&self, kept: &Kept) -> Result<Arc<Grant>, NotGiven> {
        let (inner, approval) = (&self.inner, &kept.approval);
        let asking = &inner.asking;
        let never = || NotGiven::Never(unavailable(approval.id));
        let (by, resource) = (&approval.requester, &approval.resource);
        let _one_at_a_time = inner.changing.lock().await;
        if let Some(given) = inner.state.grant_of(approval.id).await? {
            return Ok(Arc::new(given));
        }
        asking.locks.check(by, resource).map_err(NotGiven::Never)?;
        let now_us = inner.clock.now_us();
        let terms = kept.case.grant.clone().ok_or_else(never)?;
        let reason = kept.case.reason.as_deref().unwrap_or_default();
        // With other policies it would be another question.
        let same = asking.content(by, resource, &terms, reason) == approval.content;
        let approved = approval.standing_at(now_us) == Standing::Approved;
        let is_there = asking.resources.contains_key(resource);
        if !(same && approved && is_there) || inner.held.load().len() >= GRANTS_HELD_MAX {
            return Err(never());
        }
        let begins_us = approval.approved_us.unwrap_or(now_us).min(now_us);
        let grant = Arc::new(Grant {
            id: GrantId::new(now_us / 1_000, random()),
            approval: approval.id,
            ..grant(by, resource, terms, reason, begins_us)
        });
        if !grant.holds_at(now_us) {
            return Err(never());
        }
        self.put_in_force(&grant).await?;
        Ok(grant)
    }

    /// Writes a grant down, stores it, and lets it hold.
    pub(super) async fn put_in_force(&self, grant: &Arc<Grant>) -> Result<(), StateError> {
        let inner = &self.inner;
        write_down(&inner.journal, &Event::Grant(GrantEvent::Given { grant }))
            .await
            .map_err(StateError::Journal)?;
        if !inner.state.insert_grant(grant).await? {
            // Its approval has given one before.
            return Ok(());
        }
        inner
            .held
            .store(Arc::new(inner.held.load().with(Arc::clone(grant))));
        inner.changed.notify_one();
        tracing::info!(grant = %grant.id, principal = grant.principal, resource = %grant.resource, "grant given");
        Ok(())
    }
}

impl Given for Grants {
    fn given<'a>(&'a self, kept: &'a Kept) -> BoxFuture<'a, Result<(), StateError>> {
        Box::pin(async move {
            match self.give(kept).await {
                Ok(_) => Ok(()),
                Err(NotGiven::Yet(error)) => Err(error),
                Err(NotGiven::Never(refusal)) => {
                    let (approval, reason) = (kept.approval.id, &refusal.message);
                    tracing::warn!(%approval, %reason, "no grant was made of an approval");
                    Ok(())
                }
            }
        })
    }
}

/// Why no grant was made of an approval.
#[derive(Debug)]
enum NotGiven {
    /// There will be none.
    Never(Refusal),
    /// It could not be kept; trying again may help.
    Yet(StateError),
}

impl From<StateError> for NotGiven {
    fn from(error: StateError) -> Self {
        Self::Yet(error)
    }
}

/// Makes a grant that begins at `begins_us`; its ids are to be filled in.
pub(super) fn grant(
    by: &Principal,
    resource: &ResourceName,
    terms: Terms,
    reason: &str,
    begins_us: u64,
) -> Grant {
    let seconds = terms.seconds.min(GRANT_SECONDS_MAX);
    Grant {
        id: GrantId::new(0, [0; 10]),
        principal: by.key(),
        delegation: by.delegation_keys(),
        resource: resource.clone(),
        terms,
        reason: reason.to_owned(),
        approval: ApprovalId::new(0, [0; 10]),
        begins_us,
        ends_us: begins_us.saturating_add(seconds * 1_000_000),
        revoked: None,
        used_us: None,
    }
}

fn unavailable(id: ApprovalId) -> Refusal {
    Refusal::new(
        Rule::ApprovalUnavailable,
        Fault::Operator,
        format!("no grant could be made of approval {id}"),
    )
    .hint("ask again; the operator finds the reason in the gateway's log")
}
