//! Settings that a session may not change: those that change how its statements are read, who it
//! is, and, while columns are tagged, what a name stands for and what the server tells beside
//! results.

use model::{Fault, Refusal, Rule};
use pg_query::NodeRef;
use pg_query::protobuf::{FuncCall, VariableSetKind, VariableSetStmt, a_const};

use super::functions;
use crate::postgres::catalog::{Catalog, SETTINGS_VIEW};

/// Checks SET and everything that stores settings for later sessions.
pub(super) fn check(node: NodeRef<'_>, has_tags: bool) -> Option<Refusal> {
    let set = match node {
        NodeRef::VariableSetStmt(set) => set,
        NodeRef::AlterRoleSetStmt(alter) => alter.setstmt.as_ref()?,
        NodeRef::AlterDatabaseSetStmt(alter) => alter.setstmt.as_ref()?,
        NodeRef::AlterSystemStmt(alter) => alter.setstmt.as_ref()?,
        _ => return None,
    };
    variable(set, has_tags)
}

/// Checks a call of `set_config`. The name must be a constant, with or without tags.
pub(super) fn check_call(call: &FuncCall, has_tags: bool) -> Option<Refusal> {
    let mut args = call.args.iter().map(|arg| functions::child(Some(arg)));
    let Some(name) = functions::text(args.next().flatten()) else {
        return Some(
            Refusal::new(
                Rule::ProtocolRefused,
                Fault::Client,
                "set_config takes the setting's name as a constant",
            )
            .hint("Write the name into the statement, or use SET."),
        );
    };
    setting(name, functions::text(args.next().flatten()), has_tags)
}

/// Refuses to write to the view of the settings, or to a view that leads there.
pub(super) fn check_write(relation: &str, catalog: &Catalog) -> Option<Refusal> {
    leads(relation, catalog).then(|| {
        Refusal::new(
            Rule::ProtocolRefused,
            Fault::Client,
            format!("settings may not be changed by writing to {relation}"),
        )
        .hint("Use SET.")
    })
}

/// Refuses to put a view or rule over the view of the settings, or to give such a view another
/// name: a write that goes through it would not be seen.
pub(super) fn check_definition(relation: &str, catalog: &Catalog) -> Option<Refusal> {
    leads(relation, catalog).then(|| {
        Refusal::new(
            Rule::ProtocolRefused,
            Fault::Client,
            format!("a definition over {relation} could change settings unseen"),
        )
        .hint("Read pg_settings itself; use SET to change a setting.")
    })
}

/// Whether statements of this kind let other statements write to the relations they name.
pub(super) fn redirects(node: NodeRef<'_>) -> bool {
    matches!(
        node,
        NodeRef::ViewStmt(_)
            | NodeRef::RuleStmt(_)
            | NodeRef::RenameStmt(_)
            | NodeRef::AlterObjectSchemaStmt(_)
            | NodeRef::CreateTrigStmt(_)
    )
}

/// The schema does not matter: the relation may have been moved to another one.
fn leads(relation: &str, catalog: &Catalog) -> bool {
    relation == SETTINGS_VIEW || catalog.named(None, relation).any(|found| found.sets)
}

fn variable(set: &VariableSetStmt, has_tags: bool) -> Option<Refusal> {
    match set.kind() {
        // Back to what the session started with.
        VariableSetKind::VarSetDefault | VariableSetKind::VarReset | VariableSetKind::VarResetAll => None,
        VariableSetKind::VarSetMulti => None,
        VariableSetKind::VarSetValue | VariableSetKind::VarSetCurrent | VariableSetKind::Undefined => {
            let value = match set.args.as_slice() {
                [value] => functions::child(Some(value)),
                _ => None,
            };
            setting(&set.name, word(value), has_tags)
        }
    }
}

fn word(value: Option<NodeRef<'_>>) -> Option<&str> {
    match value {
        Some(NodeRef::AConst(constant)) => match constant.val.as_ref()? {
            a_const::Val::Ival(number) if number.ival == 1 => Some("1"),
            _ => functions::text(value),
        },
        _ => functions::text(value),
    }
}

/// Checks one setting; `value` is `None` where it is not one constant word.
fn setting(name: &str, value: Option<&str>, has_tags: bool) -> Option<Refusal> {
    let name = name.to_ascii_lowercase();
    let value = value.map(str::to_ascii_lowercase);
    let value = value.as_deref();
    let why = match name.as_str() {
        "standard_conforming_strings" if matches!(value, Some("on" | "true" | "yes" | "1")) => return None,
        "client_encoding" if value.is_some_and(is_utf8) => return None,
        "standard_conforming_strings" | "client_encoding" | "backslash_quote" => {
            "it changes how statements are read"
        }
        "role" | "session_authorization" | "session_replication_role" => "it changes what the session may do",
        _ if !has_tags => return None,
        "client_min_messages" if matches!(value, Some("notice" | "warning" | "error")) => return None,
        "search_path" | "row_security" => "it changes what masked names stand for",
        "client_min_messages" => "messages below NOTICE can show masked values",
        "dynamic_library_path" | "local_preload_libraries" | "session_preload_libraries" => {
            "it loads code that could read masked columns"
        }
        name if name.starts_with("log_")
            || name.starts_with("auto_explain.")
            || name.starts_with("debug_print") =>
        {
            "it makes the server write down masked values"
        }
        _ => return None,
    };
    Some(
        Refusal::new(
            Rule::ProtocolRefused,
            Fault::Client,
            format!("setting {name} may not be changed: {why}"),
        )
        .hint("Leave it as the session started; RESET brings that back."),
    )
}

/// Whether an encoding's name means UTF-8, as the server compares names.
fn is_utf8(name: &str) -> bool {
    let plain: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    matches!(plain.as_str(), "utf8" | "unicode")
}
