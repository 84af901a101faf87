//! Statements that carry a password: what may be logged in their stead.

use pg_query::protobuf::ParseResult;
use pg_query::{Node, NodeRef};

use super::{kind, range, tree};

/// What stands where a secret was.
const WITHHELD: &str = "(withheld: the statement carries a secret)";

/// Words that tell a secret in the name of a setting or in text that cannot be parsed.
const WORDS: &[&str] = &[
    "password",
    "passwd",
    "secret",
    "conninfo",
    "token",
    "api_key",
    "apikey",
    "credential",
];

/// Returns the text to log instead of `sql`, if one of its statements carries a secret.
pub(super) fn loggable(tree: &ParseResult, sql: &[u8]) -> Option<String> {
    let mut any = false;
    let mut parts = Vec::with_capacity(tree.stmts.len());
    for raw in &tree.stmts {
        let Some(node) = raw.stmt.as_ref().and_then(|stmt| stmt.node.as_ref()) else {
            continue;
        };
        if carries(node.to_ref()) {
            any = true;
            parts.push(format!("{} {WITHHELD}", kind::verb(node.to_ref())));
        } else {
            let text = sql
                .get(range(raw.stmt_location, raw.stmt_len, sql.len()))
                .unwrap_or_default();
            parts.push(String::from_utf8_lossy(text).trim().to_owned());
        }
    }
    any.then(|| parts.join("; "))
}

/// The same for a text that did not parse: withheld whole if it may carry a secret.
pub(super) fn loggable_unparsed(sql: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(sql);
    telling(&text).then(|| format!("{} bytes {WITHHELD}", sql.len()))
}

/// Returns a setting and its value as people may see them.
pub(crate) fn setting_shown(name: &str, value: &str) -> String {
    match telling(name) {
        true => format!("{name} = (withheld: its name tells that it is a secret)"),
        false => format!("{name} = {value}"),
    }
}

fn telling(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    WORDS.iter().any(|word| text.contains(word))
}

fn carries(node: NodeRef<'_>) -> bool {
    match node {
        NodeRef::CreateRoleStmt(create) => has_password(&create.options),
        NodeRef::AlterRoleStmt(alter) => has_password(&alter.options),
        NodeRef::CreateUserMappingStmt(_)
        | NodeRef::AlterUserMappingStmt(_)
        | NodeRef::CreateForeignServerStmt(_)
        | NodeRef::AlterForeignServerStmt(_)
        | NodeRef::CreateSubscriptionStmt(_) => true,
        NodeRef::AlterSubscriptionStmt(alter) => !alter.conninfo.is_empty() || !alter.options.is_empty(),
        NodeRef::VariableSetStmt(set) => telling(&set.name),
        NodeRef::AlterRoleSetStmt(alter) => alter.setstmt.as_ref().is_some_and(|set| telling(&set.name)),
        NodeRef::AlterDatabaseSetStmt(alter) => alter.setstmt.as_ref().is_some_and(|set| telling(&set.name)),
        NodeRef::AlterSystemStmt(alter) => alter.setstmt.as_ref().is_some_and(|set| telling(&set.name)),
        // Code in a string may do any of the above.
        NodeRef::DoStmt(_) | NodeRef::CreateFunctionStmt(_) => holds_telling_text(node),
        _ => calls_out(node),
    }
}

fn has_password(options: &[Node]) -> bool {
    options
        .iter()
        .any(|option| match option.node.as_ref().map(|n| n.to_ref()) {
            Some(NodeRef::DefElem(option)) => option.defname.contains("password"),
            _ => false,
        })
}

fn holds_telling_text(node: NodeRef<'_>) -> bool {
    if let NodeRef::String(text) = node
        && telling(&text.sval)
    {
        return true;
    }
    any_child(node, &holds_telling_text)
}

/// Whether a connection string or a secret setting goes into a function.
fn calls_out(node: NodeRef<'_>) -> bool {
    if let NodeRef::FuncCall(call) = node
        && let Some((_, name)) = super::functions::name(call)
    {
        let first = super::functions::child(call.args.first());
        let setting = super::functions::text(first);
        if name.starts_with("dblink") || (name == "set_config" && setting.is_some_and(telling)) {
            return true;
        }
    }
    any_child(node, &calls_out)
}

fn any_child(node: NodeRef<'_>, holds: &dyn Fn(NodeRef<'_>) -> bool) -> bool {
    let mut found = false;
    // A node that cannot be walked may hold anything.
    tree::children(node, &mut |_, child| found = found || holds(child)).is_err() || found
}
