//! Fails in order masking a batch, and says the first cell in the message.

use tidegate_sdk::Error;
use tidegate_sdk::masker::{Change, Column};

pub(super) struct It;

impl super::Behaviour for It {
    fn mask(&self, _: u32, columns: &[Column]) -> Result<Vec<Change>, Error> {
        let cell = columns.first().map_or("".into(), |c| String::from_utf8_lossy(&c.data));
        Err(Error::internal(cell))
    }
}
