//! Not to keep.
#![allow(missing_docs, dead_code, unused, clippy::all, reason = "skeleton")]
use crate::state::StateError;
use model::{approval::*, *};
use std::{sync::Arc, time::Duration};
use tokio::sync::watch;
pub struct Question {
    pub subject: Subject,
    pub content: ContentHash,
    pub requester: Arc<Principal>,
    pub resource: ResourceName,
    pub session: Option<SessionId>,
    pub operation: Option<OperationId>,
    pub quorum: Quorum,
    pub case: Case,
    pub decide_within: Duration,
    pub use_within: Duration,
}
pub enum Asked {
    Approved(ApprovalId),
    Waiting(Waiting),
}
pub struct Waiting {
    pub id: ApprovalId,
    standing: watch::Receiver<Standing>,
}
pub struct Kept {
    pub approval: Approval,
    pub case: Case,
}
#[derive(Clone)]
pub struct Approvals;
impl Approvals {
    pub fn skeleton() -> Self {
        Self
    }
    fn no() -> Refusal {
        Refusal::new(Rule::ApprovalUnavailable, Fault::Gateway, "skeleton")
    }
    pub async fn ask(&self, question: Question) -> Result<Asked, Refusal> {
        Err(Self::no())
    }
    pub async fn consume(
        &self,
        id: ApprovalId,
        content: ContentHash,
        operation: OperationId,
    ) -> Result<(), Refusal> {
        Err(Self::no())
    }
    pub async fn get(&self, id: ApprovalId) -> Result<Option<Kept>, StateError> {
        Ok(None)
    }
}
