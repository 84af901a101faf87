//! One plugin on its own, without a gateway: it gets the configuration and what it is to do, and
//! is granted nothing.

use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use model::mask::{Action, CellMasker, Column, Shape};
use model::{Assessment, PluginName, ResourceName};
use plugin::{ActivePlan, ClassifyRequest, Kind, Loaded, PluginConfig, Plugins, SessionInfo, inspect};
use proto::mask::{FieldMask, PseudonymKey};
use proto::postgres::catalog::Catalog;
use proto::postgres::sql::{Limits, analyse};
use serde_json::Value;

use crate::cli::terminal::Failure;
use crate::cli::{EXIT_FAILED, EXIT_USAGE};

/// The largest configuration file read: the contract's own limit.
const CONFIG_BYTES_MAX: u64 = 1 << 20;

/// The largest input read.
const INPUT_BYTES_MAX: u64 = 256 << 20;

/// A loaded plugin.
pub(super) struct Trial {
    pub(super) kind: Kind,
    name: PluginName,
    plugins: Plugins,
}

impl Trial {
    /// Loads a component as the gateway would. A call may take as long as the contract lets an
    /// operator allow: who tries something waits.
    pub(super) async fn load(file: &Path, config: Value) -> Result<Self, Failure> {
        let found = inspect(file).map_err(|error| Failure::of(EXIT_FAILED, &error))?;
        let mut wanted = configured(file, found.kind, config);
        wanted.limits.deadline = plugin::DEADLINE_MAX;
        let name = wanted.name.clone();
        let plugins = Plugins::load(vec![wanted], None).await.map_err(|faults| {
            Failure::new(
                EXIT_FAILED,
                faults.first().map_or_else(String::new, ToString::to_string),
            )
        })?;
        Ok(Self {
            kind: found.kind,
            name,
            plugins,
        })
    }

    /// Returns what is loaded.
    pub(super) fn loaded(&self) -> Option<&Loaded> {
        self.plugins.loaded().first()
    }

    /// Has a masker plan a result of this shape.
    pub(super) fn plan(&self, shape: &Shape) -> Result<Arc<ActivePlan>, Failure> {
        self.plugins
            .maskers()
            .plan(std::slice::from_ref(&self.name), shape)
            .map_err(|fault| Failure::of(EXIT_FAILED, &fault))
    }

    /// Has a classifier judge a statement of PostgreSQL.
    pub(super) fn classify(&self, statement: &str) -> Result<Assessment, Failure> {
        let facts = analyse(statement.as_bytes(), &Catalog::default(), &Limits::default()).facts;
        let facts = serde_json::to_string(&facts).unwrap_or_default();
        let session = SessionInfo {
            principal: "https://issuer.example|you".to_owned(),
            kind: "person",
            groups: Vec::new(),
            delegation: Vec::new(),
            resource: ResourceName::new("trial"),
            protocol: "postgres",
        };
        let request = ClassifyRequest {
            session: &session,
            statement,
            facts: &facts,
        };
        self.plugins
            .classifiers()
            .classify(std::slice::from_ref(&self.name), &request)
            .map_err(|fault| Failure::of(EXIT_FAILED, &fault))
    }
}

/// What the gateway would load a file with.
pub(super) fn configured(file: &Path, kind: Kind, config: Value) -> PluginConfig {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    let mut wanted = PluginConfig::new(PluginName::new(&*stem), kind, file.to_owned());
    wanted.config = config;
    wanted
}

/// The cells of one field, before or after.
pub(super) type Cells = Vec<Option<Vec<u8>>>;

/// Masks columns under a plan as the gateway does, guest and host; one column per field.
pub(super) struct Masking {
    plan: Arc<ActivePlan>,
    masks: Vec<FieldMask>,
    guest: Box<dyn CellMasker + Send>,
}

impl Masking {
    /// Pseudonyms are made under a key of this run alone.
    pub(super) fn new(plan: Arc<ActivePlan>) -> Result<Self, Failure> {
        let mut key = [0; 32];
        let unready = |why: String| Failure::new(EXIT_FAILED, why);
        getrandom::fill(&mut key).map_err(|error| unready(error.to_string()))?;
        let masks = FieldMask::compile_all(&plan.plan, &PseudonymKey::new(key));
        Ok(Self {
            masks: masks.map_err(|fault| unready(fault.to_string()))?,
            guest: plan.cells(),
            plan,
        })
    }

    /// Returns the columns whose cells go to the guest, in the plan's order.
    pub(super) fn called<'c>(&self, columns: &'c [Column]) -> Vec<&'c Column> {
        let actions = self.plan.plan.actions.iter();
        columns
            .iter()
            .zip(actions)
            .filter(|(_, planned)| planned.action == Action::Call)
            .map(|(column, _)| column)
            .collect()
    }

    /// Returns what becomes of a batch.
    pub(super) fn mask(&mut self, rows: usize, columns: &[Column]) -> Result<Vec<Cells>, Failure> {
        let called: Vec<Column> = self.called(columns).into_iter().cloned().collect();
        let count = u32::try_from(rows).unwrap_or(u32::MAX);
        let changes = if called.is_empty() {
            Vec::new()
        } else {
            let changes = self.guest.mask(count, &called);
            changes.map_err(|fault| Failure::of(EXIT_FAILED, &fault))?
        };
        let mut changes = changes.iter();
        let mut scratch = Vec::new();
        let mut masked = Vec::with_capacity(columns.len());
        for (mask, column) in self.masks.iter().zip(columns) {
            let change = if mask.calls() { changes.next() } else { None };
            let cell = |row| match change {
                Some(change) => change.cell(row, column).map(<[u8]>::to_vec),
                None => column
                    .cell(row)
                    .and_then(|cell| mask.apply_to_text(cell, &mut scratch).map(<[u8]>::to_vec)),
            };
            masked.push((0..rows).map(cell).collect());
        }
        Ok(masked)
    }
}

/// Reads a configuration: JSON, or `@FILE`.
pub(super) fn configuration(text: &str) -> Result<Value, Failure> {
    let json = match text.strip_prefix('@') {
        Some(path) => read(Path::new(path), CONFIG_BYTES_MAX)?,
        None => text.as_bytes().to_vec(),
    };
    serde_json::from_slice(&json)
        .map_err(|error| Failure::new(EXIT_USAGE, format!("--config: it is no JSON: {error}")))
}

/// Reads what a plugin is to be tried with; `-` is standard input.
pub(super) fn input(path: &Path) -> Result<Vec<u8>, Failure> {
    if path == Path::new("-") {
        return limited(std::io::stdin().lock(), path, INPUT_BYTES_MAX);
    }
    read(path, INPUT_BYTES_MAX)
}

/// Reads a file of at most `bytes_max` bytes.
pub(super) fn read(path: &Path, bytes_max: u64) -> Result<Vec<u8>, Failure> {
    let file = std::fs::File::open(path).map_err(|error| Failure::of_file(path, &error))?;
    limited(file, path, bytes_max)
}

fn limited(from: impl std::io::Read, path: &Path, bytes_max: u64) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    from.take(bytes_max + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::of_file(path, &error))?;
    if bytes.len() as u64 > bytes_max {
        let what = format!("{} is larger than {} MiB", path.display(), bytes_max >> 20);
        return Err(Failure::new(EXIT_USAGE, what));
    }
    Ok(bytes)
}
