//! Takes memory until there is none.

use tidegate_sdk::Error;
use tidegate_sdk::masker::{Change, Column};

pub(super) struct It;

impl super::Behaviour for It {
    fn mask(&self, _: u32, _: &[Column]) -> Result<Vec<Change>, Error> {
        let mut kept = Vec::new();
        loop {
            kept.push(std::hint::black_box(vec![1_u8; 1 << 20]));
        }
    }
}
