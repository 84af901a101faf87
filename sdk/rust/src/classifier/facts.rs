//! What the host's parser found, as the contract describes it. Members that a later host adds
//! are passed over; words that it adds are [`Kind::Unknown`] or [`Access::Unknown`], which a
//! classifier should take for grave.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Everything found in one operation.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Facts {
    /// One entry per statement, in the order the server would run them. An HTTP request or an SSH
    /// command is one statement.
    pub statements: Vec<Statement>,
    /// What HTTP alone can tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<HttpRequest>,
    /// What SSH alone can tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<Command>,
}

/// One HTTP request.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default)]
pub struct HttpRequest {
    /// The method, as sent: `GET`.
    pub method: String,
    /// The path in its one canonical form.
    pub path: String,
    /// The template it fits, e.g. `/customers/{id}`.
    pub route: Option<String>,
    /// What stands for the template's names.
    pub parameters: BTreeMap<String, String>,
    /// The query's keys with all their values, decoded.
    pub query: BTreeMap<String, Vec<String>>,
    /// The media type of the body in lower case, without parameters.
    pub content_type: Option<String>,
    /// The body's length in bytes, where known.
    pub body_bytes: Option<u64>,
    /// What the operator chose of the body, by JSON path.
    pub body: BTreeMap<String, serde_json::Value>,
    /// The protocol it asks to switch to, e.g. `websocket`.
    pub upgrade: Option<String>,
    /// What it calls over the Model Context Protocol.
    pub call: Option<ToolCall>,
}

/// One message of the Model Context Protocol.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default)]
pub struct ToolCall {
    /// The JSON-RPC method, e.g. `tools/call`.
    pub method: String,
    /// The tool's or prompt's name, or the resource's URI.
    pub name: Option<String>,
    /// With what.
    pub arguments: Option<serde_json::Value>,
}

/// What an SSH client asks of the host.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default)]
pub struct Command {
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

/// What one statement does.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Statement {
    /// The command in lower case, e.g. `select`, `create table`, `alter role`.
    pub verb: String,
    /// The coarse class.
    pub kind: Kind,
    /// Whether it may change data, schema or privileges, CTEs included.
    pub writes: bool,
    /// Whether it is anything but SELECT, VALUES and DML.
    pub utility: bool,
    /// Every relation named anywhere, first mention first.
    pub relations: Vec<Relation>,
    /// Every column referenced by name, as written (`c.ssn`, `*`).
    pub columns: Vec<String>,
    /// Every function called by name.
    pub functions: Vec<Function>,
    /// Columns compared in WHERE, JOIN or HAVING, as written.
    pub predicates: Vec<String>,
    /// Whether the outermost SELECT, UPDATE or DELETE has a WHERE clause.
    pub has_where: bool,
    /// The outermost constant LIMIT or FETCH FIRST.
    pub limit: Option<u64>,
}

/// One relation as a statement uses it.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Relation {
    /// The schema, where the statement names it.
    pub schema: Option<String>,
    /// The relation's name.
    pub name: String,
    /// How it is used.
    pub access: Access,
    /// The tags of all its columns, read or not.
    pub tags: Vec<String>,
}

/// One function as a statement calls it.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Function {
    /// The schema, where the statement names it.
    pub schema: Option<String>,
    /// The function's name.
    pub name: String,
}

/// The coarse class of a statement, from harmless to grave.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Nothing at all.
    Empty,
    /// BEGIN, COMMIT and their kin.
    Transaction,
    /// SET, SHOW, LISTEN and the like.
    Session,
    /// Reads rows and changes nothing.
    Read,
    /// Changes rows.
    Write,
    /// Creates, alters or drops objects.
    Schema,
    /// Changes roles, grants or ownership.
    Privilege,
    /// A word this SDK does not know.
    #[default]
    #[serde(other)]
    Unknown,
}

/// How a statement uses a relation.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    /// Rows are read.
    Read,
    /// Rows are written.
    Write,
    /// The relation itself is created, changed, dropped or granted.
    Define,
    /// A word this SDK does not know.
    #[default]
    #[serde(other)]
    Unknown,
}
