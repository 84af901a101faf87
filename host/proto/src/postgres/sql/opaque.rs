//! Refuses code that the gateway cannot see into while columns are tagged: functions, operators
//! and casts whose bodies may read a tagged column without naming it.

use model::{Fault, Refusal, Rule};
use pg_query::protobuf::{FuncCall, TypeName};
use pg_query::{Node, NodeRef};

use super::facts::display;
use super::{attribute, functions};
use crate::postgres::catalog::{Catalog, Relation, Routine};

/// Checks one node by itself; its children are checked when they are visited.
pub(super) fn check(node: NodeRef<'_>, catalog: &Catalog) -> Option<Refusal> {
    match node {
        NodeRef::FuncCall(call) => function(call, catalog),
        NodeRef::ColumnRef(_) | NodeRef::AIndirection(_) => {
            attribute::names(node).find_map(|name| row_function(name, catalog))
        }
        NodeRef::AExpr(expression) => operator(&expression.name, catalog),
        NodeRef::SubLink(link) => operator(&link.oper_name, catalog),
        NodeRef::SortBy(sort) => operator(&sort.use_op, catalog),
        NodeRef::TypeCast(cast) => cast
            .type_name
            .as_ref()
            .and_then(|target| self::cast(target, catalog)),
        NodeRef::RangeTableSample(sample) => match functions::names(&sample.method) {
            Some((None | Some("pg_catalog"), "system" | "bernoulli")) => None,
            _ => Some(opaque(
                "a table sampling method that does not come with the server".to_owned(),
            )),
        },
        _ => None,
    }
}

/// Checks a relation that is written to: triggers, defaults and constraints run code.
pub(super) fn check_write(relation: &Relation) -> Option<Refusal> {
    let function = relation.runs.as_ref()?;
    Some(opaque(format!(
        "writing to {} runs function {function}, which",
        relation.name
    )))
}

/// Whether a node calls a function that only extensions or trusted code have.
pub(super) fn of_extensions(node: NodeRef<'_>, catalog: &Catalog) -> bool {
    let NodeRef::FuncCall(call) = node else {
        return false;
    };
    let routines = functions::name(call).map_or(&[][..], |(_, name)| catalog.routines(name));
    !routines.is_empty() && routines.iter().all(|routine| catalog.reviewed(&routine.owner))
}

fn function(call: &FuncCall, catalog: &Catalog) -> Option<Refusal> {
    let Some((schema, name)) = functions::name(call) else {
        return Some(opaque("a function without a name".to_owned()));
    };
    if catalog.trusts(schema, name) {
        return None;
    }
    let shown = || format!("function {}", display(schema, name));
    match schema {
        // The helpers of its own views, which drivers use as well.
        Some("information_schema") if name.starts_with("_pg_") => return None,
        Some("pg_catalog") | None => {}
        Some(_) => return Some(opaque(shown())),
    }
    let mut users = catalog
        .routines(name)
        .iter()
        .filter(|r| schema.is_none_or(|s| s == r.owner.schema));
    if users.any(|routine| !catalog.reviewed(&routine.owner)) {
        return Some(opaque(shown()));
    }
    if functions::reviewed(name) {
        return None;
    }
    match functions::exception(name) {
        Some(functions::Exception::Constants) => {
            let constants = call
                .args
                .iter()
                .all(|arg| functions::constant(functions::child(Some(arg))));
            (!constants).then(|| {
                let message = format!("while columns are masked, {} takes constants only", shown());
                Refusal::new(Rule::TaggedUse, Fault::Client, message).hint("Pass a constant or a parameter.")
            })
        }
        None => Some(opaque(shown())),
    }
}

/// Checks a name that may be a function called as if it were a column.
fn row_function(name: &str, catalog: &Catalog) -> Option<Refusal> {
    let unseen = |routine: &Routine| routine.takes_row && !catalog.reviewed(&routine.owner);
    let opaque_one = catalog.routines(name).iter().any(unseen) && !catalog.trusts(None, name);
    opaque_one.then(|| opaque(format!("function {name}, which a name after a row may call,")))
}

fn operator(name: &[Node], catalog: &Catalog) -> Option<Refusal> {
    let (schema, name) = functions::names(name)?;
    let shown = || format!("operator {}", display(schema, name));
    if schema.is_some_and(|schema| schema != "pg_catalog") {
        let known = catalog.operators(name);
        let reviewed = !known.is_empty() && known.iter().all(|operator| catalog.reviewed(&operator.owner));
        return (!reviewed).then(|| opaque(shown()));
    }
    if schema.is_some() {
        return None;
    }
    let foreign = catalog
        .operators(name)
        .iter()
        .any(|operator| !catalog.reviewed(&operator.owner));
    foreign.then(|| opaque(shown()))
}

fn cast(target: &TypeName, catalog: &Catalog) -> Option<Refusal> {
    let (_, name) = functions::names(&target.names)?;
    let foreign = catalog.casts(name).iter().any(|owner| !catalog.reviewed(owner));
    foreign.then(|| opaque(format!("the cast to {name}")))
}

fn opaque(what: String) -> Refusal {
    let message = format!("{what} is not reviewed and could read masked columns unseen");
    Refusal::new(Rule::TaggedUse, Fault::Client, message)
        .hint("Use functions that come with the server, or have the operator trust this one.")
}
