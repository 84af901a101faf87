//! What is on its way out: bytes, and among them cells that wait for their guest.

use std::fmt;
use std::sync::Arc;

use model::mask::{Change, Column, MaskFault};
use model::{Fault, PluginName};

use super::answer::{self, Verdict};
use super::{BATCH_BYTES_MAX, BATCH_CELLS_MAX, CELL_BYTES_MAX, FieldMask, Leaf, New, Work};

/// By how much a guest may make one batch longer: the plugin contract's four times, and 64 KiB.
const ANSWER_BYTES_MAX: usize = 4 * (CELL_BYTES_MAX + BATCH_BYTES_MAX) + (64 << 10);

/// The guests of the fields that are planned as calls.
pub trait FieldCells {
    /// Masks cells of one field, none of them NULL, all of them UTF-8.
    ///
    /// # Errors
    /// Any fault of the guest; none of the cells is then let out.
    fn mask(&mut self, field: usize, cells: &Column) -> Result<Change, MaskFault>;
}

/// Why cells can't be let out.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum CellError {
    /// A masker wants a result with such a cell refused.
    #[error("denied by a masker: {reason}")]
    Denied {
        /// The field's place in the plan, from 0.
        field: usize,
        /// Who denies it; `None` for the host.
        plugin: Option<PluginName>,
        /// Why, in the masker's words.
        reason: String,
    },
    /// The plugin failed, or its answer breaks the contract.
    #[error(transparent)]
    Masker(#[from] MaskFault),
}

impl CellError {
    /// Returns who must act.
    #[must_use]
    pub const fn fault(&self) -> Fault {
        match self {
            Self::Denied { .. } => Fault::Client,
            Self::Masker(fault) => fault.fault(),
        }
    }
}

/// How a cell is written where it stands.
pub(crate) trait Form: Copy {
    /// Appends what comes in the cell's place.
    fn write(self, new: New<'_>, out: &mut Vec<u8>);
}

/// A text as it is; NULL is an empty one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Plain;

impl Form for Plain {
    fn write(self, new: New<'_>, out: &mut Vec<u8>) {
        match new {
            New::Null => {}
            New::Number(text) | New::Text(text) => out.extend_from_slice(text),
        }
    }
}

/// Masks cells at the end of what is on its way out. Cells of guests pass as they are at first,
/// and are rewritten by [`Outlet::flush`]; nothing may leave before it.
pub(crate) struct Outlet<F> {
    masks: Arc<[FieldMask]>,
    /// Per field: the cells that wait.
    columns: Vec<Column>,
    /// Where they stand, ascending.
    waiting: Vec<Waiting<F>>,
    /// The bytes of all cells that wait.
    bytes: usize,
    /// How many cells came out otherwise than they came in.
    changed: u64,
    /// Kept for its memory.
    scratch: Vec<u8>,
}

/// A cell that waits for its guest.
struct Waiting<F> {
    start: usize,
    end: usize,
    field: usize,
    form: F,
}

impl<F: Form> Outlet<F> {
    pub(crate) fn new(masks: Arc<[FieldMask]>) -> Self {
        let columns = masks.iter().map(|_| Column::default()).collect();
        Self {
            masks,
            columns,
            waiting: Vec::new(),
            bytes: 0,
            changed: 0,
            scratch: Vec::new(),
        }
    }

    /// Returns how many cells came out otherwise than they came in.
    pub(crate) const fn changed(&self) -> u64 {
        self.changed
    }

    /// Masks a cell that has just been written, from `start` to the end of `out`.
    pub(crate) fn settle(
        &mut self,
        cell: Cell<'_, F>,
        start: usize,
        out: &mut Vec<u8>,
        cells: &mut dyn FieldCells,
    ) -> Result<(), CellError> {
        match self.masks[cell.field].work() {
            Work::Keep => Ok(()),
            Work::Call(_) => {
                self.columns[cell.field].push(Some(cell.text));
                self.bytes += cell.text.len();
                self.waiting.push(Waiting {
                    start,
                    end: out.len(),
                    field: cell.field,
                    form: cell.form,
                });
                if self.waiting.len() >= BATCH_CELLS_MAX || self.bytes >= BATCH_BYTES_MAX {
                    return self.flush(out, cells);
                }
                Ok(())
            }
            Work::Native(native) => {
                out.truncate(start);
                cell.form
                    .write(native.apply(cell.leaf, cell.text, &mut self.scratch), out);
                self.changed += 1;
                Ok(())
            }
            Work::Suppress => {
                out.truncate(start);
                self.suppress(cell.form, out);
                Ok(())
            }
            Work::Deny { .. } => Err(self.denial(cell.field)),
        }
    }

    /// Forgets the cells that wait, together with what they stand in.
    pub(crate) fn abandon(&mut self) {
        self.waiting.clear();
        self.columns.iter_mut().for_each(Column::clear);
        self.bytes = 0;
    }

    /// Writes that a cell is NULL, without having seen it.
    pub(crate) fn suppress(&mut self, form: F, out: &mut Vec<u8>) {
        form.write(New::Null, out);
        self.changed += 1;
    }

    /// Returns the error for a cell of a field that is denied.
    pub(crate) fn denial(&self, field: usize) -> CellError {
        let (plugin, reason) = match self.masks[field].work() {
            Work::Deny { plugin, reason } => (plugin.clone(), reason.clone()),
            _ => (None, String::new()),
        };
        CellError::Denied {
            field,
            plugin,
            reason,
        }
    }

    /// Has the guests mask all cells that wait, and rewrites them in `out`.
    pub(crate) fn flush(&mut self, out: &mut Vec<u8>, cells: &mut dyn FieldCells) -> Result<(), CellError> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let changes = self.ask(cells);
        let waiting = std::mem::take(&mut self.waiting);
        let outcome = changes.map(|changes| self.rewrite(&waiting, &changes, out));
        self.waiting = waiting;
        self.abandon();
        outcome
    }

    fn ask(&self, cells: &mut dyn FieldCells) -> Result<Vec<Change>, CellError> {
        let ask = |(field, column): (usize, &Column)| {
            if column.is_empty() {
                return Ok(Change::None);
            }
            let change = cells.mask(field, column)?;
            match self.check(field, &change) {
                Ok(()) => Ok(change),
                Err(reason) => Err(CellError::Masker(MaskFault {
                    plugin: self.plugin(field),
                    reason: reason.to_owned(),
                })),
            }
        };
        self.columns.iter().enumerate().map(ask).collect()
    }

    fn check(&self, field: usize, change: &Change) -> Result<(), &'static str> {
        answer::check(change, self.columns[field].len(), ANSWER_BYTES_MAX)?;
        let values = match change {
            Change::All(value) => return std::str::from_utf8(value).map(|_| ()).map_err(|_| "not UTF-8"),
            Change::AllNull | Change::None => return Ok(()),
            Change::Dense(values) | Change::Sparse { values, .. } => values,
        };
        let is_text = |row| {
            values
                .cell(row)
                .is_none_or(|cell| std::str::from_utf8(cell).is_ok())
        };
        // Of the whole first: nearly always it is ASCII.
        if values.data.is_ascii() || (0..values.len()).all(is_text) {
            Ok(())
        } else {
            Err("not UTF-8")
        }
    }

    fn plugin(&self, field: usize) -> PluginName {
        match self.masks[field].work() {
            Work::Call(plugin) => plugin.clone(),
            _ => PluginName::new("none"),
        }
    }

    fn rewrite(&mut self, waiting: &[Waiting<F>], changes: &[Change], out: &mut Vec<u8>) {
        if changes.iter().all(|change| *change == Change::None) {
            return;
        }
        let first = waiting[0].start;
        self.scratch.clear();
        self.scratch.extend_from_slice(&out[first..]);
        out.truncate(first);
        // Per field: the next row, and the next entry of a sparse change.
        let mut next = vec![(0, 0); changes.len()];
        let mut copied = first;
        for cell in waiting {
            let (row, entry) = &mut next[cell.field];
            let verdict = answer::verdict(&changes[cell.field], *row, entry);
            let new = match verdict.settle(false, self.columns[cell.field].cell(*row)) {
                Verdict::Keep => None,
                Verdict::Null => Some(New::Null),
                Verdict::Value(value) => Some(New::Text(value)),
            };
            *row += 1;
            if let Some(new) = new {
                out.extend_from_slice(&self.scratch[copied - first..cell.start - first]);
                cell.form.write(new, out);
                copied = cell.end;
                self.changed += 1;
            }
        }
        out.extend_from_slice(&self.scratch[copied - first..]);
    }
}

/// A cell as a mask sees it.
#[derive(Clone, Copy)]
pub(crate) struct Cell<'a, F> {
    pub(crate) field: usize,
    pub(crate) form: F,
    pub(crate) leaf: Leaf,
    /// UTF-8, decoded.
    pub(crate) text: &'a [u8],
}

impl<F> fmt::Debug for Outlet<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Never the cells.
        f.debug_struct("Outlet")
            .field("waiting", &self.waiting.len())
            .finish_non_exhaustive()
    }
}
