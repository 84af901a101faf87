//! The nouns of Tidegate: who asks, what is asked, what was decided, what is written down.
//!
//! Pure data and pure functions. No IO, no clock, no randomness: times and random bytes come
//! in as arguments. Every other crate of the host speaks in these words and no other.

#![forbid(unsafe_code)]

pub mod address;
pub mod approval;
pub mod assessment;
mod digits;
pub mod event;
pub mod facts;
pub mod fault;
pub mod grant;
pub mod id;
pub mod lock;
pub mod mask;
pub mod name;
pub mod principal;
pub mod verdict;

pub use assessment::{Assessment, Finding};
pub use facts::{
    Access, CallFacts, CommandFacts, Facts, FunctionUse, OperationKind, RelationUse, RequestFacts,
    StatementFacts,
};
pub use fault::Fault;
pub use grant::Grant;
pub use id::{ApprovalId, GrantId, LockId, OperationId, SessionId};
pub use lock::{Lock, LockTarget, Revocation};
pub use name::{PluginName, ResourceName, Tag};
pub use principal::{Actor, Principal, PrincipalKind};
pub use verdict::{Refusal, Rule, Verdict};
