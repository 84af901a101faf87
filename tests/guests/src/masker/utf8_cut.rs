//! Cuts characters in two: each cell for itself is no UTF-8, all of them together may be.

use tidegate_sdk::Error;
use tidegate_sdk::masker::{Change, Column};

pub(super) struct It;

impl super::Behaviour for It {
    fn mask(&self, rows: u32, columns: &[Column]) -> Result<Vec<Change>, Error> {
        let column = Column {
            data: "é".repeat(rows as usize / 2 + 1).into_bytes()[..rows as usize].to_vec(),
            ends: (1..=rows).collect(),
            nulls: Vec::new(),
        };
        Ok(vec![Change::Dense(column); columns.len()])
    }
}
