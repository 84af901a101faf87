//! The contract's side of a masker: plans, their state, and batches.

use std::cell::RefCell;

use super::batch::{Cells, Changes};
use super::{Action, Change, Column, Masker, Plan, Shape};
use crate::bindings::masker::exports::tidegate::masker::masker as contract;
use crate::{Error, Issue, plugin};

/// One instance of a masker with the plans loaded on it.
#[derive(Debug)]
pub struct Instance<P> {
    plugin: plugin::Instance<P>,
    /// Each plan's number and the mode of each of its `call` fields. At most 256, so a walk is
    /// as good as a map.
    plans: RefCell<Vec<(u64, Vec<u32>)>>,
}

impl<P: Masker> Instance<P> {
    /// An instance that is not configured.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            plugin: plugin::Instance::new(),
            plans: RefCell::new(Vec::new()),
        }
    }

    /// Takes the configuration.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn configure(&self, json: &str) -> Result<(), Vec<Issue>> {
        self.plugin.configure(json)
    }

    /// Decides on a shape. The plan's state is the mode of each `call` field, four bytes each,
    /// the lowest first.
    ///
    /// # Errors
    /// Only before the instance is configured.
    pub fn make_plan(&self, shape: &Shape) -> Result<Plan, Error> {
        let plugin = self.plugin.plugin()?;
        let mut plan = Plan {
            actions: Vec::with_capacity(shape.fields.len()),
            state: Vec::new(),
        };
        for field in &shape.fields {
            let action = match plugin.field(field) {
                Action::Keep => contract::Action::Keep,
                Action::Native(native) => contract::Action::Native(native.into()),
                Action::Call => called(&mut plan, 0),
                Action::CallAs(mode) => called(&mut plan, mode),
                Action::Suppress => contract::Action::Suppress,
                Action::Deny(reason) => contract::Action::Deny(reason),
            };
            plan.actions.push(action);
        }
        Ok(plan)
    }

    /// Makes a plan ready for [`Instance::mask`].
    ///
    /// # Errors
    /// A state that [`Instance::make_plan`] did not make.
    pub fn load_plan(&self, plan_id: u64, state: &[u8]) -> Result<(), Error> {
        let (modes, rest) = state.as_chunks();
        if !rest.is_empty() {
            return Err(Error::invalid_input("this is no state of a plan"));
        }
        self.drop_plan(plan_id);
        let modes = modes.iter().map(|mode| u32::from_le_bytes(*mode)).collect();
        self.plans.borrow_mut().push((plan_id, modes));
        Ok(())
    }

    /// Forgets a plan.
    pub fn drop_plan(&self, plan_id: u64) {
        self.plans.borrow_mut().retain(|(id, _)| *id != plan_id);
    }

    /// Masks a batch.
    ///
    /// # Errors
    /// A plan that is not loaded, or columns that do not belong to it.
    pub fn mask(&self, plan_id: u64, rows: u32, columns: &[Column]) -> Result<Vec<Change>, Error> {
        let plugin = self.plugin.plugin()?;
        let plans = self.plans.borrow();
        let Some((_, modes)) = plans.iter().find(|(id, _)| *id == plan_id) else {
            return Err(Error::invalid_input("the plan is not loaded"));
        };
        if modes.len() != columns.len() || columns.iter().any(|c| c.ends.len() != rows as usize) {
            return Err(Error::invalid_input("the batch does not fit its plan"));
        }
        let mut changes = Vec::with_capacity(columns.len());
        for (column, mode) in columns.iter().zip(modes) {
            let cells = Cells::new(column, *mode)?;
            let mut change = Changes::default();
            plugin.column(&cells, &mut change);
            changes.push(change.into_change(cells.len()));
        }
        Ok(changes)
    }
}

impl<P: Masker> Default for Instance<P> {
    fn default() -> Self {
        Self::new()
    }
}

fn called(plan: &mut Plan, mode: u32) -> contract::Action {
    plan.state.extend_from_slice(&mode.to_le_bytes());
    contract::Action::Call
}

/// Makes a type that implements [`Masker`] the component's masker. Once per crate; does nothing
/// outside wasm.
#[macro_export]
macro_rules! export_masker {
    ($plugin:ty) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            ::std::thread_local! {
                static INSTANCE: $crate::masker::Instance<$plugin> =
                    const { $crate::masker::Instance::new() };
            }
            struct Guest;
            $crate::__export_plugin!(Guest, $plugin);
            impl $crate::bindings::masker::exports::tidegate::masker::masker::Guest for Guest {
                fn make_plan(
                    shape: $crate::masker::Shape,
                ) -> ::std::result::Result<$crate::masker::Plan, $crate::Error> {
                    INSTANCE.with(|instance| instance.make_plan(&shape))
                }
                fn load_plan(
                    plan_id: u64,
                    state: ::std::vec::Vec<u8>,
                ) -> ::std::result::Result<(), $crate::Error> {
                    INSTANCE.with(|instance| instance.load_plan(plan_id, &state))
                }
                fn drop_plan(plan_id: u64) {
                    INSTANCE.with(|instance| instance.drop_plan(plan_id));
                }
                fn mask(
                    plan_id: u64,
                    rows: u32,
                    columns: ::std::vec::Vec<$crate::masker::Column>,
                ) -> ::std::result::Result<::std::vec::Vec<$crate::masker::Change>, $crate::Error> {
                    INSTANCE.with(|instance| instance.mask(plan_id, rows, &columns))
                }
            }
    $crate::bindings::masker::export_masker_half!(Guest with_types_in $crate::bindings::masker);
        };
    };
}
