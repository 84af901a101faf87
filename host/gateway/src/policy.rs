//! Decides by the operator's Cedar policies: who may connect, run, ask, and see what.
//!
//! Denied is what no policy permits or any policy forbids. Cedar leaves out a policy that
//! fails while it is evaluated, a `forbid` too; here any such failure refuses instead.

mod advice;
mod approve;
mod asking;
mod connect;
mod context;
mod load;
mod names;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use cedar_policy::{
    Authorizer, Context, Decision, Entities, Entity, EntityUid, PolicySet, Request, RestrictedExpression,
};
use model::approval::Quorum;
use model::{
    Assessment, Facts, Fault, Grant, Principal, PrincipalKind, Refusal, ResourceName, Rule, Tag, Verdict,
};
use quick_cache::sync::Cache;

use crate::config::ConfigFaults;
use asking::Askings;
pub use connect::Connect;
use context::Types;
pub use names::Names;

/// The schema that policies are checked against, as published.
pub const SCHEMA: &str = include_str!("policy/tidegate.cedarschema");

/// How many principals are kept prepared; one costs some kilobytes.
const PRINCIPALS_KEPT: usize = 4_096;

/// A checked set of policies, ready to decide.
pub struct Policy {
    set: PolicySet,
    /// What the policies say about asking.
    askings: Askings,
    hash: String,
    types: Types,
    /// Every configured tag with its parents.
    tags: Entities,
    group_prefix: bool,
    uses_clock: bool,
    uses_grants: bool,
    authorizer: Authorizer,
    subjects: Cache<Principal, Arc<Subject>>,
}

/// One operation, as the policies are asked about it.
#[derive(Clone, Copy, Debug)]
pub struct Operation<'a> {
    /// On what.
    pub resource: &'a ResourceName,
    /// What the parser found.
    pub facts: &'a Facts,
    /// What the classifiers found.
    pub assessment: &'a Assessment,
    /// `postgres`, `http` or `ssh`.
    pub protocol: &'a str,
    /// The grant of this principal on this resource that holds and whose terms cover the facts
    /// ([`model::grant::Terms::cover`]), if there is one: policies see it.
    pub grant: Option<&'a Grant>,
}

/// A principal as the policies see it: built once, used for all its decisions.
struct Subject {
    uid: EntityUid,
    /// The principal, all its groups and all tags.
    entities: Entities,
}

impl Policy {
    /// Reads the policy files and checks every policy strictly against [`SCHEMA`] and against
    /// the configured `names`; warnings count as errors.
    ///
    /// # Errors
    /// Every fault of every file, with its line.
    pub fn load(files: &[PathBuf], names: &Names) -> Result<Self, ConfigFaults> {
        let loaded = load::load(files, names)?;
        let types = Types::new();
        let tags = tag_entities(&types, &names.tags);
        Ok(Self {
            uses_clock: load::reads(&loaded.set, "now"),
            uses_grants: load::reads(&loaded.set, "grant"),
            set: loaded.set,
            askings: loaded.askings,
            hash: loaded.hash,
            types,
            tags,
            group_prefix: names.identities.len() > 1,
            authorizer: Authorizer::new(),
            subjects: Cache::new(PRINCIPALS_KEPT),
        })
    }

    /// Returns the SHA-256 of the policy set and its schema, in hex.
    #[must_use]
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// Returns how many policies there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.set.num_of_policies()
    }

    /// Returns whether there are no policies, so that everything is refused.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.set.is_empty()
    }

    /// Returns whether a decision may change with time alone. If not, it can be kept for as
    /// long as everything else it was made from stays the same.
    #[must_use]
    pub const fn uses_clock(&self) -> bool {
        self.uses_clock
    }

    /// Returns whether a decision may change with the grants that hold.
    #[must_use]
    pub const fn uses_grants(&self) -> bool {
        self.uses_grants
    }

    /// Decides whether an operation runs now, after a human agreed, or not at all; `now` in
    /// seconds of Unix time.
    #[must_use]
    pub fn execute(&self, principal: &Principal, operation: &Operation<'_>, now: u64) -> Verdict {
        let Operation {
            resource,
            facts,
            assessment,
            protocol,
            grant,
        } = *operation;
        let target = self.types.resource(resource.as_str());
        let mut pairs = self.session(principal, protocol, now);
        if let Ok(pairs) = &mut pairs {
            match context::operation(facts) {
                Ok(operation) => pairs.push(("operation".to_owned(), operation)),
                Err(()) => return Verdict::Refuse(broken()),
            }
            pairs.extend(context::assessment(assessment));
            if let Some(grant) = grant {
                match context::grant(grant) {
                    Ok(grant) => pairs.push(("grant".to_owned(), grant)),
                    Err(()) => return Verdict::Refuse(broken()),
                }
            }
        }
        let context = match self.context(pairs) {
            Ok(context) => context,
            Err(refusal) => return Verdict::Refuse(refusal),
        };
        let forbidden = match self.ask(principal, &self.types.execute, &target, context.clone()) {
            Answer::Permitted(policies) => return Verdict::Run { policies },
            Answer::Denied(policies) => policies,
            Answer::Failed(refusal) => return Verdict::Refuse(refusal),
        };
        match self.ask(principal, &self.types.request, &target, context) {
            Answer::Permitted(policies) => self.hold(policies),
            Answer::Denied(also) => {
                let policies = forbidden.into_iter().chain(also).collect::<BTreeSet<_>>();
                let what = format!(
                    "{} on \"{resource}\" (kind {}, risk {})",
                    verbs(facts),
                    facts.kind().label(),
                    assessment.score
                );
                let policies = policies.into_iter().collect();
                Verdict::Refuse(self.denial(&self.types.execute, principal, &target, &what, policies))
            }
            Answer::Failed(refusal) => Verdict::Refuse(refusal),
        }
    }

    fn hold(&self, policies: Vec<String>) -> Verdict {
        match asking::required(&self.askings, &policies) {
            Some((quorum, reason_required)) => Verdict::Hold {
                policies,
                quorum,
                reason_required,
            },
            None => Verdict::Refuse(crowd(policies)),
        }
    }

    /// Returns those of `tags` whose data of `resource` the principal may see unmasked; `now`
    /// in seconds of Unix time. A tag that is not configured is never among them.
    ///
    /// # Errors
    /// A policy failed while it was evaluated; nothing may be shown then.
    pub fn reveals(
        &self,
        principal: &Principal,
        resource: &ResourceName,
        tags: &[Tag],
        protocol: &str,
        now: u64,
    ) -> Result<HashSet<Tag>, Refusal> {
        let mut pairs = self.session(principal, protocol, now);
        if let Ok(pairs) = &mut pairs {
            let source = RestrictedExpression::new_entity_uid(self.types.resource(resource.as_str()));
            pairs.push(("source".to_owned(), source));
        }
        let context = self.context(pairs)?;
        let mut revealed = HashSet::new();
        for tag in tags {
            let uid = self.types.tag(tag.as_str());
            // Without its parents in sight, a policy that forbids the parent would not apply.
            if self.tags.get(&uid).is_none() {
                continue;
            }
            match self.ask(principal, &self.types.reveal, &uid, context.clone()) {
                Answer::Permitted(_) => {
                    revealed.insert(tag.clone());
                }
                Answer::Denied(_) => {}
                Answer::Failed(refusal) => return Err(refusal),
            }
        }
        Ok(revealed)
    }

    fn session(&self, principal: &Principal, protocol: &str, now: u64) -> Result<context::Pairs, ()> {
        let mut pairs = vec![("session".to_owned(), context::session(principal, protocol)?)];
        // Reading a date costs more than all the rest; nobody misses one that nobody reads.
        if self.uses_clock {
            pairs.push(("now".to_owned(), context::datetime(now)));
        }
        Ok(pairs)
    }

    fn context(&self, pairs: Result<context::Pairs, ()>) -> Result<Context, Refusal> {
        let pairs = pairs.map_err(|()| broken())?;
        Context::from_pairs(pairs).map_err(|error| {
            tracing::error!(%error, "the policies' input could not be built");
            broken()
        })
    }

    fn ask_with(
        &self,
        principal: &Principal,
        action: &EntityUid,
        resource: &EntityUid,
        pairs: Result<context::Pairs, ()>,
    ) -> Answer {
        match self.context(pairs) {
            Ok(context) => self.ask(principal, action, resource, context),
            Err(refusal) => Answer::Failed(refusal),
        }
    }

    fn ask(
        &self,
        principal: &Principal,
        action: &EntityUid,
        resource: &EntityUid,
        context: Context,
    ) -> Answer {
        let Some(subject) = self.subject(principal) else {
            return Answer::Failed(broken());
        };
        self.decide(&subject.uid, action, resource, context, &subject.entities)
    }

    fn decide(
        &self,
        principal: &EntityUid,
        action: &EntityUid,
        resource: &EntityUid,
        context: Context,
        entities: &Entities,
    ) -> Answer {
        // Not validated once more against the schema: the context is built from types that
        // always fit it, which a test holds, and validation costs as much as the decision.
        let request = Request::new(principal.clone(), action.clone(), resource.clone(), context, None);
        let Ok(request) = request else {
            return Answer::Failed(broken());
        };
        let response = self.authorizer.is_authorized(&request, &self.set, entities);
        let failed: BTreeSet<String> = response
            .diagnostics()
            .errors()
            .map(|error| match error {
                cedar_policy::AuthorizationError::PolicyEvaluationError(error) => {
                    error.policy_id().to_string()
                }
            })
            .collect();
        if !failed.is_empty() {
            return Answer::Failed(policy_error(failed.into_iter().collect()));
        }
        let mut policies: Vec<String> = response.diagnostics().reason().map(ToString::to_string).collect();
        policies.sort_unstable();
        match response.decision() {
            Decision::Allow => Answer::Permitted(policies),
            Decision::Deny => Answer::Denied(policies),
        }
    }

    fn subject(&self, principal: &Principal) -> Option<Arc<Subject>> {
        if let Some(subject) = self.subjects.get(principal) {
            return Some(subject);
        }
        let subject = Arc::new(self.prepare(principal)?);
        self.subjects.insert(principal.clone(), Arc::clone(&subject));
        Some(subject)
    }

    fn prepare(&self, principal: &Principal) -> Option<Subject> {
        let uid = match principal.kind {
            PrincipalKind::Person => self.types.person(&principal.key()),
            PrincipalKind::Agent => self.types.agent(&principal.key()),
        };
        let groups = self.group_uids(principal);
        let own = person_or_agent(uid.clone(), principal, groups.clone())?;
        let groups = groups.into_iter().map(Entity::with_uid);
        let entities = self.tags.clone().add_entities(groups.chain([own]), None).ok()?;
        // A principal that is not there would be in no group: its `forbid`s would be gone.
        entities.get(&uid)?;
        Some(Subject { uid, entities })
    }

    fn group_uids(&self, principal: &Principal) -> HashSet<EntityUid> {
        let groups = principal.groups.iter();
        groups
            .map(|group| self.types.group(&self.group_id(principal, group)))
            .collect()
    }

    /// Returns a group's name as policies write it.
    fn group_id(&self, principal: &Principal, group: &str) -> String {
        if self.group_prefix {
            format!("{}/{group}", principal.identity)
        } else {
            group.to_owned()
        }
    }

    fn denial(
        &self,
        action: &EntityUid,
        principal: &Principal,
        resource: &EntityUid,
        what: &str,
        policies: Vec<String>,
    ) -> Refusal {
        let message = if policies.is_empty() {
            format!("no policy permits: {what}")
        } else {
            format!("forbidden by policy {}: {what}", policies.join(", "))
        };
        let hint = self
            .subject(principal)
            .map(|subject| advice::hint(&self.set, &subject, action, resource, &policies));
        let mut refusal = Refusal::new(Rule::PolicyDenied, Fault::Client, message);
        refusal.policies = policies;
        match hint {
            Some(hint) => refusal.hint(hint),
            None => refusal,
        }
    }
}

impl std::fmt::Debug for Policy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Policy")
            .field("policies", &self.len())
            .field("hash", &self.hash)
            .finish_non_exhaustive()
    }
}

/// What the policies say to one question.
enum Answer {
    /// Yes, by these.
    Permitted(Vec<String>),
    /// No: forbidden by these, or permitted by none.
    Denied(Vec<String>),
    /// Nothing that counts.
    Failed(Refusal),
}

fn person_or_agent(uid: EntityUid, principal: &Principal, groups: HashSet<EntityUid>) -> Option<Entity> {
    let text = |value: &str| RestrictedExpression::new_string(value.to_owned());
    let attributes = [
        ("issuer".to_owned(), text(&principal.issuer)),
        ("subject".to_owned(), text(&principal.subject)),
    ];
    Entity::new(uid, attributes.into(), groups).ok()
}

fn tag_entities(types: &Types, tags: &[Tag]) -> Entities {
    let mut names = BTreeSet::new();
    for tag in tags {
        names.extend(names::with_parents(tag.as_str()));
    }
    let entities = names.into_iter().map(|name| {
        let parent = name.rsplit_once('.').map(|(parent, _)| types.tag(parent));
        Entity::new_no_attrs(types.tag(name), parent.into_iter().collect())
    });
    Entities::from_entities(entities, None).expect("distinct names form a tree")
}

fn verbs(facts: &Facts) -> String {
    let verbs: BTreeSet<&str> = facts.statements.iter().map(|s| s.verb.as_str()).collect();
    if verbs.is_empty() {
        return "an empty query".to_owned();
    }
    let verbs: Vec<&str> = verbs.into_iter().take(VERBS_SHOWN).collect();
    verbs.join(", ")
}

/// How many commands a refusal names; a query may hold thousands.
const VERBS_SHOWN: usize = 5;

fn policy_error(policies: Vec<String>) -> Refusal {
    let message = format!(
        "a policy could not be evaluated, so nothing can be decided: {}",
        policies.join(", ")
    );
    let mut refusal = Refusal::new(Rule::PolicyError, Fault::Operator, message)
        .hint("ask the operator to correct the policy; tidegate explain shows the failure");
    refusal.policies = policies;
    refusal
}

/// The refusal where policies that each make sense ask for too many people together.
fn crowd(policies: Vec<String>) -> Refusal {
    let message = format!(
        "policies {} together ask for more than {} people, who never agree in time",
        policies.join(", "),
        Quorum::PERSONS_MAX
    );
    let mut refusal = Refusal::new(Rule::PolicyError, Fault::Operator, message)
        .hint("ask the operator for a smaller @quorum");
    refusal.policies = policies;
    refusal
}

fn broken() -> Refusal {
    Refusal::new(
        Rule::PolicyError,
        Fault::Gateway,
        "the policies could not be asked",
    )
    .hint("report this to the operator")
}
