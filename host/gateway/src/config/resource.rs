//! `[[resource]]`: the upstreams.

pub(super) mod http;
pub(super) mod postgres;
pub(super) mod ssh;

use std::path::{Path, PathBuf};
use std::time::Duration;

use model::grant::GRANT_SECONDS_MAX;
use model::{PluginName, ResourceName};

use super::plugin::{PluginConfig, PluginKind};
use super::quantity::{duration, name};
use super::report::{Problem, nearest, problem};
use super::section::Section;
use super::settings::choice;
use crate::secret::SecretRef;
pub use http::{HttpConfig, HttpLogin, UnknownContent};
pub use postgres::{Login, PostgresConfig};
pub use ssh::{SshAccount, SshConfig, SshLogin};

/// One upstream.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ResourceConfig {
    /// Its name: what clients ask for.
    pub name: ResourceName,
    /// What it speaks, where it is, and how the gateway logs in there.
    pub kind: ResourceKind,
    /// The maskers, in the order they are asked.
    pub maskers: Vec<PluginName>,
    /// The classifiers.
    pub classifiers: Vec<PluginName>,
    /// How long an operation may wait for approval.
    pub hold_for: Duration,
    /// How long people can answer; the operation can be sent again until then.
    pub decide_within: Duration,
    /// How long what they approved can be used.
    pub use_within: Duration,
    /// The approver plugins that carry questions to people; `None` for all there are.
    pub channels: Option<Vec<PluginName>>,
    /// How long a grant lasts that is asked for by connecting.
    pub grant_for: Duration,
    /// Sessions to this resource at the same time; `None` for no limit of its own.
    pub max_sessions: Option<u64>,
    /// After how long without a message, and with nothing running, a session ends; `None` for
    /// never. Sessions over HTTP last as long as their connections.
    pub idle_timeout: Option<Duration>,
}

/// What a resource speaks, with what only that protocol has.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ResourceKind {
    /// PostgreSQL.
    Postgres(Box<PostgresConfig>),
    /// HTTP.
    Http(Box<HttpConfig>),
    /// SSH.
    Ssh(Box<SshConfig>),
}

impl ResourceConfig {
    /// Returns the word for its kind, e.g. `postgres`.
    #[must_use]
    pub const fn protocol(&self) -> &'static str {
        match self.kind {
            ResourceKind::Postgres(_) => "postgres",
            ResourceKind::Http(_) => "http",
            ResourceKind::Ssh(_) => "ssh",
        }
    }

    /// Returns every secret it names, with its key.
    #[must_use]
    pub fn secrets(&self) -> Vec<(&'static str, &SecretRef)> {
        match &self.kind {
            ResourceKind::Postgres(postgres) => postgres.secrets(),
            ResourceKind::Http(http) => http.secrets(),
            ResourceKind::Ssh(ssh) => ssh.secrets(),
        }
    }

    /// Returns every file it names, with its key.
    #[must_use]
    pub fn files(&self) -> Vec<(&'static str, &PathBuf)> {
        match &self.kind {
            ResourceKind::Postgres(postgres) => {
                let roots = postgres.root_certificate.iter();
                roots.map(|path| ("root_certificate", path)).collect()
            }
            ResourceKind::Http(http) => http.files(),
            ResourceKind::Ssh(ssh) => ssh.files(),
        }
    }

    /// Returns what only PostgreSQL has.
    #[must_use]
    pub fn postgres(&self) -> Option<&PostgresConfig> {
        match &self.kind {
            ResourceKind::Postgres(postgres) => Some(postgres),
            ResourceKind::Http(_) | ResourceKind::Ssh(_) => None,
        }
    }

    /// Returns what only HTTP has.
    #[must_use]
    pub fn http(&self) -> Option<&HttpConfig> {
        match &self.kind {
            ResourceKind::Http(http) => Some(http),
            ResourceKind::Postgres(_) | ResourceKind::Ssh(_) => None,
        }
    }

    /// Returns what only SSH has.
    #[must_use]
    pub fn ssh(&self) -> Option<&SshConfig> {
        match &self.kind {
            ResourceKind::Ssh(ssh) => Some(ssh),
            ResourceKind::Postgres(_) | ResourceKind::Http(_) => None,
        }
    }
}

/// The default of `hold_for`: a person answers within minutes, clients give up later.
const HOLD_FOR: Duration = Duration::from_mins(5);

/// The same for HTTP: many clients give up after half a minute without an answer.
const HTTP_HOLD_FOR: Duration = Duration::from_secs(25);

/// The default of `decide_within`: a break of a person asked, and not yet a forgotten tab.
const DECIDE_WITHIN: Duration = Duration::from_mins(30);

/// The default of `use_within`: whoever asked looks again after a meeting; what was true when
/// people looked is hardly true much later.
const USE_WITHIN: Duration = Duration::from_mins(15);

/// The default of `grant_for`: long enough for a task, short enough to be asked again.
const GRANT_FOR: Duration = Duration::from_hours(1);

/// The plugins that resources may name.
pub(super) struct KnownPlugins<'a> {
    /// Those without a fault.
    pub(super) plugins: &'a [PluginConfig],
    /// The names of all.
    pub(super) names: Vec<String>,
}

impl KnownPlugins<'_> {
    pub(super) fn find(&self, text: &str, kind: PluginKind) -> Result<PluginName, Problem> {
        if !self.names.iter().any(|known| known == text) {
            let remedy = match nearest(text, self.names.iter().map(String::as_str)) {
                Some(meant) => format!("did you mean \"{meant}\"?"),
                None => "add the [[plugin]], or take the name out".to_owned(),
            };
            return Err(problem(format!("there is no plugin \"{text}\""), remedy));
        }
        let plugin = self.plugins.iter().find(|plugin| plugin.name.as_str() == text);
        match plugin {
            Some(plugin) if plugin.kind != kind => Err(problem(
                format!("the plugin \"{text}\" is {}, not {}", one(plugin.kind), one(kind)),
                format!("name {} here", one(kind)),
            )),
            _ => Ok(PluginName::new(text)),
        }
    }
}

fn one(kind: PluginKind) -> String {
    let article = match kind {
        PluginKind::Approver | PluginKind::Exporter => "an",
        PluginKind::Classifier | PluginKind::Masker => "a",
    };
    format!("{article} {}", kind.label())
}

pub(super) fn read(section: Section<'_>, folder: &Path, known: &KnownPlugins<'_>) -> Option<ResourceConfig> {
    let name = section.require("name", "name the resource, e.g. \"customers\"", |text| {
        if text == ResourceName::GATEWAY {
            return Err(problem(
                format!("\"{text}\" is the gateway itself"),
                "give the resource another name",
            ));
        }
        name(text)
    });
    let kinds = choice(&[
        ("postgres", Kind::Postgres),
        ("http", Kind::Http),
        ("mcp", Kind::Mcp),
        ("ssh", Kind::Ssh),
    ]);
    let kind = section.require(
        "kind",
        "write kind = \"postgres\", \"http\", \"mcp\" or \"ssh\"",
        kinds,
    );
    let specific = match kind {
        Some(Kind::Postgres) => postgres::read(&section, folder)
            .map(Box::new)
            .map(ResourceKind::Postgres),
        Some(Kind::Http | Kind::Mcp) => http::read(&section, folder).map(|http| {
            let mcp = matches!(kind, Some(Kind::Mcp));
            ResourceKind::Http(Box::new(HttpConfig { mcp, ..http }))
        }),
        Some(Kind::Ssh) => ssh::read(&section, folder).map(Box::new).map(ResourceKind::Ssh),
        None => {
            section.pass_over();
            None
        }
    };
    let maskers = section.list("maskers", |name| known.find(name, PluginKind::Masker));
    check_scan(&section);
    let classifiers = section.list("classifiers", |name| known.find(name, PluginKind::Classifier));
    let hold_default = match kind {
        Some(Kind::Http | Kind::Mcp) => HTTP_HOLD_FOR,
        _ => HOLD_FOR,
    };
    let times = times(&section, hold_default);
    let channels = section
        .has("channels")
        .then(|| section.list("channels", |name| known.find(name, PluginKind::Approver)));
    let grant_range = Duration::from_secs(1)..=Duration::from_secs(GRANT_SECONDS_MAX);
    let grant_for = section.parse("grant_for", duration(grant_range));
    let max_sessions = section.number("max_sessions", 1..=100_000);
    let idle_range = Duration::from_secs(1)..=Duration::from_hours(24 * 7);
    let idle_timeout = match kind {
        Some(Kind::Http | Kind::Mcp) => None,
        _ => section.parse("idle_timeout", duration(idle_range)),
    };
    section.finish();
    Some(ResourceConfig {
        name: ResourceName::new(name?),
        kind: specific?,
        maskers,
        classifiers,
        hold_for: times.hold_for,
        decide_within: times.decide_within,
        use_within: times.use_within,
        channels,
        grant_for: grant_for.unwrap_or(GRANT_FOR),
        max_sessions,
        idle_timeout,
    })
}

#[derive(Clone, Copy)]
enum Kind {
    Postgres,
    Http,
    Mcp,
    Ssh,
}

/// What has no tag is only found by a masker that searches.
fn check_scan(section: &Section<'_>) {
    if section.has("scan_untagged") && !section.has("maskers") {
        let remedy = "add a masker that searches text, e.g. maskers = [\"pii-scan\"]";
        section.fault("scan_untagged", problem("has no masker to scan with", remedy));
    }
}

/// How long an operation waits, people can answer, and an answer can be used.
struct Times {
    hold_for: Duration,
    decide_within: Duration,
    use_within: Duration,
}

fn times(section: &Section<'_>, usual: Duration) -> Times {
    let range = || Duration::from_secs(1)..=Duration::from_hours(24);
    let hold_for = section.parse("hold_for", duration(range()));
    let decide_within = section.parse("decide_within", duration(range()));
    let use_within = section.parse("use_within", duration(range()));
    let hold_for = hold_for.unwrap_or_else(|| match decide_within {
        Some(decide_within) => usual.min(decide_within),
        None => usual,
    });
    let decide_within = decide_within.unwrap_or(DECIDE_WITHIN.max(hold_for));
    if hold_for > decide_within {
        let what = format!("ends before hold_for, which is {hold_for:?}");
        let remedy = "make it at least as long: an operation waits for no answer that cannot come";
        section.fault("decide_within", problem(what, remedy));
    }
    Times {
        hold_for,
        decide_within,
        use_within: use_within.unwrap_or(USE_WITHIN),
    }
}
