//! Honest: scores 7, and labels the operation as seen.

use tidegate_sdk::Error;
use tidegate_sdk::classifier::{Assessment, Request};

pub(super) struct It;

impl super::Behaviour for It {
    fn classify(&self, _: &Request) -> Result<Assessment, Error> {
        Ok(Assessment { score: 7, labels: vec!["seen".to_owned()], findings: Vec::new() })
    }
}
