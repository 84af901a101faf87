//! What a statement does, read from PostgreSQL's own grammar, and whether it uses tagged columns
//! in a way that masks on the result could not hide.
//!
//! Pure and deterministic: bytes and a [`Catalog`] in, an [`Analysis`] out. What does not parse,
//! holds a node the walker does not know, or cannot be followed is refused, never let through.

use std::collections::HashMap;
use std::ops::Range;

use model::{Facts, Fault, Refusal, Rule, StatementFacts};
use pg_query::NodeRef;
use pg_query::protobuf::ParseResult;

use crate::postgres::catalog::Catalog;

mod address;
mod attribute;
mod facts;
mod functions;
pub mod inner;
mod kind;
mod lineage;
mod note;
mod opaque;
mod parse;
mod scope;
mod secrets;
mod settings;
mod tree;
mod utility;
mod view;

use parse::ParseError;
pub(crate) use secrets::setting_shown;
pub(crate) use view::{ViewDefinition, names_relation, referenced_columns};

/// What [`analyse`] found.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Analysis {
    /// What classifiers and policy judge. Empty if the statement does not parse.
    pub facts: Facts,
    /// Why the operation must not run whatever policy says, if it must not.
    pub refusal: Option<Refusal>,
    /// Whether a tagged relation takes part: errors and notices the server sends while it runs
    /// may carry its values and have to be scrubbed.
    pub touches_tagged: bool,
    /// The tagged columns that leave as bare outputs, as `schema.table.column`, sorted. A second
    /// opinion beside the OIDs of the result.
    pub tagged_outputs: Vec<String>,
    /// Relations that the catalog does not know. If there are any while columns are tagged, the
    /// catalog has to be read again and the statement analysed again before it runs; what is
    /// unknown even then does not exist outside this session's own transaction.
    pub unknown_relations: Vec<String>,
    /// What the session must remember, one per statement.
    pub statements: Vec<StatementNote>,
    /// What may be logged instead of the statement, if that holds a secret.
    pub loggable: Option<String>,
}

/// One statement of an operation, as far as the session must know it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StatementNote {
    /// Where it stands in the operation, in bytes.
    pub range: Range<usize>,
    /// What it does to the session.
    pub effect: Effect,
    /// Whether it may change relations, columns or functions: refresh the catalog after it.
    pub changes_catalog: bool,
    /// Whether it changes settings, so that later frames must not be analysed before it ended.
    pub changes_settings: bool,
}

/// What a statement does to the session.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Effect {
    /// Nothing that outlives it.
    None,
    /// Prepares a statement under a name shared with the protocol's Parse.
    Prepare {
        /// The name, folded as the server folds it.
        name: String,
        /// What EXECUTE of it will do.
        facts: Box<StatementFacts>,
    },
    /// Runs a prepared statement. If it was not prepared in the same operation, its facts are
    /// those the session kept for the name; a name the session does not know must be refused.
    Execute {
        /// The name.
        name: String,
        /// Whether the facts of this analysis already include what it runs.
        resolved: bool,
    },
    /// Forgets one prepared statement.
    Deallocate {
        /// The name.
        name: String,
    },
    /// Forgets all prepared statements.
    DeallocateAll,
    /// Opens a cursor, which is a portal of the same name.
    Declare {
        /// The name.
        cursor: String,
        /// Whether rows come in binary format whatever the protocol says.
        binary: bool,
    },
    /// Reads rows of a cursor, or of a portal bound by the protocol.
    Fetch {
        /// The name.
        cursor: String,
    },
    /// Moves a cursor without rows.
    Move {
        /// The name.
        cursor: String,
    },
    /// Closes one cursor.
    Close {
        /// The name.
        cursor: String,
    },
    /// Closes all cursors.
    CloseAll,
    /// The client will send rows.
    CopyIn,
    /// The server will send CopyData instead of rows.
    CopyOut,
    /// Begins, ends or divides a transaction.
    Transaction(Transaction),
    /// Forgets what the session has set up.
    Discard(Discard),
    /// Starts listening on a channel.
    Listen {
        /// The channel.
        channel: String,
    },
    /// Stops listening on a channel; on all if there is none.
    Unlisten {
        /// The channel.
        channel: Option<String>,
    },
}

/// What DISCARD forgets.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Discard {
    /// Everything.
    All,
    /// Cached plans.
    Plans,
    /// Cached sequence values.
    Sequences,
    /// Temporary tables.
    Temp,
}

/// What a transaction statement does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Transaction {
    /// BEGIN, START TRANSACTION.
    Begin,
    /// COMMIT, END.
    Commit,
    /// ROLLBACK, ABORT.
    Rollback,
    /// SAVEPOINT, RELEASE, ROLLBACK TO.
    Savepoint,
    /// PREPARE TRANSACTION, COMMIT PREPARED, ROLLBACK PREPARED.
    TwoPhase,
}

/// Limits of an analysis.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// The longest operation that is read, in bytes.
    pub bytes_max: usize,
    /// The most statements one operation may hold.
    pub statements_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bytes_max: BYTES_MAX,
            statements_max: STATEMENTS_MAX,
        }
    }
}

/// The parser needs about fifty times a statement's size in memory.
pub const BYTES_MAX: usize = 1 << 20;

/// Far above what drivers batch; each statement costs an entry in the journal.
pub const STATEMENTS_MAX: usize = 10_000;

/// Analyses one operation: the bytes of a Query or Parse frame, without the terminating NUL.
#[must_use]
pub fn analyse(sql: &[u8], catalog: &Catalog, limits: &Limits) -> Analysis {
    let parsed = match parse::parse(sql, limits.bytes_max) {
        Ok(parsed) => parsed,
        Err(error) => return unparsable(sql, &error),
    };
    if parsed.tree.stmts.len() > limits.statements_max {
        let message = format!(
            "one operation may hold at most {} statements",
            limits.statements_max
        );
        return Analysis {
            refusal: Some(Refusal::new(Rule::Unparsable, Fault::Client, message)),
            loggable: secrets::loggable_unparsed(sql),
            ..Analysis::default()
        };
    }
    let mut reading = read(&parsed.tree, sql.len(), catalog);
    if let Some(other) = &parsed.other {
        let second = read(other, sql.len(), catalog);
        let refused = second.analysis.refusal.is_some() && reading.analysis.refusal.is_none();
        if refused || second.marks != reading.marks || second.analysis.facts != reading.analysis.facts {
            reading.analysis.refusal = Some(
                Refusal::new(
                    Rule::Unparsable,
                    Fault::Client,
                    "a backslash in a plain string lets the statement be read in two ways",
                )
                .hint("Write such a string as E'...' with the backslash doubled, or as a parameter."),
            );
        }
    }
    reading.analysis.loggable = secrets::loggable(&parsed.tree, sql);
    reading.analysis
}

/// Lays a statement out over lines, for reading; returns it as it stands where that is not sure
/// to say the same.
#[must_use]
pub fn layout(sql: &str) -> String {
    if sql.len() > LAYOUT_BYTES_MAX {
        return sql.to_owned();
    }
    parse::layout(sql).unwrap_or_else(|| sql.to_owned())
}

/// Returns the names of what EXECUTE runs in an operation, in order; none where it does not
/// parse.
#[must_use]
pub(crate) fn executed(sql: &[u8]) -> Vec<String> {
    let Ok(parsed) = parse::parse(sql, sql.len()) else {
        return Vec::new();
    };
    let nodes = parsed
        .tree
        .stmts
        .iter()
        .filter_map(|raw| raw.stmt.as_ref()?.node.as_ref());
    nodes
        .filter_map(|node| match note::effect(node.to_ref(), None) {
            Effect::Execute { name, .. } => Some(name),
            _ => None,
        })
        .collect()
}

/// Nobody reads more than this at a sitting, and laying out takes several parses.
const LAYOUT_BYTES_MAX: usize = 32 << 10;

/// One reading of an operation.
#[derive(Debug, Default)]
struct Reading {
    analysis: Analysis,
    /// Which nodes stand where: two readings that agree on it differ in literals only.
    marks: Vec<(&'static str, i32)>,
}

fn read(tree: &ParseResult, length: usize, catalog: &Catalog) -> Reading {
    let mut reading = Reading::default();
    let mut prepared: HashMap<String, StatementFacts> = HashMap::new();
    for raw in &tree.stmts {
        let Some(node) = raw.stmt.as_ref().and_then(|stmt| stmt.node.as_ref()) else {
            continue;
        };
        let node = node.to_ref();
        let walk = match facts::walk(node, catalog) {
            Ok(walk) => walk,
            Err(refusal) => {
                reading.analysis.refusal = Some(refusal);
                return reading;
            }
        };
        reading.marks.extend(walk.marks);
        let mut statement = walk.facts;
        let mut effect = note::effect(node, walk.inside);
        match &mut effect {
            Effect::Prepare { name, facts } => {
                prepared.insert(name.clone(), (**facts).clone());
            }
            Effect::Execute { name, resolved } => {
                if let Some(inside) = prepared.get(name) {
                    include(&mut statement, inside);
                    *resolved = true;
                }
            }
            _ => {}
        }
        let analysis = &mut reading.analysis;
        analysis.statements.push(StatementNote {
            range: range(raw.stmt_location, raw.stmt_len, length),
            effect,
            changes_catalog: kind::changes_catalog(node),
            changes_settings: kind::changes_settings(node) || walk.sets,
        });
        analysis.facts.statements.push(statement);
        analysis.unknown_relations.extend(walk.unknown);
        let refusal = settings::check(node, catalog.has_tags()).or(walk.refusal);
        let facts = analysis.facts.statements.last();
        let refusal = refusal.or_else(|| facts.and_then(|facts| address_read(node, facts)));
        let refusal = refusal.or_else(|| cursor_that_sets(analysis.statements.last()));
        let refusal = refusal.or_else(|| lineage(node, catalog, walk.guarded, analysis));
        if analysis.refusal.is_none() {
            analysis.refusal = refusal;
        }
    }
    let analysis = &mut reading.analysis;
    for names in [&mut analysis.unknown_relations, &mut analysis.tagged_outputs] {
        names.sort_unstable();
        names.dedup();
    }
    reading
}

/// Adds to the facts of a statement those of the prepared one it runs.
fn include(statement: &mut StatementFacts, inside: &StatementFacts) {
    statement.kind = statement.kind.max(inside.kind);
    statement.writes |= inside.writes;
    statement.relations.extend_from_slice(&inside.relations);
    statement.columns.extend_from_slice(&inside.columns);
    statement.functions.extend_from_slice(&inside.functions);
    statement.predicates.extend_from_slice(&inside.predicates);
    statement.has_where |= inside.has_where;
    statement.limit = statement.limit.or(inside.limit);
}

/// Settings that change with each row somebody fetches would change unseen.
fn cursor_that_sets(note: Option<&StatementNote>) -> Option<Refusal> {
    let note = note.filter(|note| note.changes_settings)?;
    matches!(note.effect, Effect::Declare { .. }).then(|| {
        Refusal::new(
            Rule::ProtocolRefused,
            Fault::Client,
            "a cursor may not change settings",
        )
        .hint("Use SET, or call set_config in a statement of its own.")
    })
}

fn address_read(node: NodeRef<'_>, facts: &StatementFacts) -> Option<Refusal> {
    if address::reads_one_setting(node) {
        return None;
    }
    facts
        .relations
        .iter()
        .find_map(|relation| address::check_read(&relation.name, &facts.columns))
}

/// Checks one statement against the tags; `guarded` tells whether it names a relation in reach
/// of one.
fn lineage(node: NodeRef<'_>, catalog: &Catalog, guarded: bool, analysis: &mut Analysis) -> Option<Refusal> {
    if !catalog.has_tags() {
        return None;
    }
    if let Some(refusal) = utility::check(node, catalog) {
        analysis.touches_tagged |= guarded;
        return Some(refusal);
    }
    if !guarded {
        return None;
    }
    let (touched, result) = lineage::check(node, catalog);
    analysis.touches_tagged |= touched;
    match result {
        Ok(outputs) => {
            analysis.tagged_outputs.extend(outputs);
            None
        }
        Err(refusal) => Some(refusal),
    }
}

fn range(start: i32, length: i32, whole: usize) -> Range<usize> {
    let start = usize::try_from(start).unwrap_or_default().min(whole);
    // The last statement of an operation has length 0, meaning "to the end".
    match usize::try_from(length) {
        Ok(0) | Err(_) => start..whole,
        Ok(length) => start..start.saturating_add(length).min(whole),
    }
}

fn unparsable(sql: &[u8], error: &ParseError) -> Analysis {
    let refusal = Refusal::new(Rule::Unparsable, Fault::Client, error.to_string());
    let hint = match error {
        ParseError::TooLong { .. } => "Send large data as parameters or with COPY.",
        ParseError::NotText => "Set client_encoding to UTF8.",
        ParseError::TooDeep => {
            "Use IN (...) or = ANY (array) for long chains of OR, an array or format() for long chains of ||, \
             and fewer nested subqueries or set operations."
        }
        ParseError::Syntax(_) => "The gateway reads the grammar of PostgreSQL 18.",
    };
    Analysis {
        refusal: Some(refusal.hint(hint)),
        loggable: secrets::loggable_unparsed(sql),
        ..Analysis::default()
    }
}

#[cfg(test)]
mod tests;
