//! Queries: what a SELECT, VALUES or TABLE gives out.

use model::Refusal;
use pg_query::protobuf::{CommonTableExpr, ResTarget, SelectStmt, SetOperation, WithClause};
use pg_query::{Node, NodeRef};

use super::expression::{IN_EXPRESSION, resolve};
use super::{Lineage, Outputs, Place, functions, none_guarded, unfollowed, whole_row};
use crate::postgres::sql::scope::{Column, CteBody, Ctes, Found, Output, Scope};

impl<'c> Lineage<'c> {
    /// Follows a query or a data-modifying statement with RETURNING.
    pub(super) fn query(&mut self, node: NodeRef<'_>, place: Place<'_, 'c>) -> Outputs<'c> {
        match node {
            NodeRef::SelectStmt(select) => self.select(select, place),
            NodeRef::InsertStmt(insert) => self.insert(insert, place),
            NodeRef::UpdateStmt(update) => self.update(update, place),
            NodeRef::DeleteStmt(delete) => self.delete(delete, place),
            NodeRef::MergeStmt(merge) => self.merge(merge, place),
            _ => Err(unfollowed("this kind of query")),
        }
    }

    pub(super) fn select(&mut self, select: &SelectStmt, mut place: Place<'_, 'c>) -> Outputs<'c> {
        place.ctes = self.with(select.with_clause.as_ref(), &place)?;
        if select.op() != SetOperation::SetopNone {
            return self.set_operation(select, &place);
        }
        if !select.values_lists.is_empty() {
            return self.values(select, &place);
        }
        let from = self.from(&select.from_clause, &place)?;
        let scope = Scope::new(from.tables, place.scope);
        let inside = place.within(&scope);
        let output = self.targets(&select.target_list, &inside, &from.star)?;
        self.expressions(select.where_clause.as_deref(), &inside, "used in a WHERE clause")?;
        self.by(&select.group_clause, &output, &inside, "used in GROUP BY")?;
        self.expressions(
            select.having_clause.as_deref(),
            &inside,
            "used in a HAVING clause",
        )?;
        self.expressions(&select.window_clause, &inside, "used in a WINDOW clause")?;
        self.by(&select.sort_clause, &output, &inside, "used in ORDER BY")?;
        match select.distinct_clause.as_slice() {
            [] => {}
            // Plain DISTINCT is a list of one empty node.
            [Node { node: None }] => none_guarded(&output, "used with DISTINCT")?,
            on => self.by(on, &output, &inside, "used with DISTINCT")?,
        }
        self.limits(select, &inside)?;
        if select.into_clause.is_some() {
            none_guarded(&output, "stored in a new relation")?;
        }
        Ok(output)
    }

    fn limits(&mut self, select: &SelectStmt, place: &Place<'_, 'c>) -> Result<(), Refusal> {
        self.expressions(select.limit_offset.as_deref(), place, "used in OFFSET")?;
        self.expressions(select.limit_count.as_deref(), place, "used in LIMIT")
    }

    fn set_operation(&mut self, select: &SelectStmt, place: &Place<'_, 'c>) -> Outputs<'c> {
        const HOW: &str = "used in UNION, INTERSECT or EXCEPT";
        let (Some(left), Some(right)) = (&select.larg, &select.rarg) else {
            return Err(unfollowed("half a set operation"));
        };
        let output = self.select(left, place.clone())?;
        none_guarded(&output, HOW)?;
        none_guarded(&self.select(right, place.clone())?, HOW)?;
        self.by(&select.sort_clause, &output, place, "used in ORDER BY")?;
        self.limits(select, place)?;
        Ok(output)
    }

    fn values(&mut self, select: &SelectStmt, place: &Place<'_, 'c>) -> Outputs<'c> {
        let mut output = Output::default();
        for row in &select.values_lists {
            let Some(NodeRef::List(row)) = functions::child(Some(row)) else {
                return Err(unfollowed("this VALUES list"));
            };
            self.expressions(&row.items, place, "used in VALUES")?;
            if output.columns.is_empty() {
                let columns = (1..=row.items.len()).map(|number| Column {
                    name: format!("column{number}"),
                    guard: None,
                    stated: true,
                });
                output.columns = columns.collect();
            }
        }
        self.by(&select.sort_clause, &output, place, "used in ORDER BY")?;
        self.limits(select, place)?;
        Ok(output)
    }

    /// Follows a select list or RETURNING; `star` is what `*` stands for.
    pub(super) fn targets(
        &mut self,
        targets: &[Node],
        place: &Place<'_, 'c>,
        star: &Output<'c>,
    ) -> Outputs<'c> {
        let mut output = Output::default();
        for target in targets {
            let Some(NodeRef::ResTarget(target)) = functions::child(Some(target)) else {
                return Err(unfollowed("this select list"));
            };
            let before = output.columns.len();
            self.target(target, place, star, &mut output)?;
            self.spend(1 + output.columns.len() - before)?;
        }
        if let Some(forbidden) = output
            .columns
            .iter()
            .find_map(|c| c.guard.filter(|guard| guard.forbidden))
        {
            return Err(super::used(forbidden, "read"));
        }
        Ok(output)
    }

    fn target(
        &mut self,
        target: &ResTarget,
        place: &Place<'_, 'c>,
        star: &Output<'c>,
        output: &mut Output<'c>,
    ) -> Result<(), Refusal> {
        let Some(value) = functions::child(target.val.as_deref()) else {
            return Ok(());
        };
        let name = Some(target.name.as_str()).filter(|name| !name.is_empty());
        let NodeRef::ColumnRef(column) = value else {
            self.expression(value, place, IN_EXPRESSION)?;
            // (row).* is as many columns as the row has.
            if matches!(value, NodeRef::AIndirection(row) if ends_in_star(&row.indirection)) {
                output.open = output.open.or(Some(output.columns.len()));
            }
            output.columns.push(Column {
                name: name.unwrap_or_else(|| implied(value)).to_owned(),
                guard: None,
                stated: name.is_some(),
            });
            return Ok(());
        };
        if ends_in_star(&column.fields) {
            match column.fields.as_slice() {
                [_] => output.extend(star.clone()),
                [before @ .., table, _] => match (functions::child(Some(table)), place.scope) {
                    (Some(NodeRef::String(table)), Some(scope)) => {
                        let found = if before.is_empty() {
                            scope.star(&table.sval)
                        } else {
                            scope.stored_star(&table.sval).map_err(whole_row)?
                        };
                        output.extend(found.unwrap_or_else(Output::unknown));
                    }
                    _ => return Err(unfollowed("this star")),
                },
                [] => {}
            }
            return Ok(());
        }
        self.spend(place.scope.map_or(1, |scope| scope.width))?;
        match resolve(column, place)? {
            Found::Column(guard) => {
                let own = column
                    .fields
                    .last()
                    .and_then(|field| functions::child(Some(field)));
                let own = if let Some(NodeRef::String(own)) = own {
                    own.sval.as_str()
                } else {
                    ""
                };
                output.columns.push(Column {
                    name: name.unwrap_or(own).to_owned(),
                    guard,
                    stated: true,
                });
                Ok(())
            }
            Found::Row(guard) => Err(whole_row(guard)),
        }
    }

    /// Follows a WITH clause; returns the CTEs in reach after it.
    pub(super) fn with(
        &mut self,
        with: Option<&WithClause>,
        place: &Place<'_, 'c>,
    ) -> Result<Ctes<'c>, Refusal> {
        let mut ctes = place.ctes.clone();
        let Some(with) = with else {
            return Ok(ctes);
        };
        let mut list = Vec::with_capacity(with.ctes.len());
        for cte in &with.ctes {
            let Some(NodeRef::CommonTableExpr(cte)) = functions::child(Some(cte)) else {
                return Err(unfollowed("this WITH clause"));
            };
            list.push(cte);
        }
        if with.recursive {
            // The server sorts these by what they use, so a name may be used before its query.
            for cte in &list {
                ctes = ctes.with(&cte.ctename, CteBody::Pending);
            }
        }
        for cte in list {
            let place = Place {
                scope: place.scope,
                ctes: ctes.clone(),
            };
            let output = self.cte(cte, with.recursive, &place)?;
            ctes = ctes.with(&cte.ctename, CteBody::Known(output));
        }
        Ok(ctes)
    }

    fn cte(&mut self, cte: &CommonTableExpr, recursive: bool, place: &Place<'_, 'c>) -> Outputs<'c> {
        let query = functions::child(cte.ctequery.as_deref()).ok_or_else(|| unfollowed("an empty CTE"))?;
        let mut place = place.clone();
        if recursive && let NodeRef::SelectStmt(select) = query {
            // What the first part gives out is what the name means inside the second.
            if let Some(first) = select
                .larg
                .as_ref()
                .filter(|_| select.op() == SetOperation::SetopUnion)
            {
                let mut outside = place.clone();
                outside.ctes = self.with(select.with_clause.as_ref(), &outside)?;
                let output = self.select(first, outside)?;
                none_guarded(&output, "used in a recursive query")?;
                let output = super::from::renamed(output, &cte.aliascolnames)?;
                place.ctes = place.ctes.with(&cte.ctename, CteBody::Known(output));
            }
        }
        let mut output = super::from::renamed(self.query(query, place)?, &cte.aliascolnames)?;
        // SEARCH and CYCLE add columns that are made of the columns they name.
        if cte.search_clause.is_some() || cte.cycle_clause.is_some() {
            none_guarded(&output, "used in SEARCH or CYCLE")?;
            output.open = Some(0);
        }
        Ok(output)
    }
}

fn ends_in_star(fields: &[Node]) -> bool {
    matches!(
        fields.last().and_then(|field| functions::child(Some(field))),
        Some(NodeRef::AStar(_))
    )
}

/// Returns the name the server gives to an output without one, as far as ORDER BY and outer
/// queries could use it.
fn implied(value: NodeRef<'_>) -> &str {
    match value {
        NodeRef::FuncCall(call) => functions::name(call).map_or("", |(_, name)| name),
        NodeRef::TypeCast(cast) => functions::child(cast.arg.as_deref()).map_or("", implied),
        NodeRef::ColumnRef(column) => match column.fields.last().and_then(|f| functions::child(Some(f))) {
            Some(NodeRef::String(name)) => &name.sval,
            _ => "",
        },
        _ => "?column?",
    }
}
