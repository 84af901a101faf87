//! What becomes of time-boxed permissions.

use serde::Serialize;

use crate::grant::Grant;
use crate::id::GrantId;
use crate::name::ResourceName;

/// Something became of a time-boxed permission.
#[derive(Debug, Serialize)]
#[serde(tag = "kind")]
pub enum GrantEvent<'a> {
    /// People gave a time-boxed permission.
    #[serde(rename = "grant.given")]
    Given {
        /// All of it, with the approval that gave it.
        grant: &'a Grant,
    },
    /// A grant holds no more.
    #[serde(rename = "grant.ended")]
    Ended {
        /// The grant.
        grant: GrantId,
        /// Whose it was: `issuer|subject`.
        principal: &'a str,
        /// For what.
        resource: &'a ResourceName,
        /// `ran out` or `revoked`.
        why: &'a str,
        /// Who took it back: `issuer|subject`.
        #[serde(skip_serializing_if = "Option::is_none")]
        by: Option<&'a str>,
        /// Their words.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<&'a str>,
    },
}
