//! Definitions stored in the database, read with the same walker as statements.

use model::Tag;
use pg_query::NodeRef;
use pg_query::protobuf::ParseResult;

use super::{BYTES_MAX, facts, functions, lineage, parse, tree};
use crate::postgres::catalog::Catalog;

/// The parsed definition of a view.
#[derive(Debug)]
pub(crate) struct ViewDefinition(ParseResult);

impl ViewDefinition {
    /// Parses what `pg_get_viewdef` returned; `None` if it is nothing the walker reads.
    pub(crate) fn parse(definition: &str) -> Option<Self> {
        let parsed = parse::parse(definition.as_bytes(), BYTES_MAX).ok()?;
        // The server writes strings with a backslash as E'...', which has one reading.
        (parsed.other.is_none() && parsed.tree.stmts.len() == 1).then_some(Self(parsed.tree))
    }

    /// Returns the tags of each output column, in order; `None` if the definition uses a tagged
    /// column otherwise than as a bare output, calls something opaque, or cannot be followed.
    pub(crate) fn output_tags(&self, catalog: &Catalog) -> Option<Vec<Vec<Tag>>> {
        let node = functions::child(self.0.stmts.first()?.stmt.as_deref())?;
        let NodeRef::SelectStmt(select) = node else {
            return None;
        };
        let walk = facts::walk(node, catalog).ok()?;
        if walk.refusal.is_some() {
            return None;
        }
        lineage::view(select, catalog)
    }

    /// Whether the definition names a relation for which `named` holds.
    pub(crate) fn names(&self, named: &Named<'_>) -> bool {
        let mut statements = self
            .0
            .stmts
            .iter()
            .map(|raw| functions::child(raw.stmt.as_deref()));
        statements.any(|node| node.is_none_or(|node| names(node, named)))
    }
}

/// Whether the definition names a relation for which `named` holds; true if that cannot be told.
pub(crate) fn names_relation(definition: &str, named: &Named<'_>) -> bool {
    ViewDefinition::parse(definition).is_none_or(|definition| definition.names(named))
}

/// Tells something of a relation by its schema, if there is one, and name.
pub(crate) type Named<'a> = dyn Fn(Option<&str>, &str) -> bool + 'a;

fn names(node: NodeRef<'_>, named: &Named<'_>) -> bool {
    if let NodeRef::RangeVar(relation) = node {
        let schema = Some(relation.schemaname.as_str()).filter(|schema| !schema.is_empty());
        return named(schema, &relation.relname);
    }
    let mut found = false;
    tree::children(node, &mut |_, child| found = found || names(child, named)).is_err() || found
}

/// Returns the columns that a generated column's expression uses; `None` if that cannot be told.
pub(crate) fn referenced_columns(expression: &str) -> Option<Vec<String>> {
    let parsed = parse::parse(format!("SELECT {expression}").as_bytes(), BYTES_MAX).ok()?;
    if parsed.other.is_some() || parsed.tree.stmts.len() != 1 {
        return None;
    }
    let mut columns = Vec::new();
    let node = functions::child(parsed.tree.stmts.first()?.stmt.as_deref())?;
    collect(node, &mut columns).then_some(columns)
}

fn collect(node: NodeRef<'_>, columns: &mut Vec<String>) -> bool {
    if let NodeRef::ColumnRef(column) = node {
        let [field] = column.fields.as_slice() else {
            return false;
        };
        let Some(NodeRef::String(name)) = functions::child(Some(field)) else {
            return false;
        };
        columns.push(name.sval.clone());
        return true;
    }
    let mut plain = true;
    tree::children(node, &mut |_, child| plain = plain && collect(child, columns)).is_ok() && plain
}
