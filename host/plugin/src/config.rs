//! What an operator says of a plugin: where it is, what it may use, what it may reach.
//!
//! Parsed from the configuration file elsewhere; this crate only knows the checked form.
//! Secrets live here for as long as the plugin does and are never printed.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use model::PluginName;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::egress::AddressRange;
use crate::signature::Trust;

/// Which of the four worlds a component is loaded into.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
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

impl Kind {
    /// Returns the word used in the configuration and as a metric label.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Approver => "approver",
            Self::Classifier => "classifier",
            Self::Exporter => "exporter",
            Self::Masker => "masker",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

/// One configured plugin.
#[derive(Clone, Debug, PartialEq)]
pub struct PluginConfig {
    /// The name the rest of the configuration uses.
    pub name: PluginName,
    /// Into which world it is loaded.
    pub kind: Kind,
    /// The component's file.
    pub source: PathBuf,
    /// What the file's SHA-256 must be. `None`: not pinned.
    pub sha256: Option<[u8; 32]>,
    /// Whose signatures of it count.
    pub trust: Trust,
    /// Handed to the plugin as JSON; `null` becomes `{}`.
    pub config: serde_json::Value,
    /// How much it may use.
    pub limits: Limits,
    /// What a masker's fault does. Means nothing for the other kinds.
    pub on_failure: OnFailure,
    /// What it may reach.
    pub grants: Grants,
}

impl PluginConfig {
    /// Makes the configuration that an operator gets who writes nothing but name, kind and file.
    #[must_use]
    pub fn new(name: PluginName, kind: Kind, source: PathBuf) -> Self {
        Self {
            name,
            kind,
            source,
            sha256: None,
            trust: Trust::default(),
            config: serde_json::Value::Null,
            limits: Limits::for_kind(kind),
            on_failure: OnFailure::default(),
            grants: Grants::default(),
        }
    }
}

/// How much a plugin may use.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Linear memory of one instance, all its memories together, in bytes. From 1 MiB to
    /// [`MEMORY_BYTES_MAX`].
    pub memory_bytes: usize,
    /// The time of one call of the kind's main function. From 1 ms to [`DEADLINE_MAX`].
    pub deadline: Duration,
    /// How many instances may live at once; calls beyond wait within their deadline. From 1 to
    /// [`INSTANCES_MAX`].
    pub instances: usize,
    /// After about so many calls an instance is replaced.
    pub invocations: u64,
    /// So many faults within [`Limits::faults_within`] put the plugin into quarantine: it is
    /// not called, and fails as its policy says, until a call that is let through now and then
    /// ends well. At least 1.
    pub faults: u32,
    /// The time in which they count.
    pub faults_within: Duration,
    /// Messages of the plugin that are logged in one second; more are dropped and counted.
    pub log_lines: u32,
    /// How long compiling the component may take; what takes longer is not loaded.
    pub compile: Duration,
}

impl Limits {
    /// Returns the limits of a plugin for which the operator set none.
    #[must_use]
    pub const fn for_kind(kind: Kind) -> Self {
        let deadline = match kind {
            Kind::Approver => Duration::from_secs(15),
            Kind::Classifier => Duration::from_millis(10),
            Kind::Exporter => Duration::from_secs(60),
            Kind::Masker => Duration::from_millis(20),
        };
        Self {
            memory_bytes: 64 << 20,
            deadline,
            instances: INSTANCES,
            invocations: CALLS,
            faults: FAULTS,
            faults_within: FAULTS_WITHIN,
            log_lines: LOG_LINES,
            compile: COMPILE,
        }
    }
}

/// The default number of instances: more than a machine of this size has threads that call.
pub const INSTANCES: usize = 16;

/// The default number of calls after which an instance is replaced.
pub const CALLS: u64 = 10_000;

/// The default number of messages logged in one second. A human reads none of them at that rate;
/// more would only fill the disk.
pub const LOG_LINES: u32 = 100;

/// The default time for compiling a component: ten times what the largest run time of a language
/// needs on a small machine. A reload waits for it, and meanwhile no other one begins.
pub const COMPILE: Duration = Duration::from_mins(2);

/// The default number of faults that put a plugin into quarantine: more than one bad input makes
/// by chance, fewer than would tie up its instances for long.
pub const FAULTS: u32 = 10;

/// The default time in which they count.
pub const FAULTS_WITHIN: Duration = Duration::from_mins(1);

/// The most memory an operator may give one instance. Four times what a Python guest needs at
/// rest; the io engine's slots are this large.
pub const MEMORY_BYTES_MAX: usize = 256 << 20;

/// The longest deadline an operator may set. An exporter that needs longer holds up its log.
pub const DEADLINE_MAX: Duration = Duration::from_secs(300);

/// The most instances of one plugin: a quarter of an engine's slots, so that no single plugin
/// can keep the others out.
pub const INSTANCES_MAX: usize = 64;

/// What happens to a result when its masker fails. There is no `open`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum OnFailure {
    /// The result ends with an error.
    #[default]
    Close,
    /// The columns the plugin would have masked become NULL.
    Redact,
}

/// What a plugin may reach. Nothing by default.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Grants {
    /// Origins it may send HTTP requests to: `https://host:port`, or `http://` for loopback.
    pub egress: Vec<String>,
    /// Special address ranges that a granted host's name may resolve to. An origin that is
    /// written as an address grants itself.
    pub allow_private: Vec<AddressRange>,
    /// A PEM file of certificate authorities trusted beside the system's own.
    pub ca_file: Option<PathBuf>,
    /// Secrets by the name the plugin's configuration uses.
    pub secrets: BTreeMap<String, Secret>,
    /// Bytes of key-value storage. `None`: not granted.
    pub kv_bytes: Option<usize>,
    /// Whether a masker's or classifier's log messages are written with their content.
    pub log: bool,
}

/// A secret's value and how it may be used.
#[derive(Clone, PartialEq)]
pub struct Secret {
    value: Zeroizing<Vec<u8>>,
    /// Whether the plugin may see the value itself.
    pub reveal: bool,
}

impl Secret {
    /// Takes a secret that the plugin may use without seeing it.
    #[must_use]
    pub fn new(value: impl Into<Vec<u8>>) -> Self {
        Self {
            value: Zeroizing::new(value.into()),
            reveal: false,
        }
    }

    /// Returns the value. Callers neither log nor keep it.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.value
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}
