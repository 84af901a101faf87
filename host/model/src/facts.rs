//! What is known of an operation before it runs: the parser's findings, judged by
//! classifiers and policy.

use serde::{Deserialize, Serialize};

use crate::name::Tag;

/// Everything the parser found in one operation. A simple query may hold several statements;
/// they are judged together, because the server runs them together.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Facts {
    /// One entry per statement, in the order the server would run them.
    pub statements: Vec<StatementFacts>,
}

impl Facts {
    /// Makes the facts of a single statement.
    #[must_use]
    pub fn of(statement: StatementFacts) -> Self {
        Self {
            statements: vec![statement],
        }
    }

    /// Returns the gravest kind among the statements; [`OperationKind::Empty`] for none.
    #[must_use]
    pub fn kind(&self) -> OperationKind {
        self.statements
            .iter()
            .map(|s| s.kind)
            .max()
            .unwrap_or(OperationKind::Empty)
    }

    /// Returns every tag touched, sorted, without duplicates.
    #[must_use]
    pub fn tags(&self) -> Vec<Tag> {
        let mut tags: Vec<Tag> = self
            .statements
            .iter()
            .flat_map(|s| &s.relations)
            .flat_map(|r| &r.tags)
            .cloned()
            .collect();
        tags.sort_unstable();
        tags.dedup();
        tags
    }
}

/// What one statement does.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct StatementFacts {
    /// The command in lower case, e.g. `select`, `insert`, `create table`, `alter role`.
    pub verb: String,
    /// The other commands inside it, sorted, without duplicates: of CTEs and MERGE's actions, of
    /// what EXPLAIN, COPY, PREPARE or DECLARE hold.
    #[serde(default)]
    pub nested: Vec<String>,
    /// The coarse class that policies mostly look at.
    pub kind: OperationKind,
    /// Whether the statement may change data, schema or privileges, CTEs included.
    pub writes: bool,
    /// Whether it is a utility statement (anything but SELECT, VALUES and DML).
    pub utility: bool,
    /// Every relation named anywhere in the statement, first mention first.
    pub relations: Vec<RelationUse>,
    /// Every column referenced by name, as written (`c.ssn`, `*`), first mention first.
    pub columns: Vec<String>,
    /// Every function called by name.
    pub functions: Vec<FunctionUse>,
    /// Columns compared in WHERE, JOIN or HAVING, as written.
    pub predicates: Vec<String>,
    /// Whether the outermost SELECT, UPDATE or DELETE has a WHERE clause.
    pub has_where: bool,
    /// The outermost constant LIMIT or FETCH FIRST, if there is one.
    pub limit: Option<u64>,
}

impl StatementFacts {
    /// Makes the facts of something of `kind` that is no statement: without a verb, touching
    /// nothing.
    #[must_use]
    pub const fn bare(kind: OperationKind) -> Self {
        Self {
            verb: String::new(),
            nested: Vec::new(),
            kind,
            writes: false,
            utility: false,
            relations: Vec::new(),
            columns: Vec::new(),
            functions: Vec::new(),
            predicates: Vec::new(),
            has_where: false,
            limit: None,
        }
    }
}

/// One relation as a statement uses it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct RelationUse {
    /// The schema, where the statement names it.
    pub schema: Option<String>,
    /// The relation's name.
    pub name: String,
    /// How it is used.
    pub access: Access,
    /// The tags of its columns (of all of them: which are read is told by `columns`).
    pub tags: Vec<Tag>,
}

/// How a statement uses a relation.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    /// Rows are read.
    Read,
    /// Rows are written.
    Write,
    /// The relation itself is created, changed, dropped or granted.
    Define,
}

/// One function as a statement calls it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct FunctionUse {
    /// The schema, where the statement names it.
    pub schema: Option<String>,
    /// The function's name.
    pub name: String,
}

/// The coarse class of an operation, ordered from harmless to grave.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum OperationKind {
    /// Nothing at all: an empty query or only comments.
    Empty,
    /// BEGIN, COMMIT, ROLLBACK, SAVEPOINT and their kin.
    Transaction,
    /// SET, SHOW, RESET, DISCARD, LISTEN, PREPARE's bookkeeping.
    Session,
    /// Reads rows and changes nothing.
    Read,
    /// Changes rows.
    Write,
    /// Creates, alters or drops objects, or maintains them.
    Schema,
    /// Changes roles, grants or ownership.
    Privilege,
}

impl OperationKind {
    /// Returns the word that policies compare with, e.g. `read`.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Transaction => "transaction",
            Self::Session => "session",
            Self::Read => "read",
            Self::Write => "write",
            Self::Schema => "schema",
            Self::Privilege => "privilege",
        }
    }
}
