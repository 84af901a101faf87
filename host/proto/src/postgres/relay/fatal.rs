//! The end of a session, with its reason.

use std::borrow::Cow;

use model::{ApprovalId, Fault, Refusal, Rule};

use super::refusal::{put_fatal, sqlstate};
use crate::postgres::frame::FrameError;

/// The end of a session, with what the client is told.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Fatal {
    /// The SQLSTATE of the FATAL error.
    pub sqlstate: &'static str,
    /// One sentence for the client.
    pub message: Cow<'static, str>,
    /// Who must act.
    pub fault: Fault,
    /// The rule that ends the session, where one does: the client is told it in DETAIL, as of
    /// every refusal.
    pub rule: Option<Rule>,
    /// What can be done about it.
    pub hint: Option<Cow<'static, str>>,
    /// The approval it is about, if it is about one.
    pub approval: Option<ApprovalId>,
}

impl Fatal {
    /// Makes an end of session.
    #[must_use]
    pub fn new(sqlstate: &'static str, fault: Fault, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            sqlstate,
            message: message.into(),
            fault,
            rule: None,
            hint: None,
            approval: None,
        }
    }

    /// Adds the rule that ends the session.
    #[must_use]
    pub fn rule(mut self, rule: Rule) -> Self {
        self.rule = Some(rule);
        self
    }

    /// Adds what can be done about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<Cow<'static, str>>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Appends the FATAL error that tells the client.
    pub fn put(&self, out: &mut Vec<u8>) {
        put_fatal(out, self);
    }

    pub(super) fn upstream(what: &'static str) -> Self {
        Self::new("08P01", Fault::Upstream, what)
    }

    pub(super) fn client_frame(error: FrameError) -> Self {
        Self::new(
            "08P01",
            Fault::Client,
            format!("invalid message from the client: {error}"),
        )
    }
}

impl From<Refusal> for Fatal {
    /// Ends the session with what would be refused.
    fn from(refusal: Refusal) -> Self {
        Self {
            sqlstate: sqlstate(refusal.rule),
            message: refusal.message,
            fault: refusal.fault,
            rule: Some(refusal.rule),
            hint: refusal.hint,
            approval: refusal.approval,
        }
    }
}
