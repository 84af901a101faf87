//! Plans a native mask with an argument that is no number.

use tidegate_sdk::Error;
use tidegate_sdk::masker::{Plan, Shape};

pub(super) struct It;

impl super::Behaviour for It {
    fn make_plan(&self, shape: &Shape) -> Result<Plan, Error> {
        Ok(super::native_all(shape, "keep-last", &[("n", "-1")]))
    }
}
