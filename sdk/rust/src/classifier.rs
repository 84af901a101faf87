//! Classifiers: the risk of an operation before it runs.

mod facts;

pub use facts::{Access, Command, Facts, Function, HttpRequest, Kind, Relation, Statement, ToolCall};

use crate::Error;
pub use crate::bindings::classifier::exports::tidegate::classifier::classifier::{
    Assessment, Finding, Request,
};
pub use crate::bindings::plugin::tidegate::base::types::Principal;
use crate::plugin::{Instance, Plugin};

/// A classifier. Pure: what it says depends on its configuration and its arguments alone.
pub trait Classifier: Plugin {
    /// Judges one operation.
    ///
    /// # Errors
    /// When it cannot; the operation is then refused.
    fn classify(&self, request: &Request, facts: &Facts) -> Result<Assessment, Error>;
}

impl Assessment {
    /// Nothing found.
    #[must_use]
    pub const fn harmless() -> Self {
        Self {
            score: 0,
            labels: Vec::new(),
            findings: Vec::new(),
        }
    }

    /// Adds a finding; the score becomes the highest of all. `score` is cut at 100.
    pub fn find(&mut self, id: &str, score: u8, message: impl Into<String>) {
        let score = score.min(100);
        self.score = self.score.max(score);
        self.findings.push(Finding {
            id: id.to_owned(),
            score,
            message: message.into(),
        });
    }

    /// Adds a label, once.
    pub fn label(&mut self, label: &str) {
        if !self.labels.iter().any(|l| l == label) {
            self.labels.push(label.to_owned());
        }
    }
}

/// Reads the facts and asks the plugin.
///
/// # Errors
/// Facts that do not read, or the plugin's own.
pub fn classified<P: Classifier>(instance: &Instance<P>, request: &Request) -> Result<Assessment, Error> {
    let facts = serde_json::from_str(&request.facts)
        .map_err(|error| Error::invalid_input(format!("the facts do not read: {error}")))?;
    instance.plugin()?.classify(request, &facts)
}

/// Makes a type that implements [`Classifier`] the component's classifier. Once per crate; does
/// nothing outside wasm.
#[macro_export]
macro_rules! export_classifier {
    ($plugin:ty) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            ::std::thread_local! {
                static INSTANCE: $crate::plugin::Instance<$plugin> =
                    const { $crate::plugin::Instance::new() };
            }
            struct Guest;
            $crate::__export_plugin!(Guest, $plugin);
            impl $crate::bindings::classifier::exports::tidegate::classifier::classifier::Guest for Guest {
                fn classify(
                    request: $crate::classifier::Request,
                ) -> ::std::result::Result<$crate::classifier::Assessment, $crate::Error> {
                    INSTANCE.with(|instance| $crate::classifier::classified(instance, &request))
                }
            }
            $crate::bindings::classifier::export_classifier_half!(
                Guest with_types_in $crate::bindings::classifier
            );
        };
    };
}
