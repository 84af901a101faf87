//! Sorts statements: their verb, their kind, and whether they change the catalog or settings.

use model::OperationKind;
use pg_query::NodeRef;
use pg_query::protobuf::{
    AlterTableType, CmdType, CopyStmt, DefElem, ExplainStmt, ObjectType, VariableSetKind, a_const,
};

/// Returns the kind of a statement by itself, without what its expressions and CTEs add.
pub(super) fn own(node: NodeRef<'_>) -> OperationKind {
    match node {
        NodeRef::SelectStmt(_)
        | NodeRef::FetchStmt(_)
        | NodeRef::DeclareCursorStmt(_)
        | NodeRef::ExplainStmt(_) => OperationKind::Read,
        NodeRef::InsertStmt(_)
        | NodeRef::UpdateStmt(_)
        | NodeRef::DeleteStmt(_)
        | NodeRef::MergeStmt(_)
        | NodeRef::TruncateStmt(_)
        | NodeRef::DoStmt(_)
        | NodeRef::CallStmt(_)
        | NodeRef::LockStmt(_)
        | NodeRef::NotifyStmt(_) => OperationKind::Write,
        NodeRef::CopyStmt(copy) => copied(copy),
        NodeRef::TransactionStmt(_) | NodeRef::ConstraintsSetStmt(_) => OperationKind::Transaction,
        NodeRef::VariableSetStmt(set) if identity(&set.name) => OperationKind::Privilege,
        NodeRef::VariableSetStmt(_)
        | NodeRef::VariableShowStmt(_)
        | NodeRef::DiscardStmt(_)
        | NodeRef::PrepareStmt(_)
        | NodeRef::ExecuteStmt(_)
        | NodeRef::DeallocateStmt(_)
        | NodeRef::ClosePortalStmt(_)
        | NodeRef::ListenStmt(_)
        | NodeRef::UnlistenStmt(_) => OperationKind::Session,
        node if privilege(node) => OperationKind::Privilege,
        _ => OperationKind::Schema,
    }
}

fn copied(copy: &CopyStmt) -> OperationKind {
    if copy.is_program || !copy.filename.is_empty() {
        // The server's own files and programs: only its administrators may.
        OperationKind::Privilege
    } else if copy.is_from {
        OperationKind::Write
    } else {
        OperationKind::Read
    }
}

/// Whether a setting tells who the session is.
pub(super) fn identity(name: &str) -> bool {
    matches!(
        name.to_ascii_lowercase().as_str(),
        "role" | "session_authorization"
    )
}

/// Whether a statement changes roles, grants, ownership, or what code and which other servers
/// the database may reach.
fn privilege(node: NodeRef<'_>) -> bool {
    match node {
        NodeRef::GrantStmt(_)
        | NodeRef::GrantRoleStmt(_)
        | NodeRef::AlterDefaultPrivilegesStmt(_)
        | NodeRef::CreateRoleStmt(_)
        | NodeRef::AlterRoleStmt(_)
        | NodeRef::AlterRoleSetStmt(_)
        | NodeRef::DropRoleStmt(_)
        | NodeRef::DropOwnedStmt(_)
        | NodeRef::ReassignOwnedStmt(_)
        | NodeRef::AlterOwnerStmt(_)
        | NodeRef::AlterSystemStmt(_)
        | NodeRef::AlterDatabaseSetStmt(_)
        | NodeRef::CreatePolicyStmt(_)
        | NodeRef::AlterPolicyStmt(_)
        | NodeRef::SecLabelStmt(_)
        | NodeRef::CreateExtensionStmt(_)
        | NodeRef::AlterExtensionStmt(_)
        | NodeRef::AlterExtensionContentsStmt(_)
        | NodeRef::LoadStmt(_)
        | NodeRef::CreatePlangStmt(_)
        | NodeRef::CreateFdwStmt(_)
        | NodeRef::AlterFdwStmt(_)
        | NodeRef::CreateForeignServerStmt(_)
        | NodeRef::AlterForeignServerStmt(_)
        | NodeRef::CreateUserMappingStmt(_)
        | NodeRef::AlterUserMappingStmt(_)
        | NodeRef::DropUserMappingStmt(_)
        | NodeRef::ImportForeignSchemaStmt(_)
        | NodeRef::CreatePublicationStmt(_)
        | NodeRef::AlterPublicationStmt(_)
        | NodeRef::CreateSubscriptionStmt(_)
        | NodeRef::AlterSubscriptionStmt(_)
        | NodeRef::DropSubscriptionStmt(_)
        | NodeRef::CreateEventTrigStmt(_)
        | NodeRef::AlterEventTrigStmt(_) => true,
        NodeRef::CreateSchemaStmt(schema) => schema.authrole.is_some(),
        NodeRef::RenameStmt(rename) => privileged(rename.rename_type()),
        NodeRef::DropStmt(drop) => privileged(drop.remove_type()),
        NodeRef::AlterTableStmt(alter) => alter.cmds.iter().any(|command| {
            matches!(
                command.node.as_ref().map(|n| n.to_ref()),
                Some(NodeRef::AlterTableCmd(command)) if matches!(
                    command.subtype(),
                    AlterTableType::AtChangeOwner
                        | AlterTableType::AtEnableRowSecurity
                        | AlterTableType::AtDisableRowSecurity
                        | AlterTableType::AtForceRowSecurity
                        | AlterTableType::AtNoForceRowSecurity
                )
            )
        }),
        _ => false,
    }
}

fn privileged(object: ObjectType) -> bool {
    matches!(
        object,
        ObjectType::ObjectPolicy
            | ObjectType::ObjectRole
            | ObjectType::ObjectExtension
            | ObjectType::ObjectFdw
            | ObjectType::ObjectForeignServer
            | ObjectType::ObjectPublication
            | ObjectType::ObjectSubscription
            | ObjectType::ObjectEventTrigger
            | ObjectType::ObjectLanguage
    )
}

/// Whether the relations a statement names directly are the things it creates or changes.
pub(super) fn defines(node: NodeRef<'_>) -> bool {
    own(node) >= OperationKind::Schema && !matches!(node, NodeRef::CopyStmt(_))
}

/// Whether the catalog may be another one afterwards.
pub(super) fn changes_catalog(node: NodeRef<'_>) -> bool {
    match node {
        NodeRef::SelectStmt(select) => select.into_clause.is_some(),
        // What they run is not known.
        NodeRef::DoStmt(_) | NodeRef::CallStmt(_) => true,
        NodeRef::DiscardStmt(_) => true,
        NodeRef::ExplainStmt(_) | NodeRef::PrepareStmt(_) => inner(node).is_some_and(changes_catalog),
        NodeRef::VariableSetStmt(_) | NodeRef::CopyStmt(_) => false,
        NodeRef::VacuumStmt(_) | NodeRef::CheckPointStmt(_) => false,
        _ => own(node) >= OperationKind::Schema,
    }
}

/// Whether settings may be others afterwards.
pub(super) fn changes_settings(node: NodeRef<'_>) -> bool {
    matches!(
        node,
        NodeRef::VariableSetStmt(_) | NodeRef::DiscardStmt(_) | NodeRef::DoStmt(_) | NodeRef::CallStmt(_)
    )
}

/// Whether an EXPLAIN runs what it explains.
pub(super) fn runs(explain: &ExplainStmt) -> bool {
    explain
        .options
        .iter()
        .any(|option| match option.node.as_ref().map(|n| n.to_ref()) {
            Some(NodeRef::DefElem(option)) => option.defname.eq_ignore_ascii_case("analyze") && !off(option),
            _ => true,
        })
}

/// Whether a boolean option is switched off, as defGetBoolean of the server reads it.
fn off(option: &DefElem) -> bool {
    match option
        .arg
        .as_ref()
        .and_then(|arg| arg.node.as_ref())
        .map(|n| n.to_ref())
    {
        Some(NodeRef::String(word)) => matches!(word.sval.to_ascii_lowercase().as_str(), "false" | "off"),
        Some(NodeRef::Integer(number)) => number.ival == 0,
        Some(NodeRef::Boolean(value)) => !value.boolval,
        Some(NodeRef::AConst(value)) => {
            matches!(&value.val, Some(a_const::Val::Ival(number)) if number.ival == 0)
        }
        _ => false,
    }
}

/// Returns the statement that another one wraps.
pub(super) fn inner(node: NodeRef<'_>) -> Option<NodeRef<'_>> {
    let inner = match node {
        NodeRef::ExplainStmt(n) => n.query.as_ref(),
        NodeRef::PrepareStmt(n) => n.query.as_ref(),
        NodeRef::DeclareCursorStmt(n) => n.query.as_ref(),
        NodeRef::CopyStmt(n) => n.query.as_ref(),
        NodeRef::CreateTableAsStmt(n) => n.query.as_ref(),
        NodeRef::ViewStmt(n) => n.query.as_ref(),
        _ => None,
    };
    inner
        .and_then(|inner| inner.node.as_ref())
        .map(|inner| inner.to_ref())
}

/// Returns the command of a query or of an action of MERGE; `None` for all other nodes.
pub(super) fn command(node: NodeRef<'_>) -> Option<String> {
    let verb = match node {
        NodeRef::SelectStmt(_) => "select",
        NodeRef::InsertStmt(_) => "insert",
        NodeRef::UpdateStmt(_) => "update",
        NodeRef::DeleteStmt(_) => "delete",
        NodeRef::MergeStmt(_) => "merge",
        NodeRef::MergeWhenClause(when) => match when.command_type() {
            CmdType::CmdInsert => "insert",
            CmdType::CmdUpdate => "update",
            CmdType::CmdDelete => "delete",
            _ => return None,
        },
        _ => return None,
    };
    Some(verb.to_owned())
}

/// Returns the command in lower case, e.g. `select`, `alter role`, `drop foreign table`.
pub(super) fn verb(node: NodeRef<'_>) -> String {
    match node {
        NodeRef::SelectStmt(select) if select.into_clause.is_some() => "select into".to_owned(),
        NodeRef::SelectStmt(select) if !select.values_lists.is_empty() => "values".to_owned(),
        NodeRef::CreateTableAsStmt(create) => format!("create {} as", object(create.objtype())),
        NodeRef::DropStmt(n) => format!("drop {}", object(n.remove_type())),
        NodeRef::AlterTableStmt(n) => format!("alter {}", object(n.objtype())),
        NodeRef::RenameStmt(n) => format!("alter {}", object(n.rename_type())),
        NodeRef::AlterOwnerStmt(n) => format!("alter {}", object(n.object_type())),
        NodeRef::AlterObjectSchemaStmt(n) => format!("alter {}", object(n.object_type())),
        NodeRef::AlterObjectDependsStmt(n) => format!("alter {}", object(n.object_type())),
        NodeRef::DefineStmt(n) => format!("create {}", object(n.kind())),
        NodeRef::CreateFunctionStmt(n) if n.is_procedure => "create procedure".to_owned(),
        NodeRef::GrantStmt(n) => if n.is_grant { "grant" } else { "revoke" }.to_owned(),
        NodeRef::GrantRoleStmt(n) => if n.is_grant { "grant role" } else { "revoke role" }.to_owned(),
        NodeRef::VacuumStmt(n) => if n.is_vacuumcmd { "vacuum" } else { "analyze" }.to_owned(),
        NodeRef::VariableSetStmt(n) => match n.kind() {
            VariableSetKind::VarReset | VariableSetKind::VarResetAll => "reset".to_owned(),
            _ => "set".to_owned(),
        },
        NodeRef::TransactionStmt(n) => {
            let name = n.kind().as_str_name().trim_start_matches("TRANS_STMT_");
            name.to_ascii_lowercase().replace('_', " ")
        }
        _ => plain(node),
    }
}

fn object(object: ObjectType) -> String {
    let word = object
        .as_str_name()
        .trim_start_matches("OBJECT_")
        .to_ascii_lowercase();
    match word.as_str() {
        "matview" => "materialized view".to_owned(),
        "tabconstraint" | "column" => "table".to_owned(),
        "fdw" => "foreign data wrapper".to_owned(),
        _ => word.replace('_', " "),
    }
}

/// Makes the command of a node type's name: `CreateSeqStmt` is `create sequence`.
fn plain(node: NodeRef<'_>) -> String {
    let name = super::tree::name(node)
        .unwrap_or_default()
        .trim_end_matches("Stmt");
    let word = match name {
        "Create" => "create table",
        "View" => "create view",
        "Index" => "create index",
        "Rule" => "create rule",
        "CompositeType" => "create type",
        "CreateEnum" | "CreateRange" => "create type",
        "CreateTrig" => "create trigger",
        "CreateEventTrig" => "create event trigger",
        "CreatePlang" => "create language",
        "CreateFdw" => "create foreign data wrapper",
        "CreateStats" => "create statistics",
        "CreateSeq" => "create sequence",
        "AlterSeq" => "alter sequence",
        "AlterRoleSet" => "alter role",
        "AlterDatabaseSet" => "alter database",
        "AlterEnum" => "alter type",
        "AlterEventTrig" => "alter event trigger",
        "Createdb" => "create database",
        "Dropdb" => "drop database",
        "VariableShow" => "show",
        "DeclareCursor" => "declare",
        "ClosePortal" => "close",
        "ConstraintsSet" => "set constraints",
        "RefreshMatView" => "refresh materialized view",
        "SecLabel" => "security label",
        "CheckPoint" => "checkpoint",
        _ => "",
    };
    if !word.is_empty() {
        return word.to_owned();
    }
    let mut verb = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !verb.is_empty() {
            verb.push(' ');
        }
        verb.push(letter.to_ascii_lowercase());
    }
    verb
}
