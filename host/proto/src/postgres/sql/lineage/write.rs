//! INSERT, UPDATE, DELETE, MERGE and COPY: guarded columns are neither written nor a source.

use model::Refusal;
use pg_query::protobuf::{
    CmdType, CopyStmt, DeleteStmt, InsertStmt, MergeStmt, RangeVar, ReturningClause, UpdateStmt,
};
use pg_query::{Node, NodeRef};

use super::{Lineage, Outputs, Place, functions, none_guarded, unfollowed, unreadable, used};
use crate::postgres::catalog::Unreadable;
use crate::postgres::sql::scope::{Output, Scope, Table};

const WRITTEN: &str = "written";
const SOURCE: &str = "the source of a write";

impl<'c> Lineage<'c> {
    pub(super) fn insert(&mut self, insert: &InsertStmt, mut place: Place<'_, 'c>) -> Outputs<'c> {
        place.ctes = self.with(insert.with_clause.as_ref(), &place)?;
        let target = self.target_relation(insert.relation.as_ref())?;
        let guard = target.output.guard();
        if let Some(query) = functions::child(insert.select_stmt.as_deref()) {
            let rows = self.query(query, place.clone())?;
            none_guarded(&rows, SOURCE)?;
            if let (Some(guard), []) = (guard, insert.cols.as_slice()) {
                return Err(used(guard, "written by an INSERT without a list of columns"));
            }
        }
        written(&insert.cols, &target.output)?;
        let scope = Scope::new(vec![excluded(&target), target], place.scope);
        if let Some(conflict) = &insert.on_conflict_clause {
            if let Some(guard) = guard {
                return Err(used(guard, "part of a relation with ON CONFLICT"));
            }
            self.expression(NodeRef::OnConflictClause(conflict), &place.within(&scope), SOURCE)?;
        }
        // RETURNING does not see what was excluded.
        let scope = Scope::new(scope.tables[1..].to_vec(), place.scope);
        self.returning(insert.returning_clause.as_ref(), scope, &place)
    }

    pub(super) fn update(&mut self, update: &UpdateStmt, mut place: Place<'_, 'c>) -> Outputs<'c> {
        place.ctes = self.with(update.with_clause.as_ref(), &place)?;
        let target = self.target_relation(update.relation.as_ref())?;
        written(&update.target_list, &target.output)?;
        let mut tables = vec![target];
        tables.extend(self.from(&update.from_clause, &place)?.tables);
        let scope = Scope::new(tables, place.scope);
        self.expressions(&update.target_list, &place.within(&scope), SOURCE)?;
        self.expressions(
            update.where_clause.as_deref(),
            &place.within(&scope),
            "used in a WHERE clause",
        )?;
        self.returning(update.returning_clause.as_ref(), scope, &place)
    }

    pub(super) fn delete(&mut self, delete: &DeleteStmt, mut place: Place<'_, 'c>) -> Outputs<'c> {
        place.ctes = self.with(delete.with_clause.as_ref(), &place)?;
        let mut tables = vec![self.target_relation(delete.relation.as_ref())?];
        tables.extend(self.from(&delete.using_clause, &place)?.tables);
        let scope = Scope::new(tables, place.scope);
        self.expressions(
            delete.where_clause.as_deref(),
            &place.within(&scope),
            "used in a WHERE clause",
        )?;
        self.returning(delete.returning_clause.as_ref(), scope, &place)
    }

    pub(super) fn merge(&mut self, merge: &MergeStmt, mut place: Place<'_, 'c>) -> Outputs<'c> {
        place.ctes = self.with(merge.with_clause.as_ref(), &place)?;
        let target = self.target_relation(merge.relation.as_ref())?;
        let source =
            functions::child(merge.source_relation.as_deref()).ok_or_else(|| unfollowed("this MERGE"))?;
        let source = self.item(source, &place, &[])?;
        let guard = target.output.guard();
        let mut tables = vec![target];
        tables.extend(source.tables);
        let scope = Scope::new(tables, place.scope);
        let inside = place.within(&scope);
        self.expressions(
            merge.join_condition.as_deref(),
            &inside,
            "used in a MERGE condition",
        )?;
        for clause in &merge.merge_when_clauses {
            let Some(NodeRef::MergeWhenClause(clause)) = functions::child(Some(clause)) else {
                return Err(unfollowed("this MERGE"));
            };
            if let (Some(guard), CmdType::CmdInsert, []) =
                (guard, clause.command_type(), clause.target_list.as_slice())
                && !clause.values.is_empty()
            {
                return Err(used(guard, "written by an INSERT without a list of columns"));
            }
            written(&clause.target_list, &scope.tables[0].output)?;
            self.expressions(clause.condition.as_deref(), &inside, "used in a MERGE condition")?;
            self.expressions(&clause.target_list, &inside, SOURCE)?;
            self.expressions(&clause.values, &inside, SOURCE)?;
        }
        let mut output = self.returning(merge.returning_clause.as_ref(), scope, &place)?;
        // The order of source and target in RETURNING * is not the one of FROM.
        output.open = Some(0);
        Ok(output)
    }

    pub(super) fn copy(&mut self, copy: &CopyStmt) -> Outputs<'c> {
        if let Some(query) = functions::child(copy.query.as_deref()) {
            let output = self.query(query, Place::default())?;
            none_guarded(&output, "copied")?;
        }
        if let Some(relation) = &copy.relation {
            let output = if copy.is_from {
                self.target_relation(Some(relation))?.output
            } else {
                self.stored(relation)?
            };
            none_guarded(&output, "part of a relation that is copied")?;
            let tables = vec![Table {
                name: relation.relname.clone(),
                bare: true,
                output,
            }];
            let scope = Scope::new(tables, None);
            let inside = Place::default().within(&scope);
            self.expressions(copy.where_clause.as_deref(), &inside, "used in a WHERE clause")?;
        }
        Ok(Output::default())
    }

    /// Returns the relation that is written to, under the name the statement gives it.
    fn target_relation(&mut self, relation: Option<&RangeVar>) -> Result<Table<'c>, Refusal> {
        let relation = relation.ok_or_else(|| unfollowed("a write to nothing"))?;
        let schema = Some(relation.schemaname.as_str()).filter(|schema| !schema.is_empty());
        if self
            .catalog
            .named(schema, &relation.relname)
            .any(|found| found.has_rules)
        {
            return Err(unreadable(&relation.relname, Unreadable::OpaqueView));
        }
        let output = self.stored(relation)?;
        let name = relation
            .alias
            .as_ref()
            .map_or(&relation.relname, |alias| &alias.aliasname);
        Ok(Table {
            name: name.clone(),
            bare: relation.alias.is_none(),
            output,
        })
    }

    fn returning(
        &mut self,
        returning: Option<&ReturningClause>,
        mut scope: Scope<'_, 'c>,
        place: &Place<'_, 'c>,
    ) -> Outputs<'c> {
        let Some(returning) = returning else {
            return Ok(Output::default());
        };
        let mut star = Output::default();
        for table in &scope.tables {
            star.extend(table.output.clone());
        }
        // From version 18 on the row before and after have names of their own.
        let target = scope
            .tables
            .first()
            .map(|table| table.output.clone())
            .unwrap_or_default();
        let mut names = vec!["old".to_owned(), "new".to_owned()];
        for option in &returning.options {
            if let Some(NodeRef::ReturningOption(option)) = functions::child(Some(option)) {
                names.push(option.value.clone());
            }
        }
        let columns_of = |name: String| Table {
            name,
            bare: false,
            output: target.clone(),
        };
        let aliases: Vec<Table<'c>> = names.into_iter().map(columns_of).collect();
        scope.tables.extend(aliases);
        self.targets(&returning.exprs, &place.within(&scope), &star)
    }
}

/// What ON CONFLICT calls the row that was not inserted.
fn excluded<'c>(target: &Table<'c>) -> Table<'c> {
    Table {
        name: "excluded".to_owned(),
        bare: false,
        output: target.output.clone(),
    }
}

/// Refuses a list of target columns that names a guarded one.
fn written(targets: &[Node], output: &Output<'_>) -> Result<(), Refusal> {
    for target in targets.iter().filter_map(|target| functions::child(Some(target))) {
        if let NodeRef::ResTarget(target) = target {
            let mut guards = output
                .columns
                .iter()
                .filter(|c| c.name == target.name)
                .filter_map(|c| c.guard);
            if let Some(guard) = guards.next() {
                return Err(used(guard, WRITTEN));
            }
        }
    }
    Ok(())
}
