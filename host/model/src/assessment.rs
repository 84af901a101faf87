//! What classifiers say of an operation.

use serde::{Deserialize, Serialize};

/// The classifiers' common opinion: the highest score and the union of labels and findings.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Assessment {
    /// Risk from 0 (none) to 100 (worst).
    pub score: u8,
    /// Short words for policies, e.g. `export`; sorted, without duplicates.
    pub labels: Vec<String>,
    /// What was found, gravest first.
    pub findings: Vec<Finding>,
}

impl Assessment {
    /// Takes in another classifier's opinion.
    pub fn merge(&mut self, other: Self) {
        self.score = self.score.max(other.score);
        self.labels.extend(other.labels);
        self.labels.sort_unstable();
        self.labels.dedup();
        self.findings.extend(other.findings);
        self.findings
            .sort_by_key(|finding| std::cmp::Reverse(finding.score));
    }
}

/// One thing a classifier found.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Finding {
    /// The plugin that found it.
    pub plugin: String,
    /// A stable id, e.g. `sql.delete-without-where`.
    pub id: String,
    /// Risk from 0 to 100.
    pub score: u8,
    /// One sentence for a human.
    pub message: String,
}
