//! Why an answer does not count, and what clients are told.

use model::approval::VoteError;
use model::{ApprovalId, Fault, Refusal, Rule};

use crate::state::StateError;

/// Why an answer, or a withdrawal, does not count.
#[derive(Debug, thiserror::Error)]
pub enum AnswerError {
    /// There is no such approval.
    #[error("there is no such approval")]
    NotFound,
    /// Policy does not let them, or nothing can be written down.
    #[error("{}", .0.message)]
    NotAllowed(Refusal),
    /// It is no answer to this approval, or not any more.
    #[error(transparent)]
    Vote(#[from] VoteError),
    /// Somebody else changed it at the same moment.
    #[error("it was changed at the same moment; look at it again")]
    Changed,
    /// It cannot be kept.
    #[error(transparent)]
    State(#[from] StateError),
}

impl AnswerError {
    /// Returns who must act.
    #[must_use]
    pub const fn fault(&self) -> Fault {
        match self {
            Self::NotFound | Self::Vote(_) | Self::Changed => Fault::Client,
            Self::NotAllowed(refusal) => refusal.fault,
            Self::State(error) => error.fault(),
        }
    }

    /// Returns what whoever answered is told.
    #[must_use]
    pub fn for_client(&self) -> String {
        match self {
            Self::State(_) => UNKEPT.to_owned(),
            other => other.to_string(),
        }
    }
}

const UNKEPT: &str = "the gateway cannot keep approvals at the moment";

/// Why a change of an approval came to nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The state database failed.
    #[error(transparent)]
    State(#[from] StateError),
    /// The journal failed; why is in the log.
    #[error("the journal could not be written")]
    Unwritten,
    /// It was not any more what the change began with.
    #[error("the approval was changed from elsewhere")]
    Changed,
}

impl Failure {
    pub(super) fn unwritten(error: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(
            error,
            "the journal could not be written; an approval stays as it was"
        );
        Self::Unwritten
    }

    /// Returns the refusal for an operation, and logs what the client is not told.
    pub(super) fn refusal(&self) -> Refusal {
        match self {
            Self::State(error) => {
                let error: &dyn std::error::Error = error;
                tracing::error!(error, "approvals cannot be kept");
                Refusal::new(Rule::ApprovalUnavailable, Fault::Operator, UNKEPT)
                    .hint("the operator finds the reason in the gateway's log")
            }
            Self::Unwritten => proto::session::journal_unavailable(),
            Self::Changed => Refusal::new(
                Rule::ApprovalUnavailable,
                Fault::Client,
                "the approval was changed at the same moment",
            )
            .hint("send the operation again"),
        }
    }
}

impl From<Failure> for AnswerError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::State(error) => Self::State(error),
            Failure::Unwritten => Self::NotAllowed(failure.refusal()),
            Failure::Changed => Self::Changed,
        }
    }
}

pub(super) fn unknown(id: ApprovalId) -> Refusal {
    Refusal::new(
        Rule::ApprovalUnavailable,
        Fault::Client,
        format!("there is no approval {id}"),
    )
    .hint("send the operation again to ask anew")
}
