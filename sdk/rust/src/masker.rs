//! Maskers: a decision per field, and new bytes for the cells of the fields that need code.

mod batch;
mod bytes;
mod cell;
mod guest;

pub use batch::{Cells, Changes};
pub use cell::Cell;
pub use guest::Instance;

pub use crate::bindings::masker::exports::tidegate::masker::masker::{
    CellFormat, Change, Field, NativeMask, Patch, Plan, Shape,
};
pub use crate::bindings::plugin::tidegate::base::types::Column;
use crate::plugin::Plugin;

/// A masker. Pure: what it decides depends on its configuration and its arguments alone.
pub trait Masker: Plugin {
    /// Decides what happens to the cells of one field.
    fn field(&self, field: &Field) -> Action;

    /// Masks one cell of a field planned as [`Action::Call`]. NULLs do not come here. A cell
    /// to which `out` is not told anything passes unchanged.
    ///
    /// Left as it is, every cell becomes NULL.
    fn cell(&self, cell: &[u8], out: &mut Cell<'_>) {
        let _ = cell;
        out.null();
    }

    /// Masks one column of a batch. Left as it is, hands each cell to [`Masker::cell`]. Worth
    /// writing where a look at all bytes at once tells that most cells need nothing.
    fn column(&self, cells: &Cells<'_>, out: &mut Changes) {
        out.each(cells, |cell, out| self.cell(cell, out));
    }
}

/// What happens to the cells of one field.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// They pass unchanged, as far as this masker is concerned.
    Keep,
    /// The host masks them, at native speed.
    Native(Native),
    /// They come to [`Masker::cell`].
    Call,
    /// They come to [`Masker::column`] with this number, [`Cells::mode`]; [`Action::Call`] has 0.
    CallAs(u32),
    /// Every cell becomes NULL.
    Suppress,
    /// The whole result is refused; the client reads the reason (at most 200 bytes).
    Deny(String),
}

/// A mask that the host applies itself. One that does not fit the field's type makes the cell
/// NULL.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Native {
    /// NULL.
    Null,
    /// This text.
    Constant(String),
    /// Keeps the first n characters (0 to 64); each letter or digit after them becomes `*`.
    KeepFirst(u32),
    /// Keeps the last n characters (0 to 64); each letter or digit before them becomes `*`.
    KeepLast(u32),
    /// A keyed pseudonym, the same for the same value within this domain.
    Pseudonym(String),
    /// The first day of the month.
    GeneraliseToMonth,
    /// The first day of the year.
    GeneraliseToYear,
    /// Rounded down to a multiple of this step, from 1.
    GeneraliseNumber(u64),
}

impl From<Native> for NativeMask {
    fn from(native: Native) -> Self {
        let (name, arg) = match native {
            Native::Null => ("null", None),
            Native::Constant(value) => ("constant", Some(("value", value))),
            Native::KeepFirst(n) => ("keep-first", Some(("n", n.to_string()))),
            Native::KeepLast(n) => ("keep-last", Some(("n", n.to_string()))),
            Native::Pseudonym(domain) => ("pseudonym", Some(("domain", domain))),
            Native::GeneraliseToMonth => ("generalise-date", Some(("to", "month".to_owned()))),
            Native::GeneraliseToYear => ("generalise-date", Some(("to", "year".to_owned()))),
            Native::GeneraliseNumber(step) => ("generalise-number", Some(("step", step.to_string()))),
        };
        Self {
            name: name.to_owned(),
            args: arg
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
        }
    }
}

impl Field {
    /// A field of type `text` without tags or origin, to start from in tests.
    pub fn text(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            origin: String::new(),
            native_type: "text".to_owned(),
            format: CellFormat::Utf8,
            tags: Vec::new(),
        }
    }

    /// Returns whether the field carries this tag.
    #[must_use]
    pub fn has_tag(&self, tag: &str) -> bool {
        self.tags.iter().any(|t| t == tag)
    }
}

#[cfg(test)]
mod tests;
