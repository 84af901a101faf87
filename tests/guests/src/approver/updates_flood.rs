//! Reports a thousand answers in one callback.

use tidegate_sdk::Error;
use tidegate_sdk::approver::{Message, Reply, Update};

pub(super) struct It;

impl super::Behaviour for It {
    fn callback(&self, _: &Message) -> Result<(Vec<Update>, Reply), Error> {
        Ok((vec![super::pending("any"); 1_000], Reply::text(200, "")))
    }
}
