//! What the gate decides of an operation.

use std::borrow::Cow;

use serde::Serialize;

use crate::fault::Fault;

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
        }
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
    /// An approval is needed and no approver is configured.
    ApprovalUnavailable,
    /// A classifier failed.
    ClassifierFailed,
    /// The journal could not be written.
    JournalUnavailable,
    /// A masker failed or no masker took a tagged field.
    MaskerFailed,
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
    /// The statement does not parse, or holds something the parser's walker does not know.
    Unparsable,
}

impl Rule {
    /// Returns the word clients and the journal see, e.g. `policy-denied`.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::ApprovalUnavailable => "approval-unavailable",
            Self::ClassifierFailed => "classifier-failed",
            Self::JournalUnavailable => "journal-unavailable",
            Self::MaskerFailed => "masker-failed",
            Self::PolicyDenied => "policy-denied",
            Self::PolicyError => "policy-error",
            Self::ProtocolRefused => "protocol-refused",
            Self::RecordingFailed => "recording-failed",
            Self::SessionEnded => "session-ended",
            Self::TaggedUse => "tagged-use",
            Self::Unparsable => "unparsable",
        }
    }
}
