//! Panics at its configuration.

use tidegate_sdk::Issue;

pub(super) struct It;

impl super::Behaviour for It {
    fn configure(&self) -> Result<(), Vec<Issue>> {
        panic!("this guest panics")
    }
}
