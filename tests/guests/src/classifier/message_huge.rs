//! Gives a finding a message of a megabyte, which is cut.

use tidegate_sdk::Error;
use tidegate_sdk::classifier::{Assessment, Finding, Request};

pub(super) struct It;

impl super::Behaviour for It {
    fn classify(&self, _: &Request) -> Result<Assessment, Error> {
        let finding = Finding { id: "a".to_owned(), score: 1, message: "é".repeat(1 << 19) };
        Ok(Assessment { score: 1, labels: Vec::new(), findings: vec![finding] })
    }
}
