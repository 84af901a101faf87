//! The names that policies may refer to. A policy that names something else decides nothing,
//! and a `forbid` that decides nothing is a hole: such a name is a fault.

use cedar_policy::Policy;
use model::{ResourceName, Tag};

use crate::config::{Config, nearest};

/// What the configuration names.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// The identity providers. Where there are several, groups are known as
    /// `PROVIDER/GROUP`, so that none can speak for another's groups.
    pub identities: Vec<String>,
    /// The resources.
    pub resources: Vec<ResourceName>,
    /// The tags.
    pub tags: Vec<Tag>,
}

impl Names {
    /// Takes the names from a configuration.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        Self {
            identities: config.identities.iter().map(|i| i.name.clone()).collect(),
            resources: config.resources.iter().map(|r| r.name.clone()).collect(),
            tags: config.tags.iter().map(|t| t.name.clone()).collect(),
        }
    }

    /// Returns what is wrong with the names in `policy`: each problem with its remedy.
    pub(super) fn check(&self, policy: &Policy) -> Vec<(String, String)> {
        let mut wrong = Vec::new();
        for literal in policy.entity_literals() {
            let id = literal.id().unescaped();
            let fault = match literal.type_name().basename() {
                "Resource" => {
                    let configured = self.resources.iter().map(ResourceName::as_str);
                    unknown("resource", id, configured.chain([ResourceName::GATEWAY]))
                }
                "Tag" => {
                    let known = self.tags.iter().flat_map(|tag| with_parents(tag.as_str()));
                    unknown("tag", id, known)
                }
                "Group" => self.unprefixed(id),
                _ => None,
            };
            if let Some(fault) = fault.filter(|fault| !wrong.contains(fault)) {
                wrong.push(fault);
            }
        }
        wrong
    }

    /// Returns what is wrong with a group's name where several providers are configured, and
    /// it does not say whose it is.
    pub(super) fn unprefixed(&self, group: &str) -> Option<(String, String)> {
        let several = self.identities.len() > 1;
        let known = group.split_once('/').is_some_and(|(identity, name)| {
            !name.is_empty() && self.identities.iter().any(|known| known == identity)
        });
        if known || !several {
            return None;
        }
        let example = self.identities.first().map_or("corp", String::as_str);
        Some((
            format!("Group::\"{group}\" does not say which identity provider it is of"),
            format!("several are configured: write e.g. Group::\"{example}/{group}\""),
        ))
    }
}

fn unknown<'a>(
    kind: &str,
    id: &str,
    known: impl Iterator<Item = &'a str> + Clone,
) -> Option<(String, String)> {
    if known.clone().any(|name| name == id) {
        return None;
    }
    let remedy = match nearest(id, known) {
        Some(meant) => format!("did you mean \"{meant}\"?"),
        None => format!("configure the {kind}, or take the policy out"),
    };
    Some((format!("there is no {kind} \"{id}\""), remedy))
}

/// Returns a tag and all tags it is in: `a.b.c`, `a.b`, `a`.
pub(super) fn with_parents(tag: &str) -> impl Iterator<Item = &str> + Clone {
    std::iter::successors(Some(tag), |tag| tag.rsplit_once('.').map(|(parent, _)| parent))
}
