//! Functions by name: which are reviewed, which write, which reach beyond the database.

use model::OperationKind;
use pg_query::protobuf::{FuncCall, a_const};
use pg_query::{Node, NodeRef};

use crate::postgres::catalog::Catalog;

mod reviewed;

/// Returns the schema, if there is one, and the name of a called function.
pub(super) fn name(call: &FuncCall) -> Option<(Option<&str>, &str)> {
    names(&call.funcname)
}

/// Splits a possibly qualified name.
pub(super) fn names(parts: &[Node]) -> Option<(Option<&str>, &str)> {
    let mut parts = parts
        .iter()
        .rev()
        .filter_map(|part| match part.node.as_ref().map(|n| n.to_ref()) {
            Some(NodeRef::String(part)) => Some(part.sval.as_str()),
            _ => None,
        });
    let name = parts.next()?;
    Some((parts.next(), name))
}

/// Whether the server's function of this name is on the list.
pub(super) fn reviewed(name: &str) -> bool {
    reviewed::REVIEWED
        .iter()
        .any(|group| group.binary_search(&name).is_ok())
}

/// Whether a function of the server takes a whole row as its only argument, so that it can be
/// called as if it were a column.
pub(super) fn of_rows(name: &str) -> bool {
    OF_ROWS.binary_search(&name).is_ok()
}

/// The functions of `pg_catalog` that take any type or a record, with nothing else required.
const OF_ROWS: &[&str] = &[
    "any_value",
    "array_agg",
    "concat",
    "count",
    "cume_dist",
    "dense_rank",
    "first_value",
    "hash_record",
    "json_agg",
    "json_agg_strict",
    "json_build_array",
    "json_build_object",
    "jsonb_agg",
    "jsonb_agg_strict",
    "jsonb_build_array",
    "jsonb_build_object",
    "lag",
    "last_value",
    "lead",
    "max",
    "min",
    "mode",
    "num_nonnulls",
    "num_nulls",
    "percent_rank",
    "pg_collation_for",
    "pg_column_compression",
    "pg_column_size",
    "pg_column_toast_chunk_id",
    "pg_typeof",
    "quote_literal",
    "quote_nullable",
    "rank",
    "record_out",
    "record_send",
    "row_to_json",
    "to_json",
    "to_jsonb",
];

/// Returns what a call of the function makes of a statement that otherwise only reads. What is
/// not known is taken to write.
pub(super) fn kind(schema: Option<&str>, name: &str, catalog: &Catalog) -> OperationKind {
    let users = catalog
        .routines(name)
        .iter()
        .filter(|r| schema.is_none_or(|s| s == r.owner.schema));
    let mut found = None;
    for routine in users {
        let kind = if routine.writes {
            OperationKind::Write
        } else {
            OperationKind::Read
        };
        found = found.max(Some(kind));
    }
    if schema.is_none_or(|schema| schema == "pg_catalog") {
        let own = server(name);
        // A name that only users know is not the server's.
        if own != Some(OperationKind::Write) || found.is_none() {
            found = found.max(own);
        }
    } else if schema == Some("information_schema") {
        found = found.max(Some(OperationKind::Read));
    }
    found.unwrap_or(OperationKind::Write)
}

fn server(name: &str) -> Option<OperationKind> {
    if PRIVILEGED.contains(&name) || PRIVILEGED_PREFIXES.iter().any(|prefix| name.starts_with(prefix)) {
        Some(OperationKind::Privilege)
    } else if name == "set_config" || name == "pg_advisory_unlock_all" {
        Some(OperationKind::Session)
    } else if reviewed(name) || READING.contains(&name) {
        Some(OperationKind::Read)
    } else {
        Some(OperationKind::Write)
    }
}

/// Functions that read but may do so without naming what they read, or wait.
const READING: &[&str] = &[
    "cursor_to_xml",
    "cursor_to_xmlschema",
    "database_to_xml",
    "database_to_xml_and_xmlschema",
    "database_to_xmlschema",
    "pg_sleep",
    "pg_sleep_for",
    "pg_sleep_until",
    "schema_to_xml",
    "schema_to_xml_and_xmlschema",
    "schema_to_xmlschema",
    "table_to_xml",
    "table_to_xml_and_xmlschema",
    "table_to_xmlschema",
];

/// Functions that reach files, other sessions, other servers or the server process itself.
const PRIVILEGED: &[&str] = &[
    "lo_export",
    "lo_import",
    "pg_cancel_backend",
    "pg_current_logfile",
    "pg_hba_file_rules",
    "pg_ident_file_mappings",
    "pg_import_system_collations",
    "pg_log_backend_memory_contexts",
    "pg_promote",
    "pg_reload_conf",
    "pg_rotate_logfile",
    "pg_stat_file",
    "pg_switch_wal",
    "pg_terminate_backend",
];

const PRIVILEGED_PREFIXES: &[&str] = &[
    "binary_upgrade_",
    "dblink",
    "pg_backup_",
    "pg_copy_",
    "pg_create_",
    "pg_drop_replication_",
    "pg_file_",
    "pg_logical_",
    "pg_ls_",
    "pg_read_",
    "pg_replication_",
    "pg_show_all_file_",
    "pg_start_backup",
    "pg_stop_backup",
    "pg_wal_replay_",
];

/// How a function that is not on the list may be called nevertheless, while there are tags.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Exception {
    /// With constants and parameters only: nothing of a row goes into it.
    Constants,
}

/// Functions whose only danger is what is put into them.
const CONSTANTS: &[&str] = &[
    "nextval",
    "pg_advisory_unlock_all",
    "pg_cancel_backend",
    "pg_sleep",
    "pg_sleep_for",
    "pg_sleep_until",
    "pg_terminate_backend",
    "set_config",
    "setval",
];

/// Returns how an unlisted function of the server may be called.
pub(super) fn exception(name: &str) -> Option<Exception> {
    CONSTANTS.contains(&name).then_some(Exception::Constants)
}

/// Whether an expression is a constant, a parameter, or a cast of one.
pub(super) fn constant(node: Option<NodeRef<'_>>) -> bool {
    match node {
        Some(NodeRef::AConst(_) | NodeRef::ParamRef(_)) => true,
        Some(NodeRef::TypeCast(cast)) => constant(child(cast.arg.as_deref())),
        Some(NodeRef::AExpr(sign)) => sign.lexpr.is_none() && constant(child(sign.rexpr.as_deref())),
        Some(NodeRef::FuncCall(call)) => {
            call.args.is_empty() && matches!(name(call), Some((_, "pg_backend_pid")))
        }
        _ => false,
    }
}

/// Returns the text of a string constant, with or without a cast.
pub(super) fn text(node: Option<NodeRef<'_>>) -> Option<&str> {
    match node? {
        NodeRef::AConst(constant) => match constant.val.as_ref()? {
            a_const::Val::Sval(text) => Some(&text.sval),
            _ => None,
        },
        NodeRef::TypeCast(cast) => text(child(cast.arg.as_deref())),
        _ => None,
    }
}

pub(super) fn child(node: Option<&Node>) -> Option<NodeRef<'_>> {
    node.and_then(|node| node.node.as_ref()).map(|node| node.to_ref())
}
