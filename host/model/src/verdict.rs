//! What the gate decides of an operation.

use std::borrow::Cow;

use serde::Serialize;

use crate::approval::Quorum;
use crate::fault::Fault;
use crate::id::ApprovalId;

/// The gate's decision.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// The operation runs now.
    Run {
        /// The ids of the policies that permitted it.
        policies: Vec<String>,
    },
    /// A human must agree first.
    Hold {
        /// The ids of the policies that permit asking.
        policies: Vec<String>,
        /// How many of whom must agree.
        quorum: Quorum,
        /// Whether whoever asks must say why.
        reason_required: bool,
    },
    /// The operation does not run.
    Refuse(Refusal),
}

impl Verdict {
    /// Returns `run`, `hold` or `refuse`.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Run { .. } => "run",
            Self::Hold { .. } => "hold",
            Self::Refuse(_) => "refuse",
        }
    }
}

/// Why an operation does not run, in words that help whoever asked.
///
/// Never carries data of the upstream, credentials or addresses: clients see it whole.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Refusal {
    /// The rule that decided.
    pub rule: Rule,
    /// Who must act.
    pub fault: Fault,
    /// One sentence: what was refused and why.
    pub message: Cow<'static, str>,
    /// What is allowed instead, or how to ask.
    pub hint: Option<Cow<'static, str>>,
    /// The ids of the policies that forbade it, if policies did.
    pub policies: Vec<String>,
    /// The approval it is about, if it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approval: Option<ApprovalId>,
}

impl Refusal {
    /// Makes a refusal that names a rule and says why.
    #[must_use]
    pub fn new(rule: Rule, fault: Fault, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            rule,
            fault,
            message: message.into(),
            hint: None,
            policies: Vec::new(),
            approval: None,
        }
    }

    /// Names the approval it is about.
    #[must_use]
    pub fn approval(mut self, approval: ApprovalId) -> Self {
        self.approval = Some(approval);
        self
    }

    /// Adds what the client can do instead.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<Cow<'static, str>>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// The rule behind a refusal: a stable word for machines.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// Whoever was asked said no.
    ApprovalDenied,
    /// Nobody has answered yet: the same operation can be sent again.
    ApprovalPending,
    /// An approval is needed and cannot be had, or not any more.
    ApprovalUnavailable,
    /// The client took it back.
    Cancelled,
    /// A classifier failed.
    ClassifierFailed,
    /// The journal could not be written.
    JournalUnavailable,
    /// A masker failed or no masker took a tagged field.
    MaskerFailed,
    /// Access was revoked: a lock is in force.
    Locked,
    /// No policy permits it, or one forbids it.
    PolicyDenied,
    /// A policy could not be evaluated.
    PolicyError,
    /// The session's token has expired or was revoked.
    SessionEnded,
    /// The protocol message is not allowed.
    ProtocolRefused,
    /// What crosses could not be recorded.
    RecordingFailed,
    /// The statement uses masked data in a way that could reveal it.
    TaggedUse,
    /// The transaction has failed: nothing in it runs any more.
    TransactionFailed,
    /// The statement does not parse, or holds something the parser's walker does not know.
    Unparsable,
    /// What it was for cannot be reached, or did not take it.
    UpstreamUnavailable,
}

impl Rule {
    /// Returns the word clients and the journal see, e.g. `policy-denied`.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::ApprovalDenied => "approval-denied",
            Self::ApprovalPending => "approval-pending",
            Self::ApprovalUnavailable => "approval-unavailable",
            Self::Cancelled => "cancelled",
            Self::ClassifierFailed => "classifier-failed",
            Self::JournalUnavailable => "journal-unavailable",
            Self::MaskerFailed => "masker-failed",
            Self::Locked => "locked",
            Self::PolicyDenied => "policy-denied",
            Self::PolicyError => "policy-error",
            Self::ProtocolRefused => "protocol-refused",
            Self::RecordingFailed => "recording-failed",
            Self::SessionEnded => "session-ended",
            Self::TaggedUse => "tagged-use",
            Self::TransactionFailed => "transaction-failed",
            Self::Unparsable => "unparsable",
            Self::UpstreamUnavailable => "upstream-unavailable",
        }
    }
}
