//! Sleeps for an hour: nothing is computed, only the deadline ends it.

use tidegate_sdk::Error;
use tidegate_sdk::exporter::{Ack, Batch};

pub(super) struct It;

impl super::Behaviour for It {
    fn deliver(&self, _: &Batch) -> Result<Ack, Error> {
        std::thread::sleep(std::time::Duration::from_secs(3600));
        Ok(Ack::through(0))
    }
}
