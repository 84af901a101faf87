//! What is known of an operation before it runs: the parser's findings, judged by
//! classifiers and policy.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::name::Tag;

/// Everything the parser found in one operation. A simple query may hold several statements;
/// they are judged together, because the server runs them together.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Facts {
    /// One entry per statement, in the order the server would run them. An HTTP request or an SSH
    /// command is one statement: its verb is the method (`get`) or what is asked of the host
    /// (`exec`, `sftp read`), its relation the route or the path.
    pub statements: Vec<StatementFacts>,
    /// What HTTP alone can tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<RequestFacts>,
    /// What SSH alone can tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<CommandFacts>,
}

impl Facts {
    /// Makes the facts of a single statement.
    #[must_use]
    pub fn of(statement: StatementFacts) -> Self {
        Self {
            statements: vec![statement],
            ..Self::default()
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

/// One HTTP request.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct RequestFacts {
    /// The method, as sent: `GET`.
    pub method: String,
    /// The path in its one canonical form, as the upstream gets it.
    pub path: String,
    /// The template it fits, e.g. `/customers/{id}`, where the resource has templates and one fits.
    pub route: Option<String>,
    /// What stands for the template's names in this path.
    pub parameters: BTreeMap<String, String>,
    /// The query's keys with all their values, decoded, in the order sent.
    pub query: BTreeMap<String, Vec<String>>,
    /// The media type of the body in lower case, without parameters.
    pub content_type: Option<String>,
    /// The body's length, where it was announced or is known.
    pub body_bytes: Option<u64>,
    /// What was read of the body: by the JSON path that the operator chose, the value as JSON.
    /// Only whole bodies are read; where one could not be, the request is refused.
    pub body: BTreeMap<String, serde_json::Value>,
    /// The protocol it asks to switch to, e.g. `websocket`.
    pub upgrade: Option<String>,
    /// What it calls, where the resource speaks the Model Context Protocol.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<CallFacts>,
}

/// One message of the Model Context Protocol.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct CallFacts {
    /// The JSON-RPC method, e.g. `tools/call`.
    pub method: String,
    /// What is called: the name of the tool or prompt, or the resource's URI.
    pub name: Option<String>,
    /// With what: `params.arguments`.
    pub arguments: Option<serde_json::Value>,
}

/// What an SSH client asks of the host.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct CommandFacts {
    /// The account on the host.
    pub account: String,
    /// `exec`, `shell`, `sftp` or `forward`.
    pub channel: String,
    /// The command line of `exec`.
    pub text: Option<String>,
    /// Whether there is a terminal.
    pub terminal: bool,
    /// The environment that goes with it.
    pub environment: BTreeMap<String, String>,
    /// The paths of an SFTP operation, absolute; those of scp, rsync and git as sent.
    pub paths: Vec<String>,
    /// The `host:port` of a forward.
    pub target: Option<String>,
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
