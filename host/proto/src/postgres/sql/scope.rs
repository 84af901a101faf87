//! What names stand for at one place of a query: the tables of FROM with their columns, the
//! queries around it, and the CTEs in reach.
//!
//! Follows the server's rules where they are certain. Where a name could mean several things,
//! it means the guarded one. What is stored is never certain: the search path, a statement of the
//! same transaction or another session may have put another relation under its name.

use std::rc::Rc;

use super::functions;
use crate::postgres::catalog::ColumnInfo;

/// A column of something that has rows; `guard` is the catalog's column whose value it carries
/// unchanged, if that is tagged or forbidden.
#[derive(Clone, Debug)]
pub(super) struct Column<'c> {
    pub(super) name: String,
    pub(super) guard: Option<&'c ColumnInfo>,
    /// Whether the statement itself gives the column its name. Only such a column certainly hides
    /// those of the levels around it.
    pub(super) stated: bool,
}

/// The columns that a query or a FROM item produces.
#[derive(Clone, Debug, Default)]
pub(super) struct Output<'c> {
    pub(super) columns: Vec<Column<'c>>,
    /// From which position on there may be more columns, or others between these: names are
    /// still good, positions are not.
    pub(super) open: Option<usize>,
}

impl<'c> Output<'c> {
    /// Something of which no column is known.
    pub(super) fn unknown() -> Self {
        Self {
            columns: Vec::new(),
            open: Some(0),
        }
    }

    /// Returns the first guarded column.
    pub(super) fn guard(&self) -> Option<&'c ColumnInfo> {
        self.columns.iter().find_map(|column| column.guard)
    }

    pub(super) fn extend(&mut self, other: Output<'c>) {
        let before = self.columns.len();
        self.open = self.open.or(other.open.map(|from| before + from));
        self.columns.extend(other.columns);
    }

    /// Whether a guarded column may be at this position, counted from 0, without being known
    /// there.
    pub(super) fn doubtful(&self, position: usize) -> bool {
        self.open.is_some_and(|from| position >= from) && self.guard().is_some()
    }
}

/// A name in FROM.
#[derive(Clone, Debug, Default)]
pub(super) struct Table<'c> {
    /// The alias, or the relation's own name. Empty: no name to refer to.
    pub(super) name: String,
    /// Whether it is a relation of the database without an alias: nothing else can be referred
    /// to with a schema.
    pub(super) bare: bool,
    pub(super) output: Output<'c>,
}

/// The tables of one query level, and the level around it.
#[derive(Debug, Default)]
pub(super) struct Scope<'s, 'c> {
    pub(super) tables: Vec<Table<'c>>,
    outer: Option<&'s Scope<'s, 'c>>,
    /// How many columns a search through all levels may look at.
    pub(super) width: usize,
}

/// What a reference means.
#[derive(Clone, Copy, Debug)]
pub(super) enum Found<'c> {
    /// A column, guarded or not, or nothing the gateway guards.
    Column(Option<&'c ColumnInfo>),
    /// A whole row with this guarded column in it.
    Row(&'c ColumnInfo),
}

impl<'s, 'c> Scope<'s, 'c> {
    pub(super) fn new(tables: Vec<Table<'c>>, outer: Option<&'s Scope<'s, 'c>>) -> Self {
        let width = width(&tables) + outer.map_or(0, |outer| outer.width);
        Self { tables, outer, width }
    }

    /// Iterates over this level and those around it, innermost first.
    fn levels(&'s self) -> impl Iterator<Item = &'s Scope<'s, 'c>> {
        std::iter::successors(Some(self), |scope| scope.outer)
    }

    /// Resolves an unqualified name.
    pub(super) fn column(&self, name: &str) -> Found<'c> {
        for level in self.levels() {
            let columns = level.tables.iter().flat_map(|table| &table.output.columns);
            let mut stated = false;
            for column in columns.filter(|column| column.name == name) {
                if column.guard.is_some() {
                    return Found::Column(column.guard);
                }
                stated |= column.stated;
            }
            if stated {
                return Found::Column(None);
            }
            // A stored relation may turn out not to have the column, or to have one the gateway
            // does not know: a guarded column further out is assumed to be meant.
        }
        // If no column has the name, the whole row of a table may. That goes for the columns
        // that every relation has as well: a subquery has none of them.
        self.named(name)
            .find_map(|table| table.output.guard())
            .map_or(Found::Column(None), Found::Row)
    }

    /// Resolves `table.column`.
    pub(super) fn qualified(&self, table: &str, column: &str) -> Found<'c> {
        within(self.named(table), column)
    }

    /// Resolves `schema.table.column`.
    ///
    /// The server looks past every alias for the relation of that schema; which of those that are
    /// named like it that is, the search path decides. So it may be any.
    pub(super) fn stored(&self, table: &str, column: &str) -> Found<'c> {
        within(self.bare(table), column)
    }

    /// Returns the columns of `table.*`.
    pub(super) fn star(&self, table: &str) -> Option<Output<'c>> {
        self.named(table).next().map(|table| table.output.clone())
    }

    /// Returns the columns of `schema.table.*`, or a guarded one of them if more than one
    /// relation could be meant.
    pub(super) fn stored_star(&self, table: &str) -> Result<Option<Output<'c>>, &'c ColumnInfo> {
        let mut found = self.bare(table);
        let first = found.next().map(|table| &table.output);
        let Some(second) = found.next().map(|table| &table.output) else {
            return Ok(first.cloned());
        };
        let rest = found.map(|table| &table.output);
        let mut guards = first
            .into_iter()
            .chain([second])
            .chain(rest)
            .filter_map(Output::guard);
        guards.next().map_or(Ok(Some(Output::unknown())), Err)
    }

    /// Returns the relations of that name without an alias, at all levels.
    fn bare<'n>(&'n self, name: &'n str) -> impl Iterator<Item = &'n Table<'c>> + use<'n, 's, 'c> {
        let tables = self.levels().flat_map(|level| &level.tables);
        tables.filter(move |table| table.bare && table.name == name)
    }

    /// Returns the tables of that name at the innermost level that has one.
    fn named<'n>(&'n self, name: &'n str) -> impl Iterator<Item = &'n Table<'c>> + use<'n, 's, 'c> {
        let level = self
            .levels()
            .find(|level| level.tables.iter().any(|table| table.name == name));
        level
            .into_iter()
            .flat_map(|level| &level.tables)
            .filter(move |table| table.name == name)
    }
}

/// Says what a column of one of these tables means: the guarded one, if any has such.
fn within<'n, 'c: 'n>(tables: impl Iterator<Item = &'n Table<'c>>, column: &str) -> Found<'c> {
    let mut row = None;
    for table in tables {
        let mut known = SYSTEM_COLUMNS.contains(&column);
        for found in table.output.columns.iter().filter(|c| c.name == column) {
            if found.guard.is_some() {
                return Found::Column(found.guard);
            }
            known = true;
        }
        // Where there is no such column, the server tries a function of that name on the row.
        let doubtful = table.output.open.is_some() && functions::of_rows(column);
        if !known || doubtful {
            row = row.or(table.output.guard());
        }
    }
    row.map_or(Found::Column(None), Found::Row)
}

/// How much work copying or searching these tables is.
pub(super) fn width(tables: &[Table<'_>]) -> usize {
    tables.iter().map(|table| 1 + table.output.columns.len()).sum()
}

/// Columns every table has and `*` does not show.
const SYSTEM_COLUMNS: &[&str] = &["ctid", "cmax", "cmin", "tableoid", "xmax", "xmin"];

/// The CTEs in reach, innermost first.
#[derive(Clone, Debug, Default)]
pub(super) struct Ctes<'c>(Option<Rc<Cte<'c>>>);

#[derive(Debug)]
struct Cte<'c> {
    name: String,
    body: CteBody<'c>,
    outer: Ctes<'c>,
}

/// What is known of a CTE where its name is used.
#[derive(Clone, Debug)]
pub(super) enum CteBody<'c> {
    /// Its columns.
    Known(Output<'c>),
    /// It stands further down in a WITH RECURSIVE.
    Pending,
}

impl<'c> Ctes<'c> {
    /// Returns these CTEs and one more.
    #[must_use]
    pub(super) fn with(&self, name: &str, body: CteBody<'c>) -> Self {
        Self(Some(Rc::new(Cte {
            name: name.to_owned(),
            body,
            outer: self.clone(),
        })))
    }

    /// Returns the innermost CTE of that name.
    pub(super) fn find(&self, name: &str) -> Option<&CteBody<'c>> {
        let mut here = self.0.as_deref();
        while let Some(cte) = here {
            if cte.name == name {
                return Some(&cte.body);
            }
            here = cte.outer.0.as_deref();
        }
        None
    }
}
