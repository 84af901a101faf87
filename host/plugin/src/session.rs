//! Who acts on what, in the words of the contract. Made once per session.

use model::{Principal, PrincipalKind, ResourceName};

/// What plugins learn of a session.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct SessionInfo {
    /// `issuer|subject`.
    pub principal: String,
    /// `person` or `agent`.
    pub kind: &'static str,
    /// The token's groups, sorted.
    pub groups: Vec<String>,
    /// `issuer|subject` of each actor, the current one first.
    pub delegation: Vec<String>,
    /// The resource.
    pub resource: ResourceName,
    /// The resource's kind, e.g. `postgres`.
    pub protocol: &'static str,
}

impl SessionInfo {
    /// Describes a principal's session on a resource.
    #[must_use]
    pub fn new(principal: &Principal, resource: ResourceName, protocol: &'static str) -> Self {
        let actor = |actor: &model::Actor| {
            let issuer = actor.issuer.as_deref().unwrap_or_default();
            format!("{issuer}|{}", actor.subject)
        };
        Self {
            principal: principal.key(),
            kind: match principal.kind {
                PrincipalKind::Agent => "agent",
                PrincipalKind::Person => "person",
            },
            groups: principal.groups.clone(),
            delegation: principal.delegation.iter().map(actor).collect(),
            resource,
            protocol,
        }
    }
}
