//! Compiles sets of patterns until the host refuses, and passes that on.

use tidegate_sdk::Error;
use tidegate_sdk::masker::{Change, Column};

pub(super) struct It;

impl super::Behaviour for It {
    fn mask(&self, _: u32, _: &[Column]) -> Result<Vec<Change>, Error> {
        loop {
            tidegate_sdk::host::scan::Patterns::compile(&["a".to_owned()])?;
        }
    }
}
