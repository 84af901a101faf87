//! The mask of one field whose cells are texts, made ready from a plan.

use std::fmt;
use std::io::Write as _;

use model::PluginName;
use model::mask::{Action, DatePart, NativeMask, Plan, Planned};

use super::keep::Keep;
use super::pseudonym::{Pseudonym, PseudonymKey};
use super::{CONSTANT_BYTES_MAX, PlanFault, date, number};

/// The mask of one field of texts: a path's, or that of all content that no path covers.
pub struct FieldMask(Work);

/// What happens to the cells of a field.
pub(crate) enum Work {
    /// They pass.
    Keep,
    /// A guest masks them.
    Call(PluginName),
    /// The host masks them.
    Native(Native),
    /// They become NULL, whatever they are.
    Suppress,
    /// A result that has one is refused.
    Deny {
        /// Who wants that; `None` for the host.
        plugin: Option<PluginName>,
        /// Why, in the masker's words.
        reason: String,
    },
}

/// A mask that the host applies itself.
pub(crate) enum Native {
    Constant(Box<[u8]>),
    Date(DatePart),
    Keep(Keep),
    /// Rounds down to a multiple of this, which is at least 1.
    Number(u64),
    Pseudonym(Box<Pseudonym>),
}

/// What a cell is where it stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Leaf {
    Boolean,
    Null,
    Number,
    Text,
}

/// What comes in a cell's place.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum New<'a> {
    Null,
    /// A number in JSON's form.
    Number(&'a [u8]),
    /// UTF-8.
    Text(&'a [u8]),
}

impl FieldMask {
    /// Makes a whole plan ready, one mask per action.
    ///
    /// # Errors
    /// [`PlanFault::Nameless`] and [`PlanFault::ConstantTooLong`]. A field that is to be denied
    /// is refused once a cell of it comes, since bodies need not have one.
    pub fn compile_all(plan: &Plan, key: &PseudonymKey) -> Result<Vec<Self>, PlanFault> {
        let compile = |(field, planned)| Self::compile(field, planned, key);
        plan.actions.iter().enumerate().map(compile).collect()
    }

    /// Makes the mask of field number `field` ready.
    ///
    /// # Errors
    /// As [`FieldMask::compile_all`].
    pub fn compile(field: usize, planned: &Planned, key: &PseudonymKey) -> Result<Self, PlanFault> {
        Ok(Self(match &planned.action {
            Action::Call => Work::Call(planned.plugin.clone().ok_or(PlanFault::Nameless { field })?),
            Action::Deny(reason) => Work::Deny {
                plugin: planned.plugin.clone(),
                reason: reason.clone(),
            },
            Action::Keep => Work::Keep,
            Action::Native(NativeMask::Constant(value)) if value.len() > CONSTANT_BYTES_MAX => {
                return Err(PlanFault::ConstantTooLong { field });
            }
            Action::Native(mask) => Native::new(mask, key).map_or(Work::Suppress, Work::Native),
            Action::Suppress => Work::Suppress,
        }))
    }

    /// Returns whether every cell passes unchanged.
    #[must_use]
    pub const fn keeps(&self) -> bool {
        matches!(self.0, Work::Keep)
    }

    /// Returns whether the cells go to a guest.
    #[must_use]
    pub const fn calls(&self) -> bool {
        matches!(self.0, Work::Call(_))
    }

    /// Returns what becomes of a text that stands alone, e.g. in a table; `None`: NULL. What goes
    /// to a guest comes back as it is.
    pub fn apply_to_text<'a>(&self, cell: &'a [u8], scratch: &'a mut Vec<u8>) -> Option<&'a [u8]> {
        match &self.0 {
            Work::Keep | Work::Call(_) => Some(cell),
            Work::Suppress | Work::Deny { .. } => None,
            Work::Native(native) => match native.apply(Leaf::Text, cell, scratch) {
                New::Null => None,
                New::Number(new) | New::Text(new) => Some(new),
            },
        }
    }

    pub(crate) const fn work(&self) -> &Work {
        &self.0
    }

    /// Returns how strict the mask is, in the order in which plans are combined: of several that
    /// cover one cell, the strictest stands.
    pub(crate) const fn strictness(&self) -> u8 {
        match self.0 {
            Work::Keep => 0,
            Work::Call(_) => 1,
            Work::Native(_) => 2,
            Work::Suppress => 3,
            Work::Deny { .. } => 4,
        }
    }
}

impl fmt::Debug for FieldMask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Neither constants nor keys.
        f.write_str(match self.0 {
            Work::Keep => "Keep",
            Work::Call(_) => "Call",
            Work::Native(_) => "Native",
            Work::Suppress => "Suppress",
            Work::Deny { .. } => "Deny",
        })
    }
}

impl Native {
    /// Makes `mask` ready; `None` where every cell becomes NULL.
    fn new(mask: &NativeMask, key: &PseudonymKey) -> Option<Self> {
        Some(match mask {
            NativeMask::Constant(value) => Self::Constant(value.as_bytes().into()),
            NativeMask::GeneraliseDate(part) => Self::Date(*part),
            NativeMask::GeneraliseNumber(0) | NativeMask::Null => return None,
            NativeMask::GeneraliseNumber(step) => Self::Number(*step),
            NativeMask::KeepFirst(count) => Self::Keep(Keep::First(*count as usize)),
            NativeMask::KeepLast(count) => Self::Keep(Keep::Last(*count as usize)),
            // A NUL would let domain and value run into each other.
            NativeMask::Pseudonym { domain } if domain.contains('\0') => return None,
            NativeMask::Pseudonym { domain } => Self::Pseudonym(Box::new(Pseudonym::new(key, domain))),
        })
    }

    /// Returns what comes in the place of `cell`, written to `out`, which is overwritten.
    ///
    /// Only a number that is generalised stays one; every other mask makes a text of it.
    pub(crate) fn apply<'a>(&self, leaf: Leaf, cell: &[u8], out: &'a mut Vec<u8>) -> New<'a> {
        out.clear();
        let holds = match self {
            Self::Constant(value) => {
                out.extend_from_slice(value);
                true
            }
            Self::Date(part) => date::cut_text(*part, cell, out),
            Self::Keep(keep) => keep.cover(cell, out),
            Self::Number(step) => round(*step, cell, out).is_some(),
            Self::Pseudonym(pseudonym) => pseudonym.write_text(cell, out),
        };
        match (holds, self, leaf) {
            (false, ..) => New::Null,
            (true, Self::Number(_), Leaf::Number) => New::Number(out),
            (true, ..) => New::Text(out),
        }
    }
}

/// Appends a decimal rounded down; an exponent makes it a double.
fn round(step: u64, cell: &[u8], out: &mut Vec<u8>) -> Option<()> {
    if cell.iter().any(|byte| matches!(byte, b'e' | b'E')) {
        let rounded = number::round_float(step, number::parse_float(cell)?)?;
        return write!(out, "{rounded}").ok();
    }
    number::round_decimal(step, cell, out)
}

#[cfg(test)]
mod tests;
