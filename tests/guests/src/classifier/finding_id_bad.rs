//! Gives a finding an id with a line feed.

use tidegate_sdk::Error;
use tidegate_sdk::classifier::{Assessment, Finding, Request};

pub(super) struct It;

impl super::Behaviour for It {
    fn classify(&self, _: &Request) -> Result<Assessment, Error> {
        let finding = Finding { id: "a\nb".to_owned(), score: 1, message: String::new() };
        Ok(Assessment { score: 1, labels: Vec::new(), findings: vec![finding] })
    }
}
