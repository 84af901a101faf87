//! FROM: relations, subqueries, functions and joins become tables with columns.

use model::Refusal;
use pg_query::protobuf::{Alias, JoinExpr, RangeFunction, RangeSubselect, RangeVar};
use pg_query::{Node, NodeRef};

use super::{Lineage, Place, functions, none_guarded, unfollowed, unreadable, used};
use crate::postgres::sql::scope::{Column, CteBody, Output, Scope, Table, width};

/// What a FROM clause, or a part of it, brings.
#[derive(Debug, Default)]
pub(super) struct From<'c> {
    /// What can be named.
    pub(super) tables: Vec<Table<'c>>,
    /// What `*` stands for.
    pub(super) star: Output<'c>,
}

impl<'c> From<'c> {
    fn one(name: &str, output: Output<'c>) -> Self {
        Self {
            star: output.clone(),
            tables: vec![Table {
                name: name.to_owned(),
                bare: false,
                output,
            }],
        }
    }
}

impl<'c> Lineage<'c> {
    /// Follows a FROM clause.
    pub(super) fn from(&mut self, items: &[Node], place: &Place<'_, 'c>) -> Result<From<'c>, Refusal> {
        let mut from = From::default();
        for item in items.iter().filter_map(|item| functions::child(Some(item))) {
            let next = self.item(item, place, &from.tables)?;
            from.tables.extend(next.tables);
            from.star.extend(next.star);
            self.spend(from.star.columns.len())?;
        }
        Ok(from)
    }

    /// Follows one item; `before` are the tables that LATERAL may refer to.
    pub(super) fn item(
        &mut self,
        item: NodeRef<'_>,
        place: &Place<'_, 'c>,
        before: &[Table<'c>],
    ) -> Result<From<'c>, Refusal> {
        self.spend(1 + width(before))?;
        match item {
            NodeRef::RangeVar(relation) => self.relation(relation, place),
            NodeRef::RangeSubselect(subselect) => self.subselect(subselect, place, before),
            NodeRef::RangeFunction(function) => self.function(function, place, before),
            NodeRef::JoinExpr(join) => self.join(join, place, before),
            NodeRef::RangeTableSample(sample) => {
                let relation =
                    functions::child(sample.relation.as_deref()).ok_or_else(|| unfollowed("TABLESAMPLE"))?;
                self.expressions(&sample.args, place, "used in TABLESAMPLE")?;
                self.expressions(sample.repeatable.as_deref(), place, "used in TABLESAMPLE")?;
                self.item(relation, place, before)
            }
            NodeRef::RangeTableFunc(_) | NodeRef::JsonTable(_) => {
                let alias = match item {
                    NodeRef::RangeTableFunc(table) => table.alias.as_ref(),
                    NodeRef::JsonTable(table) => table.alias.as_ref(),
                    _ => None,
                };
                let scope = Scope::new(before.to_vec(), place.scope);
                self.expression(item, &place.within(&scope), "an argument of a table function")?;
                Ok(From::one(
                    alias.map_or("", |alias| &alias.aliasname),
                    Output::unknown(),
                ))
            }
            _ => Err(unfollowed("this FROM item")),
        }
    }

    fn relation(&mut self, relation: &RangeVar, place: &Place<'_, 'c>) -> Result<From<'c>, Refusal> {
        let cte = Some(&relation.relname).filter(|_| relation.schemaname.is_empty());
        let (output, stored) = match cte.and_then(|name| place.ctes.find(name)) {
            Some(CteBody::Known(output)) => (output.clone(), false),
            Some(CteBody::Pending) => return Err(unfollowed("a CTE that is used before its definition")),
            None => (self.stored(relation)?, true),
        };
        let mut from = aliased(output, relation.alias.as_ref(), &relation.relname)?;
        for table in &mut from.tables {
            table.bare = stored && relation.alias.is_none();
        }
        Ok(from)
    }

    /// Returns the columns of a relation of the database, or of all that the name may mean.
    pub(super) fn stored(&mut self, relation: &RangeVar) -> Result<Output<'c>, Refusal> {
        let schema = Some(relation.schemaname.as_str()).filter(|schema| !schema.is_empty());
        let catalog = self.catalog;
        let mut merged: Option<Output<'c>> = None;
        for found in catalog.named(schema, &relation.relname) {
            self.touched |= found.touches();
            self.spend(1 + found.columns.len())?;
            if let Some(why) = found.unreadable {
                return Err(unreadable(&relation.relname, why));
            }
            let guard =
                |column: &'c crate::postgres::catalog::ColumnInfo| Some(column).filter(|c| c.guarded());
            let columns = found.columns.iter();
            let columns = columns
                .map(|c| Column {
                    name: c.column.clone(),
                    guard: guard(c),
                    stated: false,
                })
                .collect();
            let open = (!found.fixed()).then_some(0);
            let output = Output { columns, open };
            merged = Some(match merged {
                Some(merged) => merge(merged, output),
                None => output,
            });
        }
        Ok(merged.unwrap_or_else(Output::unknown))
    }

    fn subselect(
        &mut self,
        subselect: &RangeSubselect,
        place: &Place<'_, 'c>,
        before: &[Table<'c>],
    ) -> Result<From<'c>, Refusal> {
        let query =
            functions::child(subselect.subquery.as_deref()).ok_or_else(|| unfollowed("an empty subquery"))?;
        let output = if subselect.lateral {
            let scope = Scope::new(before.to_vec(), place.scope);
            self.query(query, place.within(&scope))?
        } else {
            self.query(query, place.clone())?
        };
        aliased(output, subselect.alias.as_ref(), "")
    }

    /// Functions in FROM see the tables before them, with or without LATERAL.
    fn function(
        &mut self,
        function: &RangeFunction,
        place: &Place<'_, 'c>,
        before: &[Table<'c>],
    ) -> Result<From<'c>, Refusal> {
        let scope = Scope::new(before.to_vec(), place.scope);
        self.expressions(
            &function.functions,
            &place.within(&scope),
            "an argument of a function",
        )?;
        let alias = function.alias.as_ref().map_or("", |alias| &alias.aliasname);
        Ok(From::one(alias, Output::unknown()))
    }

    fn join(
        &mut self,
        join: &JoinExpr,
        place: &Place<'_, 'c>,
        before: &[Table<'c>],
    ) -> Result<From<'c>, Refusal> {
        let (Some(left), Some(right)) = (
            functions::child(join.larg.as_deref()),
            functions::child(join.rarg.as_deref()),
        ) else {
            return Err(unfollowed("half a join"));
        };
        let left = self.item(left, place, before)?;
        let mut seen = before.to_vec();
        seen.extend(left.tables.iter().cloned());
        let right = self.item(right, place, &seen)?;
        let wide = left
            .star
            .columns
            .len()
            .saturating_mul(1 + join.using_clause.len());
        let natural = if join.is_natural {
            right.star.columns.len()
        } else {
            1
        };
        self.spend(
            wide.saturating_mul(natural)
                .saturating_add(right.star.columns.len()),
        )?;
        let shared = shared(join, &left.star, &right.star)?;
        let (star, merged) = joined(&left.star, &right.star, &shared, !join.is_natural);
        let mut tables = left.tables;
        tables.extend(right.tables);
        if let Some(using) = &join.join_using_alias {
            tables.push(Table {
                name: using.aliasname.clone(),
                bare: false,
                output: merged,
            });
        }
        let scope = Scope::new(tables, place.scope);
        self.expressions(
            join.quals.as_deref(),
            &place.within(&scope),
            "used in a JOIN condition",
        )?;
        match &join.alias {
            // An alias on a join hides the names inside it.
            Some(_) => aliased(star, join.alias.as_ref(), ""),
            None => Ok(From {
                tables: scope.tables,
                star,
            }),
        }
    }
}

/// Returns what `*` stands for after a join, and the columns that both sides share; `stated`
/// tells whether the statement names these.
fn joined<'c>(
    left: &Output<'c>,
    right: &Output<'c>,
    shared: &[String],
    stated: bool,
) -> (Output<'c>, Output<'c>) {
    let columns = shared.iter().map(|name| Column {
        name: name.clone(),
        guard: None,
        stated,
    });
    let merged = Output {
        columns: columns.collect(),
        open: None,
    };
    let own = |side: &Output<'c>| {
        let own = side
            .columns
            .iter()
            .filter(|column| !shared.contains(&column.name));
        let open = side.open.map(|from| if shared.is_empty() { from } else { 0 });
        Output {
            columns: own.cloned().collect(),
            open,
        }
    };
    let mut star = merged.clone();
    star.extend(own(left));
    star.extend(own(right));
    (star, merged)
}

/// Returns the columns that USING or NATURAL merges; refuses guarded ones.
fn shared(join: &JoinExpr, left: &Output<'_>, right: &Output<'_>) -> Result<Vec<String>, Refusal> {
    let mut names = Vec::new();
    if join.is_natural {
        const HOW: &str = "used in a NATURAL JOIN";
        if left.open.is_some() || right.open.is_some() {
            none_guarded(left, HOW)?;
            none_guarded(right, HOW)?;
        }
        let common = left
            .columns
            .iter()
            .filter(|l| right.columns.iter().any(|r| r.name == l.name));
        names.extend(common.map(|column| column.name.clone()));
    }
    for name in &join.using_clause {
        if let Some(NodeRef::String(name)) = functions::child(Some(name)) {
            names.push(name.sval.clone());
        }
    }
    for column in left.columns.iter().chain(&right.columns) {
        if let Some(guard) = column.guard.filter(|_| names.contains(&column.name)) {
            return Err(used(
                guard,
                if join.is_natural {
                    "used in a NATURAL JOIN"
                } else {
                    "used in JOIN ... USING"
                },
            ));
        }
    }
    Ok(names)
}

/// Puts the columns of two relations of one name together: guarded where either is.
fn merge<'c>(mut first: Output<'c>, second: Output<'c>) -> Output<'c> {
    let same = first.columns.len() == second.columns.len()
        && first
            .columns
            .iter()
            .zip(&second.columns)
            .all(|(a, b)| a.name == b.name);
    if second.open.is_some() || !same {
        first.open = Some(0);
    }
    for column in second.columns {
        match first.columns.iter_mut().find(|known| known.name == column.name) {
            Some(known) => known.guard = known.guard.or(column.guard),
            None => first.columns.push(column),
        }
    }
    first
}

fn aliased<'c>(output: Output<'c>, alias: Option<&Alias>, own: &str) -> Result<From<'c>, Refusal> {
    match alias {
        Some(alias) => Ok(From::one(&alias.aliasname, renamed(output, &alias.colnames)?)),
        None => Ok(From::one(own, output)),
    }
}

/// Applies a list of column names, as after an alias or a CTE's name.
pub(super) fn renamed<'c>(mut output: Output<'c>, names: &[Node]) -> Result<Output<'c>, Refusal> {
    if names.is_empty() {
        return Ok(output);
    }
    if output.doubtful(names.len() - 1) {
        return Err(unfollowed("a list of column names beside a star"));
    }
    for (column, name) in output.columns.iter_mut().zip(names) {
        if let Some(NodeRef::String(name)) = functions::child(Some(name)) {
            column.name.clone_from(&name.sval);
            column.stated = true;
        }
    }
    Ok(output)
}
