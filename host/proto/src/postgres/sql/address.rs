//! What would tell a client where the upstream is: the gateway keeps that to itself.

use model::{Fault, Refusal, Rule};
use pg_query::NodeRef;

use super::functions;

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
