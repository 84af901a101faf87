//! Which utility statements may run while columns are tagged.
//!
//! An allow-list: what neither reads rows nor could make a tagged column readable some other
//! way. Definitions are let through as long as they do not name a tagged relation.

use model::{Fault, Refusal, Rule};
use pg_query::protobuf::{DropBehavior, DropStmt, ObjectType, RangeVar};
use pg_query::{Node, NodeRef};

use super::facts::display;
use super::{functions, kind, tree};
use crate::postgres::catalog::Catalog;

/// Checks a statement that is not a query. Queries inside it are for lineage.
pub(super) fn check(node: NodeRef<'_>, catalog: &Catalog) -> Option<Refusal> {
    match node {
        NodeRef::CopyStmt(copy) if copy.is_program || !copy.filename.is_empty() => Some(refuse(
            "copy with files or programs of the server is not possible",
        )),
        NodeRef::SelectStmt(_)
        | NodeRef::InsertStmt(_)
        | NodeRef::UpdateStmt(_)
        | NodeRef::DeleteStmt(_)
        | NodeRef::MergeStmt(_)
        | NodeRef::CopyStmt(_)
        | NodeRef::DeclareCursorStmt(_)
        | NodeRef::FetchStmt(_)
        | NodeRef::ClosePortalStmt(_)
        | NodeRef::PrepareStmt(_)
        | NodeRef::ExecuteStmt(_)
        | NodeRef::DeallocateStmt(_)
        | NodeRef::TransactionStmt(_)
        | NodeRef::ConstraintsSetStmt(_)
        | NodeRef::VariableSetStmt(_)
        | NodeRef::VariableShowStmt(_)
        | NodeRef::DiscardStmt(_)
        | NodeRef::ListenStmt(_)
        | NodeRef::UnlistenStmt(_)
        | NodeRef::NotifyStmt(_)
        | NodeRef::LockStmt(_)
        | NodeRef::TruncateStmt(_)
        | NodeRef::VacuumStmt(_)
        | NodeRef::CheckPointStmt(_)
        | NodeRef::RefreshMatViewStmt(_) => None,
        NodeRef::ExplainStmt(_) => kind::inner(node).and_then(|inner| check(inner, catalog)),
        NodeRef::CreateTableAsStmt(create) => {
            let query = create.query.as_ref().and_then(|query| query.node.as_ref());
            if matches!(query.map(|n| n.to_ref()), Some(NodeRef::ExecuteStmt(_))) {
                return Some(refuse("what EXECUTE returns cannot be stored"));
            }
            create
                .into
                .as_ref()
                .and_then(|into| shadows(into.rel.as_ref(), catalog))
        }
        NodeRef::ViewStmt(create) => shadows(create.view.as_ref(), catalog),
        // It would go through to the columns of tables made of the type.
        NodeRef::AlterTableStmt(alter)
            if alter.objtype() == ObjectType::ObjectType && alter.cmds.iter().any(cascades) =>
        {
            Some(refuse("alter type with cascade is not possible"))
        }
        NodeRef::RenameStmt(rename)
            if rename.rename_type() == ObjectType::ObjectAttribute
                && rename.behavior() == DropBehavior::DropCascade =>
        {
            Some(refuse("alter type with cascade is not possible"))
        }
        NodeRef::CreateStmt(_)
        | NodeRef::CreateSeqStmt(_)
        | NodeRef::AlterSeqStmt(_)
        | NodeRef::AlterTableStmt(_)
        | NodeRef::AlterObjectSchemaStmt(_)
        | NodeRef::AlterOwnerStmt(_)
        | NodeRef::RenameStmt(_)
        | NodeRef::IndexStmt(_)
        | NodeRef::ReindexStmt(_)
        | NodeRef::ClusterStmt(_)
        | NodeRef::CreateStatsStmt(_)
        | NodeRef::AlterStatsStmt(_)
        | NodeRef::CreateSchemaStmt(_)
        | NodeRef::DropStmt(_)
        | NodeRef::CommentStmt(_)
        | NodeRef::GrantStmt(_)
        | NodeRef::CreateEnumStmt(_)
        | NodeRef::AlterEnumStmt(_)
        | NodeRef::CreateDomainStmt(_)
        | NodeRef::CompositeTypeStmt(_) => {
            let new = match node {
                NodeRef::CreateStmt(create) => create.relation.as_ref(),
                NodeRef::CreateSeqStmt(create) => create.sequence.as_ref(),
                NodeRef::CompositeTypeStmt(create) => create.typevar.as_ref(),
                _ => None,
            };
            shadows(new, catalog).or_else(|| definition(node, catalog))
        }
        _ => Some(refuse(&format!("{} is not possible", kind::verb(node)))),
    }
}

fn cascades(command: &Node) -> bool {
    match functions::child(Some(command)) {
        Some(NodeRef::AlterTableCmd(command)) => command.behavior() == DropBehavior::DropCascade,
        _ => false,
    }
}

fn refuse(what: &str) -> Refusal {
    let message = format!("while columns are masked, {what}: it could make them readable another way");
    Refusal::new(Rule::TaggedUse, Fault::Client, message)
        .hint("Ask the database's administrators, who do not go through the gateway.")
}

/// Refuses a definition that names a tagged relation, or names a new one like it.
fn definition(node: NodeRef<'_>, catalog: &Catalog) -> Option<Refusal> {
    let named = match node {
        NodeRef::DropStmt(drop) => {
            let relation = dropped_relations(drop).find(|(schema, name)| tagged(schema, name, catalog));
            let schemas = drop
                .objects
                .iter()
                .filter_map(|schema| functions::child(Some(schema)));
            let schema = schemas.filter_map(text).find(|schema| {
                drop.remove_type() == ObjectType::ObjectSchema && catalog.schema_is_tagged(schema)
            });
            relation
                .map(|(schema, name)| display(Some(schema).filter(|s| !s.is_empty()), name))
                .or(schema)
        }
        NodeRef::RenameStmt(rename) => renamed(rename, catalog),
        NodeRef::CommentStmt(comment) => listed(comment.object.as_deref(), catalog),
        NodeRef::AlterOwnerStmt(alter) => alter
            .object
            .as_deref()
            .and_then(|object| functions::child(Some(object)).and_then(text))
            .filter(|name| alter.object_type() == ObjectType::ObjectSchema && catalog.schema_is_tagged(name)),
        NodeRef::ReindexStmt(reindex) if reindex.relation.is_none() => Some(reindex.name.clone()),
        NodeRef::ClusterStmt(cluster) if cluster.relation.is_none() => Some("every table".to_owned()),
        NodeRef::GrantStmt(grant) => granted(&grant.objects, catalog),
        _ => None,
    };
    let named = named.or_else(|| relation_inside(node, catalog))?;
    Some(refuse(&format!(
        "{} of {named} is not possible",
        kind::verb(node)
    )))
}

fn renamed(rename: &pg_query::protobuf::RenameStmt, catalog: &Catalog) -> Option<String> {
    let relation = matches!(
        rename.rename_type(),
        ObjectType::ObjectTable
            | ObjectType::ObjectView
            | ObjectType::ObjectMatview
            | ObjectType::ObjectForeignTable
            | ObjectType::ObjectSequence
    );
    if relation && tagged("", &rename.newname, catalog) {
        return Some(rename.newname.clone());
    }
    let schema =
        rename.rename_type() == ObjectType::ObjectSchema && catalog.schema_is_tagged(&rename.subname);
    schema.then(|| rename.subname.clone())
}

/// Returns the schema (empty if not named) and name of each relation a DROP names.
pub(super) fn dropped_relations(drop: &DropStmt) -> impl Iterator<Item = (&str, &str)> {
    // The last part of the name of a trigger, rule or policy is its own; before it its table's.
    let own = match drop.remove_type() {
        ObjectType::ObjectTable
        | ObjectType::ObjectView
        | ObjectType::ObjectMatview
        | ObjectType::ObjectForeignTable
        | ObjectType::ObjectSequence => Some(0),
        ObjectType::ObjectTrigger | ObjectType::ObjectRule | ObjectType::ObjectPolicy => Some(1),
        _ => None,
    };
    drop.objects.iter().filter_map(move |object| {
        let Some(NodeRef::List(list)) = functions::child(Some(object)) else {
            return None;
        };
        let parts = list.items.len().checked_sub(own?)?;
        let (schema, name) = functions::names(list.items.get(..parts)?)?;
        Some((schema.unwrap_or_default(), name))
    })
}

/// Returns the first guarded relation that a list of name parts could mean: a comment names a
/// column as table and column, a table as schema and table.
fn listed(object: Option<&Node>, catalog: &Catalog) -> Option<String> {
    let Some(NodeRef::List(list)) = functions::child(object) else {
        return None;
    };
    let names = list
        .items
        .iter()
        .filter_map(|item| functions::child(Some(item)).and_then(text));
    let mut names = names.filter(|name| tagged("", name, catalog));
    names.next()
}

fn granted(objects: &[Node], catalog: &Catalog) -> Option<String> {
    let names = objects
        .iter()
        .filter_map(|object| functions::child(Some(object)).and_then(text));
    let mut schemas = names.filter(|schema| catalog.schema_is_tagged(schema));
    schemas.next()
}

fn text(node: NodeRef<'_>) -> Option<String> {
    match node {
        NodeRef::String(text) => Some(text.sval.clone()),
        _ => None,
    }
}

fn relation_inside(node: NodeRef<'_>, catalog: &Catalog) -> Option<String> {
    if let NodeRef::RangeVar(relation) = node
        && tagged(&relation.schemaname, &relation.relname, catalog)
    {
        return Some(display(
            Some(relation.schemaname.as_str()).filter(|s| !s.is_empty()),
            &relation.relname,
        ));
    }
    let mut found = None;
    // Nodes that cannot be walked were refused before.
    let _ = tree::children(node, &mut |_, child| {
        if found.is_none() {
            found = relation_inside(child, catalog);
        }
    });
    found
}

/// Refuses a new relation that is named like a tagged one in whatever schema.
fn shadows(relation: Option<&RangeVar>, catalog: &Catalog) -> Option<Refusal> {
    let relation = relation?;
    tagged("", &relation.relname, catalog)
        .then(|| refuse(&format!("nothing else may be named {}", relation.relname)))
}

fn tagged(schema: &str, name: &str, catalog: &Catalog) -> bool {
    let schema = Some(schema).filter(|schema| !schema.is_empty());
    catalog
        .named(schema, name)
        .any(crate::postgres::catalog::Relation::tagged)
}
