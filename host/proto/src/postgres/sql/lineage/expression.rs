//! Guarded columns in expressions: refused wherever they are, whatever is done to them.

use model::Refusal;
use pg_query::NodeRef;
use pg_query::protobuf::{ColumnRef, SubLinkType};

use super::{Lineage, Place, functions, none_guarded, unfollowed, used, whole_row};
use crate::postgres::sql::scope::Found;

/// The place that a nested construct may say more precisely.
pub(super) const IN_EXPRESSION: &str = "used in an expression";

impl<'c> Lineage<'c> {
    /// Checks an expression; `how` says what a guarded column in it is used for.
    pub(super) fn expression(
        &mut self,
        node: NodeRef<'_>,
        place: &Place<'_, 'c>,
        how: &str,
    ) -> Result<(), Refusal> {
        self.spend(1)?;
        let how = if how == IN_EXPRESSION {
            precisely(node)
        } else {
            how
        };
        match node {
            NodeRef::ColumnRef(column) => {
                self.spend(place.scope.map_or(1, |scope| scope.width))?;
                reference(column, place, how)
            }
            NodeRef::SubLink(link) => {
                if let Some(test) = functions::child(link.testexpr.as_deref()) {
                    self.expression(test, place, how)?;
                }
                let Some(query) = functions::child(link.subselect.as_deref()) else {
                    return Ok(());
                };
                let output = self.query(query, place.clone())?;
                // EXISTS never computes what the query selects.
                if link.sub_link_type() == SubLinkType::ExistsSublink {
                    return Ok(());
                }
                none_guarded(&output, "the result of a subquery in an expression")
            }
            NodeRef::SelectStmt(select) => {
                let output = self.select(select, place.clone())?;
                none_guarded(&output, "the result of a subquery in an expression")
            }
            _ => self.each_child(node, |lineage, child| lineage.expression(child, place, how)),
        }
    }

    /// Checks expressions in a list.
    pub(super) fn expressions<'n>(
        &mut self,
        nodes: impl IntoIterator<Item = &'n pg_query::Node>,
        place: &Place<'_, 'c>,
        how: &str,
    ) -> Result<(), Refusal> {
        for node in nodes.into_iter().filter_map(|node| functions::child(Some(node))) {
            self.expression(node, place, how)?;
        }
        Ok(())
    }
}

fn precisely(node: NodeRef<'_>) -> &'static str {
    match node {
        NodeRef::FuncCall(call) if call.over.is_some() => "used in a window function",
        NodeRef::FuncCall(_) => "an argument of a function",
        NodeRef::TypeCast(_) => "cast",
        _ => IN_EXPRESSION,
    }
}

/// Says what a reference means.
pub(super) fn resolve<'c>(column: &ColumnRef, place: &Place<'_, 'c>) -> Result<Found<'c>, Refusal> {
    let Some(scope) = place.scope else {
        return Ok(Found::Column(None));
    };
    let mut names: Vec<Option<&str>> = Vec::with_capacity(column.fields.len());
    for field in &column.fields {
        match functions::child(Some(field)) {
            Some(NodeRef::String(name)) => names.push(Some(&name.sval)),
            Some(NodeRef::AStar(_)) => names.push(None),
            _ => return Err(unfollowed("this reference")),
        }
    }
    match names.as_slice() {
        [Some(name)] => Ok(scope.column(name)),
        [Some(table), Some(name)] => Ok(scope.qualified(table, name)),
        [.., Some(table), Some(name)] => Ok(scope.stored(table, name)),
        [Some(table), None] => {
            let guard = scope.star(table).and_then(|output| output.guard());
            Ok(guard.map_or(Found::Column(None), Found::Row))
        }
        [.., Some(table), None] => match scope.stored_star(table) {
            Ok(output) => {
                let guard = output.and_then(|output| output.guard());
                Ok(guard.map_or(Found::Column(None), Found::Row))
            }
            Err(guard) => Ok(Found::Row(guard)),
        },
        // A bare star outside a select list: count(*) has none, so this is a row of everything.
        _ => {
            let guard = scope.tables.iter().find_map(|table| table.output.guard());
            Ok(guard.map_or(Found::Column(None), Found::Row))
        }
    }
}

fn reference(column: &ColumnRef, place: &Place<'_, '_>, how: &str) -> Result<(), Refusal> {
    match resolve(column, place)? {
        Found::Column(None) => Ok(()),
        Found::Column(Some(guard)) => Err(used(guard, how)),
        Found::Row(guard) => Err(whole_row(guard)),
    }
}
