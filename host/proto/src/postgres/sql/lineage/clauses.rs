//! GROUP BY, ORDER BY and DISTINCT ON, which also take ordinals and the names of outputs.

use model::Refusal;
use pg_query::protobuf::a_const;
use pg_query::{Node, NodeRef};

use super::{Lineage, Place, functions, unfollowed, used};
use crate::postgres::sql::scope::Output;

impl<'c> Lineage<'c> {
    /// Checks the items of such a clause against the outputs, then as expressions.
    pub(super) fn by(
        &mut self,
        items: &[Node],
        output: &Output<'_>,
        place: &Place<'_, 'c>,
        how: &str,
    ) -> Result<(), Refusal> {
        for item in items.iter().filter_map(|item| functions::child(Some(item))) {
            self.spend(output.columns.len())?;
            named(item, output, how)?;
            self.expression(item, place, how)?;
        }
        Ok(())
    }
}

fn named(item: NodeRef<'_>, output: &Output<'_>, how: &str) -> Result<(), Refusal> {
    match item {
        NodeRef::SortBy(sort) => {
            functions::child(sort.node.as_deref()).map_or(Ok(()), |item| named(item, output, how))
        }
        NodeRef::GroupingSet(set) => {
            let mut items = set.content.iter().filter_map(|item| functions::child(Some(item)));
            items.try_for_each(|item| named(item, output, how))
        }
        NodeRef::RowExpr(row) => {
            let mut items = row.args.iter().filter_map(|item| functions::child(Some(item)));
            items.try_for_each(|item| named(item, output, how))
        }
        NodeRef::List(list) => {
            let mut items = list.items.iter().filter_map(|item| functions::child(Some(item)));
            items.try_for_each(|item| named(item, output, how))
        }
        NodeRef::AConst(ordinal) => match &ordinal.val {
            Some(a_const::Val::Ival(ordinal)) => ordinal_of(ordinal.ival, output, how),
            _ => Ok(()),
        },
        NodeRef::ColumnRef(column) => {
            let [field] = column.fields.as_slice() else {
                return Ok(());
            };
            let Some(NodeRef::String(name)) = functions::child(Some(field)) else {
                return Ok(());
            };
            let mut guards = output
                .columns
                .iter()
                .filter(|c| c.name == name.sval)
                .filter_map(|c| c.guard);
            guards.next().map_or(Ok(()), |guard| Err(used(guard, how)))
        }
        _ => Ok(()),
    }
}

fn ordinal_of(ordinal: i32, output: &Output<'_>, how: &str) -> Result<(), Refusal> {
    let position = usize::try_from(ordinal)
        .ok()
        .and_then(|ordinal| ordinal.checked_sub(1));
    if position.is_some_and(|position| output.doubtful(position)) {
        return Err(unfollowed("an ordinal beside a star"));
    }
    let column = position.and_then(|position| output.columns.get(position));
    column
        .and_then(|column| column.guard)
        .map_or(Ok(()), |guard| Err(used(guard, how)))
}
