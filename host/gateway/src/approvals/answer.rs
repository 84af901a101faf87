//! Answers, and taking a question back.

use std::sync::Arc;

use model::approval::{Quorum, Standing, Subject, Vote, VoteError};
use model::event::{ApprovalEvent, Carried, Event};
use model::{ApprovalId, Fault, Principal, Refusal, Rule, Verdict};

use super::change::ended;
use super::{AnswerError, Approvals, Inner, Kept, complete};

/// How many people may agree without it being enough: those of other groups than the quorum
/// wants. Whoever says no is always heard.
const VOTES_MAX: usize = 64;

impl Approvals {
    /// Takes in an answer that came through `channel`, to the revision that was `seen`, if it
    /// says which. Durable, and written to the journal, when it returns; if it completes the
    /// agreement to a grant, the grant holds by then.
    ///
    /// # Errors
    /// It does not count, and why; nothing has changed then.
    pub async fn vote(
        &self,
        id: ApprovalId,
        seen: Option<u64>,
        voter: &Principal,
        agrees: bool,
        comment: &str,
        channel: &str,
    ) -> Result<Kept, AnswerError> {
        let cast = Cast {
            seen,
            voter: voter.clone(),
            agrees,
            comment: comment.to_owned(),
            channel: channel.to_owned(),
            carried: None,
        };
        self.cast(id, cast).await
    }

    /// As [`Self::vote`], with what an approver plugin brought.
    pub(super) async fn cast(&self, id: ApprovalId, cast: Cast) -> Result<Kept, AnswerError> {
        let inner = Arc::clone(&self.inner);
        complete(async move {
            let kept = inner.vote(id, cast).await?;
            if kept.approval.subject == Subject::Grant && kept.approval.standing == Standing::Approved {
                inner.give(id).await;
                return inner.state.approval(id).await?.ok_or(AnswerError::NotFound);
            }
            Ok(kept)
        })
        .await
    }

    /// Takes a question back: whoever asked it may, or acts for them.
    ///
    /// # Errors
    /// It is not theirs, or it is over already; nothing has changed then.
    pub async fn withdraw(&self, id: ApprovalId, by: &Principal) -> Result<Kept, AnswerError> {
        let (inner, by) = (Arc::clone(&self.inner), by.key());
        complete(async move { inner.withdraw(id, &by).await }).await
    }
}

impl Approvals {
    /// Withdraws everything open that `requester` (`issuer|subject`) has asked; returns how many.
    ///
    /// # Errors
    /// Some could not be withdrawn, the first reason; the others were.
    pub async fn withdraw_all(&self, requester: &str, reason: &'static str) -> Result<usize, AnswerError> {
        let inner = Arc::clone(&self.inner);
        let open = inner.open.of(requester);
        complete(async move {
            let (mut withdrawn, mut failed) = (0, None);
            for id in open {
                match inner.withdraw_gone(id, reason).await {
                    Ok(done) => withdrawn += usize::from(done),
                    Err(error) => failed = failed.or(Some(error)),
                }
            }
            failed.map_or(Ok(withdrawn), Err)
        })
        .await
    }
}

/// One person's answer as it came in.
pub(super) struct Cast {
    /// The revision of the approval that they looked at, if they say so.
    pub(super) seen: Option<u64>,
    pub(super) voter: Principal,
    pub(super) agrees: bool,
    pub(super) comment: String,
    pub(super) channel: String,
    /// Who it is of in the outside system's words, and the hash of what proves it.
    pub(super) carried: Option<(String, String)>,
}

impl Inner {
    async fn vote(&self, id: ApprovalId, cast: Cast) -> Result<Kept, AnswerError> {
        let (voter, agrees) = (&cast.voter, cast.agrees);
        let _turn = self.turn(id).await;
        let mut kept = self.state.approval(id).await?.ok_or(AnswerError::NotFound)?;
        let now_us = self.clock.now_us();
        if cast.seen.is_some_and(|seen| seen != kept.approval.revision) {
            return Err(AnswerError::Changed);
        }
        if let Verdict::Refuse(refusal) = self.judge(voter, &kept, now_us) {
            return Err(AnswerError::NotAllowed(refusal));
        }
        let approval = &mut kept.approval;
        if agrees && approval.votes.len() >= VOTES_MAX {
            return Err(AnswerError::NotAllowed(crowded()));
        }
        let vote = Vote {
            by: voter.key(),
            groups: counting(self.policy.groups(voter), &approval.quorum),
            agrees,
            comment: cast.comment,
            at_us: now_us,
            channel: cast.channel,
        };
        let (revision, session) = (approval.revision, approval.waiting);
        let standing = approval.vote(vote.clone(), now_us)?;
        let carried = cast.carried.as_ref();
        let mut events = vec![Event::Approval(ApprovalEvent::Vote {
            approval: id,
            by: &vote.by,
            channel: &vote.channel,
            agrees,
            comment: &vote.comment,
            session,
            standing,
            carried: carried.map(|(by, evidence_sha256)| Carried { by, evidence_sha256 }),
        })];
        if standing.is_final() {
            approval.waiting = None;
            events.push(ended(approval, "somebody said no", Some(&vote.by)));
        }
        self.keep(approval, revision, Some(&vote), &events, now_us)
            .await?;
        Ok(kept)
    }

    async fn withdraw(&self, id: ApprovalId, by: &str) -> Result<Kept, AnswerError> {
        let _turn = self.turn(id).await;
        let mut kept = self.state.approval(id).await?.ok_or(AnswerError::NotFound)?;
        let (now_us, approval) = (self.clock.now_us(), &mut kept.approval);
        if !approval.requester.involves(by) {
            return Err(AnswerError::NotAllowed(not_theirs()));
        }
        let (revision, standing) = (approval.revision, approval.standing_at(now_us));
        if standing.is_final() || !approval.withdraw() {
            return Err(VoteError::NotPending(standing).into());
        }
        let ended = ended(approval, "it was taken back", Some(by));
        self.keep(approval, revision, None, &[ended], now_us).await?;
        Ok(kept)
    }

    async fn withdraw_gone(&self, id: ApprovalId, reason: &str) -> Result<bool, AnswerError> {
        let _turn = self.turn(id).await;
        let Some(kept) = self.state.approval(id).await? else {
            return Ok(false);
        };
        let (mut approval, now_us) = (kept.approval, self.clock.now_us());
        let revision = approval.revision;
        if approval.standing_at(now_us).is_final() || !approval.withdraw() {
            return Ok(false);
        }
        approval.waiting = None;
        let ended = ended(&approval, reason, None);
        self.keep(&approval, revision, None, &[ended], now_us).await?;
        Ok(true)
    }
}

/// Those of a voter's groups that the quorum counts.
fn counting(groups: Vec<String>, quorum: &Quorum) -> Vec<String> {
    let counts = |group: &String| {
        quorum
            .shares
            .iter()
            .any(|share| share.group.as_ref() == Some(group))
    };
    groups.into_iter().filter(counts).collect()
}

fn crowded() -> Refusal {
    Refusal::new(
        Rule::ApprovalUnavailable,
        Fault::Client,
        format!("{VOTES_MAX} people have agreed, and none of those who are still needed"),
    )
    .hint("ask somebody of the groups it needs")
}

fn not_theirs() -> Refusal {
    Refusal::new(
        Rule::PolicyDenied,
        Fault::Client,
        "only whoever asked takes a question back",
    )
    .hint("deny it instead")
}
