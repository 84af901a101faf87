//! Tells whoever was refused what is allowed, and how to ask.

use cedar_policy::{ActionConstraint, Effect, EntityUid, PolicySet, PrincipalConstraint, ResourceConstraint};

use super::Subject;

/// The annotation with which a policy explains itself to those it refuses or could permit.
const ADVICE: &str = "advice";

/// How many pieces of advice a refusal carries.
const ADVICE_MAX: usize = 3;

/// Returns the hint of a refusal: the `@advice` of the policies that forbade it, or of those
/// that would permit it under their conditions.
pub(super) fn hint(
    set: &PolicySet,
    subject: &Subject,
    action: &EntityUid,
    resource: &EntityUid,
    forbidding: &[String],
) -> String {
    let verb = action.id().unescaped().to_owned();
    let advised: Vec<&str> = set
        .policies()
        .filter(|policy| forbidding.iter().any(|id| policy.id().to_string() == *id))
        .filter_map(|policy| policy.annotation(ADVICE))
        .collect();
    if !advised.is_empty() {
        return join(advised);
    }
    if !forbidding.is_empty() {
        return "the policy named here forbids it; ask the operator why".to_owned();
    }
    let mut conditional: Vec<_> = set
        .policies()
        .filter(|policy| policy.effect() == Effect::Permit)
        .filter(|policy| in_scope(policy, subject, action, resource))
        .collect();
    conditional.sort_by_cached_key(|policy| policy.id().to_string());
    let advised: Vec<&str> = conditional
        .iter()
        .filter_map(|policy| policy.annotation(ADVICE))
        .collect();
    if !advised.is_empty() {
        return join(advised);
    }
    if conditional.is_empty() {
        return format!(
            "ask the operator for a policy that permits you to {verb} on {}",
            named(resource)
        );
    }
    let ids: Vec<String> = conditional
        .iter()
        .take(ADVICE_MAX)
        .map(|policy| policy.id().to_string())
        .collect();
    format!(
        "you may {verb} on {} under the conditions of policy {}; ask the operator for more",
        named(resource),
        ids.join(", ")
    )
}

fn join(mut advised: Vec<&str>) -> String {
    advised.sort_unstable();
    advised.dedup();
    advised.truncate(ADVICE_MAX);
    advised.join("; ")
}

fn named(resource: &EntityUid) -> String {
    format!("\"{}\"", resource.id().unescaped())
}

/// Returns whether the head of `policy` fits, whatever its conditions say.
fn in_scope(
    policy: &cedar_policy::Policy,
    subject: &Subject,
    action: &EntityUid,
    resource: &EntityUid,
) -> bool {
    let within = |inner: &EntityUid, outer: &EntityUid| {
        inner == outer || subject.entities.is_ancestor_of(outer, inner)
    };
    let principal = &subject.uid;
    let principal_fits = match policy.principal_constraint() {
        PrincipalConstraint::Any => true,
        PrincipalConstraint::In(group) => within(principal, &group),
        PrincipalConstraint::Eq(uid) => *principal == uid,
        PrincipalConstraint::Is(kind) => *principal.type_name() == kind,
        PrincipalConstraint::IsIn(kind, group) => *principal.type_name() == kind && within(principal, &group),
    };
    let action_fits = match policy.action_constraint() {
        ActionConstraint::Any => true,
        ActionConstraint::In(actions) => actions.contains(action),
        ActionConstraint::Eq(uid) => *action == uid,
    };
    let resource_fits = match policy.resource_constraint() {
        ResourceConstraint::Any => true,
        ResourceConstraint::In(parent) => within(resource, &parent),
        ResourceConstraint::Eq(uid) => *resource == uid,
        ResourceConstraint::Is(kind) => *resource.type_name() == kind,
        ResourceConstraint::IsIn(kind, parent) => *resource.type_name() == kind && within(resource, &parent),
    };
    principal_fits && action_fits && resource_fits
}
