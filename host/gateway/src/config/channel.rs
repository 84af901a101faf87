//! `[[channel]]`: what an approver plugin may tell, and whose the answers are that it brings.

use std::collections::BTreeMap;
use std::time::Duration;

use model::PluginName;

use super::identity::IdentityConfig;
use super::plugin::{PluginConfig, PluginKind};
use super::quantity::duration;
use super::report::{Problem, problem};
use super::resource::KnownPlugins;
use super::section::Section;
use super::settings::choice;

/// The longest name of somebody in an outside system, in bytes, as the plugins' contract has it.
const OUTSIDE_BYTES_MAX: usize = 512;

/// The default of `seen_within`, and the longest: a token's groups of yesterday are a rumour.
const SEEN_WITHIN_MAX: Duration = Duration::from_hours(24);

/// What goes out through an approver plugin, and what is made of what comes back.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ChannelConfig {
    /// The approver plugin.
    pub plugin: PluginName,
    /// How much its questions tell.
    pub detail: Detail,
    /// Who is who: a name in the outside system, and the principal it stands for. Whoever is
    /// not among them cannot answer.
    pub users: BTreeMap<String, ChannelUser>,
    /// How long ago a principal's token may have been seen for its groups to count. Without
    /// newer ones an answer counts for nothing.
    pub seen_within: Duration,
}

impl ChannelConfig {
    /// The channel of a plugin about which nothing is configured: it tells little, and nobody
    /// can answer.
    #[must_use]
    pub const fn silent(plugin: PluginName) -> Self {
        Self {
            plugin,
            detail: Detail::Summary,
            users: BTreeMap::new(),
            seen_within: SEEN_WITHIN_MAX,
        }
    }
}

/// A principal that somebody in an outside system is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ChannelUser {
    /// The configured name of its identity provider.
    pub identity: String,
    /// Its issuer.
    pub issuer: String,
    /// Its subject.
    pub subject: String,
}

/// How much a question tells an outside system.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Detail {
    /// The whole statement and the bound values.
    Full,
    /// What the parser found: commands, relations, columns. No values.
    Summary,
}

pub(super) fn read(
    root: &Section<'_>,
    known: &KnownPlugins<'_>,
    identities: &[IdentityConfig],
) -> Vec<ChannelConfig> {
    let mut channels: Vec<ChannelConfig> = Vec::new();
    for section in root.tables("channel") {
        let (report, place, span) = (section.report, section.key("plugin"), section.span_of("plugin"));
        let Some(channel) = one(section, known, identities) else {
            continue;
        };
        if channels.iter().any(|other| other.plugin == channel.plugin) {
            let what = format!("the plugin \"{}\" has a channel already", channel.plugin);
            report.fault(Some(span), place, problem(what, "put both into one [[channel]]"));
            continue;
        }
        channels.push(channel);
    }
    warn(root, known.plugins, &channels);
    channels
}

fn one(
    section: Section<'_>,
    known: &KnownPlugins<'_>,
    identities: &[IdentityConfig],
) -> Option<ChannelConfig> {
    let plugin = section.require("plugin", "name the approver plugin it is about", |name| {
        known.find(name, PluginKind::Approver)
    });
    let details = choice(&[("summary", Detail::Summary), ("full", Detail::Full)]);
    let detail = section.parse("detail", details).unwrap_or(Detail::Summary);
    let users = section.texts("users", |principal| user(principal, identities));
    for (name, _) in &users {
        if name.is_empty() || name.len() > OUTSIDE_BYTES_MAX {
            let what = format!("a name of {} bytes is nobody's", name.len());
            let remedy = format!("write 1 to {OUTSIDE_BYTES_MAX} bytes, as the plugin names them");
            section.fault("users", problem(what, remedy));
        }
    }
    let seen_range = Duration::from_mins(1)..=SEEN_WITHIN_MAX;
    let seen_within = section.parse("seen_within", duration(seen_range));
    section.finish();
    Some(ChannelConfig {
        plugin: plugin?,
        detail,
        users: users.into_iter().collect(),
        seen_within: seen_within.unwrap_or(SEEN_WITHIN_MAX),
    })
}

/// Reads `ISSUER|SUBJECT`. Subjects may hold the stroke too, so the configured issuers say where
/// it is.
fn user(text: &str, identities: &[IdentityConfig]) -> Result<ChannelUser, Problem> {
    let split = identities.iter().filter_map(|identity| {
        let subject = text.strip_prefix(&identity.issuer)?.strip_prefix('|')?;
        (!subject.is_empty()).then(|| ChannelUser {
            identity: identity.name.clone(),
            issuer: identity.issuer.clone(),
            subject: subject.to_owned(),
        })
    });
    split.max_by_key(|user| user.issuer.len()).ok_or_else(|| {
        problem(
            format!("\"{text}\" is no principal of a configured identity provider"),
            "write \"ISSUER|SUBJECT\" with the issuer of an [[identity]], as the journal has it",
        )
    })
}

/// Warns of approvers through which nobody can answer.
fn warn(root: &Section<'_>, plugins: &[PluginConfig], channels: &[ChannelConfig]) {
    let approvers = plugins
        .iter()
        .filter(|plugin| plugin.kind == PluginKind::Approver);
    for plugin in approvers {
        let channel = channels.iter().find(|channel| channel.plugin == plugin.name);
        if channel.is_some_and(|channel| !channel.users.is_empty()) {
            continue;
        }
        root.report.warning(
            None,
            format!("plugin[{}]", plugin.name),
            problem(
                "nobody can answer through it: no [[channel]] says which principals its users are",
                format!(
                    "add [[channel]] with plugin = \"{}\" and users = {{ … }}; it only tells of questions otherwise",
                    plugin.name
                ),
            ),
        );
    }
}
