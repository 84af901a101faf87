//! What maskers make of a class of text, and the guests that do it: for whatever is no row.

use std::slice;
use std::sync::Arc;

use model::mask::{Action, CellFormat, CellMasker, Change, Column, Field, MaskFault, Planned, Shape};
use model::{ResourceName, Tag};
use plugin::ActivePlan;
use proto::mask::FieldCells;

use crate::services::Services;

/// Asks the maskers of a resource what becomes of text of one tag, or of text without one.
pub(crate) fn plan_field(
    services: &Services,
    resource: &ResourceName,
    tag: Option<&Tag>,
) -> Result<(Planned, Option<Arc<ActivePlan>>), String> {
    let shape = Shape {
        fields: vec![Field {
            name: tag.map_or_else(String::new, |tag| tag.as_str().to_owned()),
            origin: tag.map_or_else(String::new, |tag| format!("{resource}:{tag}")),
            native_type: "text".to_owned(),
            format: CellFormat::Utf8,
            tags: tag.cloned().into_iter().collect(),
        }],
    };
    let plugins = services.gate.plugins.current();
    let active = plugins
        .plan(resource, &shape)
        .map_err(|fault| fault.to_string())?;
    let action = active.plan.actions.first().cloned();
    let action = action.ok_or("a plan without an action")?;
    let calls = action.action == Action::Call;
    Ok((action, calls.then_some(active)))
}

/// The guests of one body's fields.
pub(crate) struct Cells(Vec<Option<Box<dyn CellMasker + Send>>>);

impl Cells {
    pub(crate) fn of(plans: &[Option<Arc<ActivePlan>>]) -> Self {
        let cells = plans.iter().map(|plan| plan.as_ref().map(ActivePlan::cells));
        Self(cells.collect())
    }
}

impl FieldCells for Cells {
    fn mask(&mut self, field: usize, cells: &Column) -> Result<Change, MaskFault> {
        let fault = |reason: &str| MaskFault {
            plugin: model::PluginName::new("none"),
            reason: reason.to_owned(),
        };
        let Some(masker) = self.0.get_mut(field).and_then(Option::as_mut) else {
            return Err(fault("no guest"));
        };
        let rows = u32::try_from(cells.len()).map_err(|_| fault("too many cells"))?;
        let mut changes = masker.mask(rows, slice::from_ref(cells))?;
        match (changes.pop(), changes.is_empty()) {
            (Some(change), true) => Ok(change),
            _ => Err(fault("column count")),
        }
    }
}
