//! Acknowledges the entry before the first one offered.

use tidegate_sdk::Error;
use tidegate_sdk::exporter::{Ack, Batch};

pub(super) struct It;

impl super::Behaviour for It {
    fn deliver(&self, batch: &Batch) -> Result<Ack, Error> {
        Ok(Ack::through(batch.first_seq.wrapping_sub(1)))
    }
}
