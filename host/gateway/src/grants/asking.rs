//! Asks people for grants.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use model::approval::{Case, Content, ContentHash, Standing, Subject};
use model::grant::{GRANT_REASON_BYTES_MAX, GRANT_SECONDS_MAX, Terms};
use model::{
    ApprovalId, Facts, Fault, Grant, OperationKind, Principal, Refusal, ResourceName, Rule, StatementFacts,
    Verdict,
};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::Grants;
use super::giving::grant;
use crate::approvals::{Approvals, Asked, Filter, Question};
use crate::locks::Locks;
use crate::policy::Policy;

/// The kinds that a grant can be for, from harmless to grave.
const KINDS: [OperationKind; 4] = [
    OperationKind::Read,
    OperationKind::Write,
    OperationKind::Schema,
    OperationKind::Privilege,
];

/// The command by which policies know that whoever may not connect asks to.
const CONNECT: &str = "connect";

/// The protocol that policies are told: every resource speaks PostgreSQL so far.
const PROTOCOL: &str = "postgres";

/// What approvals are told instead: what is asked for is no operation of a session.
const GRANT: &str = "grant";

/// How many of a principal's denied questions are looked through for the same one.
const DENIED_MAX: usize = 32;

/// What asking for grants takes.
#[derive(Clone)]
pub struct Asking {
    /// Says who may ask for what.
    pub policy: Arc<Policy>,
    /// Asks people.
    pub approvals: Approvals,
    /// Whoever is shut out gets nothing.
    pub locks: Locks,
    /// How long things take on each resource, by its name.
    pub resources: HashMap<ResourceName, Times>,
}

/// How long things take on one resource.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Times {
    /// How long a question can be answered.
    pub decide_within: Duration,
    /// How long an answer can be used.
    pub use_within: Duration,
    /// How long a grant lasts that is asked for by connecting.
    pub grant_for: Duration,
}

/// What asking to connect came to.
#[derive(Clone, Debug)]
pub enum Connecting {
    /// People have been asked.
    Asked(ApprovalId),
    /// They had agreed before, and nothing had come of it: it holds from then on.
    Given(Arc<Grant>),
}

/// Everything that makes one asking another one, in a fixed order.
#[derive(Serialize)]
struct Wanted<'a> {
    resource: &'a ResourceName,
    terms: &'a Terms,
    reason: &'a str,
}

impl Grants {
    /// Asks people for a grant on `terms`. The same question is not asked twice: while it is
    /// open, its approval is found again.
    ///
    /// # Errors
    /// The refusal for whoever asks: policy does not let them, a reason is missing or too long,
    /// the terms are none that a grant can have, or approvals are not to be had.
    pub async fn request(
        &self,
        by: &Arc<Principal>,
        resource: &ResourceName,
        terms: Terms,
        reason: &str,
    ) -> Result<ApprovalId, Refusal> {
        let terms = terms.checked().map_err(|error| malformed(error.to_string()))?;
        let asking = &self.inner.asking;
        asking.locks.check(by, resource)?;
        let facts = terms.facts();
        let now = self.inner.clock.now_us() / 1_000_000;
        let verdict = asking.policy.request(by, resource, &[&facts], PROTOCOL, now);
        match self.put(by, resource, terms, reason, verdict).await? {
            Connecting::Asked(approval) => Ok(approval),
            Connecting::Given(grant) => Ok(grant.approval),
        }
    }

    /// Asks for a grant of everything that a principal who may not connect may ask for, for the
    /// resource's own time; `None` where it may not ask, or where a grant would not help.
    ///
    /// # Errors
    /// The refusal for the client: it must say why and connecting has no words for it, or
    /// approvals are not to be had.
    pub(crate) async fn ask_to_connect(
        &self,
        by: &Arc<Principal>,
        resource: &ResourceName,
    ) -> Result<Option<Connecting>, Refusal> {
        let Some((terms, verdict)) = self.connecting(by, resource) else {
            return Ok(None);
        };
        self.inner.asking.locks.check(by, resource)?;
        if let Some(refusal) = self.denied(by, resource, &terms).await {
            return Err(refusal);
        }
        self.put(by, resource, terms, "", verdict).await.map(Some)
    }

    /// Finds a "no" to the same question that is not older than a question lives: clients that
    /// connect again by themselves must not ask people again each time.
    async fn denied(&self, by: &Principal, resource: &ResourceName, terms: &Terms) -> Option<Refusal> {
        let asking = &self.inner.asking;
        let decide_within = asking.resources.get(resource)?.decide_within;
        let since_us = u64::try_from(decide_within.as_micros()).unwrap_or(u64::MAX);
        let since_us = self.inner.clock.now_us().saturating_sub(since_us);
        let filter = Filter {
            standing: vec![Standing::Denied],
            requester: Some(by.key()),
            resource: Some(resource.clone()),
            before: None,
            limit: Some(DENIED_MAX),
        };
        // Whoever cannot be told of an earlier answer asks again.
        let denied = asking.approvals.list(&filter).await.unwrap_or_default();
        let content = asking.content(by, resource, terms, "");
        let same = denied.into_iter().map(|kept| kept.approval).find(|approval| {
            let answered_us = approval.votes.last().map_or(0, |vote| vote.at_us);
            approval.content == content && answered_us >= since_us
        });
        same.map(|approval| approval.refusal(Standing::Denied))
    }

    fn connecting(&self, by: &Arc<Principal>, resource: &ResourceName) -> Option<(Terms, Verdict)> {
        let asking = &self.inner.asking;
        let now_us = self.inner.clock.now_us();
        let (policy, now) = (&asking.policy, now_us / 1_000_000);
        let times = asking.resources.get(resource)?;
        let may_ask = |wanted: &[&Facts]| policy.request(by, resource, wanted, PROTOCOL, now);
        let connect = Facts::of(StatementFacts {
            verb: CONNECT.to_owned(),
            ..StatementFacts::bare(OperationKind::Session)
        });
        let terms = |kinds| Terms {
            kinds,
            relations: Vec::new(),
            seconds: times.grant_for.as_secs().min(GRANT_SECONDS_MAX),
        };
        let askable = |kind: &OperationKind| {
            let facts = terms(BTreeSet::from([*kind])).facts();
            matches!(may_ask(&[&connect, &facts]), Verdict::Hold { .. })
        };
        let terms = terms(KINDS.into_iter().filter(askable).collect())
            .checked()
            .ok()?;
        let verdict = may_ask(&[&connect, &terms.facts()]);
        let imagined = grant(by, resource, terms.clone(), "", now_us);
        // Nobody is to think about what would change nothing.
        let helps = policy.connect(by, resource, PROTOCOL, now, &[Arc::new(imagined)]);
        matches!(helps.verdict, Verdict::Run { .. }).then_some((terms, verdict))
    }

    /// Puts the question to people, now that `verdict` lets it be asked.
    async fn put(
        &self,
        by: &Arc<Principal>,
        resource: &ResourceName,
        terms: Terms,
        reason: &str,
        verdict: Verdict,
    ) -> Result<Connecting, Refusal> {
        let asking = &self.inner.asking;
        let (policies, quorum, reason_required) = match verdict {
            Verdict::Hold {
                policies,
                quorum,
                reason_required,
            } => (policies, quorum, reason_required),
            Verdict::Refuse(refusal) => return Err(refusal),
            Verdict::Run { .. } => return Err(no_resource(resource)),
        };
        // Policies may speak of any resource; one that is not there looks like one that may
        // not be asked for.
        let times = *asking
            .resources
            .get(resource)
            .ok_or_else(|| no_resource(resource))?;
        let reason = reason.trim();
        if reason.len() > GRANT_REASON_BYTES_MAX {
            return Err(malformed(format!(
                "the reason is longer than {GRANT_REASON_BYTES_MAX} bytes"
            )));
        }
        if reason_required && reason.is_empty() {
            return Err(malformed(format!(
                "a grant on \"{resource}\" is not asked for without a reason"
            ))
            .hint(format!(
                "say why: tidegate request --resource {resource} --reason \"…\""
            )));
        }
        let question = Question {
            subject: Subject::Grant,
            content: asking.content(by, resource, &terms, reason),
            requester: Arc::clone(by),
            resource: resource.clone(),
            session: None,
            operation: None,
            quorum,
            case: case(by, resource, terms, reason, policies),
            decide_within: times.decide_within,
            use_within: times.use_within,
        };
        match asking.approvals.ask(question).await? {
            Asked::Waiting(waiting) => Ok(Connecting::Asked(waiting.id)),
            // Approved, but no grant could be made of it so far.
            Asked::Approved(id) => self.give_now(id).await.map(Connecting::Given),
        }
    }
}

impl Asking {
    pub(super) fn content(
        &self,
        by: &Principal,
        resource: &ResourceName,
        terms: &Terms,
        reason: &str,
    ) -> ContentHash {
        let wanted = Wanted {
            resource,
            terms,
            reason,
        };
        let delegation = by.delegation_keys();
        let content = Content {
            protocol: GRANT,
            // Plain data with text for keys: there is no way for it to fail.
            operation: &serde_json::to_vec(&wanted).unwrap_or_default(),
            runs: &[],
            binds: None,
            principal: &by.key(),
            delegation: &delegation,
            resource: resource.as_str(),
            policy: self.policy.hash(),
            surroundings: &[],
        };
        let mut hash = Sha256::new();
        content.feed(|part| hash.update(part));
        ContentHash(hash.finalize().into())
    }
}

fn case(by: &Principal, resource: &ResourceName, terms: Terms, reason: &str, policies: Vec<String>) -> Case {
    let kinds: Vec<&str> = terms.kinds.iter().map(|kind| kind.label()).collect();
    let (kinds, lasts) = (kinds.join(", "), lasts(terms.seconds));
    let relations = match &terms.relations[..] {
        [] => "all".to_owned(),
        named => named.join(", "),
    };
    Case {
        protocol: GRANT.to_owned(),
        title: format!("{} wants {kinds} on \"{resource}\" for {lasts}", by.key()),
        operation: format!("kinds: {kinds}\nrelations: {relations}\nlasts: {lasts}"),
        facts: terms.facts(),
        policies,
        reason: (!reason.is_empty()).then(|| reason.to_owned()),
        grant: Some(terms),
        ..Case::default()
    }
}

/// Says how long a grant lasts in the largest unit that is exact.
fn lasts(seconds: u64) -> String {
    match seconds {
        _ if seconds.is_multiple_of(3_600) => format!("{} h", seconds / 3_600),
        _ if seconds.is_multiple_of(60) => format!("{} min", seconds / 60),
        _ => format!("{seconds} s"),
    }
}

fn malformed(what: String) -> Refusal {
    Refusal::new(Rule::ApprovalUnavailable, Fault::Client, what)
}

fn no_resource(resource: &ResourceName) -> Refusal {
    Refusal::new(
        Rule::PolicyDenied,
        Fault::Client,
        format!("no policy permits: ask for grant on \"{resource}\""),
    )
    .hint("ask the operator")
}
