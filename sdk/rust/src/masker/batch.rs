//! The loop over a column. It allocates per column, never per cell, and nothing at all for a
//! column that stays as it is.

use super::cell::{Cell, Fate};
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
        let ascending = column.ends.is_sorted();
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
    rows: Vec<u32>,
    values: Column,
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

    /// Hands each cell that is not NULL to `mask`.
    #[inline]
    pub fn each(&mut self, cells: &Cells<'_>, mut mask: impl FnMut(&[u8], &mut Cell<'_>)) {
        let mut start = 0;
        for (row, &end) in cells.ends().iter().enumerate() {
            let end = end as usize;
            if !cells.is_null(row) {
                self.cell(cells, row, &cells.bytes()[start..end], &mut mask);
            }
            start = end;
        }
    }

    /// Hands one cell to `mask`. Rows must come in ascending order, each once at the most.
    #[inline]
    pub fn cell(
        &mut self,
        cells: &Cells<'_>,
        row: usize,
        cell: &[u8],
        mut mask: impl FnMut(&[u8], &mut Cell<'_>),
    ) {
        let start = self.values.data.len();
        let mut writer = Cell::new(&mut self.values.data);
        mask(cell, &mut writer);
        match writer.fate() {
            Fate::Kept => {}
            Fate::Written => self.changed(cells, row),
            Fate::Null => {
                self.values.data.truncate(start);
                let index = self.rows.len();
                self.values.nulls.resize(index / 8 + 1, 0);
                self.values.nulls[index / 8] |= 1 << (index % 8);
                self.changed(cells, row);
            }
        }
    }

    fn changed(&mut self, cells: &Cells<'_>, row: usize) {
        if self.rows.is_empty() {
            let left = cells.len() - row;
            self.rows.reserve_exact(left);
            self.values.ends.reserve_exact(left);
            self.values.data.reserve(cells.bytes().len());
        }
        // A batch has at most 8,192 rows, and 16 MiB of cells that may grow fourfold.
        self.rows.push(u32::try_from(row).unwrap_or(u32::MAX));
        self.values
            .ends
            .push(u32::try_from(self.values.data.len()).unwrap_or(u32::MAX));
    }

    /// Returns the change in the contract's form, the shortest that says it.
    pub(super) fn into_change(mut self, rows: usize) -> Change {
        if let Some(whole) = self.whole {
            return whole;
        }
        if self.rows.is_empty() {
            return Change::None;
        }
        if !self.values.nulls.is_empty() {
            self.values.nulls.resize(self.rows.len().div_ceil(8), 0);
        }
        if self.rows.len() == rows {
            Change::Dense(self.values)
        } else {
            Change::Sparse(Patch {
                rows: self.rows,
                values: self.values,
            })
        }
    }
}
