//! `[plugins]`, who vouches for components and when they are reloaded; `[[plugin]]`, the components
//! to load and all that each of them is granted.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::ValueEnum;
use model::PluginName;
use plugin::{AddressRange, CALLS, COMPILE, FAULTS, FAULTS_WITHIN, INSTANCES, INSTANCES_MAX, LOG_LINES};
use url::Url;

use super::quantity::{duration, name, size};
use super::report::{Problem, problem};
use super::section::Section;
use super::settings::{choice, secret};
use crate::plugins::oci::Reference;
use crate::secret::SecretRef;

/// One component: what it is, what it may do, what happens when it fails.
#[derive(Clone, Debug, PartialEq)]
pub struct PluginConfig {
    /// Its name.
    pub name: PluginName,
    /// What it is for.
    pub kind: PluginKind,
    /// Where the component is.
    pub source: Source,
    /// The SHA-256 the file must have; `None` takes the file as it is.
    pub sha256: Option<[u8; 32]>,
    /// What the plugin is configured with: a JSON object.
    pub config: serde_json::Value,
    /// How much it may use.
    pub limits: PluginLimits,
    /// What happens to data when it fails.
    pub on_failure: OnFailure,
    /// The origins it may send requests to, e.g. `https://hec.corp:8088`.
    pub egress: Vec<String>,
    /// The secrets it may use, by the name it knows them under.
    pub secrets: Vec<(String, SecretRef)>,
    /// Those of the secrets that it may see itself.
    pub reveal: Vec<String>,
    /// The private and loopback ranges that its requests may reach, e.g. `10.20.0.0/16`.
    pub allow_private: Vec<String>,
    /// A file of authorities that its requests trust beside the system's own, PEM.
    pub ca_file: Option<PathBuf>,
    /// Bytes of storage that outlives an instance; `None` for none.
    pub kv: Option<u64>,
    /// Whether the words of a masker's or classifier's messages are logged, not their length alone.
    pub log: bool,
}

/// Where a component is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Source {
    /// A file.
    File(PathBuf),
    /// A registry; always by the digest of a manifest.
    Registry(Reference),
}

impl Source {
    /// Returns the file, if it is one.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            Self::Registry(_) => None,
        }
    }
}

/// What holds for all components.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct PluginsConfig {
    /// Whether a component that nobody vouches for is refused.
    pub require_signature: bool,
    /// Files of public keys, PEM.
    pub trusted_keys: Vec<PathBuf>,
    /// Whether plugins are reloaded when the configuration's file or a component's changes.
    pub watch: bool,
}

/// What a plugin is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum PluginKind {
    /// Asks somebody whether an operation may run.
    Approver,
    /// Judges operations.
    Classifier,
    /// Sends the journal elsewhere.
    Exporter,
    /// Masks results.
    Masker,
}

impl PluginKind {
    /// Returns the word of the configuration, e.g. `masker`.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Approver => "approver",
            Self::Classifier => "classifier",
            Self::Exporter => "exporter",
            Self::Masker => "masker",
        }
    }

    /// Returns whether plugins of this kind may send requests and use secrets.
    #[must_use]
    pub const fn has_network(self) -> bool {
        matches!(self, Self::Approver | Self::Exporter)
    }
}

/// How much a plugin may use.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PluginLimits {
    /// Memory of one instance, in bytes.
    pub memory: u64,
    /// Time for one call.
    pub deadline: Duration,
    /// How many instances live at once.
    pub instances: usize,
    /// An instance is replaced after about so many calls.
    pub calls: u64,
    /// Messages logged in one second.
    pub log_lines: u32,
    /// So many faults put it into quarantine.
    pub faults: u32,
    /// If they come within this time.
    pub faults_within: Duration,
    /// How long compiling it may take.
    pub compile: Duration,
}

/// What happens to data when a masker fails.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum OnFailure {
    /// The result is refused.
    Close,
    /// Every field the masker was to change becomes NULL.
    Redact,
}

/// The default memory of one instance: language runtimes fit, a hundred instances too.
const MEMORY: u64 = 64 * 1024 * 1024;

/// The default time for one call that only computes: well above any batch, below what a
/// person notices.
const COMPUTE_DEADLINE: Duration = Duration::from_millis(20);

/// The default time for one call that may wait for the network.
const NETWORK_DEADLINE: Duration = Duration::from_secs(10);

pub(super) fn all(root: &Section<'_>, folder: &Path) -> PluginsConfig {
    // Asked for in any case, so that it is a known key.
    let Some(section) = root.table("plugins") else {
        return PluginsConfig::default();
    };
    let watch = section.flag("watch");
    let require_signature = section.flag("require_signature");
    let trusted_keys = section.list("trusted_keys", |text| match text {
        "" => Err(problem("is no file", "name a file with a public key, PEM")),
        file => Ok(folder.join(file)),
    });
    if require_signature && trusted_keys.is_empty() {
        let remedy = "name the files of the public keys that count, e.g. [\"keys/plugins.pem\"]";
        section.fault(
            "trusted_keys",
            problem("is missing: no component could be loaded", remedy),
        );
    }
    section.finish();
    PluginsConfig {
        require_signature,
        trusted_keys,
        watch,
    }
}

pub(super) fn read(section: Section<'_>, folder: &Path) -> Option<PluginConfig> {
    let name = section.require("name", "name the plugin, e.g. \"redact\"", name);
    let kinds = choice(&[
        ("masker", PluginKind::Masker),
        ("classifier", PluginKind::Classifier),
        ("approver", PluginKind::Approver),
        ("exporter", PluginKind::Exporter),
    ]);
    let kind = section.require("kind", "write masker, classifier, approver or exporter", kinds);
    let source = section.require("source", "write source = \"file:PATH\"", |text| {
        source(text, folder)
    });
    let sha256 = section.parse("sha256", digest);
    let is_file = source.as_ref().is_none_or(|source| source.file().is_some());
    if is_file && !section.has("sha256") {
        section.report.warning(
            Some(section.span.clone()),
            section.key("sha256"),
            problem(
                "the plugin is not pinned: whatever is in its file runs",
                "set sha256 to what sha256sum prints for the file",
            ),
        );
    }
    let config = section.json("config");
    if !config.is_object() && !config.is_null() {
        section.fault("config", problem("must be a table", "write config = { … }"));
    }
    let limits = limits(&section, kind);
    let on_failure = on_failure(&section, kind);
    let egress = section.list("egress", origin);
    let secrets = section.texts("secrets", |text| secret(text, folder));
    let reveal = section.list("reveal", |text| {
        match secrets.iter().any(|(name, _)| name == text) {
            true => Ok(text.to_owned()),
            false => Err(problem(
                "is none of this plugin's secrets",
                "name one of its secrets",
            )),
        }
    });
    let allow_private = allow_private(&section);
    let ca_file = section.parse("ca_file", |text| Ok::<_, Problem>(folder.join(text)));
    let kv = section.parse("kv", size(1..=64 * 1024 * 1024));
    let log = section.flag("log");
    for key in ["egress", "secrets", "reveal", "allow_private", "ca_file", "kv"] {
        if let Some(kind) = kind.filter(|kind| !kind.has_network() && section.has(key)) {
            let what = format!("a {} has no network, no secrets and no storage", kind.label());
            section.fault(key, problem(what, "take this key out"));
        }
    }
    section.finish();
    Some(PluginConfig {
        name: PluginName::new(name?),
        kind: kind?,
        source: source?,
        sha256,
        config,
        limits,
        on_failure,
        egress,
        secrets,
        reveal,
        allow_private,
        ca_file,
        kv,
        log,
    })
}

/// Reads `true` for every range, or a list of ranges.
fn allow_private(section: &Section<'_>) -> Vec<String> {
    if section.is_list("allow_private") {
        return section.list("allow_private", |text| match text.parse::<AddressRange>() {
            Ok(_) => Ok(text.to_owned()),
            Err(error) => Err(problem(error.to_string(), "write a range, e.g. \"10.20.0.0/16\"")),
        });
    }
    let everywhere = ["0.0.0.0/0", "::/0"].map(str::to_owned);
    if section.flag("allow_private") {
        everywhere.to_vec()
    } else {
        Vec::new()
    }
}

fn source(text: &str, folder: &Path) -> Result<Source, Problem> {
    let remedy = "write source = \"file:PATH\", or source = \"oci://REGISTRY/REPOSITORY@sha256:DIGEST\"";
    match text.split_once(':') {
        Some(("file", path)) if !path.is_empty() => Ok(Source::File(folder.join(path))),
        Some(("oci", _)) => {
            let reference: Reference = text.parse().map_err(|why: String| problem(why, remedy))?;
            match reference.digest() {
                Some(_) => Ok(Source::Registry(reference)),
                None => Err(problem(
                    "names a tag, behind which anything may be tomorrow",
                    "write the digest that `tidegate plugin push` or `pull` prints: @sha256:…",
                )),
            }
        }
        _ => Err(problem("is not a place of a plugin", remedy)),
    }
}

fn digest(text: &str) -> Result<[u8; 32], Problem> {
    let mut digest = [0; 32];
    hex::decode_to_slice(text, &mut digest).map_err(|_| {
        problem(
            "is not a SHA-256",
            "write the 64 hex digits that sha256sum prints for the file",
        )
    })?;
    Ok(digest)
}

fn limits(section: &Section<'_>, kind: Option<PluginKind>) -> PluginLimits {
    let mut limits = PluginLimits {
        memory: MEMORY,
        deadline: match kind {
            Some(kind) if kind.has_network() => NETWORK_DEADLINE,
            _ => COMPUTE_DEADLINE,
        },
        instances: INSTANCES,
        calls: CALLS,
        log_lines: LOG_LINES,
        faults: FAULTS,
        faults_within: FAULTS_WITHIN,
        compile: COMPILE,
    };
    let Some(section) = section.table("limits") else {
        return limits;
    };
    if let Some(memory) = section.parse("memory", size(1024 * 1024..=4 * 1024 * 1024 * 1024)) {
        limits.memory = memory;
    }
    let deadline_range = Duration::from_millis(1)..=Duration::from_mins(1);
    if let Some(deadline) = section.parse("deadline", duration(deadline_range)) {
        limits.deadline = deadline;
    }
    if let Some(instances) = section.number("instances", 1..=INSTANCES_MAX as u64) {
        limits.instances = usize::try_from(instances).unwrap_or(INSTANCES);
    }
    if let Some(calls) = section.number("calls", 1..=1_000_000_000) {
        limits.calls = calls;
    }
    if let Some(lines) = section.number("log_lines", 0..=10_000) {
        limits.log_lines = u32::try_from(lines).unwrap_or(LOG_LINES);
    }
    if let Some(faults) = section.number("faults", 1..=1_000_000) {
        limits.faults = u32::try_from(faults).unwrap_or(FAULTS);
    }
    let within_range = Duration::from_secs(1)..=Duration::from_hours(24);
    if let Some(within) = section.parse("faults_within", duration(within_range)) {
        limits.faults_within = within;
    }
    let compile_range = Duration::from_secs(1)..=Duration::from_hours(1);
    if let Some(compile) = section.parse("compile", duration(compile_range)) {
        limits.compile = compile;
    }
    section.finish();
    limits
}

fn on_failure(section: &Section<'_>, kind: Option<PluginKind>) -> OnFailure {
    let read = |text: &str| match text {
        "close" => Ok(OnFailure::Close),
        "redact" if kind.is_none_or(|kind| kind == PluginKind::Masker) => Ok(OnFailure::Redact),
        "redact" => Err(problem("only a masker can redact", "use \"close\"")),
        "open" => Err(problem(
            "no plugin can fail open",
            "use \"close\", or \"redact\" for a masker",
        )),
        _ => Err(problem(
            format!("\"{text}\" is not known"),
            "use \"close\", or \"redact\" for a masker",
        )),
    };
    section.parse("on_failure", read).unwrap_or(OnFailure::Close)
}

/// Reads `https://HOST[:PORT]` and nothing behind it.
fn origin(text: &str) -> Result<String, Problem> {
    let shape = "write the origin only, e.g. \"https://hec.example.com:8088\"";
    let url = Url::parse(text).map_err(|error| problem(format!("is not a URL: {error}"), shape))?;
    let bare = matches!(url.scheme(), "https" | "http")
        && url.host_str().is_some_and(|host| !host.is_empty())
        && url.username().is_empty()
        && url.password().is_none()
        && matches!(url.path(), "" | "/")
        && url.query().is_none()
        && url.fragment().is_none();
    if !bare {
        return Err(problem("is not an origin", shape));
    }
    Ok(url.origin().ascii_serialization())
}
