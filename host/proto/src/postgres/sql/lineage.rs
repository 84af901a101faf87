//! Follows guarded columns through a statement. They may leave as bare outputs, where results
//! are matched and masked; every other use is refused with its name and the place.
//!
//! Never guesses in favour of a statement: what cannot be followed is refused.

use model::{Fault, Refusal, Rule, Tag};
use pg_query::NodeRef;
use pg_query::protobuf::SelectStmt;

use super::scope::{Ctes, Output, Scope};
use super::{functions, kind};
use crate::postgres::catalog::{Catalog, ColumnInfo, Unreadable};

mod clauses;
mod expression;
mod from;
mod select;
mod write;

/// Checks one statement. Returns whether a tagged relation takes part, and the tagged columns
/// that leave as bare outputs.
pub(super) fn check(node: NodeRef<'_>, catalog: &Catalog) -> (bool, Result<Vec<String>, Refusal>) {
    let mut lineage = Lineage::new(catalog);
    let result = lineage.statement(node);
    let outputs = result.map(|output| {
        output
            .columns
            .iter()
            .filter_map(|c| c.guard)
            .map(ColumnInfo::origin)
            .collect()
    });
    (lineage.touched, outputs)
}

/// Returns the tags of each output column of a view's query.
pub(super) fn view(select: &SelectStmt, catalog: &Catalog) -> Option<Vec<Vec<Tag>>> {
    let mut lineage = Lineage::new(catalog);
    let output = lineage.select(select, Place::default()).ok()?;
    let tags = |guard: Option<&ColumnInfo>| guard.map(|column| column.tags.clone()).unwrap_or_default();
    output
        .open
        .is_none()
        .then(|| output.columns.iter().map(|column| tags(column.guard)).collect())
}

struct Lineage<'c> {
    catalog: &'c Catalog,
    /// Whether a relation of the closure was met.
    touched: bool,
    /// How much work is left.
    budget: usize,
}

/// Nodes visited, columns copied and names compared in one statement. Stars over joins of CTEs
/// over joins multiply; an ordinary statement stays under ten thousand.
const WORK_MAX: usize = 5_000_000;

/// Where in a statement the walk is: what names mean there.
#[derive(Clone, Debug, Default)]
struct Place<'s, 'c> {
    scope: Option<&'s Scope<'s, 'c>>,
    ctes: Ctes<'c>,
}

impl<'s, 'c> Place<'s, 'c> {
    /// The same CTEs, inside the tables of `scope`.
    fn within<'t>(&self, scope: &'t Scope<'t, 'c>) -> Place<'t, 'c> {
        Place {
            scope: Some(scope),
            ctes: self.ctes.clone(),
        }
    }
}

/// The outputs of a statement, or why it is refused.
type Outputs<'c> = Result<Output<'c>, Refusal>;

impl<'c> Lineage<'c> {
    fn new(catalog: &'c Catalog) -> Self {
        Self {
            catalog,
            touched: false,
            budget: WORK_MAX,
        }
    }

    fn spend(&mut self, work: usize) -> Result<(), Refusal> {
        let left = self.budget.checked_sub(work);
        self.budget = left.ok_or_else(|| unfollowed("a statement of this size"))?;
        Ok(())
    }

    fn statement(&mut self, node: NodeRef<'_>) -> Outputs<'c> {
        match node {
            NodeRef::SelectStmt(select) => self.select(select, Place::default()),
            NodeRef::InsertStmt(insert) => self.insert(insert, Place::default()),
            NodeRef::UpdateStmt(update) => self.update(update, Place::default()),
            NodeRef::DeleteStmt(delete) => self.delete(delete, Place::default()),
            NodeRef::MergeStmt(merge) => self.merge(merge, Place::default()),
            NodeRef::ExplainStmt(_) | NodeRef::PrepareStmt(_) | NodeRef::DeclareCursorStmt(_) => {
                kind::inner(node).map_or(Ok(Output::default()), |inner| self.statement(inner))
            }
            NodeRef::CopyStmt(copy) => self.copy(copy),
            NodeRef::CreateTableAsStmt(_) | NodeRef::ViewStmt(_) => {
                let output =
                    kind::inner(node).map_or(Ok(Output::default()), |inner| self.statement(inner))?;
                none_guarded(&output, "stored in a new relation")?;
                Ok(Output::default())
            }
            NodeRef::ExecuteStmt(execute) => {
                for param in execute
                    .params
                    .iter()
                    .filter_map(|param| functions::child(Some(param)))
                {
                    self.expression(param, &Place::default(), "used as a parameter")?;
                }
                Ok(Output::default())
            }
            _ => {
                self.anything(node)?;
                Ok(Output::default())
            }
        }
    }

    /// Walks a statement that has no rows of its own; queries in it are still followed.
    fn anything(&mut self, node: NodeRef<'_>) -> Result<(), Refusal> {
        match node {
            NodeRef::SelectStmt(select) => {
                let output = self.select(select, Place::default())?;
                none_guarded(&output, "used inside a definition")
            }
            NodeRef::RangeVar(relation) => {
                let schema = Some(relation.schemaname.as_str()).filter(|s| !s.is_empty());
                self.touched |= self.catalog.named(schema, &relation.relname).any(|r| r.touches());
                Ok(())
            }
            _ => self.each_child(node, |lineage, child| lineage.anything(child)),
        }
    }

    fn each_child(
        &mut self,
        node: NodeRef<'_>,
        mut visit: impl FnMut(&mut Self, NodeRef<'_>) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        let mut result = Ok(());
        let walked = super::tree::children(node, &mut |_, child| {
            if result.is_ok() {
                result = visit(self, child);
            }
        });
        walked.map_err(|_| unfollowed("syntax the gateway does not know"))?;
        result
    }
}

/// Refuses a guarded column, saying how it was used: "used in a WHERE clause".
fn used(column: &ColumnInfo, how: &str) -> Refusal {
    if column.forbidden {
        let message = format!(
            "{}.{} cannot be read while columns are masked",
            column.table, column.column
        );
        return Refusal::new(Rule::TaggedUse, Fault::Client, message)
            .hint("Name the other columns one by one.");
    }
    let message = format!("{}.{} is masked and cannot be {how}", column.table, column.column);
    Refusal::new(Rule::TaggedUse, Fault::Client, message).hint(
        "A masked column may only be selected plainly, as in SELECT id, column FROM table WHERE id = ...; \
         filter, join, sort and compute on other columns.",
    )
}

/// Refuses a whole row that has a guarded column in it.
fn whole_row(column: &ColumnInfo) -> Refusal {
    let message = format!(
        "{} has masked columns ({}) and cannot be used as a whole row",
        column.table, column.column
    );
    Refusal::new(Rule::TaggedUse, Fault::Client, message).hint("Name the columns one by one.")
}

fn none_guarded(output: &Output<'_>, how: &str) -> Result<(), Refusal> {
    output.guard().map_or(Ok(()), |column| Err(used(column, how)))
}

fn unreadable(name: &str, why: Unreadable) -> Refusal {
    match why {
        Unreadable::Sensitive => Refusal::new(
            Rule::TaggedUse,
            Fault::Client,
            format!("{name} cannot be read while columns are masked: it shows values or other people's statements"),
        ),
        Unreadable::OpaqueView => Refusal::new(
            Rule::TaggedUse,
            Fault::Client,
            format!("the view {name} uses masked columns in a way the gateway cannot mask, or calls code it cannot see"),
        )
        .hint("Read the tables under it, with masked columns selected plainly."),
    }
}

/// Refuses what the walk cannot follow.
fn unfollowed(what: &str) -> Refusal {
    Refusal::new(
        Rule::TaggedUse,
        Fault::Client,
        format!("masked columns cannot be followed through {what}"),
    )
    .hint("Name the columns one by one, in a plain SELECT.")
}
