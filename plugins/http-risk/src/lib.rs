//! Scores HTTP requests by what they could do, from the host's facts.
//!
//! | finding                | score | when |
//! |------------------------|-------|------|
//! | `http.unknown`         | 90 | there are no facts of a request, or its method is none that is known |
//! | `http.privilege`       | 90 | a write below a path of users' rights: roles, keys, tokens, webhooks |
//! | `http.inner-address`   | 90 | a value is the address of a machine that outsiders should not reach |
//! | `http.injection`       | 85 | a value looks like a part of SQL, a shell, a template or another path |
//! | `http.collection-delete` | 85 | DELETE of a collection: the path names no single thing |
//! | `http.admin`           | 70 | the path is one of administration or diagnosis |
//! | `http.tool-call`       | 50 | a call of a tool over the Model Context Protocol |
//! | `http.export`          | 70 | a read that asks for everything, or for more than `page_max` at once |
//! | `http.delete`          | 60 | any other DELETE |
//! | `http.outside-address` | 50 | a value is the address of another server, which may be called or told |
//! | `http.large-upload`    | 50 | a body of more than `upload_max` bytes, or of unknown length |
//! | `http.upgrade`         | 40 | the request asks to switch protocols |
//! | `http.write`           | 30 | any other request that is no read |
//!
//! A plain read scores 5, one that has tags 10. What a service does with a request cannot be told
//! from outside: a GET may delete, and a harmless path may not be harmless. Policies that allow what
//! they know, by route, are the boundary; these scores help people to decide about the rest.
//!
//! The score of a finding can be changed by configuration, 0 turns it off:
//!
//! ```toml
//! [plugin.config]
//! page_max = 1000
//! upload_max = 10485760
//! scores = { "http.write" = 10 }
//! ```

mod request;
mod values;

use std::collections::BTreeMap;

use serde::Deserialize;
use tidegate_sdk::classifier::{Assessment, Classifier, Facts, Kind, Request};
use tidegate_sdk::{Error, Issue, Manifest, Plugin, export_classifier};

/// What can be configured.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The most things in one answer that are no export.
    pub page_max: u64,
    /// The longest body that is not remarkable, in bytes.
    pub upload_max: u64,
    /// Scores (0 to 100) to use instead, by finding.
    pub scores: BTreeMap<String, u8>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            page_max: 1_000,
            upload_max: 10 << 20,
            scores: BTreeMap::new(),
        }
    }
}

/// The classifier.
#[derive(Debug)]
pub struct HttpRisk {
    config: Config,
}

impl Plugin for HttpRisk {
    type Config = Config;

    fn new(config: Config) -> Result<Self, Vec<Issue>> {
        let issues: Vec<_> = config
            .scores
            .iter()
            .filter_map(|(id, score)| {
                let wrong = match request::SCORES.iter().any(|(known, _)| known == id) {
                    false => "no finding of this plugin",
                    true if *score > 100 => "a score is at most 100",
                    true => return None,
                };
                Some(Issue::new(format!("/scores/{id}"), wrong))
            })
            .collect();
        if issues.is_empty() {
            Ok(Self { config })
        } else {
            Err(issues)
        }
    }

    fn describe(manifest: &mut Manifest) {
        manifest.config_schema = include_str!("schema.json").to_owned();
    }
}

impl Classifier for HttpRisk {
    fn classify(&self, _: &Request, facts: &Facts) -> Result<Assessment, Error> {
        Ok(self.judge(facts))
    }
}

impl HttpRisk {
    /// Judges one request.
    #[must_use]
    pub fn judge(&self, facts: &Facts) -> Assessment {
        let mut assessment = Assessment::harmless();
        for found in request::findings(facts, &self.config) {
            let usual = request::SCORES.iter().find(|(known, _)| *known == found.id);
            let usual = usual.map_or(100, |(_, score)| *score);
            let score = self.config.scores.get(found.id).copied().unwrap_or(usual);
            if score == 0 || assessment.findings.iter().any(|known| known.id == found.id) {
                continue;
            }
            assessment.find(found.id, score, found.message);
            assessment.score = assessment.score.max(score);
            for label in found.labels {
                assessment.label(label);
            }
        }
        assessment.score = assessment.score.max(base_score(facts));
        assessment
    }
}

/// What a request scores without any finding.
fn base_score(facts: &Facts) -> u8 {
    let statements = || facts.statements.iter();
    let tagged = statements().any(|statement| statement.relations.iter().any(|r| !r.tags.is_empty()));
    match statements().map(|statement| statement.kind).max() {
        Some(Kind::Read) if tagged => 10,
        Some(Kind::Read) => 5,
        _ => 0,
    }
}

export_classifier!(HttpRisk);

#[cfg(test)]
mod tests;
