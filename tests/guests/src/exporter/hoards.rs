//! Stores until the quota refuses, and passes that on.

use tidegate_sdk::Error;
use tidegate_sdk::exporter::{Ack, Batch};

pub(super) struct It;

impl super::Behaviour for It {
    fn deliver(&self, batch: &Batch) -> Result<Ack, Error> {
        for number in 0..100_000 {
            tidegate_sdk::host::kv::put(&format!("key-{number}"), &[7; 64 << 10])?;
        }
        Ok(Ack::through(batch.last_seq()))
    }
}
