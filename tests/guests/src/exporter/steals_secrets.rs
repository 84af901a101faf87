//! Asks for a secret that it was not granted, and passes on the refusal.

use tidegate_sdk::Error;
use tidegate_sdk::exporter::{Ack, Batch};

pub(super) struct It;

impl super::Behaviour for It {
    fn deliver(&self, batch: &Batch) -> Result<Ack, Error> {
        tidegate_sdk::host::secrets::reveal("not-granted")?;
        Ok(Ack::through(batch.last_seq()))
    }
}
