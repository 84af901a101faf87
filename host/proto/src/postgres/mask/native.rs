//! The masks that the host applies itself, made ready for one column's type and format.

use model::mask::{DatePart, NativeMask};

use super::constant;
use super::date;
use super::fields::{FieldDescription, Format};
use super::number;
use super::pseudonym;
use super::types::Kind;
use crate::mask::keep::Keep;
use crate::mask::pseudonym::{Pseudonym, PseudonymKey};

/// A native mask for one column. Where mask and type don't fit, it is [`Native::Null`] from the
/// start: a mask never lets a cell through because it can't handle it.
///
/// NULL stays NULL under each of them.
pub(super) enum Native {
    /// These bytes, ready for the wire.
    Constant(Box<[u8]>),
    /// A date or timestamp cut down.
    Date {
        part: DatePart,
        kind: Kind,
        format: Format,
    },
    /// A text covered in part.
    Keep(Keep),
    /// NULL.
    Null,
    /// A number rounded down to a multiple of `step`, which is at least 1.
    Number { step: u64, kind: Kind, format: Format },
    /// A keyed pseudonym.
    Pseudonym {
        pseudonym: Box<Pseudonym>,
        kind: Kind,
        format: Format,
    },
}

impl Native {
    /// Makes `mask` ready for the cells of `field`.
    pub(super) fn new(mask: &NativeMask, field: &FieldDescription, key: &PseudonymKey) -> Self {
        let kind = Kind::of(field.type_oid);
        let format = field.format;
        let text = |keep| {
            if kind.is_text() {
                Self::Keep(keep)
            } else {
                Self::Null
            }
        };
        match mask {
            NativeMask::Constant(value) => constant::encode(value, kind, format)
                .map_or(Self::Null, |bytes| Self::Constant(bytes.into_boxed_slice())),
            NativeMask::GeneraliseDate(part) => Self::Date {
                part: *part,
                kind,
                format,
            },
            NativeMask::GeneraliseNumber(0) | NativeMask::Null => Self::Null,
            NativeMask::GeneraliseNumber(step) => Self::Number {
                step: *step,
                kind,
                format,
            },
            NativeMask::KeepFirst(count) => text(Keep::First(*count as usize)),
            NativeMask::KeepLast(count) => text(Keep::Last(*count as usize)),
            // A NUL would let domain and value run into each other.
            NativeMask::Pseudonym { domain } if domain.contains('\0') => Self::Null,
            NativeMask::Pseudonym { domain } => Self::Pseudonym {
                pseudonym: Box::new(Pseudonym::new(key, domain)),
                kind,
                format,
            },
        }
    }

    /// Appends the masked form of `cell`; false where the cell must become NULL, and then what
    /// was appended is void.
    pub(super) fn write(&self, cell: &[u8], out: &mut Vec<u8>) -> bool {
        match self {
            Self::Constant(bytes) => {
                out.extend_from_slice(bytes);
                true
            }
            Self::Date { part, kind, format } => date::generalise(*part, *kind, *format, cell, out),
            Self::Keep(keep) => keep.cover(cell, out),
            Self::Null => false,
            Self::Number { step, kind, format } => number::generalise(*step, *kind, *format, cell, out),
            Self::Pseudonym {
                pseudonym,
                kind,
                format,
            } => pseudonym::write(pseudonym, *kind, *format, cell, out),
        }
    }
}

#[cfg(test)]
mod tests;
