//! Builds a catalog from the upstream's answers, row by row.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::queries::{
    CASTS, CODE, COLUMNS, INHERITANCE, OPERATORS, QUERIES, RELATIONS, ROUTINES, SERVER, VIEWS,
};
use super::{
    Catalog, CatalogError, ColumnInfo, Operator, Owner, Relation, Routine, TaggedColumn, Unreadable, closure,
    sensitive,
};

/// Takes the rows of [`super::QUERIES`] in any order and makes a [`Catalog`] of them.
#[derive(Debug, Default)]
pub struct CatalogBuilder {
    tagged: Vec<TaggedColumn>,
    catalog: Catalog,
    columns: HashMap<u32, Vec<Column>>,
    views: HashMap<u32, String>,
    /// Child and parent.
    inheritance: Vec<(u32, u32)>,
    /// Relations and functions that a write to them runs.
    code: Vec<(u32, Owner)>,
}

#[derive(Debug)]
struct Column {
    attnum: i16,
    name: String,
    type_name: String,
    generated: Option<String>,
}

impl CatalogBuilder {
    /// Starts a catalog with the columns that the configuration tags.
    #[must_use]
    pub fn new(tagged: Vec<TaggedColumn>) -> Self {
        Self {
            tagged,
            ..Self::default()
        }
    }

    /// Names functions that the operator has reviewed, as `name` or `schema.name`: a statement
    /// or view that calls them is not opaque for it.
    #[must_use]
    pub fn trust(mut self, functions: impl IntoIterator<Item = String>) -> Self {
        self.catalog.trusted = functions.into_iter().collect::<BTreeSet<_>>();
        self
    }

    /// Takes one row of the query with index `query` in [`super::QUERIES`].
    ///
    /// # Errors
    ///
    /// [`CatalogError::MalformedRow`] if it is not a row of that query.
    pub fn row(&mut self, query: usize, row: &[Option<&str>]) -> Result<(), CatalogError> {
        let asked = QUERIES.get(query).ok_or(CatalogError::UnknownQuery(query))?;
        let row = Row {
            query: asked.name,
            cells: row,
        };
        if row.cells.len() != asked.columns {
            return Err(row.malformed("it has another number of columns"));
        }
        match query {
            SERVER => {
                self.catalog.server_version_num = row.number(0)?;
                self.catalog.search_path = row.cells[1].unwrap_or_default().to_owned();
            }
            RELATIONS => self.relation(&row)?,
            COLUMNS => {
                let column = Column {
                    attnum: row.number(1)?,
                    name: row.text(2)?.to_owned(),
                    type_name: row.text(3)?.to_owned(),
                    generated: row.cells[4].map(str::to_owned),
                };
                self.columns.entry(row.number(0)?).or_default().push(column);
            }
            INHERITANCE => self.inheritance.push((row.number(0)?, row.number(1)?)),
            VIEWS => {
                // A view dropped while the queries run has no definition any more.
                if let Some(definition) = row.cells[1] {
                    self.views.insert(row.number(0)?, definition.to_owned());
                }
            }
            ROUTINES => {
                let routine = Routine {
                    owner: row.owner(0, 1)?,
                    writes: row.text(2)? == "v",
                    takes_row: row.text(4)? == "t",
                };
                let name = routine.owner.function.clone();
                self.catalog.routines.entry(name).or_default().push(routine);
            }
            OPERATORS => {
                let operator = Operator {
                    owner: row.owner(1, 2)?,
                };
                self.catalog
                    .operators
                    .entry(row.text(0)?.to_owned())
                    .or_default()
                    .push(operator);
            }
            CASTS => {
                let owner = row.owner(1, 2)?;
                self.catalog
                    .casts
                    .entry(row.text(0)?.to_owned())
                    .or_default()
                    .push(owner);
            }
            CODE => self.code.push((row.number(0)?, row.owner(1, 2)?)),
            _ => return Err(CatalogError::UnknownQuery(query)),
        }
        Ok(())
    }

    /// Closes the catalog: spreads the tags over children, parents, generated columns and
    /// views, and marks what cannot be followed.
    ///
    /// # Errors
    ///
    /// [`CatalogError::UnknownColumns`] if the configuration tags columns that do not exist.
    pub fn finish(mut self, epoch: u64) -> Result<Catalog, CatalogError> {
        self.catalog.epoch = epoch;
        self.catalog.has_tags = !self.tagged.is_empty();
        for relation in &mut self.catalog.relations {
            let columns = self.columns.remove(&relation.oid).unwrap_or_default();
            let (schema, table) = (&relation.schema, &relation.name);
            relation.columns = columns
                .into_iter()
                .map(|column| ColumnInfo {
                    schema: Arc::clone(schema),
                    table: Arc::clone(table),
                    attnum: column.attnum,
                    type_name: column.type_name,
                    tags: Vec::new(),
                    forbidden: sensitive::column(schema, table, &column.name),
                    generated: column.generated,
                    column: column.name,
                })
                .collect();
            relation.columns.sort_by_key(|c| c.attnum);
            relation.view = self.views.remove(&relation.oid);
        }
        self.tag()?;
        closure::mark_settings(&mut self.catalog);
        closure::mark_code(&mut self.catalog, &self.code, &self.inheritance);
        closure::spread(&mut self.catalog, &self.inheritance);
        Ok(self.catalog)
    }

    fn relation(&mut self, row: &Row<'_>) -> Result<(), CatalogError> {
        let (schema, name) = (row.text(1)?, row.text(2)?);
        let relation = Relation {
            oid: row.number(0)?,
            schema: Arc::from(schema),
            name: Arc::from(name),
            columns: Vec::new(),
            unreadable: sensitive::relation(schema, name).then_some(Unreadable::Sensitive),
            has_rules: row.text(4)? == "t",
            sets: false,
            runs: None,
            over_tagged: false,
            kind: row.text(3)?.as_bytes().first().copied().unwrap_or_default(),
            view: None,
        };
        let index = self.catalog.relations.len();
        self.catalog.by_oid.insert(relation.oid, index);
        self.catalog
            .by_name
            .entry(name.to_owned())
            .or_default()
            .push(index);
        self.catalog.relations.push(relation);
        Ok(())
    }

    fn tag(&mut self) -> Result<(), CatalogError> {
        let mut unknown = Vec::new();
        for tagged in &self.tagged {
            let found = self
                .catalog
                .relations
                .iter_mut()
                .filter(|r| *r.schema == *tagged.schema && *r.name == *tagged.table)
                .find_map(|r| r.columns.iter_mut().find(|c| c.column == tagged.column));
            match found {
                Some(column) => closure::add(column, std::slice::from_ref(&tagged.tag)),
                None => {
                    unknown.push(format!("{}.{}.{}", tagged.schema, tagged.table, tagged.column));
                    false
                }
            };
        }
        if unknown.is_empty() {
            Ok(())
        } else {
            Err(CatalogError::UnknownColumns(unknown))
        }
    }
}

struct Row<'a> {
    query: &'static str,
    cells: &'a [Option<&'a str>],
}

impl<'a> Row<'a> {
    fn malformed(&self, reason: &'static str) -> CatalogError {
        CatalogError::MalformedRow {
            query: self.query,
            reason,
        }
    }

    fn text(&self, index: usize) -> Result<&'a str, CatalogError> {
        self.cells[index].ok_or_else(|| self.malformed("a cell is null"))
    }

    fn number<T: std::str::FromStr>(&self, index: usize) -> Result<T, CatalogError> {
        self.text(index)?
            .parse()
            .map_err(|_| self.malformed("a cell is not a number"))
    }

    /// Reads schema, function and (in the fourth column) whether an extension owns it.
    fn owner(&self, schema: usize, function: usize) -> Result<Owner, CatalogError> {
        Ok(Owner {
            schema: self.text(schema)?.to_owned(),
            function: self.text(function)?.to_owned(),
            extension: self.text(3)? == "t",
        })
    }
}
