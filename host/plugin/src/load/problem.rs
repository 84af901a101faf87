//! Why plugins are not loaded.

use std::fmt;

use model::PluginName;

use crate::component::ComponentError;
use crate::fault::FaultKind;
use crate::manifest::Issue;
use crate::signature::SignatureError;

/// Why a plugin could not be loaded.
#[derive(Debug)]
pub struct LoadError {
    /// The configured name.
    pub plugin: PluginName,
    /// Why.
    pub problem: LoadProblem,
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "plugin \"{}\": {}", self.plugin, self.problem)?;
        let mut source = std::error::Error::source(&self.problem);
        while let Some(cause) = source {
            write!(f, ": {cause}")?;
            source = cause.source();
        }
        Ok(())
    }
}

impl std::error::Error for LoadError {}

/// What is wrong with a plugin or its configuration.
#[derive(Debug, thiserror::Error)]
pub enum LoadProblem {
    /// The file is not what it should be.
    #[error(transparent)]
    Component(#[from] ComponentError),
    /// Nobody whom the operator trusts vouches for the file.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// The component does not say what it is, and nothing of it is run to learn that.
    #[error("{path} was never packed: run `tidegate plugin pack {path}`")]
    Unpacked {
        /// The file.
        path: String,
    },
    /// The schema of the configuration in the manifest can't be used.
    #[error("its schema of the configuration can't be used: {0}")]
    Schema(String),
    /// The vectors to be frozen can't be run.
    #[error("its self-test vectors can't be run: {0}")]
    Vectors(String),
    /// The plugin does not do what a vector of its author says.
    #[error("self-test {vector}: {what}")]
    Vector {
        /// Which.
        vector: String,
        /// What was expected, and what came.
        what: String,
    },
    /// The component does not compile or does not fit the contract's types.
    #[error("the component does not fit: {0}")]
    Unfit(String),
    /// The plugin failed while it was described or configured.
    #[error("{function} failed: {kind}")]
    Failed {
        /// `describe` or `configure`.
        function: &'static str,
        /// How.
        kind: FaultKind,
    },
    /// The plugin finds something wrong with its configuration.
    #[error("config{}: {}", .0.pointer, .0.message)]
    Config(Issue),
    /// A key of the plugin's table is wrong.
    #[error("{key}: {message}")]
    Key {
        /// The key, e.g. `limits.memory`.
        key: &'static str,
        /// What is wrong and what would be right.
        message: String,
    },
    /// The engines could not be made.
    #[error("the sandbox can't be set up: {0}")]
    Engine(String),
}
