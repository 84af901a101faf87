//! Asks the host for a regular expression that compiles to gigabytes, and passes on the
//! refusal.

use tidegate_sdk::Error;
use tidegate_sdk::masker::{Change, Column};

pub(super) struct It;

impl super::Behaviour for It {
    fn mask(&self, _: u32, columns: &[Column]) -> Result<Vec<Change>, Error> {
        let greedy = "(?:\\w{1000}){1000}".to_owned();
        tidegate_sdk::host::scan::Patterns::compile(&[greedy])?;
        Ok(vec![Change::AllNull; columns.len()])
    }
}
