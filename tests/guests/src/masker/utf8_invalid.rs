//! Gives bytes that are no UTF-8 for a text.

use tidegate_sdk::Error;
use tidegate_sdk::masker::{Change, Column};

pub(super) struct It;

impl super::Behaviour for It {
    fn mask(&self, _: u32, columns: &[Column]) -> Result<Vec<Change>, Error> {
        Ok(vec![Change::All(vec![0xff, 0xfe]); columns.len()])
    }
}
