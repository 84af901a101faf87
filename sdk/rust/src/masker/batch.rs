//! The loop over a column. It allocates per column, never per cell.

use super::bytes::Writer;
use super::cell::Cell;
use super::{Change, Column, Patch};
use crate::Error;

/// The cells of one column of a batch, as the host sent them.
#[derive(Debug)]
pub struct Cells<'a> {
    column: &'a Column,
    mode: u32,
}

impl<'a> Cells<'a> {
    /// Takes a column after a look at its ends, so that later cuts hold.
    ///
    /// # Errors
    /// A column whose ends fall or do not end with its data, or with too few bits for NULLs.
    pub fn new(column: &'a Column, mode: u32) -> Result<Self, Error> {
        // Without an early end: a few vector instructions for four cells.
        let after = column.ends.get(1..).unwrap_or_default();
        let ascending = std::iter::zip(&column.ends, after).fold(true, |all, (a, b)| all & (a <= b));
        let complete = column.ends.last().map_or(0, |end| *end as usize) == column.data.len();
        let nulls = column.nulls.is_empty() || column.nulls.len() >= column.ends.len().div_ceil(8);
        if ascending && complete && nulls {
            Ok(Self { column, mode })
        } else {
            Err(Error::invalid_input("the host sent a malformed column"))
        }
    }

    /// Returns the number given with [`super::Action::CallAs`] for this field.
    #[must_use]
    pub const fn mode(&self) -> u32 {
        self.mode
    }

    /// Returns how many cells there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.column.ends.len()
    }

    /// Returns whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.column.ends.is_empty()
    }

    /// Returns the bytes of all cells, back to back.
    #[must_use]
    pub fn bytes(&self) -> &'a [u8] {
        &self.column.data
    }

    /// Returns the exclusive end of each cell in [`Cells::bytes`].
    #[must_use]
    pub fn ends(&self) -> &'a [u32] {
        &self.column.ends
    }

    /// Returns whether any cell may be NULL.
    fn has_nulls(&self) -> bool {
        !self.column.nulls.is_empty()
    }

    /// Returns whether a cell is NULL.
    #[must_use]
    pub fn is_null(&self, index: usize) -> bool {
        self.column
            .nulls
            .get(index / 8)
            .is_some_and(|byte| byte & (1 << (index % 8)) != 0)
    }
}

/// What becomes of one column of a batch.
#[derive(Debug, Default)]
pub struct Changes {
    /// The rows of the cells that change, once one before them does not.
    rows: Vec<u32>,
    /// The new cells. Data and ends are written by place and are longer than what of them is used,
    /// until the end.
    values: Column,
    /// How many cells change.
    count: usize,
    whole: Option<Change>,
}

#[expect(clippy::derivable_impls, reason = "the type is generated")]
impl Default for Column {
    fn default() -> Self {
        Self {
            data: Vec::new(),
            ends: Vec::new(),
            nulls: Vec::new(),
        }
    }
}

impl Changes {
    /// Makes every cell NULL.
    pub fn all_null(&mut self) {
        self.whole = Some(Change::AllNull);
    }

    /// Gives every row the same bytes, NULL rows included.
    pub fn all(&mut self, bytes: &[u8]) {
        self.whole = Some(Change::All(bytes.to_vec()));
    }

    /// Hands each cell that is not NULL to `mask`. Once a column: what an earlier call changed is
    /// forgotten.
    #[inline]
    pub fn each(&mut self, cells: &Cells<'_>, mut mask: impl FnMut(&[u8], &mut Cell<'_>)) {
        *self = Self::with_room(cells.len());
        // In locals of their own: the compiler can't know that nothing written changes them.
        let ends = self.values.ends.as_mut_slice();
        let (mut rest, expected, has_nulls) = (cells.bytes(), cells.bytes().len(), cells.has_nulls());
        let (mut start, mut written, mut count) = (0, 0, 0);
        for (row, &end) in cells.ends().iter().enumerate() {
            let (cell, behind) = rest.split_at((end - start) as usize);
            (rest, start) = (behind, end);
            if has_nulls && cells.is_null(row) {
                continue;
            }
            let mut out = Cell::new(Writer::new(&mut self.values.data, written, expected));
            mask(cell, &mut out);
            if out.is_null() {
                set(&mut self.values.nulls, count);
            } else if let Some(end) = out.end() {
                written = end;
            } else {
                continue;
            }
            if row != count {
                note(&mut self.rows, count, row);
            }
            ends[count] = number(written);
            count += 1;
        }
        self.count = count;
    }

    /// Nothing yet, and room for as many cells.
    fn with_room(cells: usize) -> Self {
        let values = Column {
            ends: vec![0; cells],
            ..Column::default()
        };
        Self {
            values,
            ..Self::default()
        }
    }

    /// Returns the change in the contract's form, the shortest that says it.
    pub(super) fn into_change(mut self, rows: usize) -> Change {
        if let Some(whole) = self.whole {
            return whole;
        }
        if self.count == 0 {
            return Change::None;
        }
        self.values.ends.truncate(self.count);
        let written = self.values.ends.last().map_or(0, |end| *end as usize);
        self.values.data.truncate(written);
        if !self.values.nulls.is_empty() {
            self.values.nulls.resize(self.count.div_ceil(8), 0);
        }
        if self.count == rows {
            Change::Dense(self.values)
        } else {
            if self.rows.is_empty() {
                self.rows = (0..number(self.count)).collect();
            }
            Change::Sparse(Patch {
                rows: self.rows,
                values: self.values,
            })
        }
    }
}

/// Notes the row of a cell that changes after one that does not; so far, `count` rows changed.
#[inline]
fn note(rows: &mut Vec<u32>, count: usize, row: usize) {
    if rows.is_empty() {
        rows.extend(0..number(count));
    }
    rows.push(number(row));
}

/// A batch has at most 8,192 rows, and 16 MiB of cells that may grow fourfold.
fn number(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

#[cold]
fn set(bits: &mut Vec<u8>, index: usize) {
    bits.resize(index / 8 + 1, 0);
    bits[index / 8] |= 1 << (index % 8);
}
