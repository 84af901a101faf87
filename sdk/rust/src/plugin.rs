//! What every plugin has, whatever its kind: a configuration and a description.

use std::cell::OnceCell;

use serde::de::DeserializeOwned;

pub use crate::bindings::plugin::exports::tidegate::base::plugin::{Issue, Manifest, Want};

/// A plugin of any kind.
pub trait Plugin: Sized + 'static {
    /// The configuration as the operator writes it. Derive it with
    /// `#[serde(deny_unknown_fields)]`: a misspelt rule must not pass for no rule.
    type Config: DeserializeOwned;

    /// Makes the plugin, once per instance.
    ///
    /// # Errors
    /// Everything that is wrong with the configuration, at once.
    fn new(config: Self::Config) -> Result<Self, Vec<Issue>>;

    /// Completes the description. The crate's name, version and description are already in it;
    /// what the plugin wants to reach, its metrics and its schema are not.
    fn describe(manifest: &mut Manifest) {
        let _ = manifest;
    }
}

impl Issue {
    /// Names what is wrong with the value at `pointer` (RFC 6901; empty for the whole).
    pub fn new(pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            pointer: pointer.into(),
            message: message.into(),
        }
    }
}

impl Want {
    /// Names something to reach: its kind, its value (`*` where the configuration decides) and
    /// why, in one sentence.
    pub fn new(kind: impl Into<String>, value: impl Into<String>, reason: impl Into<String>) -> Self {
        Self {
            kind: kind.into(),
            value: value.into(),
            reason: reason.into(),
        }
    }
}

/// Appends a step to a JSON pointer, escaped as RFC 6901 asks.
pub fn push_pointer(pointer: &mut String, step: &str) {
    pointer.push('/');
    for letter in step.chars() {
        match letter {
            '~' => pointer.push_str("~0"),
            '/' => pointer.push_str("~1"),
            other => pointer.push(other),
        }
    }
}

/// Reads a configuration and makes the plugin from it.
///
/// # Errors
/// What is wrong with it; text that does not fit [`Plugin::Config`] gives its first fault.
pub fn configured<P: Plugin>(json: &str) -> Result<P, Vec<Issue>> {
    let mut deserializer = serde_json::Deserializer::from_str(json);
    let config = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let mut pointer = String::new();
        for segment in error.path() {
            use serde_path_to_error::Segment;
            match segment {
                Segment::Seq { index } => push_pointer(&mut pointer, &index.to_string()),
                Segment::Map { key } => push_pointer(&mut pointer, key),
                Segment::Enum { .. } | Segment::Unknown => {}
            }
        }
        vec![Issue::new(pointer, error.inner().to_string())]
    })?;
    deserializer
        .end()
        .map_err(|error| vec![Issue::new("", error.to_string())])?;
    P::new(config)
}

/// The description that [`Plugin::describe`] completes.
#[must_use]
pub fn described<P: Plugin>(name: &str, version: &str, summary: &str) -> Manifest {
    let mut manifest = Manifest {
        name: name.to_owned(),
        version: version.to_owned(),
        summary: summary.to_owned(),
        config_schema: String::new(),
        wants: Vec::new(),
        metrics: Vec::new(),
        attrs: Vec::new(),
    };
    P::describe(&mut manifest);
    manifest
}

/// One instance's plugin: nothing until it is configured.
#[derive(Debug)]
pub struct Instance<P>(OnceCell<P>);

impl<P: Plugin> Instance<P> {
    /// An instance that is not configured.
    #[must_use]
    pub const fn new() -> Self {
        Self(OnceCell::new())
    }

    /// Takes the configuration.
    ///
    /// # Errors
    /// What is wrong with it, or that there is one already.
    pub fn configure(&self, json: &str) -> Result<(), Vec<Issue>> {
        let plugin = configured(json)?;
        self.0
            .set(plugin)
            .map_err(|_| vec![Issue::new("", "this instance is configured already")])
    }

    /// Returns the plugin.
    ///
    /// # Errors
    /// Before it is configured, which the host never lets happen.
    pub fn plugin(&self) -> Result<&P, crate::Error> {
        self.0
            .get()
            .ok_or_else(|| crate::Error::internal("not configured"))
    }
}

impl<P: Plugin> Default for Instance<P> {
    fn default() -> Self {
        Self::new()
    }
}

/// The part of every `export_…!` that is the same: `describe` and `configure`.
#[doc(hidden)]
#[macro_export]
macro_rules! __export_plugin {
    ($guest:ident, $plugin:ty) => {
        impl $crate::bindings::plugin::exports::tidegate::base::plugin::Guest for $guest {
            fn describe() -> $crate::Manifest {
                $crate::plugin::described::<$plugin>(
                    env!("CARGO_PKG_NAME"),
                    env!("CARGO_PKG_VERSION"),
                    env!("CARGO_PKG_DESCRIPTION"),
                )
            }

            fn configure(json: ::std::string::String) -> ::std::result::Result<(), ::std::vec::Vec<$crate::Issue>> {
                INSTANCE.with(|instance| instance.configure(&json))
            }
        }
        $crate::bindings::plugin::export_plugin_half!($guest with_types_in $crate::bindings::plugin);
    };
}
