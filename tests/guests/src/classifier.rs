//! Bad classifiers, one behaviour a file, in one component that is told by its configuration
//! which of them to be.

use tidegate_sdk::Error;
use tidegate_sdk::classifier::{Assessment, Request};

use crate::{spin, trap};

/// What a classifier does.
pub trait Behaviour: Sync {
    /// Judges an operation.
    ///
    /// # Errors
    /// As the behaviour says.
    fn classify(&self, request: &Request) -> Result<Assessment, Error>;
}

behaviours! {
    calm,
    spins,
    traps,
    fails,
    score_beyond,
    finding_score_beyond,
    findings_flood,
    finding_id_bad,
    message_huge,
    label_bad,
    labels_flood,
}
