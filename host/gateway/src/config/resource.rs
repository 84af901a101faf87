//! `[[resource]]`: the upstreams.

use std::path::{Path, PathBuf};
use std::time::Duration;

use model::grant::GRANT_SECONDS_MAX;
use model::{PluginName, ResourceName};

use super::ephemeral::{self, Ephemeral};
use super::plugin::{PluginConfig, PluginKind};
use super::quantity::{duration, name, text};
use super::report::{Problem, nearest, problem};
use super::section::Section;
use super::settings::{choice, secret};
use super::upstream::{self, Upstream};
use crate::secret::SecretRef;

/// One upstream.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ResourceConfig {
    /// Its name: what clients give as the database.
    pub name: ResourceName,
    /// Where it is.
    pub upstream: Upstream,
    /// Authorities that vouch for its certificate, in PEM; `None` for the system's own.
    pub root_certificate: Option<PathBuf>,
    /// The account the gateway uses there: for reading the catalog, and for sessions unless
    /// they have roles of their own. Where it is left out with `ephemeral`, the catalog is read
    /// by the account that makes the roles.
    pub login: Login,
    /// A role of its own for each session; `None` for the shared account.
    pub ephemeral: Option<Ephemeral>,
    /// Whether people who are asked about a statement are told how many rows the upstream
    /// expects it to touch. Off unless set: planning a statement evaluates immutable and stable
    /// functions in it, under the session's account and before anybody has agreed.
    pub estimate: bool,
    /// The maskers, in the order they are asked.
    pub maskers: Vec<PluginName>,
    /// Whether text columns without a tag go to the maskers as well.
    pub scan_untagged: bool,
    /// The classifiers.
    pub classifiers: Vec<PluginName>,
    /// Functions, `name` or `schema.name`, that may be called although the parser can't tell
    /// what they do.
    pub trusted_functions: Vec<String>,
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
    /// never.
    pub idle_timeout: Option<Duration>,
}

/// The account used on an upstream. The client never learns it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Login {
    /// The user.
    pub user: String,
    /// Where the password is; `None` where the upstream asks for none.
    pub password: Option<SecretRef>,
}

/// The default of `hold_for`: a person answers within minutes, clients give up later.
const HOLD_FOR: Duration = Duration::from_mins(5);

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
    let kinds = choice(&[("postgres", true), ("http", false), ("ssh", false)]);
    let kind = section.require("kind", "write kind = \"postgres\"", kinds);
    if kind == Some(false) {
        let remedy = "use kind = \"postgres\"";
        section.fault(
            "kind",
            problem("HTTP and SSH resources are not built yet", remedy),
        );
    }
    let insecure = section.flag("insecure");
    let upstream = section.require(
        "upstream",
        "write postgres://HOST:PORT/DATABASE?sslmode=verify-full",
        |text| match kind {
            Some(false) => Ok(None),
            _ => upstream::parse(text, insecure).map(Some),
        },
    );
    let root_certificate = section.parse("root_certificate", |path| {
        text(path).map(|path| folder.join(path))
    });
    let ephemeral = ephemeral::read(&section, folder);
    let login = login(&section, folder, ephemeral.as_ref());
    let estimate = section.flag("estimate");
    let maskers = section.list("maskers", |name| known.find(name, PluginKind::Masker));
    let scan_untagged = scan_untagged(&section);
    let classifiers = section.list("classifiers", |name| known.find(name, PluginKind::Classifier));
    let trusted_functions = section.list("trusted_functions", function);
    let times = times(&section);
    let channels = section
        .has("channels")
        .then(|| section.list("channels", |name| known.find(name, PluginKind::Approver)));
    let grant_range = Duration::from_secs(1)..=Duration::from_secs(GRANT_SECONDS_MAX);
    let grant_for = section.parse("grant_for", duration(grant_range));
    let max_sessions = section.number("max_sessions", 1..=100_000);
    let idle_range = Duration::from_secs(1)..=Duration::from_hours(24 * 7);
    let idle_timeout = section.parse("idle_timeout", duration(idle_range));
    section.finish();
    Some(ResourceConfig {
        name: ResourceName::new(name?),
        upstream: upstream??,
        root_certificate,
        login: login?,
        ephemeral,
        estimate,
        maskers,
        scan_untagged,
        classifiers,
        trusted_functions,
        hold_for: times.hold_for,
        decide_within: times.decide_within,
        use_within: times.use_within,
        channels,
        grant_for: grant_for.unwrap_or(GRANT_FOR),
        max_sessions,
        idle_timeout,
    })
}

fn scan_untagged(section: &Section<'_>) -> bool {
    let scan_untagged = section.flag("scan_untagged");
    if scan_untagged && !section.has("maskers") {
        let remedy = "add a masker that searches text, e.g. maskers = [\"pii-scan\"]";
        section.fault("scan_untagged", problem("has no masker to scan with", remedy));
    }
    scan_untagged
}

/// How long an operation waits, people can answer, and an answer can be used.
struct Times {
    hold_for: Duration,
    decide_within: Duration,
    use_within: Duration,
}

fn times(section: &Section<'_>) -> Times {
    let range = || Duration::from_secs(1)..=Duration::from_hours(24);
    let hold_for = section.parse("hold_for", duration(range()));
    let decide_within = section.parse("decide_within", duration(range()));
    let use_within = section.parse("use_within", duration(range()));
    let hold_for = hold_for.unwrap_or_else(|| match decide_within {
        Some(decide_within) => HOLD_FOR.min(decide_within),
        None => HOLD_FOR,
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

fn login(section: &Section<'_>, folder: &Path, ephemeral: Option<&Ephemeral>) -> Option<Login> {
    match ephemeral {
        Some(ephemeral) if !section.has("login") => {
            // So that it counts among the keys known here.
            let _ = section.table("login");
            Some(ephemeral.admin.clone())
        }
        _ => account(
            section,
            "login",
            "set login = { user = \"…\", password = \"env:NAME\" }",
            folder,
        ),
    }
}

/// Reads an account; its absence is a fault, with `remedy`.
pub(super) fn account(
    section: &Section<'_>,
    key: &'static str,
    remedy: &str,
    folder: &Path,
) -> Option<Login> {
    if !section.has(key) {
        section.fault(key, problem("is missing", remedy));
    }
    let login = section.table(key)?;
    let user = login.require("user", "name the account on the upstream", |user| {
        // NUL ends a text in PostgreSQL's startup message.
        if user.contains('\0') {
            return Err(problem("holds a NUL", "name the account on the upstream"));
        }
        text(user)
    });
    let password = login.parse("password", |reference| secret(reference, folder));
    login.finish();
    Some(Login {
        user: user?,
        password,
    })
}

fn function(text: &str) -> Result<String, Problem> {
    let parts: Vec<&str> = text.split('.').collect();
    let plain = |part: &str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'))
    };
    if parts.len() <= 2 && parts.iter().all(|part| plain(part)) {
        Ok(text.to_owned())
    } else {
        Err(problem(
            format!("\"{text}\" is not a function's name"),
            "write name or schema.name in lower case, without ()",
        ))
    }
}
