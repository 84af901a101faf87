//! Never ends putting a question.

use tidegate_sdk::Error;
use tidegate_sdk::approver::{Ask, Ticket};

pub(super) struct It;

impl super::Behaviour for It {
    fn submit(&self, _: &Ask) -> Result<Ticket, Error> {
        super::spin()
    }
}
