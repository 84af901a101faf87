//! What the gateway knows of one upstream database: relations, columns, tags, and whatever
//! could reach a tagged column without naming it.
//!
//! Built from the text rows of [`QUERIES`], which the gateway runs on a connection of its own.
//! A catalog never changes; a newer one replaces it, under a higher epoch. What it does not
//! know it never guesses: an unknown relation is reported as unknown.

#![cfg_attr(
    not(feature = "sql"),
    allow(dead_code, reason = "without the parser nothing looks names up")
)]

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use model::{Fault, Tag};

mod builder;
mod closure;
mod queries;
mod sensitive;

pub use builder::CatalogBuilder;
pub use queries::{CatalogQuery, PREPARE, QUERIES};

/// OIDs below this come with the server.
const FIRST_OID_OF_USERS: u32 = 16_384;

/// The server's view whose rule calls `set_config` for what is written to it.
pub(crate) const SETTINGS_VIEW: &str = "pg_settings";

/// A column that the configuration tags.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TaggedColumn {
    /// The schema's name, exactly as the database spells it.
    pub schema: String,
    /// The relation's name.
    pub table: String,
    /// The column's name.
    pub column: String,
    /// The class of data the column holds.
    pub tag: Tag,
}

/// One upstream database as it was when the queries ran.
#[derive(Debug, Default)]
pub struct Catalog {
    epoch: u64,
    relations: Vec<Relation>,
    by_oid: HashMap<u32, usize>,
    by_name: HashMap<String, Vec<usize>>,
    routines: HashMap<String, Vec<Routine>>,
    operators: HashMap<String, Vec<Operator>>,
    /// Names of types whose casts call somebody's own function.
    casts: HashMap<String, Vec<Owner>>,
    trusted: BTreeSet<String>,
    search_path: String,
    server_version_num: u32,
    has_tags: bool,
}

/// One column, as results are matched against it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ColumnInfo {
    /// The schema's name.
    pub schema: Arc<str>,
    /// The relation's name.
    pub table: Arc<str>,
    /// The column's name.
    pub column: String,
    /// The attribute number, from 1; never reused by the server.
    pub attnum: i16,
    /// The type's name as in `pg_type`, e.g. `text`, `int4`.
    pub type_name: String,
    /// The tags, configured or inherited; sorted, without duplicates. Empty: nothing to hide.
    pub tags: Vec<Tag>,
    /// Whether the column may not be read at all while there are tags.
    pub(crate) forbidden: bool,
    /// The expression it is generated from, if it is.
    generated: Option<String>,
}

impl ColumnInfo {
    /// Returns `schema.table.column`, as the configuration and plugins spell it.
    #[must_use]
    pub fn origin(&self) -> String {
        format!("{}.{}.{}", self.schema, self.table, self.column)
    }

    /// Whether the column takes part in lineage: tagged or forbidden.
    pub(crate) fn guarded(&self) -> bool {
        self.forbidden || !self.tags.is_empty()
    }
}

/// One table, view, or whatever else has rows.
#[derive(Debug)]
pub(crate) struct Relation {
    pub(crate) oid: u32,
    pub(crate) schema: Arc<str>,
    pub(crate) name: Arc<str>,
    /// Sorted by attribute number.
    pub(crate) columns: Vec<ColumnInfo>,
    /// Why the relation may not be read while there are tags, if it may not.
    pub(crate) unreadable: Option<Unreadable>,
    /// Whether rules other than a view's own rewrite what is written to it.
    pub(crate) has_rules: bool,
    /// Whether it is a view through which settings can be written.
    pub(crate) sets: bool,
    /// A function that writing to it runs and nobody has reviewed, if there is one: of a trigger,
    /// a default or a constraint, its own or of a relation that the write goes through to.
    pub(crate) runs: Option<String>,
    /// Whether it is a view over a relation of the closure, though it may show nothing tagged.
    over_tagged: bool,
    kind: u8,
    view: Option<String>,
}

/// Why a relation may not be read while there are tags.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Unreadable {
    /// It shows other people's statements, statistics of values, or credentials.
    Sensitive,
    /// A view whose definition uses tagged columns in ways that cannot be masked, or that the
    /// walker cannot follow.
    OpaqueView,
}

impl Relation {
    /// Whether statements on it need the lineage walk.
    pub(crate) fn guarded(&self) -> bool {
        self.unreadable.is_some()
            || self.has_rules
            || self.over_tagged
            || self.columns.iter().any(ColumnInfo::guarded)
    }

    /// Whether a statement on it works on rows with tagged values, so that errors may show them.
    pub(crate) fn touches(&self) -> bool {
        self.over_tagged || self.tagged()
    }

    /// Whether no statement that may run while columns are tagged changes its columns.
    pub(crate) fn fixed(&self) -> bool {
        self.oid < FIRST_OID_OF_USERS || self.tagged()
    }

    /// Whether it belongs to the closure of the tagged columns.
    pub(crate) fn tagged(&self) -> bool {
        self.unreadable == Some(Unreadable::OpaqueView) || self.columns.iter().any(|c| !c.tags.is_empty())
    }

    /// Returns the tags of all its columns, sorted, without duplicates.
    pub(crate) fn tags(&self) -> Vec<Tag> {
        let mut tags: Vec<Tag> = self.columns.iter().flat_map(|c| &c.tags).cloned().collect();
        tags.sort_unstable();
        tags.dedup();
        tags
    }
}

/// A function that does not come with the server.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Routine {
    pub(crate) owner: Owner,
    pub(crate) writes: bool,
    /// Whether it can be called with nothing but a row, and so as if it were a column.
    pub(crate) takes_row: bool,
}

/// An operator that does not come with the server.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Operator {
    pub(crate) owner: Owner,
}

/// The function behind a routine, operator or cast, and whether an extension brought it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Owner {
    pub(crate) schema: String,
    pub(crate) function: String,
    pub(crate) extension: bool,
}

impl Catalog {
    /// Returns the number under which this catalog's findings may be cached.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Whether any column is tagged; without tags lineage is not checked.
    #[must_use]
    pub fn has_tags(&self) -> bool {
        self.has_tags
    }

    /// Whether results that name this relation can be matched. If not, the catalog is stale:
    /// no row may be released before it was refreshed.
    #[must_use]
    pub fn relation_known(&self, oid: u32) -> bool {
        self.by_oid.contains_key(&oid)
    }

    /// Whether rows of the relation may leave at all while there are tags. An unknown relation
    /// may not.
    #[must_use]
    pub fn readable(&self, oid: u32) -> bool {
        self.by_oid
            .get(&oid)
            .is_some_and(|index| !self.has_tags || self.relations[*index].unreadable.is_none())
    }

    /// Returns a column by its relation's OID and its attribute number.
    #[must_use]
    pub fn column(&self, table_oid: u32, attnum: i16) -> Option<&ColumnInfo> {
        let columns = &self.relations[*self.by_oid.get(&table_oid)?].columns;
        // Attribute numbers have gaps only where columns were dropped.
        let guess = usize::try_from(attnum).ok()?.checked_sub(1)?;
        match columns.get(guess) {
            Some(column) if column.attnum == attnum => Some(column),
            _ => {
                let index = columns.binary_search_by_key(&attnum, |c| c.attnum).ok()?;
                columns.get(index)
            }
        }
    }

    /// Returns the search path new sessions start with, as the server writes it.
    #[must_use]
    pub fn search_path(&self) -> &str {
        &self.search_path
    }

    /// Returns the server's version as a number, e.g. 150018; 0 if it was not read.
    #[must_use]
    pub fn server_version_num(&self) -> u32 {
        self.server_version_num
    }

    /// Returns the relations a name may stand for. Without a schema: those of that name in any
    /// schema, since the search path of the moment of execution is not known.
    pub(crate) fn named<'a>(
        &'a self,
        schema: Option<&str>,
        name: &str,
    ) -> impl Iterator<Item = &'a Relation> {
        self.by_name
            .get(name)
            .map_or(&[][..], Vec::as_slice)
            .iter()
            .map(|index| &self.relations[*index])
            .filter(move |relation| schema.is_none_or(|schema| *relation.schema == *schema))
    }

    /// Whether a schema holds a relation of the closure.
    pub(crate) fn schema_is_tagged(&self, schema: &str) -> bool {
        self.relations.iter().any(|r| *r.schema == *schema && r.tagged())
    }

    pub(crate) fn routines(&self, name: &str) -> &[Routine] {
        self.routines.get(name).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn operators(&self, name: &str) -> &[Operator] {
        self.operators.get(name).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn casts(&self, type_name: &str) -> &[Owner] {
        self.casts.get(type_name).map_or(&[], Vec::as_slice)
    }

    /// Whether the operator of the gateway vouches for a function, by name or by schema and name.
    pub(crate) fn trusts(&self, schema: Option<&str>, name: &str) -> bool {
        self.trusted.contains(name)
            || schema.is_some_and(|schema| self.trusted.contains(&format!("{schema}.{name}")))
    }

    /// Whether the code behind an operator, cast or routine may run unseen.
    pub(crate) fn reviewed(&self, owner: &Owner) -> bool {
        owner.extension || self.trusts(Some(&owner.schema), &owner.function)
    }
}

/// Why a catalog could not be built.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum CatalogError {
    /// The configuration tags columns that the database does not have.
    #[error("tagged columns that the database does not have: {}", .0.join(", "))]
    UnknownColumns(Vec<String>),
    /// A catalog query answered something else than it asks for.
    #[error("catalog query {query}: {reason}")]
    MalformedRow {
        /// The query's name.
        query: &'static str,
        /// What is wrong with the row.
        reason: &'static str,
    },
    /// A row for a query that does not exist.
    #[error("there is no catalog query {0}")]
    UnknownQuery(usize),
}

impl CatalogError {
    /// Returns who must act.
    #[must_use]
    pub const fn fault(&self) -> Fault {
        match self {
            Self::UnknownColumns(_) => Fault::Operator,
            Self::MalformedRow { .. } => Fault::Upstream,
            Self::UnknownQuery(_) => Fault::Gateway,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
