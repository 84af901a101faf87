//! Who and what is shut out, and until when.

use serde::Serialize;

use crate::id::LockId;
use crate::lock::{Lock, LockTarget};

/// Somebody or something was shut out, or is no more.
#[derive(Debug, Serialize)]
#[serde(tag = "kind")]
pub enum LockEvent<'a> {
    /// Somebody or something is being shut out.
    #[serde(rename = "lock.set")]
    Set {
        /// All of it.
        lock: &'a Lock,
    },
    /// A lock is being lifted.
    #[serde(rename = "lock.lifted")]
    Lifted {
        /// The lock.
        lock: LockId,
        /// Who or what it shut out.
        target: &'a LockTarget,
        /// Who lifts it: `issuer|subject`.
        by: &'a str,
    },
}
