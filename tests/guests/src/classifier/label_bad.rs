//! Labels the operation with a quotation mark.

use tidegate_sdk::Error;
use tidegate_sdk::classifier::{Assessment, Request};

pub(super) struct It;

impl super::Behaviour for It {
    fn classify(&self, _: &Request) -> Result<Assessment, Error> {
        Ok(Assessment { score: 1, labels: vec!["\"".to_owned()], findings: Vec::new() })
    }
}
