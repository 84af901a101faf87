//! The words of masking: what a result looks like, what a masker plans, what it changes.
//!
//! Shared by the protocols (which read and rewrite rows) and the plugin host (which asks the
//! guests), so that the two never need to know each other.

use serde::Serialize;

use crate::fault::Fault;
use crate::name::{PluginName, Tag};

/// The shape of one result: what a masker sees before any row.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq, Serialize)]
pub struct Shape {
    /// The fields in the order the rows carry them.
    pub fields: Vec<Field>,
}

/// One field of a result.
#[derive(Clone, Debug, Eq, Hash, PartialEq, Serialize)]
pub struct Field {
    /// The name the client sees. Chosen by the client: never a reason to mask or not to.
    pub name: String,
    /// Where the value comes from, e.g. `public.customers.ssn`; empty when computed.
    pub origin: String,
    /// The upstream's own type name, e.g. `text`, `int4`.
    pub native_type: String,
    /// How cells of this field are encoded.
    pub format: CellFormat,
    /// The tags that policy does not reveal to this principal. Empty: nothing to hide.
    pub tags: Vec<Tag>,
}

impl Field {
    /// Makes a field of texts that comes from nowhere in particular.
    #[must_use]
    pub fn text(name: impl Into<String>, tags: Vec<Tag>) -> Self {
        Self {
            name: name.into(),
            origin: String::new(),
            native_type: "text".to_owned(),
            format: CellFormat::Utf8,
            tags,
        }
    }
}

/// How the cells of a field are encoded.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CellFormat {
    /// UTF-8 text, in the upstream's text form.
    Utf8,
    /// The upstream's binary form.
    Bytes,
    /// A JSON document as UTF-8 text.
    Json,
}

/// A masker's decision for one shape: one action per field.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Plan {
    /// One action per field of the shape, in the same order.
    pub actions: Vec<Planned>,
}

/// What happens to one field, and which plugin wanted it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Planned {
    /// The plugin whose action stands; `None` for `keep` and the host's own suppression.
    pub plugin: Option<PluginName>,
    /// What happens to the field's cells.
    pub action: Action,
}

/// What happens to the cells of one field.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Action {
    /// The cells pass unchanged.
    Keep,
    /// The host masks them itself, without entering the guest.
    Native(NativeMask),
    /// The cells go to the guest in batches.
    Call,
    /// Every cell becomes NULL.
    Suppress,
    /// The whole result is refused, for this reason.
    Deny(String),
}

/// A mask that the host applies itself. Where the type has no such mask, the cell becomes NULL.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum NativeMask {
    /// A fixed text.
    Constant(String),
    /// Cuts a date or timestamp down to its year or month.
    GeneraliseDate(DatePart),
    /// Rounds a number down to a multiple of this step (at least 1).
    GeneraliseNumber(u64),
    /// Keeps the first n characters; every other letter or digit becomes `*`.
    KeepFirst(u32),
    /// Keeps the last n characters; every other letter or digit becomes `*`.
    KeepLast(u32),
    /// Every cell becomes NULL.
    Null,
    /// A keyed pseudonym, the same for the same value within one domain.
    Pseudonym {
        /// Separates pseudonyms of different data; usually the tag.
        domain: String,
    },
}

/// To what a date is cut down.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DatePart {
    /// The first day of the month.
    Month,
    /// The first day of the year.
    Year,
}

/// n cells of one field, back to back.
///
/// Invariants: `ends` is ascending, its last value is `data.len()`; `nulls` is empty or holds
/// at least one bit per cell, least significant bit first.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Column {
    /// The cells' bytes.
    pub data: Vec<u8>,
    /// The exclusive end of each cell in `data`.
    pub ends: Vec<u32>,
    /// A set bit says that the cell is NULL. Empty: no NULLs.
    pub nulls: Vec<u8>,
}

impl Column {
    /// Returns how many cells the column holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Returns whether the column holds no cells.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Empties the column and keeps its memory.
    pub fn clear(&mut self) {
        self.data.clear();
        self.ends.clear();
        self.nulls.clear();
    }

    /// Appends a cell; `None` is NULL.
    ///
    /// Callers keep a column below 4 GiB, so that `ends` fits 32 bits.
    pub fn push(&mut self, cell: Option<&[u8]>) {
        let index = self.ends.len();
        // Once there are bits at all, every cell needs one.
        if cell.is_none() || !self.nulls.is_empty() {
            self.nulls.resize(self.nulls.len().max(index / 8 + 1), 0);
        }
        match cell {
            Some(bytes) => self.data.extend_from_slice(bytes),
            None => self.nulls[index / 8] |= 1 << (index % 8),
        }
        self.ends.push(u32::try_from(self.data.len()).unwrap_or(u32::MAX));
    }

    /// Returns cell `index`; `None` for NULL and for an index out of range.
    #[must_use]
    pub fn cell(&self, index: usize) -> Option<&[u8]> {
        if self.is_null(index) {
            return None;
        }
        let end = *self.ends.get(index)? as usize;
        let start = index
            .checked_sub(1)
            .map_or(0, |before| self.ends[before] as usize);
        self.data.get(start..end)
    }

    /// Returns whether cell `index` is NULL.
    #[must_use]
    pub fn is_null(&self, index: usize) -> bool {
        self.nulls
            .get(index / 8)
            .is_some_and(|byte| byte & (1 << (index % 8)) != 0)
    }
}

/// What a masker did to one column of a batch. Checked by the plugin host before it gets here.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Change {
    /// Nothing.
    None,
    /// Every cell anew, one per row.
    Dense(Column),
    /// Some cells anew.
    Sparse {
        /// Row numbers within the batch, strictly ascending.
        rows: Vec<u32>,
        /// The new cells, one per entry of `rows`.
        values: Column,
    },
    /// The same bytes for every row.
    All(Vec<u8>),
    /// NULL for every row.
    AllNull,
}

impl Change {
    /// Returns what became of one cell of the column that was `before`. `None`: NULL.
    #[must_use]
    pub fn cell<'c>(&'c self, row: usize, before: &'c Column) -> Option<&'c [u8]> {
        match self {
            Self::None => before.cell(row),
            Self::Dense(column) => column.cell(row),
            Self::Sparse { rows, values } => u32::try_from(row)
                .ok()
                .and_then(|row| rows.binary_search(&row).ok())
                .map_or_else(|| before.cell(row), |at| values.cell(at)),
            Self::All(bytes) => Some(bytes),
            Self::AllNull => None,
        }
    }
}

/// The most rows of one batch. The plugin contract says so.
pub const BATCH_ROWS_MAX: u32 = 8_192;

/// The most bytes of cells in one batch of several rows, all columns together. The plugin
/// contract says so.
pub const BATCH_BYTES_MAX: usize = 1 << 20;

/// The most bytes of cells in one row, which then comes alone. The plugin contract says so.
pub const ROW_BYTES_MAX: usize = 16 << 20;

/// Masks batches of cells for one result. Made per plan by the plugin host; called by the
/// protocols for fields planned as [`Action::Call`] only.
pub trait CellMasker {
    /// Masks a batch of `rows` rows; `columns` holds the `call` fields in field order.
    ///
    /// Returns one change per column.
    ///
    /// # Errors
    /// Any fault of the guest. The caller then lets no cell of the batch out.
    fn mask(&mut self, rows: u32, columns: &[Column]) -> Result<Vec<Change>, MaskFault>;
}

/// Why a batch could not be masked.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("masker {plugin} failed: {reason}")]
pub struct MaskFault {
    /// The plugin that failed.
    pub plugin: PluginName,
    /// Short and without content, e.g. `deadline`, `trap`, `row count`.
    pub reason: String,
}

impl MaskFault {
    /// Returns who must act.
    #[must_use]
    pub const fn fault(&self) -> Fault {
        Fault::Plugin
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_gives_back_what_was_pushed() {
        let mut column = Column::default();
        let cells: [Option<&[u8]>; 10] = [
            Some(b"a"),
            None,
            Some(b""),
            Some(b"bc"),
            None,
            None,
            None,
            None,
            None,
            Some(b"d"),
        ];
        for cell in cells {
            column.push(cell);
        }
        for (index, cell) in cells.iter().enumerate() {
            assert_eq!(column.cell(index), *cell, "cell {index}");
        }
        assert_eq!(column.cell(10), None);
    }

    #[test]
    fn a_column_with_a_null_has_a_bit_for_every_cell() {
        let mut column = Column::default();
        column.push(Some(b"a"));
        assert!(column.nulls.is_empty());
        column.push(None);
        (0..30).for_each(|_| column.push(Some(b"a")));
        assert_eq!(column.nulls, [2, 0, 0, 0]);
    }
}
