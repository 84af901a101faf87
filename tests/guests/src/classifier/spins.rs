//! Never ends.

use tidegate_sdk::Error;
use tidegate_sdk::classifier::{Assessment, Request};

pub(super) struct It;

impl super::Behaviour for It {
    fn classify(&self, _: &Request) -> Result<Assessment, Error> {
        super::spin()
    }
}
