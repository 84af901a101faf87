//! Why a plan, in the words of every protocol, does not become masks.

use model::{Fault, PluginName};

use super::CONSTANT_BYTES_MAX;

/// Why a plan does not become masks. The result is then refused as a whole.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum PlanFault {
    /// The plan does not have one action per field of the result.
    #[error("a plan of {actions} actions for {fields} fields")]
    Count {
        /// The actions of the plan.
        actions: usize,
        /// The fields of the result.
        fields: usize,
    },
    /// A constant is longer than [`CONSTANT_BYTES_MAX`] bytes.
    #[error("the constant for field {field} is longer than {CONSTANT_BYTES_MAX} bytes")]
    ConstantTooLong {
        /// The field's place, from 0.
        field: usize,
    },
    /// A masker wants the whole result refused.
    #[error("denied by a masker: {reason}")]
    Denied {
        /// The field's place, from 0.
        field: usize,
        /// Who denies it; `None` for the host.
        plugin: Option<PluginName>,
        /// Why, in the masker's words.
        reason: String,
    },
    /// A field goes to a guest, and the plan does not say to whose.
    #[error("no plugin is named for field {field}")]
    Nameless {
        /// The field's place, from 0.
        field: usize,
    },
}

impl PlanFault {
    /// Returns who must act.
    #[must_use]
    pub const fn fault(&self) -> Fault {
        match self {
            Self::ConstantTooLong { .. } => Fault::Plugin,
            Self::Count { .. } | Self::Nameless { .. } => Fault::Gateway,
            Self::Denied { .. } => Fault::Client,
        }
    }
}
