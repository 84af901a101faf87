//! How many rows a statement would touch, as the upstream's planner expects.
//!
//! The statement is planned and not run: EXPLAIN without ANALYZE, over the client's own text
//! and its own bound values.

use model::Facts;
use serde_json::Value;

use super::frame::{self, Body};

/// What comes before the client's text.
pub const EXPLAIN: &str = "EXPLAIN (FORMAT JSON) ";

/// The longest statement, and the most bound values, that are planned for an estimate, in bytes:
/// they are sent a second time, for a number that is nice to have.
pub const PLANNED_BYTES_MAX: usize = 1 << 20;

/// The commands that EXPLAIN plans and that touch rows one can count.
const COUNTED: &[&str] = &["select", "insert", "update", "delete", "merge"];

/// Returns whether an operation is exactly one statement whose rows can be counted.
#[must_use]
pub fn is_countable(facts: &Facts) -> bool {
    matches!(&facts.statements[..], [only] if !only.utility && COUNTED.contains(&only.verb.as_str()))
}

/// Returns the messages that ask for the plan of `sql`, up to a Sync. `declared_types` are OIDs
/// of four bytes each; `bound` is what follows the two names in the client's Bind message, `None`
/// for a simple query. `None` where they are too long, or no such parts of messages.
#[must_use]
pub fn question(sql: &str, declared_types: &[u8], bound: Option<&[u8]>) -> Option<Vec<u8>> {
    let bound = match bound {
        Some(bound) => without_result_formats(bound)?,
        // No formats, no values.
        None => &[0; 4],
    };
    if sql.len() > PLANNED_BYTES_MAX || bound.len() > PLANNED_BYTES_MAX || sql.contains('\0') {
        return None;
    }
    let types = u16::try_from(declared_types.len() / 4).ok()?;
    let mut out = Vec::with_capacity(sql.len() + bound.len() + 128);
    frame::put(&mut out, b'P', |body| {
        body.push(0);
        body.extend_from_slice(EXPLAIN.as_bytes());
        frame::put_string(body, sql.as_bytes());
        body.extend_from_slice(&types.to_be_bytes());
        body.extend_from_slice(declared_types);
    });
    frame::put(&mut out, b'B', |body| {
        body.extend_from_slice(&[0; 2]);
        body.extend_from_slice(bound);
        // The plan is text.
        body.extend_from_slice(&[0; 2]);
    });
    frame::put(&mut out, b'E', |body| body.extend_from_slice(&[0; 5]));
    frame::put(&mut out, b'S', |_| {});
    Some(out)
}

/// Cuts the formats of the result off: they are for the statement's rows, not for its plan.
fn without_result_formats(bound: &[u8]) -> Option<&[u8]> {
    let mut body = Body::within_bind(bound);
    for _ in 0..body.u16().ok()? {
        body.u16().ok()?;
    }
    for _ in 0..body.u16().ok()? {
        body.value().ok()?;
    }
    bound.get(..bound.len() - body.remaining().len())
}

/// Reads the rows out of a plan: those that come out of its top, or that go into the change it
/// makes. `None` for anything that is no plan.
#[must_use]
pub fn rows(plan: &str) -> Option<u64> {
    let plan: Value = serde_json::from_str(plan).ok()?;
    let top = plan.get(0)?.get("Plan")?;
    if top.get("Node Type")?.as_str()? != "ModifyTable" {
        return count(top);
    }
    let fed = top.get("Plans")?.as_array()?.iter().filter(|node| {
        let relationship = node.get("Parent Relationship").and_then(Value::as_str);
        // The others yield values, not rows to change. Old servers have one member a partition.
        matches!(relationship, Some("Outer" | "Member"))
    });
    fed.map(count)
        .try_fold(0_u64, |sum, rows| Some(sum.saturating_add(rows?)))
}

fn count(node: &Value) -> Option<u64> {
    let rows = node.get("Plan Rows")?.as_f64()?;
    // The planner's own number may be beyond any integer; the conversion stops at the largest.
    (rows >= 0.0).then_some(rows as u64)
}

#[cfg(test)]
mod tests;
