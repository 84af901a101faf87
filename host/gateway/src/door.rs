//! Whether somebody who is known may have a session on a resource, and under which grant.

use std::sync::Arc;

use model::{ApprovalId, Fault, Grant, Principal, Refusal, ResourceName, Rule, Verdict};

use crate::clock;
use crate::grants::{Connecting, Grants};
use crate::identity::Login;
use crate::locks::Locks;
use crate::logins::not_held;
use crate::over;
use crate::policy::Policy;
use crate::services::Services;

/// What letting somebody in takes of the gateway.
pub(crate) struct Door<'a> {
    pub(crate) policy: &'a Policy,
    pub(crate) grants: &'a Grants,
    pub(crate) locks: &'a Locks,
}

/// Why somebody is not let in.
#[derive(Debug)]
pub(crate) enum Shut {
    /// They may not know that the resource exists. The reason is for the journal.
    Hidden(String),
    /// What they are told.
    Told(Refusal),
}

impl<'a> Door<'a> {
    pub(crate) fn of(services: &'a Services) -> Self {
        Self {
            policy: &services.gate.policy,
            grants: &services.grants,
            locks: &services.locks,
        }
    }

    /// Decides whether a principal may have a session by `protocol`; returns the grant that it
    /// then depends on. Who may not, but may ask for a grant, has asked by trying.
    pub(crate) async fn let_in(
        &self,
        principal: &Arc<Principal>,
        resource: &ResourceName,
        protocol: &str,
    ) -> Result<Option<Arc<Grant>>, Shut> {
        let now_us = clock::unix_us();
        let grants = self.grants.holding(principal, resource, now_us);
        let now = now_us / 1_000_000;
        let connect = self.policy.connect(principal, resource, protocol, now, &grants);
        let reason = match connect.verdict {
            Verdict::Run { .. } => {
                let locked = self.locks.check(principal, resource);
                return locked.map_err(Shut::Told).map(|()| connect.grant);
            }
            Verdict::Hold { .. } => "connecting would need an approval".into(),
            Verdict::Refuse(Refusal { message, .. }) => message,
        };
        match self.grants.ask_to_connect(principal, resource).await {
            Ok(Some(Connecting::Given(grant))) => Ok(Some(grant)),
            Ok(Some(Connecting::Asked(approval))) => Err(Shut::Told(unanswered(approval))),
            Ok(None) => Err(Shut::Hidden(reason.into_owned())),
            Err(refusal) => Err(Shut::Told(refusal)),
        }
    }
}

impl Services {
    /// Looks once more at what may have been taken back while a session began or an operation
    /// waited.
    pub(crate) fn still_let_in(
        &self,
        principal: &Principal,
        login: &Login,
        resource: &ResourceName,
        grant: Option<&Grant>,
    ) -> Result<(), Refusal> {
        self.locks.check(principal, resource)?;
        let held = self.identity.check_logged_in(principal, login);
        held.map_err(|error| not_held(&error))?;
        match grant {
            Some(grant) if !self.grants.holds(grant.id, clock::unix_us()) => Err(over::grant_ended()),
            _ => Ok(()),
        }
    }
}

fn unanswered(approval: ApprovalId) -> Refusal {
    let message = format!("nobody has answered yet whether you may connect: approval {approval}");
    Refusal::new(Rule::ApprovalPending, Fault::Client, message)
        .hint("people have been asked; connect again once they agreed")
        .approval(approval)
}
