//! Logs without end, with line feeds and terminal escapes.

use tidegate_sdk::Error;
use tidegate_sdk::masker::{Change, Column};

pub(super) struct It;

impl super::Behaviour for It {
    fn mask(&self, _: u32, _: &[Column]) -> Result<Vec<Change>, Error> {
        loop {
            tidegate_sdk::host::log::error("\x1b[2J\r\nlevel=info msg=\"all is well\"");
        }
    }
}
