//! The cells that a guest masks: what it gets to see, and what of its answer may be sent.

use model::PluginName;
use model::mask::{Change, MaskFault};
use serde::de::IgnoredAny;

use super::fields::{FieldDescription, Format};
use super::types::{Kind, Scalar};
use super::{GROWTH_BYTES_MAX, ROW_BYTES_MAX};
use crate::mask::answer::{self, Verdict};

/// The version byte before a `jsonb` document in binary.
const JSONB_VERSION: u8 = 1;

/// A column that a guest masks.
pub(super) struct Call {
    codec: Codec,
    /// Who answers for the column.
    plugin: PluginName,
}

/// Which cells a guest may see and which of its values a cell may carry.
///
/// A cell that can't be shown as what the column claims to hold becomes NULL unseen: the guest
/// might have found something in it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Codec {
    /// A JSON text; the new value must be one too, nested at most 127 deep.
    Json,
    /// The same behind a version byte.
    JsonbBinary,
    /// Raw bytes, or the text of a type without a codec: a changed cell becomes NULL.
    Opaque { format: Format },
    /// The text form of a typed value: a changed cell must have that form, or becomes NULL.
    Typed(Scalar),
    /// A text; the new value must be UTF-8 without NUL. The well-formedness of `xml` and the
    /// length of `varchar(n)` are not looked at: no client's decoding hangs on them.
    Utf8,
}

impl Call {
    pub(super) fn new(field: &FieldDescription, plugin: PluginName) -> Self {
        let codec = match (Kind::of(field.type_oid), field.format) {
            (Kind::Blank | Kind::Text | Kind::Xml, _) => Codec::Utf8,
            (Kind::Json, _) | (Kind::Jsonb, Format::Text) => Codec::Json,
            (Kind::Jsonb, Format::Binary) => Codec::JsonbBinary,
            (Kind::Scalar(scalar), Format::Text) => Codec::Typed(scalar),
            (Kind::Other, format) | (Kind::Scalar(_), format @ Format::Binary) => Codec::Opaque { format },
        };
        Self { codec, plugin }
    }

    /// Returns what the guest sees of a cell; `None` where it can't be shown.
    pub(super) fn view<'a>(&self, cell: &'a [u8]) -> Option<&'a [u8]> {
        let text = match self.codec {
            Codec::Opaque {
                format: Format::Binary,
            } => return Some(cell),
            Codec::JsonbBinary => cell.strip_prefix(&[JSONB_VERSION])?,
            Codec::Json | Codec::Opaque { format: Format::Text } | Codec::Typed(_) | Codec::Utf8 => cell,
        };
        std::str::from_utf8(text).is_ok().then_some(text)
    }

    /// Appends a changed value; false where the cell must become NULL, with nothing appended.
    pub(super) fn write(&self, value: &[u8], out: &mut Vec<u8>) -> bool {
        let holds = match self.codec {
            Codec::Json | Codec::JsonbBinary => serde_json::from_slice::<IgnoredAny>(value).is_ok(),
            Codec::Opaque { .. } => false,
            Codec::Typed(scalar) => scalar.accepts(value),
            Codec::Utf8 => !value.contains(&0) && std::str::from_utf8(value).is_ok(),
        };
        if holds {
            if self.codec == Codec::JsonbBinary {
                out.push(JSONB_VERSION);
            }
            out.extend_from_slice(value);
        }
        holds
    }
}

/// A guest's answer for one batch, checked, and read row by row.
pub(super) struct Answer<'a> {
    changes: &'a [Change],
    /// Per change: the next entry of a sparse one.
    next: &'a mut Vec<usize>,
}

impl<'a> Answer<'a> {
    /// Checks an answer for a batch of `rows` rows. The plugin host has checked it too; rows
    /// hang on it, so nothing is taken on trust here.
    pub(super) fn check(
        calls: &[Call],
        rows: usize,
        changes: &'a [Change],
        next: &'a mut Vec<usize>,
    ) -> Result<Self, MaskFault> {
        if changes.len() != calls.len() {
            return Err(fault(calls, 0, "column count"));
        }
        for (index, change) in changes.iter().enumerate() {
            answer::check(change, rows, VALUES_BYTES_MAX).map_err(|reason| fault(calls, index, reason))?;
        }
        next.clear();
        next.resize(changes.len(), 0);
        Ok(Self { changes, next })
    }

    /// Returns the verdict on the cell of column `column` in row `row`. Rows are asked for in
    /// ascending order.
    pub(super) fn verdict(&mut self, column: usize, row: usize) -> Verdict<'a> {
        answer::verdict(&self.changes[column], row, &mut self.next[column])
    }
}

/// Names the plugin behind a column in a fault.
pub(super) fn fault(calls: &[Call], column: usize, reason: &str) -> MaskFault {
    let plugin = calls
        .get(column)
        .map_or_else(|| PluginName::new("none"), |call| call.plugin.clone());
    MaskFault {
        plugin,
        reason: reason.to_owned(),
    }
}

/// The most bytes of values in one column of an answer: a whole row and what it may grow by.
const VALUES_BYTES_MAX: usize = ROW_BYTES_MAX + GROWTH_BYTES_MAX;

#[cfg(test)]
mod tests;
