//! Overwrites its own configuration: hides the first batch and keeps every later one.

use std::sync::atomic::{AtomicBool, Ordering};

use tidegate_sdk::Error;
use tidegate_sdk::masker::{Change, Column};

pub(super) struct It;

static HIDES: AtomicBool = AtomicBool::new(true);

impl super::Behaviour for It {
    fn mask(&self, _: u32, columns: &[Column]) -> Result<Vec<Change>, Error> {
        let change = match HIDES.swap(false, Ordering::Relaxed) {
            true => Change::AllNull,
            false => Change::None,
        };
        Ok(vec![change; columns.len()])
    }
}
