//! Plays the host in a plugin's native tests: the same calls, the same copies and the same
//! checks on what comes back, without wasm.

#[cfg(not(target_arch = "wasm32"))]
#[doc(hidden)]
pub mod double;
mod masks;
mod ruling;

pub use masks::{Check, check, plans};
pub use ruling::{assess, request};

#[cfg(not(target_arch = "wasm32"))]
pub use double::Host;

use crate::plugin::{Issue, Plugin, configured};

/// Configures a plugin.
///
/// # Panics
/// When the configuration is refused, with all issues.
#[must_use]
pub fn plugin<P: Plugin>(config: &str) -> P {
    configured(config).unwrap_or_else(|issues| panic!("the configuration is refused: {issues:?}"))
}

/// Returns what is wrong with a configuration as `pointer: message` lines.
///
/// # Panics
/// When nothing is.
#[must_use]
pub fn issues<P: Plugin>(config: &str) -> Vec<String> {
    match configured::<P>(config) {
        Ok(_) => panic!("the configuration is accepted"),
        Err(issues) => issues
            .iter()
            .map(|Issue { pointer, message }| format!("{pointer}: {message}"))
            .collect(),
    }
}
