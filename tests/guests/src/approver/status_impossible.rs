//! Replies to a callback with the status 9.

use tidegate_sdk::Error;
use tidegate_sdk::approver::{Message, Reply, Update};

pub(super) struct It;

impl super::Behaviour for It {
    fn callback(&self, _: &Message) -> Result<(Vec<Update>, Reply), Error> {
        Ok((Vec::new(), Reply::text(9, "")))
    }
}
