//! Takes a megabyte with each batch and never gives it back; masks honestly as long as it
//! can.

use tidegate_sdk::Error;
use tidegate_sdk::masker::{Change, Column};

pub(super) struct It;

impl super::Behaviour for It {
    fn mask(&self, _: u32, columns: &[Column]) -> Result<Vec<Change>, Error> {
        std::mem::forget(std::hint::black_box(vec![1_u8; 1 << 20]));
        Ok(vec![Change::AllNull; columns.len()])
    }
}
