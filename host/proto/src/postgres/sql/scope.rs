//! What names stand for at one place of a query: the tables of FROM with their columns, the
//! queries around it, and the CTEs in reach.
//!
//! Follows the server's rules where they are certain. Where a name could mean several things,
//! it means the guarded one.

use std::rc::Rc;

use crate::postgres::catalog::ColumnInfo;

/// A column of something that has rows; `guard` is the catalog's column whose value it carries
/// unchanged, if that is tagged or forbidden.
#[derive(Clone, Debug)]
pub(super) struct Column<'c> {
    pub(super) name: String,
    pub(super) guard: Option<&'c ColumnInfo>,
}

/// The columns that a query or a FROM item produces.
#[derive(Clone, Debug, Default)]
pub(super) struct Output<'c> {
    pub(super) columns: Vec<Column<'c>>,
    /// Whether there may be more columns, or others between these: names are still good,
    /// positions are not.
    pub(super) open: bool,
}

impl<'c> Output<'c> {
    /// Returns the first guarded column.
    pub(super) fn guard(&self) -> Option<&'c ColumnInfo> {
        self.columns.iter().find_map(|column| column.guard)
    }

    pub(super) fn extend(&mut self, other: Output<'c>) {
        self.columns.extend(other.columns);
        self.open |= other.open;
    }
}

/// A name in FROM.
#[derive(Clone, Debug, Default)]
pub(super) struct Table<'c> {
    /// The alias, or the relation's own name. Empty: no name to refer to.
    pub(super) name: String,
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
            let mut named = columns.filter(|column| column.name == name).peekable();
            if named.peek().is_some() {
                return Found::Column(named.find_map(|column| column.guard));
            }
            // Not found among known columns: a table whose columns are not all known may have
            // it, but a guarded column further out is assumed to be meant.
        }
        if SYSTEM_COLUMNS.contains(&name) {
            return Found::Column(None);
        }
        // No column has the name: the whole row of a table may.
        self.named(name)
            .find_map(|table| table.output.guard())
            .map_or(Found::Column(None), Found::Row)
    }

    /// Resolves `table.column`.
    pub(super) fn qualified(&self, table: &str, column: &str) -> Found<'c> {
        for table in self.named(table) {
            let mut named = table
                .output
                .columns
                .iter()
                .filter(|c| c.name == column)
                .peekable();
            if named.peek().is_some() {
                return Found::Column(named.find_map(|column| column.guard));
            }
            if SYSTEM_COLUMNS.contains(&column) {
                return Found::Column(None);
            }
            // The server would try a function of that name on the whole row.
            if let Some(guard) = table.output.guard() {
                return Found::Row(guard);
            }
        }
        Found::Column(None)
    }

    /// Returns the columns of `table.*`.
    pub(super) fn star(&self, table: &str) -> Option<Output<'c>> {
        self.named(table).next().map(|table| table.output.clone())
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
