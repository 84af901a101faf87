//! What a plugin says of itself, and what it finds wrong with its configuration.

pub(crate) mod schema;
pub(crate) mod section;

use serde::{Deserialize, Serialize};

use crate::config::Kind;

/// The contract's limits.
const NAME_BYTES_MAX: usize = 64;
const METRICS_MAX: usize = 32;
pub(crate) const MANIFEST_BYTES_MAX: usize = 256 << 10;
pub(crate) const ISSUES_MAX: usize = 100;

/// What is shown of a plugin's own sentences.
const SENTENCE_BYTES_MAX: usize = 500;

/// What a plugin says of itself.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The kind it was loaded as.
    pub kind: Kind,
    /// The plugin's own name, e.g. `redact`.
    pub name: String,
    /// Its version.
    pub version: String,
    /// One sentence.
    pub summary: String,
    /// JSON Schema of its configuration; may be empty.
    pub config_schema: String,
    /// What it wants to reach. What it gets is what the operator grants.
    pub wants: Vec<Want>,
    /// The metrics it may add to.
    pub metrics: Vec<String>,
}

/// Something a plugin wants to reach.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Want {
    /// `egress`, `secret`, `kv` or `log`.
    pub kind: String,
    /// As the kind says.
    pub value: String,
    /// Why.
    pub reason: String,
}

/// One thing wrong with a configuration.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Issue {
    /// Where, as a JSON pointer; empty: the whole.
    pub pointer: String,
    /// What is wrong and what would be right.
    pub message: String,
}

/// Reads the generated types: `bindgen!` makes one set for each way of calling.
macro_rules! of_wit {
    ($($module:ident),*) => {$(
        impl Manifest {
            pub(crate) fn $module(
                kind: Kind,
                manifest: crate::bindings::$module::exports::tidegate::base::plugin::Manifest,
            ) -> Self {
                let want = |want: crate::bindings::$module::exports::tidegate::base::plugin::Want| Want {
                    kind: want.kind,
                    value: want.value,
                    reason: want.reason,
                };
                Self {
                    kind,
                    name: manifest.name,
                    version: manifest.version,
                    summary: manifest.summary,
                    config_schema: manifest.config_schema,
                    wants: manifest.wants.into_iter().map(want).collect(),
                    metrics: manifest.metrics,
                }
                .tidied()
            }
        }

        impl From<crate::bindings::$module::exports::tidegate::base::plugin::Issue> for Issue {
            fn from(issue: crate::bindings::$module::exports::tidegate::base::plugin::Issue) -> Self {
                Self {
                    pointer: crate::text::one_line(&issue.pointer, SENTENCE_BYTES_MAX),
                    message: crate::text::one_line(&issue.message, SENTENCE_BYTES_MAX),
                }
            }
        }
    )*};
}
of_wit!(plugin, plugin_async);

impl Manifest {
    /// Makes the plugin's own sentences fit to be shown: one line each, of bounded length.
    fn tidied(mut self) -> Self {
        let tidy = |text: &mut String| *text = crate::text::one_line(text, SENTENCE_BYTES_MAX);
        tidy(&mut self.name);
        tidy(&mut self.version);
        tidy(&mut self.summary);
        for want in &mut self.wants {
            tidy(&mut want.kind);
            tidy(&mut want.value);
            tidy(&mut want.reason);
        }
        self
    }

    /// Holds the manifest against the contract; an error names the rule it breaks.
    pub(crate) fn check(&self) -> Result<(), &'static str> {
        let name = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if !(1..=NAME_BYTES_MAX).contains(&self.name.len()) || !self.name.bytes().all(name) {
            return Err("a name of at most 64 of a-z, 0-9 and -");
        }
        let metric = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
        let fitting = |m: &String| (1..=NAME_BYTES_MAX).contains(&m.len()) && m.bytes().all(metric);
        if self.metrics.len() > METRICS_MAX || !self.metrics.iter().all(fitting) {
            return Err("at most 32 metrics of at most 64 of a-z, 0-9 and _");
        }
        Ok(())
    }
}
