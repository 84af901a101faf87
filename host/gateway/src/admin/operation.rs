//! The one way in which somebody does something to the gateway itself, through whichever door.
//!
//! Like every operation it is judged by the policies, as `execute` on the resource `tidegate`,
//! and written down: what is about to happen before it happens, and how it ended.

use std::future::Future;

use journal::Journal;
use model::event::{DoorIntent, DoorOutcome, Judged, Judgement};
use model::{
    Access, Assessment, Facts, Fault, OperationId, OperationKind, Principal, Refusal, RelationUse,
    ResourceName, Rule, StatementFacts, Verdict,
};
use sha2::{Digest as _, Sha256};

use super::problem::Problem;
use crate::clock;
use crate::policy::Operation;
use crate::services::{Services, random};

/// What the journal names as the policy where no policy is needed: what is somebody's own.
const OWN: &str = "tidegate.own";

/// Where somebody came in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Door {
    /// The HTTP API, and the command line over it.
    Api,
    /// The pages.
    Console,
}

impl Door {
    /// Returns the protocol's name in policies and the journal.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Console => "console",
        }
    }
}

/// What somebody wants to do.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Deed {
    /// What policies see as `context.operation.verbs`, e.g. `read recording`.
    pub(crate) verb: &'static str,
    /// [`OperationKind::Read`], `Write`, or `Privilege` for what opens or shuts doors to others.
    pub(crate) kind: OperationKind,
    /// What it is done to, e.g. `session/<id>`: the one of `context.operation.relations`.
    pub(crate) object: String,
    /// All of it in words, for the journal.
    pub(crate) text: String,
}

impl Deed {
    /// Somebody looks at something.
    pub(crate) fn read(verb: &'static str, object: impl Into<String>) -> Self {
        let object = object.into();
        Self {
            verb,
            kind: OperationKind::Read,
            // "list locks" says it all.
            text: if verb.contains(&object) {
                verb.to_owned()
            } else {
                format!("{verb} {object}")
            },
            object,
        }
    }

    fn facts(&self) -> Facts {
        let writes = self.kind > OperationKind::Read;
        Facts::of(StatementFacts {
            verb: self.verb.to_owned(),
            nested: Vec::new(),
            kind: self.kind,
            writes,
            utility: false,
            relations: vec![RelationUse {
                schema: None,
                name: self.object.clone(),
                access: if writes { Access::Write } else { Access::Read },
                tags: Vec::new(),
            }],
            columns: Vec::new(),
            functions: Vec::new(),
            predicates: Vec::new(),
            has_where: true,
            limit: None,
        })
    }
}

/// Has a deed judged; writes nothing down.
pub(crate) fn judge(services: &Services, doer: &Principal, door: Door, deed: &Deed) -> Verdict {
    let operation = Operation {
        resource: &ResourceName::new(ResourceName::GATEWAY),
        facts: &deed.facts(),
        assessment: &Assessment::default(),
        protocol: door.label(),
        grant: None,
    };
    let verdict = services
        .gate
        .policy
        .execute(doer, &operation, clock::unix_seconds());
    match verdict {
        Verdict::Hold { policies, .. } => {
            let mut refusal = Refusal::new(
                Rule::PolicyDenied,
                Fault::Operator,
                format!(
                    "policy lets you ask for approval to {}, but the gateway's own doors wait for none",
                    deed.verb
                ),
            )
            .hint("ask the operator for a policy that permits you to execute it");
            refusal.policies = policies;
            Verdict::Refuse(refusal)
        }
        other => other,
    }
}

/// Whether policy lets somebody do this.
pub(crate) fn may(services: &Services, doer: &Principal, door: Door, deed: &Deed) -> bool {
    matches!(judge(services, doer, door, deed), Verdict::Run { .. })
}

/// Has a deed judged and written down, does it, and writes down how it ended.
///
/// # Errors
/// Policy refuses it, it cannot be written down, or the work failed.
pub(crate) async fn perform<T, F>(
    services: &Services,
    doer: &Principal,
    door: Door,
    deed: Deed,
    work: F,
) -> Result<T, Problem>
where
    F: Future<Output = Result<T, Problem>>,
{
    let running = begin(services, doer, door, &deed).await?;
    running.carry_out(work).await
}

/// Does the same with what is somebody's own: nobody's policy is asked.
///
/// # Errors
/// It cannot be written down, or the work failed.
pub(crate) async fn perform_own<T, F>(
    services: &Services,
    doer: &Principal,
    door: Door,
    deed: Deed,
    work: F,
) -> Result<T, Problem>
where
    F: Future<Output = Result<T, Problem>>,
{
    let verdict = Verdict::Run {
        policies: vec![OWN.to_owned()],
    };
    let running = write(services, doer, door, &deed, &verdict).await?;
    running.carry_out(work).await
}

/// Lists things that are each somebody's: those of the principal that is asked for, or all, for
/// whoever may list all; else the lister's own, and of anybody else's none. `page` returns those
/// of a principal (`issuer|subject`), or all.
///
/// # Errors
/// It cannot be written down, or the work failed.
pub(crate) async fn list_of<T, F>(
    services: &Services,
    lister: &Principal,
    door: Door,
    deed: Deed,
    asked: Option<&str>,
    page: impl FnOnce(Option<String>) -> F,
) -> Result<T, Problem>
where
    T: Default,
    F: Future<Output = Result<T, Problem>>,
{
    if may(services, lister, door, &deed) {
        let page = page(asked.map(str::to_owned));
        return perform(services, lister, door, deed, page).await;
    }
    let own = lister.key();
    if asked.is_some_and(|asked| asked != own) {
        return Ok(T::default());
    }
    perform_own(services, lister, door, deed, page(Some(own))).await
}

/// Has a deed judged and written down. What it returns must be ended.
///
/// # Errors
/// Policy refuses it, or it cannot be written down.
pub(crate) async fn begin(
    services: &Services,
    doer: &Principal,
    door: Door,
    deed: &Deed,
) -> Result<Running, Problem> {
    let verdict = judge(services, doer, door, deed);
    services.meters.judged(&verdict);
    let running = write(services, doer, door, deed, &verdict).await?;
    match verdict {
        Verdict::Refuse(refusal) => {
            running.refused();
            Err(refusal.into())
        }
        Verdict::Run { .. } | Verdict::Hold { .. } => Ok(running),
    }
}

async fn write(
    services: &Services,
    doer: &Principal,
    door: Door,
    deed: &Deed,
    verdict: &Verdict,
) -> Result<Running, Problem> {
    let operation = OperationId::new(clock::unix_us() / 1000, random());
    let judgement = Judgement::render(Judged {
        statement: &deed.text,
        statement_sha256: &hex::encode(Sha256::digest(&deed.text)),
        facts: &deed.facts(),
        assessment: &Assessment::default(),
        verdict,
        policy: services.gate.policy.hash(),
    });
    let intent = DoorIntent {
        operation,
        door: door.label(),
        principal: doer,
        judgement: &judgement,
    };
    let begun_us = clock::unix_us();
    let unwritable = |error: &dyn std::error::Error| {
        tracing::error!(%error, %operation, "an operation on the gateway could not be written down");
        Problem::from(proto::session::journal_unavailable())
    };
    let ticket = services
        .journal
        .append(|out| intent.encode(begun_us, out))
        .map_err(|error| unwritable(&error))?;
    let durable = services.journal.durable(ticket).await;
    durable.map_err(|error| unwritable(&error))?;
    Ok(Running {
        journal: services.journal.clone(),
        operation,
        door,
        begun_us,
        ended: false,
    })
}

/// An operation that was written down and has not ended. Dropped without an end, nobody knows
/// what became of it, and the journal says so.
#[derive(Debug)]
#[must_use]
pub(crate) struct Running {
    journal: Journal,
    operation: OperationId,
    door: Door,
    begun_us: u64,
    ended: bool,
}

impl Running {
    /// Writes down how it ended.
    pub(crate) fn end(mut self, well: bool) {
        self.write(if well { "ok" } else { "error" });
    }

    async fn carry_out<T>(self, work: impl Future<Output = Result<T, Problem>>) -> Result<T, Problem> {
        let done = work.await;
        self.end(done.is_ok());
        done
    }

    /// What was refused was never going to run: it has no outcome.
    fn refused(mut self) {
        self.ended = true;
    }

    fn write(&mut self, result: &'static str) {
        self.ended = true;
        let now_us = clock::unix_us();
        let outcome = DoorOutcome {
            operation: self.operation,
            door: self.door.label(),
            result,
            took_us: now_us.saturating_sub(self.begun_us),
        };
        if let Err(error) = self.journal.append(|out| outcome.encode(now_us, out)) {
            tracing::error!(%error, operation = %self.operation, "an outcome could not be written");
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.ended {
            self.write("lost");
        }
    }
}

/// Carries work to its end even if whoever asked for it leaves meanwhile: a revocation half done
/// is none.
///
/// # Errors
/// Those of the work; or it broke down.
pub(crate) async fn to_its_end<T: Send + 'static>(
    work: impl Future<Output = Result<T, Problem>> + Send + 'static,
) -> Result<T, Problem> {
    match tokio::spawn(work).await {
        Ok(done) => done,
        Err(error) => Err(Problem::broken("the work broke down half-way", &error)),
    }
}
