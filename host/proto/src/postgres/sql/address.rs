//! What would tell a client where the upstream is: the gateway keeps that to itself.

use model::{Fault, Refusal, Rule};
use pg_query::NodeRef;
use pg_query::protobuf::{AExprKind, Node};

use super::{functions, tree};

/// Functions that tell addresses of the server, or of the gateway as the server sees it.
const FUNCTIONS: &[&str] = &[
    "inet_client_addr",
    "inet_client_port",
    "inet_server_addr",
    "inet_server_port",
    "pg_stat_get_backend_client_addr",
    "pg_stat_get_backend_client_port",
];

/// Settings that tell where the server listens and where its files are.
const SETTINGS: &[&str] = &[
    "all",
    "config_file",
    "data_directory",
    "external_pid_file",
    "hba_file",
    "ident_file",
    "listen_addresses",
    "port",
    "primary_conninfo",
    "unix_socket_directories",
];

/// Columns of `pg_settings` that show a setting's value.
const VALUES: &[&str] = &["*", "boot_val", "reset_val", "setting"];

/// Checks one node: SHOW, and the functions that tell an address or any setting.
pub(super) fn check(node: NodeRef<'_>) -> Option<Refusal> {
    match node {
        NodeRef::VariableShowStmt(show) => setting(&show.name),
        NodeRef::FuncCall(call) => match functions::name(call)? {
            (_, name) if FUNCTIONS.contains(&name) => Some(refusal(name)),
            (_, "current_setting") => {
                let argument = call.args.first();
                match functions::text(functions::child(argument)) {
                    Some(name) => setting(name),
                    None => Some(refusal("current_setting of a computed name")),
                }
            }
            _ => None,
        },
        _ => None,
    }
}

/// Checks a read of a relation with these columns.
pub(super) fn check_read(relation: &str, columns: &[String]) -> Option<Refusal> {
    let value = |column: &String| VALUES.contains(&column.rsplit('.').next().unwrap_or(column));
    (relation == "pg_settings" && columns.iter().any(value))
        .then(|| refusal("pg_settings with its values").hint("Use SHOW with the setting's name."))
}

/// Whether a statement reads `pg_settings` for one harmless setting and nothing else, as
/// drivers do to learn of the server's limits: the same as SHOW with the setting's name.
pub(super) fn reads_one_setting(statement: NodeRef<'_>) -> bool {
    let NodeRef::SelectStmt(select) = statement else {
        return false;
    };
    let Some(NodeRef::AExpr(condition)) = functions::child(select.where_clause.as_deref()) else {
        return false;
    };
    let [operator] = &condition.name[..] else {
        return false;
    };
    let left = functions::child(condition.lexpr.as_deref());
    let right = functions::text(functions::child(condition.rexpr.as_deref()));
    relations(statement) == 1
        && condition.kind() == AExprKind::AexprOp
        && is_word(operator, "=")
        && matches!(left, Some(NodeRef::ColumnRef(column))
            if column.fields.last().is_some_and(|field| is_word(field, "name")))
        && right.is_some_and(|name| setting(name).is_none())
}

/// Counts the relations that are named in a statement, one that is named twice as two.
fn relations(node: NodeRef<'_>) -> usize {
    let mut count = usize::from(matches!(node, NodeRef::RangeVar(_)));
    let known = tree::children(node, &mut |_, child| {
        count = count.saturating_add(relations(child));
    });
    // What the walker does not know may name any.
    known.map_or(usize::MAX, |()| count)
}

fn is_word(node: &Node, word: &str) -> bool {
    matches!(functions::child(Some(node)), Some(NodeRef::String(string)) if string.sval == word)
}

fn setting(name: &str) -> Option<Refusal> {
    SETTINGS
        .contains(&name.to_ascii_lowercase().as_str())
        .then(|| refusal(name))
}

fn refusal(what: &str) -> Refusal {
    let message = format!("{what} would tell the upstream's address or files");
    Refusal::new(Rule::ProtocolRefused, Fault::Client, message)
        .hint("The gateway keeps to itself where the upstream is.")
}
