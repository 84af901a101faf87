//! Honest: puts ASCII letters in upper case, whole columns at a time.

use tidegate_sdk::Error;
use tidegate_sdk::masker::{Change, Column};

pub(super) struct It;

impl super::Behaviour for It {
    fn mask(&self, _: u32, columns: &[Column]) -> Result<Vec<Change>, Error> {
        Ok(columns
            .iter()
            .map(|column| Change::Dense(Column { data: column.data.to_ascii_uppercase(), ..column.clone() }))
            .collect())
    }
}
