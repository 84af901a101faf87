//! Returns one change less than there are columns.

use tidegate_sdk::Error;
use tidegate_sdk::masker::{Change, Column};

pub(super) struct It;

impl super::Behaviour for It {
    fn mask(&self, _: u32, columns: &[Column]) -> Result<Vec<Change>, Error> {
        Ok(vec![Change::None; columns.len() - 1])
    }
}
