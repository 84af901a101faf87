//! Asks the configured address, which is one it may not reach or one that never answers, and
//! passes on what happens.

use tidegate_sdk::Error;
use tidegate_sdk::exporter::{Ack, Batch};

pub(super) struct It;

impl super::Behaviour for It {
    fn deliver(&self, batch: &Batch) -> Result<Ack, Error> {
        tidegate_sdk::http::Request::get(crate::address()).send()?;
        Ok(Ack::through(batch.last_seq()))
    }
}
