//! A request or command that waits for people: bounded, because clients give up; after that it is
//! answered with the approval's id, and the same, sent again, runs once they agreed.

use std::sync::Arc;

use model::approval::{Case, Content, ContentHash, OPERATION_BYTES_MAX, Standing, Subject};
use model::{ApprovalId, Fault, OperationId, Refusal, Rule, Verdict};
use proto::session::{Answer, Road, Waiting};
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use crate::approvals::{Approvals, Asked, Left, Question};
use crate::clock;
use crate::gate::{JudgedPlain, Plain};
use crate::stay::Stay;

/// A request or command as people decide about it.
pub(crate) struct Asking<'a> {
    pub(crate) stay: &'a Arc<Stay>,
    pub(crate) operation: OperationId,
    /// What people are shown.
    pub(crate) shown: String,
    /// What it is, in its one form: of a request method, target and the headers that count.
    pub(crate) head: Vec<u8>,
    /// The body of a request as it goes upstream; `None` where there is no such thing.
    pub(crate) body: Option<&'a [u8]>,
    /// The approval that the client names.
    pub(crate) claimed: Option<ApprovalId>,
}

/// A session that waits, and does not any more when this is dropped: the client is gone.
struct Waiter {
    approvals: Approvals,
    approval: ApprovalId,
    stay: Arc<Stay>,
    left: Left,
}

impl Drop for Waiter {
    fn drop(&mut self) {
        let (approvals, approval, left) = (self.approvals.clone(), self.approval, self.left);
        let session = self.stay.asker.session;
        self.stay.status.hold(None);
        tokio::spawn(async move { approvals.leave(approval, session, left).await });
    }
}

impl Asking<'_> {
    /// Takes the held operation of `road` through: asks, waits, and uses the approval up. `again`
    /// judges it once more; `waits` is told the approval that people are asked for, if they are.
    pub(crate) async fn settle(
        &self,
        road: &mut Road<Plain>,
        asked_by: &Arc<JudgedPlain>,
        again: impl Fn() -> Arc<JudgedPlain>,
        waits: impl FnOnce(ApprovalId),
    ) {
        let Waiting::Approval { until_us, .. } = road.waiting() else {
            return;
        };
        let answer = self.answer(road, asked_by, (again, waits), until_us).await;
        match answer {
            Some(answer) => road.answer(answer, clock::unix_us()),
            None => road.tick(until_us),
        }
    }

    /// Returns the answer; `None` when the time is over.
    async fn answer(
        &self,
        road: &mut Road<Plain>,
        asked_by: &Arc<JudgedPlain>,
        (again, waits): (impl Fn() -> Arc<JudgedPlain>, impl FnOnce(ApprovalId)),
        until_us: u64,
    ) -> Option<Answer<Plain>> {
        let approvals = &self.stay.services.approvals;
        let content = self.content();
        if let Err(refusal) = self.check_claim(content).await {
            return Some(Answer::Refuse(refusal));
        }
        let asked = match approvals.ask(self.question(asked_by, content)).await {
            Ok(asked) => asked,
            Err(refusal) => return Some(Answer::Refuse(refusal)),
        };
        let (approval, waiting) = match asked {
            Asked::Approved(approval) => (approval, None),
            Asked::Waiting(waiting) => (waiting.id, Some(waiting)),
        };
        road.asked(approval);
        let mut waiter = Waiter {
            approvals: approvals.clone(),
            approval,
            stay: Arc::clone(self.stay),
            left: Left::Gone,
        };
        if let Some(mut waiting) = waiting {
            self.stay.status.hold(Some(approval));
            waits(approval);
            let left = until_us.saturating_sub(clock::unix_us());
            let end = Instant::now() + std::time::Duration::from_micros(left);
            let ended = self.stay.ended();
            let standing = tokio::select! {
                standing = waiting.decided() => standing,
                () = tokio::time::sleep_until(end) => {
                    waiter.left = Left::TimedOut;
                    return None;
                }
                () = ended.cancelled() => return Some(Answer::Refuse(self.stay.ending())),
            };
            if standing != Standing::Approved {
                return Some(Answer::Refuse(approvals.refusal(approval).await));
            }
        }
        let logins = &self.stay.services.logins;
        if let Err(refusal) = logins
            .still_hold(&self.stay.login, &self.stay.asker.principal)
            .await
        {
            // What people agreed to can be sent again, by whoever is known again.
            waiter.left = Left::TimedOut;
            return Some(Answer::Refuse(refusal));
        }
        if let Err(refusal) = self.stay.still_let_in() {
            return Some(Answer::Refuse(refusal));
        }
        let judged = again();
        if needs_changed(asked_by, &judged) {
            return Some(Answer::Refuse(changed()));
        }
        if let Verdict::Refuse(refusal) = &judged.verdict {
            return Some(Answer::Refuse(refusal.clone()));
        }
        match approvals.consume(approval, content, self.operation).await {
            Ok(()) => Some(Answer::Release { approval, judged }),
            Err(refusal) => Some(Answer::Refuse(refusal)),
        }
    }

    /// Returns what exactly an approval of the request is for.
    fn content(&self) -> ContentHash {
        let (services, principal) = (&self.stay.services, &self.stay.asker.principal);
        let content = Content {
            protocol: self.stay.ground.protocol,
            operation: &self.head,
            runs: &[],
            binds: self.body,
            principal: &principal.key(),
            delegation: &principal.delegation_keys(),
            resource: self.stay.ground.resource.as_str(),
            policy: services.gate.policy.hash(),
            surroundings: &[],
        };
        let mut hash = Sha256::new();
        content.feed(|part| hash.update(part));
        ContentHash(hash.finalize().into())
    }

    /// A client that names an approval means the request that it was given for, and nobody is
    /// asked about another one.
    async fn check_claim(&self, content: ContentHash) -> Result<(), Refusal> {
        let Some(claimed) = self.claimed else {
            return Ok(());
        };
        let own = self.stay.asker.principal.key();
        let known = self.stay.services.approvals.get(claimed).await.ok().flatten();
        let known = known.map(|kept| kept.approval);
        match known.filter(|approval| approval.requester.key() == own && approval.content == content) {
            Some(approval) => {
                let standing = approval.standing_at(clock::unix_us());
                if standing.is_final() {
                    return Err(approval.refusal(standing));
                }
                Ok(())
            }
            None => {
                let message = format!("approval {claimed} is not for this request");
                Err(Refusal::new(Rule::ApprovalDenied, Fault::Client, message)
                    .hint("send exactly the request it was asked for, or leave the header out to ask anew"))
            }
        }
    }

    fn question(&self, judged: &JudgedPlain, content: ContentHash) -> Question {
        let ground = &self.stay.ground;
        let asker = &self.stay.asker;
        let Plain { facts, assessment } = &judged.analysis;
        let (policies, quorum) = match &judged.verdict {
            Verdict::Hold { policies, quorum, .. } => (policies.clone(), quorum.clone()),
            Verdict::Run { .. } | Verdict::Refuse(_) => Default::default(),
        };
        let end = self.shown.floor_char_boundary(OPERATION_BYTES_MAX);
        let names = facts.statements.iter().flat_map(|statement| {
            let relations = statement.relations.iter();
            relations.map(move |relation| format!("{} {}", statement.verb, relation.name))
        });
        let names: Vec<String> = names.take(NAMES_SHOWN).collect();
        let case = Case {
            protocol: ground.protocol.to_owned(),
            title: format!(
                "{} on {} by {}",
                names.join(", "),
                ground.resource,
                asker.principal.subject
            ),
            operation: self.shown[..end].to_owned(),
            cut: end < self.shown.len(),
            binds: Vec::new(),
            settings: Vec::new(),
            facts: facts.clone(),
            assessment: assessment.clone(),
            tags: facts.tags(),
            policies,
            transaction_open: false,
            estimated_rows: None,
            reason: None,
            grant: None,
        };
        Question {
            subject: Subject::Operation,
            content,
            requester: Arc::clone(&asker.principal),
            resource: ground.resource.clone(),
            session: Some(asker.session),
            operation: Some(self.operation),
            quorum,
            case,
            decide_within: ground.decide_within,
            use_within: ground.use_within,
        }
    }
}

/// How many things the title names.
const NAMES_SHOWN: usize = 3;

/// Whether people were asked by other facts than hold now, or fewer of them.
fn needs_changed(asked: &JudgedPlain, now: &JudgedPlain) -> bool {
    let quorum = |judged: &JudgedPlain| match &judged.verdict {
        Verdict::Hold { quorum, .. } => Some(quorum.clone()),
        Verdict::Run { .. } | Verdict::Refuse(_) => None,
    };
    let more = quorum(now).is_some_and(|now| quorum(asked) != Some(now));
    more || asked.analysis.facts != now.analysis.facts
}

fn changed() -> Refusal {
    Refusal::new(
        Rule::ApprovalDenied,
        Fault::Operator,
        "what people agreed to is not what would run now",
    )
    .hint("send it again to ask anew")
}
