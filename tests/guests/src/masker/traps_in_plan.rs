//! Traps making a plan.

use tidegate_sdk::Error;
use tidegate_sdk::masker::{Plan, Shape};

pub(super) struct It;

impl super::Behaviour for It {
    fn make_plan(&self, _: &Shape) -> Result<Plan, Error> {
        super::trap()
    }
}
