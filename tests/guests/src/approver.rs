//! Bad approvers, one behaviour a file, in one component that is told by its configuration
//! which of them to be.

use tidegate_sdk::Error;
use tidegate_sdk::approver::{Ask, Decision, Message, Reply, Ticket, Update};

use crate::spin;

/// What an approver does. Left as it is, it is honest and nothing ever gets answered.
pub trait Behaviour: Sync {
    /// Puts a question.
    ///
    /// # Errors
    /// As the behaviour says.
    fn submit(&self, _: &Ask) -> Result<Ticket, Error> {
        Ok(ticket())
    }

    /// Takes in what the outside system reports.
    ///
    /// # Errors
    /// As the behaviour says.
    fn callback(&self, _: &Message) -> Result<(Vec<Update>, Reply), Error> {
        Ok((Vec::new(), Reply::text(200, "")))
    }
}

/// A ticket of a system that does nothing.
#[must_use]
pub fn ticket() -> Ticket {
    Ticket {
        external_id: "1".to_owned(),
        url: None,
        poll_after_ms: Some(1_000),
        state: Vec::new(),
    }
}

/// The news that there is none.
#[must_use]
pub fn pending(approval_id: &str) -> Update {
    Update {
        approval_id: approval_id.to_owned(),
        decision: Decision::Pending,
        ticket: None,
    }
}

behaviours! {
    patient,
    spins,
    ticket_huge,
    status_impossible,
    updates_flood,
}
