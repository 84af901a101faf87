//! Where things come from that set-up installs.

/// Where something comes from. Ordered as it is installed.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Source {
    /// Packages of the distribution.
    Package(&'static [&'static str]),
    /// rustup.
    Rustup,
    /// A wheel, into `~/.cache/tidegate/python`.
    Wheel(&'static str),
    /// A package of npm, into `~/.cache/tidegate/node`.
    Npm(&'static str),
}

impl Source {
    /// Returns the packages, if it is some.
    pub(super) const fn package(&self) -> Option<&'static [&'static str]> {
        match self {
            Self::Package(names) => Some(names),
            Self::Rustup | Self::Wheel(_) | Self::Npm(_) => None,
        }
    }

    /// Returns the wheel, if it is one.
    pub(super) const fn wheel(&self) -> Option<&'static str> {
        match self {
            Self::Wheel(name) => Some(name),
            Self::Package(_) | Self::Rustup | Self::Npm(_) => None,
        }
    }

    /// Returns the package of npm, if it is one.
    pub(super) const fn npm(&self) -> Option<&'static str> {
        match self {
            Self::Npm(name) => Some(name),
            Self::Package(_) | Self::Rustup | Self::Wheel(_) => None,
        }
    }

    /// Says what is installed and where.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Package(names) => {
                format!("{}: packages of the distribution, system-wide", names.join(", "))
            }
            Self::Rustup => "the targets wasm32-wasip2 and wasm32-unknown-unknown: rustup".to_owned(),
            Self::Wheel(name) => format!("{name}: a Python wheel, into ~/.cache/tidegate/python"),
            Self::Npm(name) => format!("{name}: a package of npm, into ~/.cache/tidegate/node"),
        }
    }
}
