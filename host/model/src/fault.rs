//! Who is at fault when something fails; the label under which a failure is counted.

use std::fmt;

use serde::Serialize;

/// Who must act to make a failure go away.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Fault {
    /// The client sent something wrong or not allowed.
    Client,
    /// The gateway itself is broken.
    Gateway,
    /// The configuration or the machine is wrong.
    Operator,
    /// A plugin trapped, timed out or broke the contract.
    Plugin,
    /// The upstream misbehaved or could not be reached.
    Upstream,
}

impl Fault {
    /// Returns the metric label.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Gateway => "gateway",
            Self::Operator => "operator",
            Self::Plugin => "plugin",
            Self::Upstream => "upstream",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}
