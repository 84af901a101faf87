//! What becomes of questions to people.

use serde::Serialize;

use crate::approval::{Standing, Subject};
use crate::grant::Terms;
use crate::id::{ApprovalId, OperationId, SessionId};
use crate::name::ResourceName;

/// Something became of a question to people.
#[derive(Debug, Serialize)]
#[serde(tag = "kind")]
pub enum ApprovalEvent<'a> {
    /// People were asked whether something may happen.
    #[serde(rename = "approval.asked")]
    Asked {
        /// The question.
        approval: ApprovalId,
        /// Whether it is about one operation or about a grant.
        subject: Subject,
        /// Who asks: `issuer|subject`.
        by: &'a str,
        /// Who acts for them, each `issuer|subject`, the current actor first.
        #[serde(skip_serializing_if = "<[_]>::is_empty")]
        through: &'a [String],
        /// On what.
        resource: &'a ResourceName,
        /// The session whose operation waits.
        #[serde(skip_serializing_if = "Option::is_none")]
        session: Option<SessionId>,
        /// That operation.
        #[serde(skip_serializing_if = "Option::is_none")]
        operation: Option<OperationId>,
        /// The hash of what exactly it is for, in hex.
        content: &'a str,
        /// How many of whom must agree, e.g. `2 of dba`.
        quorum: &'a str,
        /// Until when it can be answered, in microseconds of Unix time.
        decide_by_us: u64,
        /// The grant that is asked for.
        #[serde(skip_serializing_if = "Option::is_none")]
        terms: Option<&'a Terms>,
        /// The requester's own words, see [`short`](super::short).
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<&'a str>,
    },
    /// Somebody answered, and it counts.
    #[serde(rename = "approval.vote")]
    Vote {
        /// The question.
        approval: ApprovalId,
        /// Who: `issuer|subject`.
        by: &'a str,
        /// How it came: `console`, `api`, or the name of an approver plugin.
        channel: &'a str,
        /// Yes or no.
        agrees: bool,
        /// Their words.
        comment: &'a str,
        /// The session whose operation waits for it at this moment.
        #[serde(skip_serializing_if = "Option::is_none")]
        session: Option<SessionId>,
        /// How it stands with this answer.
        standing: Standing,
        /// What an approver plugin brought with it.
        #[serde(skip_serializing_if = "Option::is_none")]
        carried: Option<Carried<'a>>,
    },
    /// An answer came through an approver plugin, and it does not count.
    #[serde(rename = "approval.vote-refused")]
    VoteRefused {
        /// The question.
        approval: ApprovalId,
        /// The name of the approver plugin.
        channel: &'a str,
        /// Who it was said to be of, and what was to prove it.
        carried: Carried<'a>,
        /// The principal that the configuration makes of that name, if any: `issuer|subject`.
        #[serde(skip_serializing_if = "Option::is_none")]
        by: Option<&'a str>,
        /// Yes or no.
        agrees: bool,
        /// Why it does not count.
        reason: &'a str,
    },
    /// Nothing will come of an approval any more.
    #[serde(rename = "approval.ended")]
    Ended {
        /// The question.
        approval: ApprovalId,
        /// `denied`, `expired` or `withdrawn`.
        standing: Standing,
        /// Why, in a few fixed words.
        reason: &'a str,
        /// Who ended it: `issuer|subject`.
        #[serde(skip_serializing_if = "Option::is_none")]
        by: Option<&'a str>,
    },
    /// An approval let through what it is for.
    #[serde(rename = "approval.used")]
    Used {
        /// The question.
        approval: ApprovalId,
        /// What it let through.
        operation: OperationId,
    },
}

/// What came with an answer that an approver plugin carried.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Carried<'a> {
    /// Who answered, as the outside system names them.
    pub by: &'a str,
    /// SHA-256 of what proves it, in hex.
    pub evidence_sha256: &'a str,
}
