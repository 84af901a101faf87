//! Why a request is not even considered, in words that help whoever sent it.

use std::borrow::Cow;

use ::http::StatusCode;
use model::{Fault, Refusal, Rule};

/// A request that has no single meaning, or one that no resource allows.
///
/// Never carries anything of the request but names: what a client sent may be a secret.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Rejection {
    /// The status of the answer.
    pub status: StatusCode,
    /// A stable word for machines: which check failed, e.g. `duplicate-header`.
    pub label: &'static str,
    /// One sentence: what was wrong.
    pub message: Cow<'static, str>,
    /// What to send instead.
    pub hint: Option<Cow<'static, str>>,
}

impl Rejection {
    /// Makes a rejection that names its check and says what was wrong.
    #[must_use]
    pub fn new(status: StatusCode, label: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            status,
            label,
            message: message.into(),
            hint: None,
        }
    }

    /// Makes a rejection with status 400.
    #[must_use]
    pub fn malformed(label: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, label, message)
    }

    /// Adds what the client can send instead.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<Cow<'static, str>>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Returns it as the journal and the other protocols tell it.
    #[must_use]
    pub fn refusal(&self) -> Refusal {
        let refusal = Refusal::new(Rule::ProtocolRefused, Fault::Client, self.message.clone());
        match &self.hint {
            Some(hint) => refusal.hint(hint.clone()),
            None => refusal,
        }
    }
}
