//! Asks people for grants, and makes grants of their answers.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use model::approval::{Case, Content, ContentHash, Standing, Subject};
use model::event::Event;
use model::grant::{GRANT_REASON_BYTES_MAX, GRANT_SECONDS_MAX, Terms};
use model::{
    ApprovalId, Facts, Fault, Grant, GrantId, OperationId, OperationKind, Principal, Refusal, ResourceName,
    Rule, StatementFacts, Verdict,
};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::{GRANTS_HELD_MAX, Grants};
use crate::approvals::{Approvals, Asked, Filter, Given, Kept, Question};
use crate::evidence::write_down;
use crate::locks::Locks;
use crate::policy::Policy;
use crate::services::random;
use crate::state::StateError;

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
        let imagined = Grant {
            id: GrantId::new(0, [0; 10]),
            approval: ApprovalId::new(0, [0; 10]),
            ..grant(by, resource, terms.clone(), "", now_us)
        };
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

    async fn give_now(&self, id: ApprovalId) -> Result<Arc<Grant>, Refusal> {
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
        write_down(&inner.journal, &Event::GrantGiven { grant })
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

impl Asking {
    fn content(&self, by: &Principal, resource: &ResourceName, terms: &Terms, reason: &str) -> ContentHash {
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

fn unavailable(id: ApprovalId) -> Refusal {
    Refusal::new(
        Rule::ApprovalUnavailable,
        Fault::Operator,
        format!("no grant could be made of approval {id}"),
    )
    .hint("ask again; the operator finds the reason in the gateway's log")
}

fn no_resource(resource: &ResourceName) -> Refusal {
    Refusal::new(
        Rule::PolicyDenied,
        Fault::Client,
        format!("no policy permits: ask for grant on \"{resource}\""),
    )
    .hint("ask the operator")
}
