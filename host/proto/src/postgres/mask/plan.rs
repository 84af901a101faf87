//! From a plan, in the words of every protocol, to the steps over this result's columns.

use model::mask::{Action, Column, NativeMask, Plan};

use super::ResultMask;
use super::call::Call;
use super::fields::FieldDescription;
use super::native::Native;
use crate::mask::{CONSTANT_BYTES_MAX, PlanFault, PseudonymKey};

/// What happens to one masked column.
pub(super) struct Step {
    /// Its place in the row, from 0.
    pub(super) column: usize,
    pub(super) work: Work,
}

pub(super) enum Work {
    /// A guest masks it; the place among the columns that guests mask.
    Call(usize),
    Native(Native),
}

impl ResultMask {
    /// Makes a plan ready for rows described by `fields`, in their formats as bound.
    ///
    /// # Errors
    /// [`PlanFault`]; [`PlanFault::Denied`] where the plan says so.
    pub fn compile(plan: &Plan, fields: &[FieldDescription], key: &PseudonymKey) -> Result<Self, PlanFault> {
        if plan.actions.len() != fields.len() {
            return Err(PlanFault::Count {
                actions: plan.actions.len(),
                fields: fields.len(),
            });
        }
        let mut steps = Vec::new();
        let mut calls = Vec::new();
        for (index, (planned, field)) in plan.actions.iter().zip(fields).enumerate() {
            let work = match &planned.action {
                Action::Call => {
                    let plugin = planned
                        .plugin
                        .clone()
                        .ok_or(PlanFault::Nameless { field: index })?;
                    calls.push(Call::new(field, plugin));
                    Work::Call(calls.len() - 1)
                }
                Action::Deny(reason) => {
                    let (plugin, reason) = (planned.plugin.clone(), reason.clone());
                    return Err(PlanFault::Denied {
                        field: index,
                        plugin,
                        reason,
                    });
                }
                Action::Keep => continue,
                Action::Native(NativeMask::Constant(value)) if value.len() > CONSTANT_BYTES_MAX => {
                    return Err(PlanFault::ConstantTooLong { field: index });
                }
                Action::Native(mask) => Work::Native(Native::new(mask, field, key)),
                Action::Suppress => Work::Native(Native::Null),
            };
            steps.push(Step { column: index, work });
        }
        let in_place = !steps.is_empty()
            && steps
                .iter()
                .all(|step| matches!(step.work, Work::Native(Native::Keep(_))));
        let gathered = vec![Column::default(); calls.len()];
        Ok(Self {
            width: fields.len(),
            steps,
            calls,
            in_place,
            gathered,
            next: Vec::new(),
        })
    }
}
