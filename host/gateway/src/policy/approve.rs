//! Decides who may answer what others ask for.

use std::collections::HashSet;

use cedar_policy::{
    ActionConstraint, Effect, Entities, Entity, EntityUid, PolicyId, PrincipalConstraint,
    RestrictedExpression,
};
use model::{Assessment, Facts, Fault, Principal, PrincipalKind, Refusal, ResourceName, Rule, Verdict};

use super::{Answer, Policy, broken, context, person_or_agent};

impl Policy {
    /// Decides whether `voter` may answer what `requester` asks on `resource`; `now` in seconds
    /// of Unix time.
    ///
    /// Whatever policies say, nobody answers for themselves nor for whoever they act for, and
    /// whoever acts for somebody else answers for nobody. An agent answers only where a policy
    /// that permits it has exactly that agent for its principal.
    #[must_use]
    pub fn approve(
        &self,
        voter: &Principal,
        requester: &Principal,
        resource: &ResourceName,
        facts: &Facts,
        assessment: &Assessment,
        now: u64,
    ) -> Verdict {
        if let Some(refusal) = ban(voter, requester) {
            return Verdict::Refuse(refusal);
        }
        let target = self.types.resource(resource.as_str());
        let answer = match self.question(requester, facts, assessment, now) {
            Ok(pairs) => self.ask_about(voter, requester, &target, pairs),
            Err(()) => Answer::Failed(broken()),
        };
        match answer {
            Answer::Permitted(policies) if self.names_voter(voter, &policies) => Verdict::Run { policies },
            Answer::Permitted(_) => Verdict::Refuse(
                Refusal::new(
                    Rule::PolicyDenied,
                    Fault::Client,
                    "an agent answers only where a policy names exactly that agent",
                )
                .hint("leave the answer to a person"),
            ),
            Answer::Denied(policies) => {
                let what = format!("approve on \"{resource}\"");
                Verdict::Refuse(self.denial(&self.types.approve, voter, &target, &what, policies))
            }
            Answer::Failed(refusal) => Verdict::Refuse(refusal),
        }
    }

    /// Returns those groups of a principal that count for a quorum, as policies write them.
    #[must_use]
    pub fn groups(&self, principal: &Principal) -> Vec<String> {
        let groups = principal.groups.iter();
        groups.map(|group| self.group_id(principal, group)).collect()
    }

    pub(super) fn question(
        &self,
        requester: &Principal,
        facts: &Facts,
        assessment: &Assessment,
        now: u64,
    ) -> Result<context::Pairs, ()> {
        let asker = RestrictedExpression::new_entity_uid(self.types.person(&requester.key()));
        let mut pairs = vec![
            ("requester".to_owned(), asker),
            ("operation".to_owned(), context::operation(facts)?),
        ];
        pairs.extend(context::assessment(assessment));
        if self.uses_clock {
            pairs.push(("now".to_owned(), context::datetime(now)));
        }
        Ok(pairs)
    }

    fn ask_about(
        &self,
        voter: &Principal,
        requester: &Principal,
        target: &EntityUid,
        pairs: context::Pairs,
    ) -> Answer {
        let Some(subject) = self.subject(voter) else {
            return Answer::Failed(broken());
        };
        let Some(entities) = self.with_requester(&subject.entities, requester) else {
            return Answer::Failed(broken());
        };
        match self.context(Ok(pairs)) {
            Ok(context) => self.decide(&subject.uid, &self.types.approve, target, context, &entities),
            Err(refusal) => Answer::Failed(refusal),
        }
    }

    /// Policies may look at the requester too, who is a person to them whatever they are.
    pub(super) fn with_requester(&self, entities: &Entities, requester: &Principal) -> Option<Entities> {
        let uid = self.types.person(&requester.key());
        let groups: HashSet<EntityUid> = self.group_uids(requester);
        let new = groups.iter().filter(|group| entities.get(group).is_none());
        let new: Vec<Entity> = new.cloned().map(Entity::with_uid).collect();
        let own = person_or_agent(uid.clone(), requester, groups)?;
        let entities = entities
            .clone()
            .add_entities(new.into_iter().chain([own]), None)
            .ok()?;
        // One that is not there would be in no group: `forbid`s about it would be gone.
        entities.get(&uid)?;
        Some(entities)
    }

    fn names_voter(&self, voter: &Principal, policies: &[String]) -> bool {
        if voter.kind == PrincipalKind::Person {
            return true;
        }
        let agent = self.types.agent(&voter.key());
        policies.iter().any(|id| {
            let policy = self.set.policy(&PolicyId::new(id));
            policy
                .is_some_and(|policy| policy.principal_constraint() == PrincipalConstraint::Eq(agent.clone()))
        })
    }
}

/// What no policy can permit.
fn ban(voter: &Principal, requester: &Principal) -> Option<Refusal> {
    let refuse = |what| {
        Refusal::new(Rule::PolicyDenied, Fault::Client, what).hint("leave the answer to somebody else")
    };
    if requester.involves(&voter.key()) {
        return Some(refuse(
            "nobody answers for what they, or whoever acts for them, asked",
        ));
    }
    let delegated = !voter.delegation.is_empty();
    delegated.then(|| refuse("whoever acts for somebody else answers for nobody"))
}

/// Returns what is wrong with a policy that lets agents approve without naming any: the host
/// would never follow it.
pub(super) fn check(policy: &cedar_policy::Policy) -> Option<(String, String)> {
    let approves = |action: &EntityUid| action.id().unescaped() == "approve";
    let about_approving = match policy.action_constraint() {
        ActionConstraint::Any => false,
        ActionConstraint::In(actions) => actions.iter().any(approves),
        ActionConstraint::Eq(action) => approves(&action),
    };
    let agents_only = match policy.principal_constraint() {
        PrincipalConstraint::Is(kind) | PrincipalConstraint::IsIn(kind, _) => kind.basename() == "Agent",
        PrincipalConstraint::Any | PrincipalConstraint::In(_) | PrincipalConstraint::Eq(_) => false,
    };
    let wrong = policy.effect() == Effect::Permit && about_approving && agents_only;
    wrong.then(|| {
        (
            "lets agents approve without naming one".to_owned(),
            "write principal == Agent::\"ISSUER|SUBJECT\", or permit persons".to_owned(),
        )
    })
}
