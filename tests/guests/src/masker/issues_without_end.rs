//! Finds a million things wrong with its configuration.

use tidegate_sdk::Issue;

pub(super) struct It;

impl super::Behaviour for It {
    fn configure(&self) -> Result<(), Vec<Issue>> {
        Err(vec![Issue::new("/", "a".repeat(16)); 1_000_000])
    }
}
