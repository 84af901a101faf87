//! Decides who may open a session, with and without a grant, and who may ask for one.

use std::collections::BTreeSet;
use std::sync::Arc;

use model::{Assessment, Facts, Fault, Grant, Principal, Refusal, ResourceName, Rule, Verdict};

use super::{Answer, Policy, broken, context, verbs};

/// Whether a session may begin.
#[derive(Clone, Debug)]
pub struct Connect {
    /// [`Verdict::Run`] or [`Verdict::Refuse`].
    pub verdict: Verdict,
    /// The grant without which it would be refused: the session depends on it.
    pub grant: Option<Arc<Grant>>,
}

impl Policy {
    /// Decides whether `principal` may open a session; `now` in seconds of Unix time. `grants`
    /// are those of this principal on this resource that hold: they only matter where it may
    /// not connect without one, and the first that helps is the one the session depends on.
    #[must_use]
    pub fn connect(
        &self,
        principal: &Principal,
        resource: &ResourceName,
        protocol: &str,
        now: u64,
        grants: &[Arc<Grant>],
    ) -> Connect {
        let without = self.connect_with(principal, resource, protocol, now, None);
        let denied = |verdict: &Verdict| matches!(verdict, Verdict::Refuse(refusal) if refusal.rule == Rule::PolicyDenied);
        // A policy that could not be evaluated is not mended by a grant.
        let helps = |grant: &&Arc<Grant>| {
            let with = self.connect_with(principal, resource, protocol, now, Some(grant));
            matches!(with, Verdict::Run { .. })
        };
        match grants.iter().find(|grant| denied(&without) && helps(grant)) {
            None => Connect {
                verdict: without,
                grant: None,
            },
            Some(grant) => Connect {
                verdict: self.connect_with(principal, resource, protocol, now, Some(grant)),
                grant: Some(Arc::clone(grant)),
            },
        }
    }

    fn connect_with(
        &self,
        principal: &Principal,
        resource: &ResourceName,
        protocol: &str,
        now: u64,
        grant: Option<&Grant>,
    ) -> Verdict {
        let target = self.types.resource(resource.as_str());
        let mut pairs = self.session(principal, protocol, now);
        if let (Ok(pairs), Some(grant)) = (&mut pairs, grant) {
            match context::grant(grant) {
                Ok(grant) => pairs.push(("grant".to_owned(), grant)),
                Err(()) => return Verdict::Refuse(broken()),
            }
        }
        match self.ask_with(principal, &self.types.connect, &target, pairs) {
            Answer::Permitted(policies) => Verdict::Run { policies },
            Answer::Denied(policies) => {
                let what = format!("connect to \"{resource}\"");
                Verdict::Refuse(self.denial(&self.types.connect, principal, &target, &what, policies))
            }
            Answer::Failed(refusal) => Verdict::Refuse(refusal),
        }
    }

    /// Decides whether `principal` may ask people for all of `wanted`: [`Verdict::Hold`] with
    /// everything that any of the policies requires that permit it, or [`Verdict::Refuse`].
    /// `now` in seconds of Unix time. Whether it may be done without asking is no matter here.
    #[must_use]
    pub fn request(
        &self,
        principal: &Principal,
        resource: &ResourceName,
        wanted: &[&Facts],
        protocol: &str,
        now: u64,
    ) -> Verdict {
        let target = self.types.resource(resource.as_str());
        let mut permitting = BTreeSet::new();
        for facts in wanted {
            let mut pairs = self.session(principal, protocol, now);
            if let Ok(pairs) = &mut pairs {
                match context::operation(facts) {
                    Ok(operation) => pairs.push(("operation".to_owned(), operation)),
                    Err(()) => return Verdict::Refuse(broken()),
                }
                pairs.extend(context::assessment(&Assessment::default()));
            }
            match self.ask_with(principal, &self.types.request, &target, pairs) {
                Answer::Permitted(policies) => permitting.extend(policies),
                Answer::Denied(policies) => {
                    let kind = facts.kind().label();
                    let what = format!("ask for {} on \"{resource}\" (kind {kind})", verbs(facts));
                    let refusal = self.denial(&self.types.request, principal, &target, &what, policies);
                    return Verdict::Refuse(refusal);
                }
                Answer::Failed(refusal) => return Verdict::Refuse(refusal),
            }
        }
        if permitting.is_empty() {
            let refusal = Refusal::new(Rule::PolicyDenied, Fault::Client, "nothing is asked for");
            return Verdict::Refuse(refusal);
        }
        self.hold(permitting.into_iter().collect())
    }
}
