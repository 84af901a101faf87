//! Spreads tags to wherever a tagged column can be read: partitions and inheritance both ways,
//! generated columns, views and materialised views.
//!
//! What cannot be followed is never left untagged: a generated column gets the tags of its
//! whole table, a view becomes unreadable.

use model::Tag;

use super::{Catalog, ColumnInfo, FIRST_OID_OF_USERS, Owner, Relation, SETTINGS_VIEW, Unreadable, sensitive};

/// Runs until nothing changes. Tags only grow, so it ends.
pub(super) fn spread(catalog: &mut Catalog, inheritance: &[(u32, u32)]) {
    if !catalog.has_tags {
        return;
    }
    let mut views = views(catalog);
    loop {
        let mut changed = false;
        for (child, parent) in inheritance {
            changed |= share(catalog, *child, *parent) | share(catalog, *parent, *child);
        }
        for index in 0..catalog.relations.len() {
            changed |= generated(catalog, index);
        }
        for view in &mut views {
            changed |= view.follow(catalog);
        }
        if !changed {
            break;
        }
    }
    while views
        .iter()
        .fold(false, |changed, view| view.lies_over(catalog) | changed)
    {}
    hide_bounds(catalog);
}

/// The bounds of partitions are values of the column they are made by.
fn hide_bounds(catalog: &mut Catalog) {
    let partitioned = |relation: &Relation| relation.kind == b'p' && relation.tagged();
    if !catalog.relations.iter().any(partitioned) {
        return;
    }
    for relation in &mut catalog.relations {
        for column in &mut relation.columns {
            column.forbidden |= sensitive::bound(&column.schema, &column.table, &column.column);
        }
    }
}

/// Marks the views that show the server's settings, themselves or through other views: writing to
/// them changes settings. Needed with tags and without.
pub(super) fn mark_settings(catalog: &mut Catalog) {
    let settings = vec![(None, SETTINGS_VIEW.to_owned())];
    over_views(catalog, settings, |view| !std::mem::replace(&mut view.sets, true));
}

/// Marks the relations where a write runs code that nobody has reviewed: their own, that of
/// partitions and children, and that of what lies under a view.
pub(super) fn mark_code(catalog: &mut Catalog, code: &[(u32, Owner)], inheritance: &[(u32, u32)]) {
    for (relation, owner) in code {
        if let Some(index) = catalog.by_oid.get(relation).copied()
            && !catalog.reviewed(owner)
        {
            catalog.relations[index].runs = Some(owner.function.clone());
        }
    }
    loop {
        let mut changed = false;
        for (child, parent) in inheritance {
            let (Some(child), Some(parent)) = (catalog.by_oid.get(child), catalog.by_oid.get(parent)) else {
                continue;
            };
            let (child, parent) = (*child, *parent);
            if catalog.relations[parent].runs.is_none() && catalog.relations[child].runs.is_some() {
                catalog.relations[parent].runs = catalog.relations[child].runs.clone();
                changed = true;
            }
        }
        if !changed {
            break;
        }
    }
    let written = catalog.relations.iter().filter_map(|relation| {
        let function = relation.runs.clone()?;
        Some((relation.schema.to_string(), relation.name.to_string(), function))
    });
    let written: Vec<_> = written.collect();
    for (schema, name, function) in written {
        over_views(catalog, vec![(Some(schema), name)], |view| {
            let new = view.runs.is_none();
            view.runs.get_or_insert_with(|| function.clone());
            new
        });
    }
}

/// Marks views over these relations, and views over those. `mark` tells whether it is new.
fn over_views(
    catalog: &mut Catalog,
    mut found: Vec<(Option<String>, String)>,
    mut mark: impl FnMut(&mut Relation) -> bool,
) {
    while let Some((schema, name)) = found.pop() {
        for relation in &mut catalog.relations {
            let names = |definition: &str| names(definition, schema.as_deref(), &name);
            if relation.kind == b'v' && relation.view.as_deref().is_some_and(names) && mark(relation) {
                found.push((Some(relation.schema.to_string()), relation.name.to_string()));
            }
        }
    }
}

/// Whether a view's definition names a relation. The text is looked at first: parsing every view
/// would take long, and hardly any leads to the settings.
fn names(definition: &str, schema: Option<&str>, name: &str) -> bool {
    if !definition.contains(&name.replace('"', "\"\"")) {
        return false;
    }
    #[cfg(feature = "sql")]
    let named = crate::postgres::sql::names_relation(definition, &|other, relation| {
        relation == name && (schema.is_none() || other.is_none() || other == schema)
    });
    #[cfg(not(feature = "sql"))]
    let named = schema.is_none_or(|schema| definition.contains(schema));
    named
}

/// Adds tags to a column; whether that changed it.
pub(super) fn add(column: &mut ColumnInfo, tags: &[Tag]) -> bool {
    let before = column.tags.len();
    column.tags.extend_from_slice(tags);
    column.tags.sort_unstable();
    column.tags.dedup();
    column.tags.len() != before
}

fn share(catalog: &mut Catalog, from: u32, to: u32) -> bool {
    let (Some(&from), Some(&to)) = (catalog.by_oid.get(&from), catalog.by_oid.get(&to)) else {
        return false;
    };
    let tagged: Vec<(String, Vec<Tag>)> = catalog.relations[from]
        .columns
        .iter()
        .filter(|c| !c.tags.is_empty())
        .map(|c| (c.column.clone(), c.tags.clone()))
        .collect();
    let mut changed = false;
    for column in &mut catalog.relations[to].columns {
        // No two columns of a relation have one name.
        if let Some((_, tags)) = tagged.iter().find(|(name, _)| *name == column.column) {
            changed |= add(column, tags);
        }
    }
    changed
}

fn generated(catalog: &mut Catalog, index: usize) -> bool {
    let relation = &catalog.relations[index];
    if !relation.columns.iter().any(|c| !c.tags.is_empty()) {
        return false;
    }
    let mut additions: Vec<(usize, Vec<Tag>)> = Vec::new();
    for (position, column) in relation.columns.iter().enumerate() {
        let Some(expression) = &column.generated else {
            continue;
        };
        let tags = match referenced(expression) {
            Some(names) => relation
                .columns
                .iter()
                .filter(|c| names.contains(&c.column))
                .flat_map(|c| c.tags.iter().cloned())
                .collect(),
            None => relation.tags(),
        };
        additions.push((position, tags));
    }
    let mut changed = false;
    for (position, tags) in additions {
        changed |= add(&mut catalog.relations[index].columns[position], &tags);
    }
    changed
}

/// Names the columns an expression uses; `None` if that cannot be told.
#[cfg(feature = "sql")]
fn referenced(expression: &str) -> Option<Vec<String>> {
    crate::postgres::sql::referenced_columns(expression)
}

#[cfg(not(feature = "sql"))]
fn referenced(_expression: &str) -> Option<Vec<String>> {
    None
}

struct View {
    index: usize,
    #[cfg(feature = "sql")]
    definition: Option<crate::postgres::sql::ViewDefinition>,
}

fn views(catalog: &Catalog) -> Vec<View> {
    // Views that come with the server have no definition here: they are reviewed by hand.
    let views = catalog.relations.iter().enumerate();
    views
        .filter(|(_, r)| matches!(r.kind, b'v' | b'm') && r.oid >= FIRST_OID_OF_USERS)
        .map(|(index, _relation)| View {
            index,
            #[cfg(feature = "sql")]
            definition: _relation
                .view
                .as_deref()
                .and_then(crate::postgres::sql::ViewDefinition::parse),
        })
        .collect()
}

impl View {
    fn follow(&mut self, catalog: &mut Catalog) -> bool {
        if catalog.relations[self.index].unreadable.is_some() {
            return false;
        }
        let expected = catalog.relations[self.index].columns.len();
        let Some(tags) = self.columns(catalog).filter(|tags| tags.len() == expected) else {
            catalog.relations[self.index].unreadable = Some(Unreadable::OpaqueView);
            return true;
        };
        let columns = catalog.relations[self.index].columns.iter_mut();
        columns
            .zip(tags)
            .fold(false, |changed, (column, tags)| add(column, &tags) | changed)
    }

    /// Marks the view if it reads a relation of the closure, itself or through another view;
    /// whether that is new.
    fn lies_over(&self, catalog: &mut Catalog) -> bool {
        if catalog.relations[self.index].over_tagged || !self.reads(catalog, &Relation::touches) {
            return false;
        }
        catalog.relations[self.index].over_tagged = true;
        true
    }

    /// Whether the view reads a relation of this sort; true if that cannot be told.
    #[cfg(feature = "sql")]
    fn reads(&self, catalog: &Catalog, sort: &dyn Fn(&Relation) -> bool) -> bool {
        self.definition
            .as_ref()
            .is_none_or(|definition| definition.names(&|schema, name| catalog.named(schema, name).any(sort)))
    }

    #[cfg(not(feature = "sql"))]
    fn reads(&self, _catalog: &Catalog, _sort: &dyn Fn(&Relation) -> bool) -> bool {
        true
    }

    /// Returns the tags of each output column; `None` if the view cannot be followed.
    #[cfg(feature = "sql")]
    fn columns(&self, catalog: &Catalog) -> Option<Vec<Vec<Tag>>> {
        self.definition.as_ref()?.output_tags(catalog)
    }

    #[cfg(not(feature = "sql"))]
    fn columns(&self, _catalog: &Catalog) -> Option<Vec<Vec<Tag>>> {
        None
    }
}
