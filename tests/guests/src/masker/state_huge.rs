//! Gives a plan a state of a megabyte.

use tidegate_sdk::Error;
use tidegate_sdk::masker::{Plan, Shape};

pub(super) struct It;

impl super::Behaviour for It {
    fn make_plan(&self, shape: &Shape) -> Result<Plan, Error> {
        Ok(Plan { state: vec![7; 1 << 20], ..super::call_all(shape) })
    }
}
