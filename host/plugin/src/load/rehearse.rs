//! Runs a component's self-test vectors: a plugin that does not do what its author wrote down is
//! not loaded.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use model::mask::{Field, Shape};
use model::{PluginName, ResourceName, Tag};
use serde_json::Value;
use tokio::task::spawn_blocking;
use wasmtime::component::InstancePre;

use super::{LoadProblem, check_config, profile};
use crate::classifier::{Classifiers, ClassifyRequest};
use crate::config::{Kind, Limits, OnFailure, PluginConfig};
use crate::kv::MemoryStore;
use crate::manifest::Manifest;
use crate::masker::{Masker, Maskers};
use crate::pool::Pool;
use crate::profile::Profile;
use crate::session::SessionInfo;
use crate::store::State;
use crate::vector::{ClassifyVector, MaskVector, Vector, action_text, column};

/// How long all vectors of one plugin may take: a reload waits for them.
const REHEARSAL_TIME: Duration = Duration::from_secs(30);

/// How long one call may take: what is checked is the answer, not the time.
const CALL_TIME: Duration = Duration::from_secs(2);

/// Runs vectors on instances of their own, which reach nothing; the first that fails is told.
pub(super) async fn rehearse(
    name: &PluginName,
    manifest: &Manifest,
    pre: &InstancePre<State>,
    vectors: &[Vector],
) -> Result<(), LoadProblem> {
    let until = Instant::now() + REHEARSAL_TIME;
    for (at, vector) in vectors.iter().enumerate() {
        let failed = |what| LoadProblem::Vector {
            vector: vector.label(at),
            what,
        };
        if Instant::now() > until {
            return Err(failed("the vectors before it took 30 s".to_owned()));
        }
        let played = play(name, manifest, pre, vector).await;
        played.map_err(failed)?;
    }
    Ok(())
}

async fn play(
    name: &PluginName,
    manifest: &Manifest,
    pre: &InstancePre<State>,
    vector: &Vector,
) -> Result<(), String> {
    let profile = Arc::new(stage(name, manifest.kind, &vector.config)?);
    let refused = match check_config(manifest, &profile, pre).await {
        Ok(()) => Vec::new(),
        Err(problems) => pointers(problems)?,
    };
    if let Some(expected) = &vector.refuses {
        return refuses(expected, &refused);
    }
    if let Some(pointer) = refused.first() {
        return Err(format!("the configuration is refused at \"{pointer}\""));
    }
    let (vector, name, pre) = (vector.clone(), name.clone(), pre.clone());
    let playing = spawn_blocking(move || {
        if let Some(mask) = &vector.mask {
            return masks(&name, profile, pre, mask);
        }
        vector
            .classify
            .as_ref()
            .map_or(Ok(()), |classify| judges(&name, profile, pre, classify))
    });
    playing.await.map_err(|_| "running it failed".to_owned())?
}

/// Makes what a plugin is run with: the vector's configuration, nothing granted, nothing counted.
fn stage(name: &PluginName, kind: Kind, json: &Value) -> Result<Profile, String> {
    let mut config = PluginConfig::new(name.clone(), kind, std::path::PathBuf::new());
    config.config = json.clone();
    config.limits = Limits {
        deadline: CALL_TIME,
        instances: 1,
        ..config.limits
    };
    let kv = Arc::new(MemoryStore::default()) as _;
    let uncounted = metrics::NoopRecorder;
    metrics::with_local_recorder(&uncounted, || profile(&config, &kv))
        .map_err(|problems| problems.first().map_or_else(String::new, ToString::to_string))
}

/// Returns where a configuration was refused, if it was no worse than that.
fn pointers(problems: Vec<LoadProblem>) -> Result<Vec<String>, String> {
    let pointer = |problem| match problem {
        LoadProblem::Config(issue) => Ok(issue.pointer),
        worse => Err(worse.to_string()),
    };
    problems.into_iter().map(pointer).collect()
}

fn refuses(expected: &[String], refused: &[String]) -> Result<(), String> {
    if refused.is_empty() {
        return Err("the configuration is taken, expected was that it is refused".to_owned());
    }
    match expected.iter().find(|pointer| !refused.contains(pointer)) {
        Some(pointer) => Err(format!(
            "expected an issue at \"{pointer}\", got {}",
            refused.join(", ")
        )),
        None => Ok(()),
    }
}

fn masks(
    name: &PluginName,
    profile: Arc<Profile>,
    pre: InstancePre<State>,
    vector: &MaskVector,
) -> Result<(), String> {
    let pool = Pool::new(profile, pre).map_err(|error| format!("{error:#}"))?;
    let masker = Masker {
        pool,
        on_failure: OnFailure::Close,
    };
    let maskers = Maskers::new(HashMap::from([(name.clone(), Arc::new(masker))]));
    let shape = Shape {
        fields: vec![Field {
            name: vector.field.name.clone(),
            origin: vector.field.origin.clone(),
            native_type: vector.field.native_type.clone(),
            format: vector.field.format(),
            tags: vector.field.tags.iter().map(Tag::new).collect(),
        }],
    };
    let plan = maskers
        .plan(std::slice::from_ref(name), &shape)
        .map_err(|fault| fault.to_string())?;
    let action = plan.plan.actions.first();
    let planned = action.map_or_else(String::new, |planned| action_text(&planned.action));
    if planned != vector.plan {
        return Err(format!("expected the plan `{}`, got `{planned}`", vector.plan));
    }
    if vector.cells.is_empty() {
        return Ok(());
    }
    let cells = column(&vector.cells);
    let rows = u32::try_from(cells.len()).unwrap_or(u32::MAX);
    let mut masking = plan.cells();
    let changes = masking
        .mask(rows, std::slice::from_ref(&cells))
        .map_err(|fault| fault.to_string())?;
    let change = changes.first().ok_or("no column came back")?;
    for (row, expected) in vector.gives.iter().enumerate() {
        let got = change.cell(row, &cells);
        if got != expected.as_deref().map(str::as_bytes) {
            let expected = shown(expected.as_deref().map(str::as_bytes));
            return Err(format!(
                "cell {}: expected {expected}, got {}",
                row + 1,
                shown(got)
            ));
        }
    }
    Ok(())
}

/// Shows a cell of a vector: nothing that is in a vector is anyone's data.
fn shown(cell: Option<&[u8]>) -> String {
    cell.map_or_else(
        || "NULL".to_owned(),
        |cell| {
            format!(
                "\"{}\"",
                crate::text::one_line(&String::from_utf8_lossy(cell), 100)
            )
        },
    )
}

fn judges(
    name: &PluginName,
    profile: Arc<Profile>,
    pre: InstancePre<State>,
    vector: &ClassifyVector,
) -> Result<(), String> {
    let pool = Pool::new(profile, pre).map_err(|error| format!("{error:#}"))?;
    let classifiers = Classifiers::new(HashMap::from([(name.clone(), Arc::new(pool))]));
    let session = SessionInfo {
        principal: "https://issuer.example|vector".to_owned(),
        kind: "agent",
        groups: Vec::new(),
        delegation: Vec::new(),
        resource: ResourceName::new("vector"),
        protocol: vector.protocol()?,
    };
    let facts = match &vector.facts {
        Value::Null => r#"{"statements":[]}"#.to_owned(),
        facts => facts.to_string(),
    };
    let request = ClassifyRequest {
        session: &session,
        statement: &vector.statement,
        facts: &facts,
    };
    let assessment = classifiers
        .classify(std::slice::from_ref(name), &request)
        .map_err(|fault| fault.to_string())?;
    let mut found: Vec<String> = assessment
        .findings
        .into_iter()
        .map(|finding| finding.id)
        .collect();
    let mut expected = [vector.labels.clone(), vector.findings.clone()];
    expected.iter_mut().for_each(|words| words.sort());
    found.sort();
    let [labels, findings] = expected;
    if assessment.score != vector.score {
        return Err(format!(
            "expected the score {}, got {}",
            vector.score, assessment.score
        ));
    }
    differ("labels", &labels, &assessment.labels)?;
    differ("findings", &findings, &found)
}

fn differ(what: &str, expected: &[String], got: &[String]) -> Result<(), String> {
    if expected == got {
        return Ok(());
    }
    Err(format!("expected the {what} {expected:?}, got {got:?}"))
}
