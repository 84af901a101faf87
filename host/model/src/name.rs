//! Names that an operator gives to things in the configuration.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Takes the name as it stands; the configuration has checked it.
            #[must_use]
            pub fn new(name: impl Into<String>) -> Self {
                Self(name.into())
            }

            /// Returns the name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name! {
    /// A configured upstream.
    ResourceName
}

impl ResourceName {
    /// The gateway itself, as policies name it: what is done through its API, console and
    /// command line is done on this resource. No upstream may be called so.
    pub const GATEWAY: &str = "tidegate";
}
name! {
    /// A configured plugin.
    PluginName
}
name! {
    /// The class of a piece of data, e.g. `pii.ssn`.
    Tag
}
