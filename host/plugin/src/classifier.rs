//! Classifiers: what plugins think of an operation before it runs.
//!
//! Any fault is an error here, and no assessment is no verdict: the gate refuses.

use std::collections::HashMap;
use std::sync::Arc;

use model::{Assessment, Finding, PluginName};
use wasmtime::Store;
use wasmtime::component::{
    ComponentExportIndex, ComponentType, Func, Instance as Linked, InstancePre, Lower,
};

use crate::bindings::classifier::exports::tidegate::classifier::classifier as wit;
use crate::bindings::classifier::tidegate::base::types::Error as WireError;
use crate::fault::{FaultKind, GuestError, PluginFault};
use crate::pool::{Pool, World};
use crate::session::SessionInfo;
use crate::store::State;
use crate::text;

/// The contract's limits.
const STATEMENT_BYTES_MAX: usize = 256 << 10;
const FACTS_BYTES_MAX: usize = 1 << 20;
const FINDINGS_MAX: usize = 64;
const LABELS_MAX: usize = 16;
const WORD_BYTES_MAX: usize = 64;
const MESSAGE_BYTES_MAX: usize = 500;
const SCORE_MAX: u8 = 100;

/// All loaded classifiers.
pub struct Classifiers {
    plugins: HashMap<PluginName, Arc<Pool<ClassifierWorld>>>,
}

/// What a classifier is asked about.
#[derive(Clone, Copy, Debug)]
pub struct ClassifyRequest<'a> {
    /// Who asks, of what.
    pub session: &'a SessionInfo,
    /// The statement as the client sent it, without bind values. Cut by the host if need be.
    pub statement: &'a str,
    /// [`model::Facts`] as JSON. At most 1 MiB.
    pub facts: &'a str,
}

/// What is called in an instance of a classifier.
pub(crate) struct ClassifierWorld {
    classify: Func,
}

impl World for ClassifierWorld {
    type Indices = ComponentExportIndex;

    fn find(pre: &InstancePre<State>) -> wasmtime::Result<Self::Indices> {
        // Checks the types of the whole interface, once.
        wit::GuestIndices::new(pre)?;
        let component = pre.component();
        component
            .get_export_index(None, "tidegate:classifier/classifier@0.1.0")
            .and_then(|interface| component.get_export_index(Some(&interface), "classify"))
            .ok_or_else(|| {
                wasmtime::format_err!("no function `classify` in `tidegate:classifier/classifier@0.1.0`")
            })
    }

    fn bind(classify: &Self::Indices, store: &mut Store<State>, linked: &Linked) -> wasmtime::Result<Self> {
        let classify = linked
            .get_func(&mut *store, classify)
            .ok_or_else(|| wasmtime::format_err!("`classify` is not a function"))?;
        Ok(Self { classify })
    }
}

impl Classifiers {
    pub(crate) const fn new(plugins: HashMap<PluginName, Arc<Pool<ClassifierWorld>>>) -> Self {
        Self { plugins }
    }

    /// Asks these classifiers and merges what they say: the highest score, the union of labels
    /// and findings. Takes microseconds; blocks the thread for at most each one's deadline.
    ///
    /// # Errors
    /// When one is not loaded, fails or breaks the contract.
    pub fn classify(
        &self,
        names: &[PluginName],
        request: &ClassifyRequest<'_>,
    ) -> Result<Assessment, PluginFault> {
        let mut assessment = Assessment::default();
        for name in names {
            let pool = self.plugins.get(name).ok_or_else(|| PluginFault::missing(name))?;
            assessment.merge(classify(pool, request)?);
        }
        Ok(assessment)
    }
}

fn classify(pool: &Pool<ClassifierWorld>, request: &ClassifyRequest<'_>) -> Result<Assessment, PluginFault> {
    if request.facts.len() > FACTS_BYTES_MAX {
        return Err(pool.fault(FaultKind::Contract("facts of at most 1 MiB")));
    }
    let budget = pool.profile.limits.deadline;
    let mut lease = pool.take(budget)?;
    let statement = text::cut(request.statement, STATEMENT_BYTES_MAX);
    let groups: Vec<&str> = request.session.groups.iter().map(String::as_str).collect();
    let delegation: Vec<&str> = request.session.delegation.iter().map(String::as_str).collect();
    let wire = WireRequest {
        principal: WirePrincipal {
            id: &request.session.principal,
            kind: request.session.kind,
            groups: &groups,
            delegation: &delegation,
        },
        target: request.session.resource.as_str(),
        protocol: request.session.protocol,
        statement,
        statement_cut: statement.len() < request.statement.len(),
        facts: request.facts,
        attrs: &[],
    };
    lease.begin(budget);
    let instance = &mut *lease;
    type Answer = (Result<wit::Assessment, WireError>,);
    let answer = instance
        .world
        .classify
        .typed::<(WireRequest<'_>,), Answer>(&instance.store)
        .and_then(|classify| classify.call(&mut instance.store, (wire,)));
    let checked = match lease.end(answer)? {
        (Ok(assessment),) => check(pool.profile.name.as_str(), assessment).map_err(FaultKind::Contract),
        (Err(error),) => Err(FaultKind::Refused(GuestError::from(error).without_words())),
    };
    match checked {
        Ok(assessment) => {
            lease.give_back();
            Ok(assessment)
        }
        Err(kind) => Err(lease.fail(kind)),
    }
}

/// Takes a guest's assessment; an error names the rule it breaks.
fn check(plugin: &str, assessment: wit::Assessment) -> Result<Assessment, &'static str> {
    if assessment.findings.len() > FINDINGS_MAX {
        return Err("at most 64 findings");
    }
    if assessment.labels.len() > LABELS_MAX {
        return Err("at most 16 labels");
    }
    let scores = assessment.findings.iter().map(|finding| finding.score);
    if scores.chain([assessment.score]).any(|score| score > SCORE_MAX) {
        return Err("a score from 0 to 100");
    }
    let ids = assessment.findings.iter().map(|finding| &finding.id);
    if !ids.chain(&assessment.labels).all(|word| is_word(word)) {
        return Err("ids and labels of at most 64 of a-z, 0-9, - and .");
    }
    let finding = |finding: wit::Finding| Finding {
        plugin: plugin.to_owned(),
        id: finding.id,
        score: finding.score,
        message: text::one_line(&finding.message, MESSAGE_BYTES_MAX),
    };
    Ok(Assessment {
        score: assessment.score,
        labels: assessment.labels,
        findings: assessment.findings.into_iter().map(finding).collect(),
    })
}

fn is_word(word: &str) -> bool {
    let fitting = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.');
    (1..=WORD_BYTES_MAX).contains(&word.len()) && word.bytes().all(fitting)
}

/// A request on its way to a guest: lowered from what the caller holds, without a copy of ours.
#[derive(Clone, Copy, ComponentType, Lower)]
#[component(record)]
struct WireRequest<'a> {
    principal: WirePrincipal<'a>,
    target: &'a str,
    protocol: &'a str,
    statement: &'a str,
    #[component(name = "statement-cut")]
    statement_cut: bool,
    facts: &'a str,
    attrs: &'a [(&'a str, &'a str)],
}

#[derive(Clone, Copy, ComponentType, Lower)]
#[component(record)]
struct WirePrincipal<'a> {
    id: &'a str,
    kind: &'a str,
    groups: &'a [&'a str],
    delegation: &'a [&'a str],
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assessment(score: u8, labels: &[&str], findings: &[(&str, u8)]) -> wit::Assessment {
        wit::Assessment {
            score,
            labels: labels.iter().map(|label| (*label).to_owned()).collect(),
            findings: findings
                .iter()
                .map(|(id, score)| wit::Finding {
                    id: (*id).to_owned(),
                    score: *score,
                    message: "line\nbreak".to_owned(),
                })
                .collect(),
        }
    }

    #[test]
    fn an_assessment_within_the_rules_is_taken_over() {
        let taken =
            check("p", assessment(70, &["export"], &[("sql.export", 100)])).expect("within the rules");
        assert_eq!((taken.score, taken.labels), (70, vec!["export".to_owned()]));
        assert_eq!(taken.findings[0].plugin, "p");
        assert_eq!(taken.findings[0].message, "line\u{fffd}break");
    }

    #[test]
    fn an_assessment_beyond_the_rules_is_a_fault() {
        let long = "a".repeat(65);
        for broken in [
            assessment(101, &[], &[]),
            assessment(0, &[], &[("a", 101)]),
            assessment(0, &["Export"], &[]),
            assessment(0, &[""], &[]),
            assessment(0, &[&long], &[]),
            assessment(0, &[], &[("a b", 1)]),
            assessment(0, &["a"; 17], &[]),
            assessment(0, &[], &[("a", 1); 65]),
        ] {
            assert!(check("p", broken).is_err());
        }
    }
}
