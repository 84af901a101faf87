//! Bad exporters, one behaviour a file, in one component that is told by its configuration
//! which of them to be.

use tidegate_sdk::Error;
use tidegate_sdk::exporter::{Ack, Batch};

use crate::{spin, trap};

/// What an exporter does.
pub trait Behaviour: Sync {
    /// Delivers a batch.
    ///
    /// # Errors
    /// As the behaviour says.
    fn deliver(&self, batch: &Batch) -> Result<Ack, Error>;
}

behaviours! {
    sink,
    spins,
    traps,
    acks_beyond,
    acks_before,
    rejects_beyond,
    rejects_unsorted,
    sleeps,
    calls_out,
    steals_secrets,
    hoards,
}
