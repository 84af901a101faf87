//! Adds to metrics that it made up, and masks honestly.

use tidegate_sdk::Error;
use tidegate_sdk::masker::{Change, Column};

pub(super) struct It;

impl super::Behaviour for It {
    fn mask(&self, _: u32, columns: &[Column]) -> Result<Vec<Change>, Error> {
        for number in 0..1_000 {
            tidegate_sdk::host::count(&format!("cell_{number}"), u64::MAX);
        }
        Ok(vec![Change::AllNull; columns.len()])
    }
}
