//! Finds something that scores 101.

use tidegate_sdk::Error;
use tidegate_sdk::classifier::{Assessment, Finding, Request};

pub(super) struct It;

impl super::Behaviour for It {
    fn classify(&self, _: &Request) -> Result<Assessment, Error> {
        let finding = Finding { id: "a".to_owned(), score: 101, message: String::new() };
        Ok(Assessment { score: 1, labels: Vec::new(), findings: vec![finding] })
    }
}
