//! Scores SQL by what it could do, from the host's parsed facts: never from the text.
//!
//! | finding                    | score | when |
//! |----------------------------|-------|------|
//! | `sql.privilege-change`     | 95 | roles, grants or ownership change |
//! | `sql.drop`                 | 95 | DROP of anything |
//! | `sql.truncate`             | 90 | TRUNCATE |
//! | `sql.server-file`          | 95 | a function or COPY reaches the server's files or programs |
//! | `sql.outside-connection`   | 90 | a function connects to another server |
//! | `sql.delete-without-where` | 90 | DELETE of a whole table |
//! | `sql.update-without-where` | 85 | UPDATE of a whole table |
//! | `sql.server-control`       | 80 | a function ends backends, reloads the server, takes advisory locks, changes settings or sleeps |
//! | `sql.unbounded-export`     | 75 | a read of a tagged table with neither WHERE nor a LIMIT of at most `export_rows_max` |
//! | `sql.schema-change`        | 70 | any other DDL |
//! | `sql.many-statements`      | 55 | more than `statements_max` statements in one string |
//! | `sql.unknown`              | 80 | a kind of statement this version does not know |
//! | `sql.tagged-write`         | 50 | a write to a tagged table |
//! | `sql.write`                | 30 | any other write |
//!
//! A plain read scores 5, a read of a tagged table 10, everything harmless 0. The score of a
//! finding can be changed by configuration, 0 turns it off:
//!
//! ```toml
//! [plugin.config]
//! export_rows_max = 1000
//! statements_max = 5
//! scores = { "sql.write" = 10 }
//! ```

mod functions;
mod statement;

use std::collections::BTreeMap;

use serde::Deserialize;
use tidegate_sdk::classifier::{Assessment, Classifier, Facts, Kind, Request};
use tidegate_sdk::{Error, Issue, Manifest, Plugin, export_classifier};

/// What can be configured.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The largest LIMIT with which a read of a tagged table is no export.
    pub export_rows_max: u64,
    /// The most statements in one string that are not remarkable.
    pub statements_max: usize,
    /// Scores (0 to 100) to use instead, by finding.
    pub scores: BTreeMap<String, u8>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            export_rows_max: 1000,
            statements_max: 5,
            scores: BTreeMap::new(),
        }
    }
}

/// The classifier.
#[derive(Debug)]
pub struct SqlRisk {
    config: Config,
}

impl Plugin for SqlRisk {
    type Config = Config;

    fn new(config: Config) -> Result<Self, Vec<Issue>> {
        let issues: Vec<_> = config
            .scores
            .iter()
            .filter_map(|(id, score)| {
                let wrong = match statement::SCORES.iter().any(|(known, _)| known == id) {
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

impl Classifier for SqlRisk {
    fn classify(&self, _: &Request, facts: &Facts) -> Result<Assessment, Error> {
        Ok(self.judge(facts))
    }
}

impl SqlRisk {
    /// Judges the statements of one string together, because the server runs them together.
    #[must_use]
    pub fn judge(&self, facts: &Facts) -> Assessment {
        let mut assessment = Assessment::harmless();
        for statement in &facts.statements {
            for found in statement::findings(statement, &self.config) {
                self.add(&mut assessment, found.id, found.message);
                for label in found.labels {
                    assessment.label(label);
                }
            }
            assessment.score = assessment.score.max(base_score(statement));
        }
        let count = facts.statements.len();
        if count > self.config.statements_max {
            self.add(
                &mut assessment,
                "sql.many-statements",
                format!("{count} statements in one string."),
            );
        }
        assessment
    }

    /// Adds a finding once, with its configured score.
    fn add(&self, assessment: &mut Assessment, id: &'static str, message: String) {
        let usual = statement::SCORES
            .iter()
            .find(|(known, _)| *known == id)
            .map_or(100, |(_, score)| *score);
        let score = self.config.scores.get(id).copied().unwrap_or(usual);
        if score == 0
            || assessment
                .findings
                .iter()
                .any(|f| f.id == id && f.message == message)
        {
            return;
        }
        if assessment.findings.len() < FINDINGS_MAX {
            assessment.find(id, score, message);
        }
        assessment.score = assessment.score.max(score);
    }
}

/// The most findings that are reported; the contract's limit. The score counts all of them.
const FINDINGS_MAX: usize = 64;

/// What a statement scores without any finding.
fn base_score(statement: &tidegate_sdk::classifier::Statement) -> u8 {
    match statement.kind {
        Kind::Read if statement.relations.iter().any(|r| !r.tags.is_empty()) => 10,
        Kind::Read => 5,
        _ => 0,
    }
}

export_classifier!(SqlRisk);

#[cfg(test)]
mod tests;
