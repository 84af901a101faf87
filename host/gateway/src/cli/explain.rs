//! `tidegate explain`: what would happen to a statement, and why. Runs nothing.

use std::fmt;

use model::{Assessment, Facts, Principal, Refusal, ResourceName, Tag, Verdict};
use proto::postgres::catalog::Catalog;
use proto::postgres::sql::{Limits, analyse};
use serde::Serialize;

use crate::identity::{Identity, TOKEN_BYTES_MAX, TokenError};
use crate::plugins::Composition;
use crate::policy::{Operation, Policy};

/// A statement to be explained.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// Who asks.
    pub principal: &'a Principal,
    /// On what.
    pub resource: &'a ResourceName,
    /// What.
    pub sql: &'a str,
    /// The time, in seconds of Unix time.
    pub now: u64,
}

/// What would happen, and why.
#[derive(Debug, Serialize)]
pub struct Explanation {
    /// Who asks.
    pub principal: Principal,
    /// On what.
    pub resource: ResourceName,
    /// What the parser found.
    pub facts: Facts,
    /// What the classifiers said; absent if they were not reached.
    pub assessment: Option<Assessment>,
    /// `run`, `hold` or `refuse`.
    pub verdict: &'static str,
    /// The policies that decided.
    pub policies: Vec<String>,
    /// Why it would be refused.
    pub refusal: Option<Refusal>,
    /// How the resource's plugins act together.
    pub composition: Composition,
    /// What this explanation could not take into account.
    pub notes: Vec<String>,
}

impl Explanation {
    /// Returns it with how the resource's plugins act together, on what it found.
    #[must_use]
    pub fn composed(mut self, compose: impl FnOnce(&[Tag]) -> Composition) -> Self {
        self.composition = compose(&self.facts.tags());
        self
    }
}

/// Explains a question: the same steps as the road of an operation. `classify` asks the
/// resource's classifiers.
pub fn explain(
    question: Question<'_>,
    policy: &Policy,
    catalog: &Catalog,
    limits: &Limits,
    classify: impl FnOnce(&Facts) -> Result<Assessment, Refusal>,
    notes: Vec<String>,
) -> Explanation {
    let Question {
        principal,
        resource,
        sql,
        now,
    } = question;
    let connected = policy.connect(principal, resource, "postgres", now, &[]).verdict;
    let analysis = analyse(sql.as_bytes(), catalog, limits);
    let facts = analysis.facts;
    let mut assessment = None;
    let verdict = match (connected, analysis.refusal) {
        (refused @ (Verdict::Refuse(_) | Verdict::Hold { .. }), _) => refused,
        (Verdict::Run { .. }, Some(refusal)) => Verdict::Refuse(refusal),
        (Verdict::Run { .. }, None) => match classify(&facts) {
            Ok(assessed) => {
                let operation = Operation {
                    resource,
                    facts: &facts,
                    assessment: &assessed,
                    protocol: "postgres",
                    grant: None,
                };
                let verdict = policy.execute(principal, &operation, now);
                assessment = Some(assessed);
                verdict
            }
            Err(refusal) => Verdict::Refuse(refusal),
        },
    };
    let label = verdict.label();
    let (policies, refusal) = match verdict {
        Verdict::Run { policies } | Verdict::Hold { policies, .. } => (policies, None),
        Verdict::Refuse(refusal) => (refusal.policies.clone(), Some(refusal)),
    };
    Explanation {
        principal: principal.clone(),
        resource: resource.clone(),
        facts,
        assessment,
        verdict: label,
        policies,
        refusal,
        composition: Composition::default(),
        notes,
    }
}

/// Returns who asks, from a token, from claims as JSON, or from `@FILE` with either.
///
/// # Errors
/// The token is refused, the claims are malformed, or the file cannot be read.
pub async fn who(identity: &Identity, text: &str, now: u64) -> Result<Principal, WhoError> {
    let content = match text.strip_prefix('@') {
        Some(path) => read(path)?,
        None => text.to_owned(),
    };
    let content = content.trim();
    if content.starts_with('{') {
        return Ok(identity.imagine(content)?);
    }
    Ok(identity.verify(content, now).await?.principal)
}

fn read(path: &str) -> Result<String, WhoError> {
    use std::io::Read as _;

    let failed = |source| WhoError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(failed)?;
    // One byte and a line break more, so that a token that is too long is told as such.
    file.take(TOKEN_BYTES_MAX as u64 + 2)
        .read_to_string(&mut text)
        .map_err(failed)?;
    Ok(text)
}

/// Why it is not known who asks.
#[derive(Debug, thiserror::Error)]
pub enum WhoError {
    /// The token or the claims are not accepted.
    #[error("--as: {0}")]
    Token(#[from] TokenError),
    /// The file cannot be read.
    #[error("--as: could not read {path}: {source}")]
    Unreadable {
        /// The file.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let who = &self.principal;
        writeln!(
            f,
            "principal  {} ({:?}, groups: {})",
            who.key(),
            who.kind,
            list(&who.groups)
        )?;
        writeln!(f, "resource   {}", self.resource)?;
        writeln!(f, "facts      {}", self.facts.kind().label())?;
        for statement in &self.facts.statements {
            let relations: Vec<String> = statement
                .relations
                .iter()
                .map(|relation| match &relation.schema {
                    Some(schema) => format!("{schema}.{}", relation.name),
                    None => relation.name.clone(),
                })
                .collect();
            writeln!(f, "           {} on {}", statement.verb, list(&relations))?;
        }
        let tags: Vec<String> = self.facts.tags().iter().map(ToString::to_string).collect();
        writeln!(f, "tags       {}", list(&tags))?;
        match &self.assessment {
            Some(assessment) => {
                writeln!(
                    f,
                    "risk       {} (labels: {})",
                    assessment.score,
                    list(&assessment.labels)
                )?;
                for finding in &assessment.findings {
                    writeln!(
                        f,
                        "           {} {} by {}: {}",
                        finding.score, finding.id, finding.plugin, finding.message
                    )?;
                }
            }
            None => writeln!(f, "risk       not assessed")?,
        }
        let composition = &self.composition;
        if !composition.classifiers.is_empty() {
            let asked = list(&composition.classifiers);
            writeln!(f, "judged by  {asked} (the highest score counts)")?;
        }
        if !composition.maskers.is_empty() {
            let asked = list(&composition.maskers);
            writeln!(
                f,
                "masked by  {asked} (the strictest action stands, of equals the first)"
            )?;
        }
        for mask in &composition.masks {
            let by = mask.plugin.as_deref().unwrap_or("the gateway");
            writeln!(f, "           {}: {} by {by}", mask.tag, mask.action)?;
        }
        writeln!(f, "verdict    {}", self.verdict)?;
        writeln!(f, "policies   {}", list(&self.policies))?;
        if let Some(refusal) = &self.refusal {
            writeln!(f, "rule       {}", refusal.rule.label())?;
            writeln!(f, "reason     {}", refusal.message)?;
            if let Some(hint) = &refusal.hint {
                writeln!(f, "hint       {hint}")?;
            }
        }
        for note in &self.notes {
            writeln!(f, "note       {note}")?;
        }
        Ok(())
    }
}

fn list(items: &[String]) -> String {
    if items.is_empty() {
        return "none".to_owned();
    }
    items.join(", ")
}

#[cfg(test)]
mod tests;
