//! Functions called as if they were columns: the server reads `row.name` and `(row).name` as
//! `name(row)` where the row has no column of that name.

use pg_query::{Node, NodeRef};

use super::functions;
use crate::postgres::catalog::Catalog;

/// Returns the names that a node may call as functions of a row.
pub(super) fn names(node: NodeRef<'_>) -> impl Iterator<Item = &str> {
    let parts: &[Node] = match node {
        // An unqualified name is a column or a whole row, and what comes before the last is a
        // relation.
        NodeRef::ColumnRef(column) if column.fields.len() > 1 => &column.fields[column.fields.len() - 1..],
        NodeRef::AIndirection(row) => &row.indirection,
        _ => &[],
    };
    parts
        .iter()
        .filter_map(|part| match functions::child(Some(part)) {
            Some(NodeRef::String(name)) => Some(name.sval.as_str()),
            _ => None,
        })
}

/// Whether somebody's own function of that name takes a row. If there is one, the name counts as
/// a call even beside a column of that name: which rows have that column, a statement of the same
/// transaction may have changed.
pub(super) fn called(name: &str, catalog: &Catalog) -> bool {
    catalog.routines(name).iter().any(|routine| routine.takes_row)
}

/// The names in one statement that are the server's own functions of a row, unless a column has
/// them. These only read the row, so a column of that name is believed.
#[derive(Debug, Default)]
pub(super) struct Own<'n> {
    used: Vec<&'n str>,
    /// Names that the statement itself gives to columns.
    given: Vec<&'n str>,
}

impl<'n> Own<'n> {
    /// Takes note of one node.
    pub(super) fn visit(&mut self, node: NodeRef<'n>) {
        match node {
            NodeRef::ResTarget(target) => self.give(&target.name),
            NodeRef::Alias(alias) => {
                self.give(&alias.aliasname);
                self.give_all(&alias.colnames);
            }
            NodeRef::CommonTableExpr(cte) => self.give_all(&cte.aliascolnames),
            NodeRef::FuncCall(call) => self.give_all(&call.funcname),
            NodeRef::RangeTableFuncCol(column) => self.give(&column.colname),
            NodeRef::JsonTableColumn(column) => self.give(&column.name),
            NodeRef::ColumnDef(column) => self.give(&column.colname),
            _ => self
                .used
                .extend(names(node).filter(|name| functions::of_rows(name))),
        }
    }

    fn give(&mut self, name: &'n str) {
        if functions::of_rows(name) {
            self.given.push(name);
        }
    }

    fn give_all(&mut self, names: &'n [Node]) {
        for name in names {
            if let Some(NodeRef::String(name)) = functions::child(Some(name)) {
                self.give(&name.sval);
            }
        }
    }

    /// Returns the names that no column has; `stored` tells whether one of the statement's
    /// relations has a column of that name.
    pub(super) fn called(mut self, stored: impl Fn(&str) -> bool) -> Vec<&'n str> {
        self.used.sort_unstable();
        self.used.dedup();
        self.used
            .retain(|name| !self.given.contains(name) && !stored(name));
        self.used
    }
}
