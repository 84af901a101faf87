//! One question put to humans, from asking to its single use.
//!
//! A state machine without IO: votes, time and use come in, and each either changes the state
//! once or is refused with the reason. Whoever keeps approvals applies the same transition to
//! what it stored, under a condition on [`Approval::revision`], so that of two answers that
//! race exactly one counts.

mod case;
mod content;
mod quorum;
mod vote;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use case::{BIND_BYTES_MAX, BINDS_MAX, BoundValue, Case, OPERATION_BYTES_MAX};
pub use content::{Content, ContentHash};
pub use quorum::{Quorum, Share};
pub use vote::{COMMENT_BYTES_MAX, Vote, VoteError};

use crate::fault::Fault;
use crate::id::{ApprovalId, OperationId, SessionId};
use crate::name::ResourceName;
use crate::principal::Principal;
use crate::verdict::{Refusal, Rule};

/// What is asked for.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Subject {
    /// That one operation may run, once.
    Operation,
    /// That a principal may use a resource for a time.
    Grant,
}

/// How a question stands.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// Nobody has answered for good.
    Pending,
    /// Enough people agreed; not used yet.
    Approved,
    /// Somebody said no.
    Denied,
    /// Nobody answered in time, or nobody used the answer in time.
    Expired,
    /// Whoever asked has gone, or does not want it any more.
    Withdrawn,
    /// What was approved has been let through. It is never let through again.
    Used,
}

impl Standing {
    /// Returns the stable word for it.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Denied => "denied",
            Self::Expired => "expired",
            Self::Withdrawn => "withdrawn",
            Self::Used => "used",
        }
    }

    /// Reads the word that [`Standing::label`] writes.
    #[must_use]
    pub fn parse(label: &str) -> Option<Self> {
        [
            Self::Pending,
            Self::Approved,
            Self::Denied,
            Self::Expired,
            Self::Withdrawn,
            Self::Used,
        ]
        .into_iter()
        .find(|standing| standing.label() == label)
    }

    /// Whether nothing can change it any more.
    #[must_use]
    pub const fn is_final(self) -> bool {
        !matches!(self, Self::Pending | Self::Approved)
    }
}

/// One question and everything that decides its answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Approval {
    /// Its name everywhere.
    pub id: ApprovalId,
    /// What is asked for.
    pub subject: Subject,
    /// What exactly an answer is for: see [`Content`].
    pub content: ContentHash,
    /// Who asks.
    pub requester: Arc<Principal>,
    /// On what.
    pub resource: ResourceName,
    /// How many of whom must agree: as it was when it was asked.
    pub quorum: Quorum,
    /// The session whose operation waits at this moment; `None` once none does.
    pub waiting: Option<SessionId>,
    /// When it was asked, in microseconds of Unix time.
    pub asked_us: u64,
    /// Until when it can be answered, likewise.
    pub decide_by_us: u64,
    /// How long an answer can be used from when it was given, in microseconds.
    pub use_within_us: u64,
    /// When enough had agreed, in microseconds of Unix time.
    pub approved_us: Option<u64>,
    /// How it stands.
    pub standing: Standing,
    /// Counts its changes, from 0.
    pub revision: u64,
    /// Everybody's answer, in the order they came.
    pub votes: Vec<Vote>,
    /// The operation that used it.
    pub used_by: Option<OperationId>,
}

impl Approval {
    /// Returns how it stands at `now_us`: what nobody has answered or used in time is over.
    #[must_use]
    pub fn standing_at(&self, now_us: u64) -> Standing {
        let over = match self.standing {
            Standing::Pending => now_us >= self.decide_by_us,
            Standing::Approved => self
                .approved_us
                .is_none_or(|at| now_us >= at.saturating_add(self.use_within_us)),
            _ => false,
        };
        if over { Standing::Expired } else { self.standing }
    }

    /// Takes in one person's answer. Whether policy lets them answer at all was asked before.
    ///
    /// One "no" ends it; "yes" ends it when enough have said so.
    ///
    /// # Errors
    /// The vote does not count, and why; nothing has changed then.
    pub fn vote(&mut self, vote: Vote, now_us: u64) -> Result<Standing, VoteError> {
        match self.standing_at(now_us) {
            Standing::Pending => {}
            other => return Err(VoteError::NotPending(other)),
        }
        vote::check(&vote, &self.requester, &self.votes)?;
        let agrees = vote.agrees;
        self.votes.push(vote);
        self.revision += 1;
        if !agrees {
            self.standing = Standing::Denied;
        } else if self.quorum.is_met(&self.votes) {
            self.standing = Standing::Approved;
            self.approved_us = Some(now_us);
        }
        Ok(self.standing)
    }

    /// Lets time pass; returns whether that ended it.
    pub fn expire(&mut self, now_us: u64) -> bool {
        let over = self.standing_at(now_us) == Standing::Expired && self.standing != Standing::Expired;
        if over {
            self.standing = Standing::Expired;
            self.revision += 1;
        }
        over
    }

    /// Takes note that whoever asked has gone; returns whether that changed anything.
    pub fn withdraw(&mut self) -> bool {
        let open = !self.standing.is_final();
        if open {
            self.standing = Standing::Withdrawn;
            self.waiting = None;
            self.revision += 1;
        }
        open
    }

    /// Uses it up for `operation`, whose content hashes to `content`. The one moment at which
    /// an approval lets anything through.
    ///
    /// # Errors
    /// It is not approved, not any more, already used, or it is for something else.
    pub fn consume(
        &mut self,
        content: &ContentHash,
        operation: OperationId,
        now_us: u64,
    ) -> Result<(), Refusal> {
        if self.content != *content {
            return Err(Refusal::new(
                Rule::ApprovalUnavailable,
                Fault::Client,
                format!("approval {} is for something else", self.id),
            )
            .hint("send exactly what was approved, or ask again"));
        }
        match self.standing_at(now_us) {
            Standing::Approved => {
                self.standing = Standing::Used;
                self.used_by = Some(operation);
                self.waiting = None;
                self.revision += 1;
                Ok(())
            }
            other => Err(self.refusal(other)),
        }
    }

    /// Returns why an operation that waits for this approval does not run, now that it stands
    /// like this.
    #[must_use]
    pub fn refusal(&self, standing: Standing) -> Refusal {
        let id = self.id;
        let refuse = |rule, what: String| Refusal::new(rule, Fault::Client, what).approval(id);
        match standing {
            Standing::Denied => {
                let no = self.votes.iter().rev().find(|vote| !vote.agrees);
                let reason = match no.map(|vote| vote.comment.trim()) {
                    Some(comment) if !comment.is_empty() => format!(": {comment}"),
                    _ => String::new(),
                };
                refuse(Rule::ApprovalDenied, format!("approval {id} was denied{reason}"))
                    .hint("do not send it again as it is; ask whoever denied it")
            }
            Standing::Pending => refuse(
                Rule::ApprovalPending,
                format!("nobody has answered approval {id} yet"),
            )
            .hint("send exactly the same operation again; once it is approved, it runs"),
            Standing::Expired => refuse(Rule::ApprovalUnavailable, format!("approval {id} has expired"))
                .hint("send the operation again to ask anew"),
            Standing::Withdrawn => refuse(Rule::ApprovalUnavailable, format!("approval {id} was withdrawn"))
                .hint("send the operation again to ask anew"),
            Standing::Used => refuse(
                Rule::ApprovalUnavailable,
                format!("approval {id} was used already"),
            )
            .hint("an approval lets one operation through once; send it again to ask anew"),
            Standing::Approved => refuse(
                Rule::ApprovalUnavailable,
                format!("approval {id} could not be used"),
            )
            .hint("send the operation again"),
        }
    }
}

#[cfg(test)]
mod tests;
