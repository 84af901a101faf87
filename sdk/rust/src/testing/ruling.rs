//! The host's side of a classifier.

use crate::classifier::{Assessment, Classifier, Facts, Principal, Request, classified};
use crate::plugin::Instance;

/// The most findings and labels the contract allows.
const FINDINGS_MAX: usize = 64;
const LABELS_MAX: usize = 16;

/// Asks a classifier about a statement of an agent in the group `analysts` and returns its
/// assessment after the host's checks.
///
/// # Panics
/// When the configuration is refused, the plugin fails or its answer breaks the contract.
#[must_use]
pub fn assess<P: Classifier>(config: &str, statement: &str, facts: &Facts) -> Assessment {
    assess_request::<P>(config, &request(statement, facts))
}

/// Returns the request that [`assess`] makes, to be changed and judged by the plugin itself.
///
/// # Panics
/// Never: facts always have a JSON form.
#[must_use]
pub fn request(statement: &str, facts: &Facts) -> Request {
    Request {
        principal: Principal {
            id: "https://idp.example.com|agent-7".to_owned(),
            kind: "agent".to_owned(),
            groups: vec!["analysts".to_owned()],
            delegation: Vec::new(),
        },
        target: "customers".to_owned(),
        protocol: "postgres".to_owned(),
        statement: statement.to_owned(),
        statement_cut: false,
        facts: serde_json::to_string(facts).expect("facts have a JSON form"),
        attrs: Vec::new(),
    }
}

fn assess_request<P: Classifier>(config: &str, request: &Request) -> Assessment {
    let instance = Instance::<P>::new();
    if let Err(issues) = instance.configure(config) {
        panic!("the configuration is refused: {issues:?}");
    }
    let assessment =
        classified(&instance, request).unwrap_or_else(|error| panic!("the classifier failed: {error:?}"));
    assert!(assessment.score <= 100, "score {}", assessment.score);
    assert!(
        assessment.findings.len() <= FINDINGS_MAX,
        "{} findings",
        assessment.findings.len()
    );
    assert!(
        assessment.labels.len() <= LABELS_MAX,
        "{} labels",
        assessment.labels.len()
    );
    for finding in &assessment.findings {
        assert!(finding.score <= 100, "score of {finding:?}");
        assert!(is_word(&finding.id), "id of {finding:?}");
        assert!(finding.message.len() <= 500, "message of {finding:?}");
    }
    for label in &assessment.labels {
        assert!(is_word(label), "label {label:?}");
    }
    assessment
}

fn is_word(word: &str) -> bool {
    (1..=64).contains(&word.len())
        && word
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.')
}
