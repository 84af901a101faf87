//! Which policies open the gateway's own doors.
//!
//! What is done through the API or the console is an operation on the resource `tidegate`.
//! A policy written with databases in mind, "whoever reads may read everywhere", must not hand
//! out recordings and the journal: a `permit` counts here only if its head names the resource.
//! Every `forbid` counts.

use cedar_policy::{Effect, EntityUid, PolicySet, ResourceConstraint};

/// Returns those of `set` that decide about `own`, the gateway itself.
pub(super) fn policies(set: &PolicySet, own: &EntityUid) -> PolicySet {
    let counts = |policy: &&cedar_policy::Policy| {
        policy.effect() == Effect::Forbid
            || matches!(policy.resource_constraint(), ResourceConstraint::Eq(named) if named == *own)
    };
    PolicySet::from_policies(set.policies().filter(counts).cloned()).expect("a part of a set has no id twice")
}
