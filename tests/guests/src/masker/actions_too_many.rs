//! Plans a hundred thousand fields more than there are.

use tidegate_sdk::Error;
use tidegate_sdk::masker::{Plan, Shape};

pub(super) struct It;

impl super::Behaviour for It {
    fn make_plan(&self, shape: &Shape) -> Result<Plan, Error> {
        let mut plan = super::call_all(shape);
        if let Some(action) = plan.actions.first().cloned() {
            plan.actions.resize(plan.actions.len() + 100_000, action);
        }
        Ok(plan)
    }
}
