//! What a policy that lets somebody ask says about the asking: `@quorum("2 of dba")` and
//! `@reason("required")`.

use std::collections::HashMap;

use cedar_policy::{ActionConstraint, Effect, Policy};
use model::approval::Quorum;

use super::Names;

/// How many of whom must agree.
const QUORUM: &str = "quorum";

/// Whether whoever asks must say why.
const REASON: &str = "reason";

/// The only thing `@reason` can say.
const REQUIRED: &str = "required";

/// Every annotation that means something. Any other is a fault: a `@quorom` that nobody reads
/// would let one person do what two were meant to.
const KNOWN: &[&str] = &["id", "advice", QUORUM, REASON];

/// What one policy says about the asking that it permits.
#[derive(Clone, Debug, Default)]
pub(super) struct Asking {
    quorum: Option<Quorum>,
    reason_required: bool,
}

/// What each policy that says something about asking says, by its id.
pub(super) type Askings = HashMap<String, Asking>;

/// Reads the annotations of `policy`; the problems with them, each with its remedy, are added
/// to `wrong`. `None` if it says nothing about asking.
pub(super) fn read(policy: &Policy, names: &Names, wrong: &mut Vec<(String, String)>) -> Option<Asking> {
    for (name, _) in policy.annotations() {
        if !KNOWN.contains(&name) {
            let what = format!("@{name} means nothing");
            let remedy = format!(
                "known here: @{}; write anything else as a comment",
                KNOWN.join(", @")
            );
            wrong.push((what, remedy));
        }
    }
    let (quorum, reason) = (policy.annotation(QUORUM), policy.annotation(REASON));
    if quorum.is_none() && reason.is_none() {
        return None;
    }
    if !permits_asking(policy) {
        let what = format!(
            "@{QUORUM} and @{REASON} say how something is asked for, and this policy permits no asking"
        );
        let remedy = "put them on a permit for Action::\"request\"";
        wrong.push((what, remedy.to_owned()));
    }
    if reason.is_some_and(|reason| reason != REQUIRED) {
        let remedy = format!("write @{REASON}(\"{REQUIRED}\"), or take it out");
        wrong.push((format!("@{REASON} is not \"{REQUIRED}\""), remedy));
    }
    let quorum = quorum.and_then(|text| match Quorum::parse(text) {
        Ok(quorum) => {
            let groups = quorum.shares.iter().filter_map(|share| share.group.as_deref());
            wrong.extend(groups.filter_map(|group| names.unprefixed(group)));
            Some(quorum)
        }
        Err(problem) => {
            let remedy = "write e.g. \"2\", \"2 of dba\" or \"1 of dba, 1 of security\"";
            wrong.push((format!("@{QUORUM}(\"{text}\") {problem}"), remedy.to_owned()));
            None
        }
    });
    Some(Asking {
        quorum,
        reason_required: reason.is_some(),
    })
}

fn permits_asking(policy: &Policy) -> bool {
    let asks = |action: &cedar_policy::EntityUid| action.id().unescaped() == "request";
    let action_fits = match policy.action_constraint() {
        ActionConstraint::Any => true,
        ActionConstraint::In(actions) => actions.iter().any(asks),
        ActionConstraint::Eq(action) => asks(&action),
    };
    action_fits && policy.effect() == Effect::Permit
}

/// Returns what must be true before an operation that `policies` let somebody ask for may run:
/// everything that any of them says. Where none names a quorum, one person is enough; `None`
/// where they ask for more people together than ever answer.
pub(super) fn required(askings: &Askings, policies: &[String]) -> Option<(Quorum, bool)> {
    let mut quorum: Option<Quorum> = None;
    let mut reason_required = false;
    for asking in policies.iter().filter_map(|id| askings.get(id)) {
        reason_required |= asking.reason_required;
        match (&mut quorum, &asking.quorum) {
            (Some(quorum), Some(other)) => quorum.require(other),
            (None, Some(first)) => quorum = Some(first.clone()),
            (_, None) => {}
        }
    }
    let quorum = quorum.unwrap_or_default();
    (quorum.persons() <= Quorum::PERSONS_MAX).then_some((quorum, reason_required))
}
