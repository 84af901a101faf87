//! Components that misbehave, each in one way, and an honest one of each kind beside them.
//!
//! They are built with `cargo build --target wasm32-wasip2 --profile component -p guests
//! --examples`. Those whose fault shows only after `configure` share one component per kind
//! and are told apart by the configuration `{"behaviour": "NAME"}`; the file of each is named
//! as its behaviour. The others are components of their own, below `examples/`.
//!
//! The maskers expect a shape of one `text` field or more and batches of nine rows or more.
//!
//! This crate says what they do and where they must be stopped; that they are is what the tests
//! of the host show, which walk [`GUESTS`].

/// Declares the modules of behaviours and how to find one by its name.
macro_rules! behaviours {
    ($($name:ident,)*) => {
        $(mod $name;)*

        /// The names of all behaviours.
        pub const NAMES: &[&str] = &[$(stringify!($name)),*];

        /// Returns the behaviour of this name.
        #[must_use]
        pub fn find(name: &str) -> Option<&'static dyn Behaviour> {
            match name {
                $(stringify!($name) => Some(&$name::It),)*
                _ => None,
            }
        }
    };
}

pub mod approver;
pub mod classifier;
pub mod exporter;
mod list;
pub mod masker;

pub use list::GUESTS;
use tidegate_sdk::{Issue, Manifest, Want};

/// One guest.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Guest {
    /// The component: `target/wasm32-wasip2/PROFILE/examples/COMPONENT.wasm`.
    pub component: &'static str,
    /// What it is told to be; empty for a component with one behaviour.
    pub behaviour: &'static str,
    /// Into which world it is loaded.
    pub kind: Kind,
    /// What the host must make of it.
    pub expected: Expected,
}

impl Guest {
    /// Returns the configuration that makes the component behave so.
    #[must_use]
    pub fn config(&self) -> String {
        match self.behaviour {
            "" => "{}".to_owned(),
            behaviour => format!(r#"{{"behaviour":"{behaviour}"}}"#),
        }
    }
}

/// The kinds of plugin.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// Carries questions to humans.
    Approver,
    /// Judges risk.
    Classifier,
    /// Delivers evidence.
    Exporter,
    /// Hides data.
    Masker,
}

/// Where the host must stop a guest. Up to there everything succeeds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Expected {
    /// Nowhere: its work is done, and what else it does has no effect.
    Works,
    /// At the end of its instance: it works once.
    Instance,
    /// Loading is refused, with an import whose name begins so.
    Import(&'static str),
    /// `describe` or `configure` fails: the plugin does not start.
    Start,
    /// `make-plan` fails.
    Plan,
    /// The first call of the kind's work (`load-plan` and `mask`, `classify`, `submit` or
    /// `callback`, `deliver`) fails.
    Call,
}

/// What the components with several behaviours are configured with.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    /// Which behaviour.
    behaviour: String,
    /// Where [`exporter`]'s `calls_out` connects to.
    #[serde(default)]
    address: String,
}

/// What every component says of itself.
#[must_use]
pub fn manifest() -> Manifest {
    let want = |kind: &str| Want::new(kind, "*", "To misbehave with it.");
    Manifest {
        name: "guest".to_owned(),
        version: "0.0.0".to_owned(),
        summary: "Misbehaves.".to_owned(),
        config_schema: String::new(),
        wants: ["egress", "secret", "reveal", "kv", "log"].map(want).into(),
        metrics: Vec::new(),
        attrs: Vec::new(),
    }
}

/// Reads the configuration and returns the behaviour that it names.
///
/// # Errors
/// A configuration that does not read, or a behaviour that does not exist.
pub fn configure<T>(json: &str, find: impl Fn(&str) -> Option<T>) -> Result<T, Vec<Issue>> {
    let config: Config = serde_json::from_str(json).map_err(|e| vec![Issue::new("", e.to_string())])?;
    ADDRESS.set(config.address);
    find(&config.behaviour).ok_or_else(|| vec![Issue::new("/behaviour", "no such behaviour")])
}

std::thread_local! {
    static ADDRESS: std::cell::RefCell<String> = const { std::cell::RefCell::new(String::new()) };
}

/// The configured address.
fn address() -> String {
    ADDRESS.with_borrow(Clone::clone)
}

/// Never ends.
fn spin() -> ! {
    let mut number = 0_u64;
    loop {
        number = std::hint::black_box(number.wrapping_add(1));
    }
}

/// Traps.
fn trap() -> ! {
    std::process::abort()
}

/// Calls itself without end.
fn recurse(depth: u64) -> u8 {
    let frame = std::hint::black_box([u8::try_from(depth % 256).unwrap_or(0); 256]);
    if std::hint::black_box(depth) == u64::MAX {
        return 0;
    }
    frame[usize::from(recurse(depth + 1))]
}

#[cfg(test)]
mod tests;
