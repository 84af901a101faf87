//! Scores 255.

use tidegate_sdk::Error;
use tidegate_sdk::classifier::{Assessment, Request};

pub(super) struct It;

impl super::Behaviour for It {
    fn classify(&self, _: &Request) -> Result<Assessment, Error> {
        Ok(Assessment { score: 255, labels: Vec::new(), findings: Vec::new() })
    }
}
