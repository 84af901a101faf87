//! Never ends.

use tidegate_sdk::Error;
use tidegate_sdk::exporter::{Ack, Batch};

pub(super) struct It;

impl super::Behaviour for It {
    fn deliver(&self, _: &Batch) -> Result<Ack, Error> {
        super::spin()
    }
}
