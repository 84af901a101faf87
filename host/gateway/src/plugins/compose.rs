//! How the plugins of a resource act together, for people: who judges, who masks, and whose mask
//! stands where several want the same field.

use model::PluginName;
use model::Tag;
use model::mask::{Field, Shape};
use plugin::Plugins;
use plugin::vector::action_text;
use serde::Serialize;

/// The plugins of one resource.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Composition {
    /// The classifiers; all are asked, the highest score counts.
    pub classifiers: Vec<String>,
    /// The maskers in configured order: of equally strict actions the first stands.
    pub maskers: Vec<String>,
    /// What happens to a text with each of these tags.
    pub masks: Vec<Mask>,
}

/// What happens to a field of one tag, where policy does not reveal it.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Mask {
    /// The tag.
    pub tag: String,
    /// What stands, e.g. `keep-last 4`.
    pub action: String,
    /// Whose it is; `None` for the host's own suppression.
    pub plugin: Option<String>,
}

/// Describes these plugins for fields with these tags.
pub(crate) fn compose(
    plugins: &Plugins,
    classifiers: &[PluginName],
    maskers: &[PluginName],
    tags: &[Tag],
) -> Composition {
    let names = |names: &[PluginName]| names.iter().map(ToString::to_string).collect();
    let mask = |tag: &Tag| {
        let field = Field::text("field", vec![tag.clone()]);
        let planned = plugins.maskers().plan(maskers, &Shape { fields: vec![field] });
        let (action, plugin) = match &planned {
            Ok(plan) => match plan.plan.actions.first() {
                Some(planned) => (
                    action_text(&planned.action),
                    planned.plugin.as_ref().map(ToString::to_string),
                ),
                None => ("suppress".to_owned(), None),
            },
            Err(fault) => (format!("withheld: {fault}"), Some(fault.plugin.to_string())),
        };
        Mask {
            tag: tag.to_string(),
            action,
            plugin,
        }
    };
    Composition {
        classifiers: names(classifiers),
        maskers: names(maskers),
        masks: tags.iter().map(mask).collect(),
    }
}
