//! Makes votes of what channels bring: whose it is, whether it counts, what proves it.

use model::approval::VoteError;
use model::event::{ApprovalEvent, Carried, Event};
use model::{ApprovalId, Principal, Rule};
use plugin::{Decision, Update, Vote};
use sha2::{Digest as _, Sha256};

use super::super::answer::Cast;
use super::line::Line;
use crate::approvals::{AnswerError, Kept};
use crate::state::StateError;

/// How many answers that do not count are kept of one question and channel, each with up to
/// 16 KiB of evidence. Those of people who are configured are always heard.
const REFUSED_MAX: u64 = 32;

/// How often an answer is tried again that another one came in the way of.
const TRIES_MAX: u32 = 3;

/// An answer as a channel brought it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Brought<'a> {
    pub(crate) approval: ApprovalId,
    /// Who, as the outside system names them.
    pub(crate) said_by: &'a str,
    pub(crate) agrees: bool,
    pub(crate) evidence: &'a [u8],
    /// When it came in, in microseconds of Unix time.
    pub(crate) at_us: u64,
}

/// What became of an answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Told {
    /// It counts.
    Counted,
    /// It does not, and why.
    Refused(String),
}

impl Line {
    /// Takes in an update about a question that was put here; returns whether it could be kept.
    pub(super) async fn take(&self, update: Update) -> bool {
        let (agrees, vote) = match update.decision {
            Decision::Approved(vote) => (true, vote),
            Decision::Denied(vote) => (false, vote),
            Decision::Expired | Decision::Withdrawn => {
                tracing::warn!(
                    plugin = %self.plugin(), approval = update.approval_id,
                    "an outside system does not have a question any more; it stays open elsewhere"
                );
                return true;
            }
            Decision::Pending => return true,
        };
        let Some(approval) = ApprovalId::parse(&update.approval_id) else {
            return true;
        };
        match self.answer(approval, agrees, &vote).await {
            Ok(()) => true,
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::error!(error, plugin = %self.plugin(), %approval, "an answer cannot be kept");
                false
            }
        }
    }

    async fn answer(&self, approval: ApprovalId, agrees: bool, vote: &Vote) -> Result<(), AnswerError> {
        let _answering = self.answering.lock().await;
        let (inner, plugin) = (&self.footing.approvals.inner, self.plugin());
        let brought = Brought {
            approval,
            said_by: &vote.by,
            agrees,
            evidence: &vote.evidence,
            at_us: self.now_us(),
        };
        let before = inner
            .state
            .told_before(plugin, approval, &vote.by, agrees)
            .await?;
        if before == Some(Told::Counted) {
            return Ok(());
        }
        let known = self.config.users.contains_key(&vote.by);
        if !known && before.is_none() && inner.state.refused_answers(plugin, approval).await? >= REFUSED_MAX {
            tracing::warn!(%plugin, %approval, "too many answers of people nobody knows; one was dropped");
            return Ok(());
        }
        inner.state.save_answer(plugin, &brought).await?;
        let proof = hex::encode(Sha256::digest(&vote.evidence));
        let told = self.count(approval, agrees, vote, &proof).await?;
        if let Told::Refused(reason) = &told
            && before.as_ref() != Some(&told)
        {
            self.write_refusal(&brought, reason, &proof).await?;
        }
        inner.state.save_told(plugin, &brought, &told).await?;
        Ok(())
    }

    /// Has an answer counted, or says why it does not.
    async fn count(
        &self,
        approval: ApprovalId,
        agrees: bool,
        vote: &Vote,
        proof: &str,
    ) -> Result<Told, AnswerError> {
        let approvals = &self.footing.approvals;
        let Some(kept) = approvals.get(approval).await? else {
            return Ok(Told::Refused(AnswerError::NotFound.for_client()));
        };
        let voter = match self.voter(&vote.by).await? {
            Ok(voter) => voter,
            Err(reason) => return Ok(Told::Refused(reason)),
        };
        if let Err(refusal) = self.footing.locks.check(&voter, &kept.approval.resource) {
            return Ok(Told::Refused(refusal.message.into_owned()));
        }
        let mut tries = 0;
        loop {
            let cast = Cast {
                // What it is for never changes, and whoever answers there sees no revision.
                seen: None,
                voter: voter.clone(),
                agrees,
                comment: vote.comment.clone(),
                channel: self.plugin().as_str().to_owned(),
                carried: Some((vote.by.clone(), proof.to_owned())),
            };
            tries += 1;
            return match approvals.cast(approval, cast).await {
                Ok(_) => Ok(Told::Counted),
                Err(AnswerError::Changed) if tries < TRIES_MAX => continue,
                // It counted, and the gateway went down before it had noted that here.
                Err(AnswerError::Vote(VoteError::Twice)) if self.has(&kept, &voter, agrees) => {
                    Ok(Told::Counted)
                }
                Err(error) if is_passing(&error) => Err(error),
                Err(error) => Ok(Told::Refused(error.for_client())),
            };
        }
    }

    fn has(&self, kept: &Kept, voter: &Principal, agrees: bool) -> bool {
        let (by, channel) = (voter.key(), self.plugin().as_str());
        let mut votes = kept.approval.votes.iter();
        votes.any(|vote| vote.by == by && vote.channel == channel && vote.agrees == agrees)
    }

    /// Returns the principal that an outside name stands for, with the groups its last token
    /// had; or why there is none.
    async fn voter(&self, said_by: &str) -> Result<Result<Principal, String>, StateError> {
        let Some(user) = self.config.users.get(said_by) else {
            let reason = "the configuration does not say which principal that is";
            return Ok(Err(reason.to_owned()));
        };
        let key = format!("{}|{}", user.issuer, user.subject);
        let seen = self.footing.access.last_seen(&key).await?;
        let since_us = self
            .now_us()
            .saturating_sub(super::super::time::micros(self.config.seen_within));
        Ok(match seen {
            Some(seen) if seen.identity == user.identity && seen.last_us >= since_us => Ok(Principal {
                identity: user.identity.clone(),
                issuer: user.issuer.clone(),
                subject: user.subject.clone(),
                groups: seen.groups,
                kind: seen.kind,
                delegation: Vec::new(),
                client: None,
                token_id: None,
            }),
            _ => Err(format!(
                "{key} was not here in the last {} s, so nobody knows its groups",
                self.config.seen_within.as_secs()
            )),
        })
    }

    async fn write_refusal(
        &self,
        brought: &Brought<'_>,
        reason: &str,
        proof: &str,
    ) -> Result<(), AnswerError> {
        let user = self.config.users.get(brought.said_by);
        let by = user.map(|user| format!("{}|{}", user.issuer, user.subject));
        let event = Event::Approval(ApprovalEvent::VoteRefused {
            approval: brought.approval,
            channel: self.plugin().as_str(),
            carried: Carried {
                by: brought.said_by,
                evidence_sha256: proof,
            },
            by: by.as_deref(),
            agrees: brought.agrees,
            reason,
        });
        let inner = &self.footing.approvals.inner;
        Ok(inner.write(&[event], brought.at_us).await?)
    }
}

/// Whether the same answer may count when it comes again.
fn is_passing(error: &AnswerError) -> bool {
    match error {
        AnswerError::State(_) | AnswerError::Changed => true,
        AnswerError::NotAllowed(refusal) => refusal.rule == Rule::JournalUnavailable,
        AnswerError::NotFound | AnswerError::Vote(_) => false,
    }
}
