//! Plans one field less than there are.

use tidegate_sdk::Error;
use tidegate_sdk::masker::{Plan, Shape};

pub(super) struct It;

impl super::Behaviour for It {
    fn make_plan(&self, shape: &Shape) -> Result<Plan, Error> {
        let mut plan = super::call_all(shape);
        plan.actions.pop();
        Ok(plan)
    }
}
