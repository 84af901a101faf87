//! Self-test vectors: what a plugin gives for what, written down by its author and frozen into
//! the component. A gateway runs them at each load, and anyone can hold another plugin to them.
//!
//! A file of vectors is a JSON array:
//!
//! ```json
//! [
//!   {"name": "the end stays", "config": {"tag": "pii.account", "keep": 4},
//!    "mask": {"field": {"name": "iban", "tags": ["pii.account"]}, "plan": "call",
//!             "cells": ["DE89370400440532013000", null], "gives": ["******************3000", null]}},
//!   {"config": {"keep": -1}, "refuses": ["/keep"]},
//!   {"config": {}, "classify": {"statement": "DELETE FROM t", "facts": {"statements": []},
//!                               "score": 80, "labels": [], "findings": ["sql.delete-without-where"]}}
//! ]
//! ```

use model::mask::{Action, CellFormat, Column, DatePart, NativeMask};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::config::Kind;

/// Vectors of one component: enough for every rule of a plugin, few enough that a reload is done
/// in a moment.
pub const VECTORS_MAX: usize = 64;

/// Cells of one vector.
const CELLS_MAX: usize = 1_000;

/// One case: a configuration, and what the plugin makes of something under it. Has exactly one of
/// `refuses`, `mask` and `classify`.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Vector {
    /// What it shows, in a few words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The configuration; `{}` if left out.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub config: Value,
    /// The configuration is refused, with issues at least at these pointers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refuses: Option<Vec<String>>,
    /// A masker plans a field and masks its cells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mask: Option<MaskVector>,
    /// A classifier judges an operation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classify: Option<ClassifyVector>,
}

/// One field of a result, and what becomes of it.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct MaskVector {
    /// The field.
    pub field: FieldVector,
    /// The action it is planned for: `call` if left out, else `keep`, `suppress`, `deny` or a mask
    /// of the host's as `NAME ARGUMENT`, e.g. `keep-last 4`.
    #[serde(default = "call")]
    pub plan: String,
    /// The cells, as text. Only for `call`: what the host does itself is not the plugin's.
    #[serde(default)]
    pub cells: Vec<Option<String>>,
    /// What becomes of them.
    #[serde(default)]
    pub gives: Vec<Option<String>>,
}

/// A field as a masker sees it.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct FieldVector {
    /// Its name.
    pub name: String,
    /// Its tags.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Where it comes from.
    #[serde(default)]
    pub origin: String,
    /// Its type; `text` if left out.
    #[serde(default = "text", rename = "type")]
    pub native_type: String,
    /// Whether its cells are JSON documents.
    #[serde(default)]
    pub json: bool,
}

/// An operation, and what is thought of it.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ClassifyVector {
    /// The statement, request line or command.
    pub statement: String,
    /// The resource's kind: `postgres` if left out, `http` or `ssh`.
    #[serde(default = "postgres")]
    pub protocol: String,
    /// What the host's parser found.
    #[serde(default)]
    pub facts: Value,
    /// The score.
    pub score: u8,
    /// All labels, in any order.
    #[serde(default)]
    pub labels: Vec<String>,
    /// The ids of all findings, in any order.
    #[serde(default)]
    pub findings: Vec<String>,
}

fn call() -> String {
    "call".to_owned()
}

fn text() -> String {
    "text".to_owned()
}

fn postgres() -> String {
    "postgres".to_owned()
}

impl Vector {
    /// Reads a file of vectors for a plugin of this kind.
    ///
    /// # Errors
    /// What is wrong with it, naming the vector.
    pub fn parse(json: &[u8], kind: Kind) -> Result<Vec<Self>, String> {
        let vectors: Vec<Self> = serde_json::from_slice(json).map_err(|error| error.to_string())?;
        check(&vectors, kind)?;
        Ok(vectors)
    }

    /// Names the vector in a message, counting from 1.
    pub(crate) fn label(&self, at: usize) -> String {
        if self.name.is_empty() {
            format!("vector {}", at + 1)
        } else {
            let name = crate::text::one_line(&self.name, 100);
            format!("vector {} ({name})", at + 1)
        }
    }
}

/// Holds vectors against what a plugin of this kind can have.
pub(crate) fn check(vectors: &[Vector], kind: Kind) -> Result<(), String> {
    if vectors.len() > VECTORS_MAX {
        return Err(format!("at most {VECTORS_MAX} vectors"));
    }
    for (at, vector) in vectors.iter().enumerate() {
        let wrong = match (&vector.refuses, &vector.mask, &vector.classify) {
            (Some(_), None, None) => None,
            (None, Some(_), None) if kind != Kind::Masker => Some("only a masker has `mask`"),
            (None, Some(mask), None) => mask.wrong(),
            (None, None, Some(_)) if kind != Kind::Classifier => Some("only a classifier has `classify`"),
            (None, None, Some(classify)) => classify.protocol().err(),
            _ => Some("exactly one of `refuses`, `mask` and `classify` is expected"),
        };
        if let Some(wrong) = wrong {
            return Err(format!("{}: {wrong}", vector.label(at)));
        }
        if !(vector.config.is_null() || vector.config.is_object()) {
            return Err(format!("{}: `config` is an object", vector.label(at)));
        }
    }
    Ok(())
}

impl MaskVector {
    fn wrong(&self) -> Option<&'static str> {
        if self.cells.len() != self.gives.len() {
            Some("`gives` has as many cells as `cells`")
        } else if self.cells.len() > CELLS_MAX {
            Some("at most 1,000 cells")
        } else if self.plan != "call" && !self.cells.is_empty() {
            Some("cells only where the plan is `call`: the rest never enters the plugin")
        } else {
            None
        }
    }
}

impl ClassifyVector {
    /// Returns the protocol as sessions name it.
    pub(crate) fn protocol(&self) -> Result<&'static str, &'static str> {
        ["postgres", "http", "ssh"]
            .into_iter()
            .find(|known| *known == self.protocol)
            .ok_or("`protocol` is postgres, http or ssh")
    }
}

impl FieldVector {
    pub(crate) fn format(&self) -> CellFormat {
        if self.json {
            CellFormat::Json
        } else {
            CellFormat::Utf8
        }
    }
}

/// Returns an action as vectors write it.
#[must_use]
pub fn action_text(action: &Action) -> String {
    match action {
        Action::Keep => "keep".to_owned(),
        Action::Call => "call".to_owned(),
        Action::Suppress => "suppress".to_owned(),
        Action::Deny(_) => "deny".to_owned(),
        Action::Native(mask) => match mask {
            NativeMask::Constant(text) => format!("constant {text}"),
            NativeMask::GeneraliseDate(DatePart::Month) => "generalise-date month".to_owned(),
            NativeMask::GeneraliseDate(DatePart::Year) => "generalise-date year".to_owned(),
            NativeMask::GeneraliseNumber(step) => format!("generalise-number {step}"),
            NativeMask::KeepFirst(n) => format!("keep-first {n}"),
            NativeMask::KeepLast(n) => format!("keep-last {n}"),
            NativeMask::Null => "null".to_owned(),
            NativeMask::Pseudonym { domain } => format!("pseudonym {domain}"),
        },
    }
}

/// Makes a column of text cells.
pub(crate) fn column(cells: &[Option<String>]) -> Column {
    let mut column = Column::default();
    for cell in cells {
        column.push(cell.as_deref().map(str::as_bytes));
    }
    column
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(json: &str, kind: Kind) -> String {
        Vector::parse(json.as_bytes(), kind).expect_err(json)
    }

    #[test]
    fn vectors_say_what_is_wrong_with_them() {
        assert!(refused("[{}]", Kind::Masker).starts_with("vector 1: exactly one of"));
        assert!(refused(r#"[{"refuse": []}]"#, Kind::Masker).contains("unknown field"));
        let mask = r#"[{"refuses": []}, {"name": "x", "mask": {"field": {"name": "a"}, "cells": ["b"]}}]"#;
        assert_eq!(
            refused(mask, Kind::Masker),
            "vector 2 (x): `gives` has as many cells as `cells`"
        );
        assert!(refused(mask, Kind::Classifier).ends_with("only a masker has `mask`"));
        let many = format!("[{}]", vec![r#"{"refuses": []}"#; VECTORS_MAX + 1].join(","));
        assert_eq!(refused(&many, Kind::Exporter), "at most 64 vectors");
    }
}
