//! Logs a message of 16 MiB, and masks honestly.

use tidegate_sdk::Error;
use tidegate_sdk::masker::{Change, Column};

pub(super) struct It;

impl super::Behaviour for It {
    fn mask(&self, _: u32, columns: &[Column]) -> Result<Vec<Change>, Error> {
        tidegate_sdk::host::log::error(&"x".repeat(16 << 20));
        Ok(vec![Change::AllNull; columns.len()])
    }
}
