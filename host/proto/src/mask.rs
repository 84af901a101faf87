//! Masking that is the same in every protocol: what a mask makes of a text, which cells go to a
//! guest, and what of its answer may be sent.
//!
//! A protocol knows where cells stand and how they are written; nothing here does. Where a mask
//! can't handle a cell, the cell becomes NULL; where a guest fails, nothing of its batch is let
//! out. What a mask does is a matter of the cell alone, so that it never depends on how cells
//! came to be in one batch.

pub(crate) mod answer;
pub(crate) mod date;
mod field;
pub(crate) mod keep;
pub(crate) mod number;
pub(crate) mod outlet;
mod plan;
pub(crate) mod pseudonym;
mod stream;
mod visible;

pub use field::FieldMask;
pub(crate) use field::{Leaf, New, Work};
pub use outlet::{CellError, FieldCells};
pub use plan::PlanFault;
pub use pseudonym::PseudonymKey;
pub use stream::{StreamError, StreamMask};

/// The longest constant, in bytes: native masks can't grow a cell by more.
pub const CONSTANT_BYTES_MAX: usize = 1_024;

/// The longest text that is looked at as one cell, in bytes once decoded: far beyond any value
/// that has a tag, and a sixteenth of what a guest's usual 64 MiB hold.
pub const CELL_BYTES_MAX: usize = 1 << 20;

/// The most cells that go to a guest in one call: a call costs some 0.13 µs, so that more save
/// nothing, and fewer keep its deadline far.
pub const BATCH_CELLS_MAX: usize = 1_024;

/// The most bytes of cells that go to a guest in one call, unless a single cell has more: the
/// first bytes of a body wait for no more than this.
pub const BATCH_BYTES_MAX: usize = 64 << 10;
