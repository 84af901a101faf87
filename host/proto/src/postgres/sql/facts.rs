//! Walks one statement once and writes down what classifiers and policy want to know.
//!
//! Visits every node, so this is also where an unknown node is found, and where every function,
//! operator and cast is held against the list of reviewed ones.

use model::{Access, Fault, FunctionUse, OperationKind, Refusal, RelationUse, Rule, StatementFacts};
use pg_query::NodeRef;
use pg_query::protobuf::{FuncCall, SelectStmt, a_const};

use super::{address, attribute, functions, kind, opaque, settings, tree, utility};
use crate::postgres::catalog::Catalog;

/// What a walk over one statement found.
#[derive(Debug)]
pub(super) struct Walk {
    pub(super) facts: StatementFacts,
    /// For PREPARE: the facts of the statement that EXECUTE will run.
    pub(super) inside: Option<StatementFacts>,
    /// The first opaque function, operator or cast, while there are tags.
    pub(super) refusal: Option<Refusal>,
    /// Whether a relation is named that lineage must look at.
    pub(super) guarded: bool,
    /// Whether a function may change settings: one that does, or code nobody has reviewed.
    pub(super) sets: bool,
    /// Relations the catalog does not know.
    pub(super) unknown: Vec<String>,
    pub(super) marks: Vec<(&'static str, i32)>,
}

/// Walks a statement.
///
/// # Errors
///
/// A refusal if the statement holds a node that the walker does not know.
pub(super) fn walk<'n>(node: NodeRef<'n>, catalog: &'n Catalog) -> Result<Walk, Refusal> {
    let mut walker = Walker {
        catalog,
        ctes: Vec::new(),
        own: attribute::Own::default(),
        kind: OperationKind::Empty,
        redirects: false,
        room: true,
        walk: Walk {
            facts: empty(),
            inside: None,
            refusal: None,
            guarded: false,
            sets: false,
            unknown: Vec::new(),
            marks: Vec::new(),
        },
    };
    collect_ctes(node, &mut walker.ctes)?;
    let access = if kind::defines(node) {
        Access::Define
    } else {
        Access::Read
    };
    walker.visit(
        node,
        Place {
            access,
            predicate: false,
        },
    )?;
    walker.row_functions();
    let Walker {
        mut walk,
        kind: found,
        ..
    } = walker;
    outermost(node, &mut walk.facts);
    let facts = &mut walk.facts;
    facts.verb = kind::verb(node);
    facts.nested.sort_unstable();
    facts.nested.dedup();
    facts.nested.retain(|nested| *nested != facts.verb);
    facts.utility = !matches!(
        node,
        NodeRef::SelectStmt(_)
            | NodeRef::InsertStmt(_)
            | NodeRef::UpdateStmt(_)
            | NodeRef::DeleteStmt(_)
            | NodeRef::MergeStmt(_)
    );
    facts.kind = found.max(kind::own(node));
    match node {
        NodeRef::ExplainStmt(explain) if !kind::runs(explain) => facts.kind = OperationKind::Read,
        NodeRef::PrepareStmt(prepare) => {
            let inner = prepare.query.as_ref().and_then(|query| query.node.as_ref());
            let verb = inner.map(|inner| kind::verb(inner.to_ref())).unwrap_or_default();
            let kind = inner.map_or(found, |inner| found.max(kind::own(inner.to_ref())));
            let inside = StatementFacts {
                verb,
                kind,
                writes: kind >= OperationKind::Write,
                ..facts.clone()
            };
            walk.inside = Some(inside);
            facts.kind = OperationKind::Session;
        }
        _ => {}
    }
    facts.writes = facts.kind >= OperationKind::Write;
    Ok(walk)
}

fn empty() -> StatementFacts {
    StatementFacts {
        verb: String::new(),
        nested: Vec::new(),
        kind: OperationKind::Empty,
        writes: false,
        utility: false,
        relations: Vec::new(),
        columns: Vec::new(),
        functions: Vec::new(),
        predicates: Vec::new(),
        has_where: false,
        limit: None,
    }
}

/// Reads what only the outermost query tells.
fn outermost(node: NodeRef<'_>, facts: &mut StatementFacts) {
    match node {
        NodeRef::SelectStmt(select) => {
            facts.has_where = select.where_clause.is_some();
            facts.limit = constant_limit(select);
        }
        NodeRef::UpdateStmt(update) => facts.has_where = update.where_clause.is_some(),
        NodeRef::DeleteStmt(delete) => facts.has_where = delete.where_clause.is_some(),
        _ => {
            if let Some(inner) = kind::inner(node) {
                outermost(inner, facts);
            }
        }
    }
}

fn constant_limit(select: &SelectStmt) -> Option<u64> {
    let Some(NodeRef::AConst(limit)) = select.limit_count.as_ref()?.node.as_ref().map(|n| n.to_ref()) else {
        return None;
    };
    match limit.val.as_ref()? {
        a_const::Val::Ival(limit) => u64::try_from(limit.ival).ok(),
        a_const::Val::Fval(limit) => limit.fval.parse().ok(),
        _ => None,
    }
}

/// Where a node sits, as far as the facts care.
#[derive(Clone, Copy)]
struct Place {
    access: Access,
    predicate: bool,
}

struct Walker<'n> {
    catalog: &'n Catalog,
    ctes: Vec<String>,
    own: attribute::Own<'n>,
    kind: OperationKind,
    /// Whether the walk is inside something that lets others write to what it names.
    redirects: bool,
    /// Whether every name found so far had room in its list.
    room: bool,
    walk: Walk,
}

impl<'n> Walker<'n> {
    fn visit(&mut self, node: NodeRef<'n>, place: Place) -> Result<(), Refusal> {
        let name = tree::name(node).ok_or_else(unknown)?;
        self.walk.marks.push((name, location(node)));
        self.redirects |= settings::redirects(node);
        let mut place = place;
        if let Some(verb) = kind::command(node) {
            self.room &= push(&mut self.walk.facts.nested, verb);
        }
        match node {
            NodeRef::SelectStmt(_) => {
                place = Place {
                    access: Access::Read,
                    predicate: false,
                };
                self.raise(OperationKind::Read);
            }
            NodeRef::InsertStmt(_)
            | NodeRef::UpdateStmt(_)
            | NodeRef::DeleteStmt(_)
            | NodeRef::MergeStmt(_) => {
                place = Place {
                    access: Access::Read,
                    predicate: false,
                };
                self.raise(OperationKind::Write);
            }
            NodeRef::IntoClause(_) => {
                place.access = Access::Define;
                self.raise(OperationKind::Schema);
            }
            NodeRef::RangeVar(relation) => {
                self.relation(&relation.schemaname, &relation.relname, place.access)
            }
            NodeRef::DropStmt(drop) => {
                for (schema, name) in utility::dropped_relations(drop) {
                    self.relation(schema, name, Access::Define);
                }
            }
            NodeRef::ColumnRef(column) => self.column(column_name(column), place),
            NodeRef::FuncCall(call) => self.call(call),
            NodeRef::ResTarget(target) if place.access == Access::Write && !target.name.is_empty() => {
                self.room &= push(&mut self.walk.facts.columns, target.name.clone());
            }
            _ => {}
        }
        self.own.visit(node);
        for name in attribute::names(node) {
            if attribute::called(name, self.catalog) {
                self.function(None, name);
            }
        }
        if !self.room {
            return Err(crowded());
        }
        let unseen = opaque::check(node, self.catalog);
        self.walk.sets |= unseen.is_some() && !opaque::of_extensions(node, self.catalog);
        if self.catalog.has_tags() && self.walk.refusal.is_none() {
            self.walk.refusal = unseen;
        }
        if self.walk.refusal.is_none() {
            self.walk.refusal = address::check(node);
        }
        if let NodeRef::FuncCall(call) = node
            && matches!(functions::name(call), Some((_, "set_config")))
            && self.walk.refusal.is_none()
        {
            self.walk.refusal = settings::check_call(call, self.catalog.has_tags());
        }
        let mut result = Ok(());
        tree::children(node, &mut |field, child| {
            if result.is_ok() {
                result = self.visit(child, inside(node, field, place));
            }
        })
        .map_err(|_| unknown())?;
        result
    }

    fn raise(&mut self, kind: OperationKind) {
        self.kind = self.kind.max(kind);
    }

    /// `schema` is empty where the statement names none.
    fn relation(&mut self, schema: &str, name: &str, access: Access) {
        let schema = Some(schema.to_owned()).filter(|s| !s.is_empty());
        let mut tags = Vec::new();
        let mut known = false;
        for found in self.catalog.named(schema.as_deref(), name) {
            known = true;
            if access == Access::Write {
                // What a rule or somebody's own code does is not known.
                self.walk.sets |= found.has_rules || found.runs.is_some();
                if self.catalog.has_tags() && self.walk.refusal.is_none() {
                    self.walk.refusal = opaque::check_write(found);
                }
            }
            self.walk.guarded |= found.guarded();
            tags.extend(found.tags());
        }
        if access == Access::Write && self.walk.refusal.is_none() {
            self.walk.refusal = settings::check_write(name, self.catalog);
        }
        if self.redirects && self.walk.refusal.is_none() {
            self.walk.refusal = settings::check_definition(name, self.catalog);
        }
        // A name that is also a CTE's is listed only where a relation could be meant.
        if !known && schema.is_none() && self.ctes.iter().any(|cte| cte == name) {
            return;
        }
        if !known && access != Access::Define {
            self.room &= push(&mut self.walk.unknown, display(schema.as_deref(), name));
        }
        tags.sort_unstable();
        tags.dedup();
        let used = RelationUse {
            schema,
            name: name.to_owned(),
            access,
            tags,
        };
        self.room &= push(&mut self.walk.facts.relations, used);
    }

    fn column(&mut self, name: String, place: Place) {
        if place.predicate {
            self.room &= push(&mut self.walk.facts.predicates, name.clone());
        }
        self.room &= push(&mut self.walk.facts.columns, name);
    }

    fn call(&mut self, call: &FuncCall) {
        if let Some((schema, name)) = functions::name(call) {
            self.function(schema, name);
        }
    }

    /// Counts the server's functions of a row that are called without parentheses.
    fn row_functions(&mut self) {
        let own = std::mem::take(&mut self.own);
        let relations = &self.walk.facts.relations;
        let stored = |name: &str| {
            let mut found = relations
                .iter()
                .flat_map(|used| self.catalog.named(used.schema.as_deref(), &used.name));
            found.any(|relation| relation.columns.iter().any(|column| column.column == name))
        };
        for name in own.called(stored) {
            self.function(None, name);
        }
    }

    fn function(&mut self, schema: Option<&str>, name: &str) {
        self.raise(functions::kind(schema, name, self.catalog));
        self.walk.sets |= name == "set_config";
        let used = FunctionUse {
            schema: schema.map(str::to_owned),
            name: name.to_owned(),
        };
        self.room &= push(&mut self.walk.facts.functions, used);
    }
}

/// Tells the place of a child from its parent and field.
fn inside(parent: NodeRef<'_>, field: &str, place: Place) -> Place {
    let mut place = place;
    match parent {
        NodeRef::InsertStmt(_) | NodeRef::UpdateStmt(_) | NodeRef::DeleteStmt(_) | NodeRef::MergeStmt(_)
            if field == "relation" =>
        {
            place.access = Access::Write;
        }
        NodeRef::InsertStmt(_) if field == "cols" => place.access = Access::Write,
        NodeRef::UpdateStmt(_) | NodeRef::MergeWhenClause(_) | NodeRef::OnConflictClause(_)
            if field == "target_list" =>
        {
            place.access = Access::Write;
        }
        NodeRef::ResTarget(_) => {
            place.access = if place.access == Access::Write {
                Access::Read
            } else {
                place.access
            }
        }
        NodeRef::CopyStmt(copy) if field == "relation" => {
            place.access = if copy.is_from { Access::Write } else { Access::Read };
        }
        NodeRef::TruncateStmt(_) => place.access = Access::Write,
        _ => {}
    }
    if matches!(
        field,
        "where_clause" | "having_clause" | "quals" | "join_condition"
    ) {
        place.predicate = true;
    }
    if matches!(parent, NodeRef::MergeWhenClause(_)) && field == "condition" {
        place.predicate = true;
    }
    place
}

fn collect_ctes(node: NodeRef<'_>, ctes: &mut Vec<String>) -> Result<(), Refusal> {
    if let NodeRef::CommonTableExpr(cte) = node
        && !push(ctes, cte.ctename.clone())
    {
        return Err(crowded());
    }
    let mut result = Ok(());
    tree::children(node, &mut |_, child| {
        if result.is_ok() {
            result = collect_ctes(child, ctes);
        }
    })
    .map_err(|_| unknown())?;
    result
}

fn unknown() -> Refusal {
    Refusal::new(
        Rule::Unparsable,
        Fault::Client,
        "the statement uses syntax that the gateway does not know",
    )
    .hint("Write it with plain SELECT, INSERT, UPDATE or DELETE.")
}

/// Returns a column reference as it was written.
pub(super) fn column_name(column: &pg_query::protobuf::ColumnRef) -> String {
    let mut text = String::new();
    for field in &column.fields {
        if !text.is_empty() {
            text.push('.');
        }
        match field.node.as_ref().map(|n| n.to_ref()) {
            Some(NodeRef::String(name)) => text.push_str(&name.sval),
            _ => text.push('*'),
        }
    }
    text
}

pub(super) fn display(schema: Option<&str>, name: &str) -> String {
    schema.map_or_else(|| name.to_owned(), |schema| format!("{schema}.{name}"))
}

/// The most distinct names of one sort in one statement. PostgreSQL itself stops at 1664 output
/// columns; the bound keeps the search for duplicates cheap.
const NAMES_MAX: usize = 4_096;

/// Adds an item that is new; whether there was room.
fn push<T: PartialEq>(list: &mut Vec<T>, item: T) -> bool {
    if list.contains(&item) {
        return true;
    }
    if list.len() >= NAMES_MAX {
        return false;
    }
    list.push(item);
    true
}

fn crowded() -> Refusal {
    let message = format!("the statement names more than {NAMES_MAX} different things of one sort");
    Refusal::new(Rule::Unparsable, Fault::Client, message).hint("Split it into several statements.")
}

fn location(node: NodeRef<'_>) -> i32 {
    match node {
        NodeRef::AConst(n) => n.location,
        NodeRef::AExpr(n) => n.location,
        NodeRef::BoolExpr(n) => n.location,
        NodeRef::ColumnRef(n) => n.location,
        NodeRef::FuncCall(n) => n.location,
        NodeRef::ParamRef(n) => n.location,
        NodeRef::RangeVar(n) => n.location,
        NodeRef::ResTarget(n) => n.location,
        NodeRef::SubLink(n) => n.location,
        NodeRef::TypeCast(n) => n.location,
        NodeRef::TypeName(n) => n.location,
        NodeRef::DefElem(n) => n.location,
        _ => -1,
    }
}
