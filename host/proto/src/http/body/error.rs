//! Why a body can't be let through masked.

use model::Fault;

use crate::mask::{CELL_BYTES_MAX, CellError};

/// Why a body can't be let through masked. It says where and why, and never what.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum BodyMaskError {
    /// A cell is denied, or its masker failed.
    #[error(transparent)]
    Cell(#[from] CellError),
    /// The body is not what its kind says, so that nobody knows what it would be read as.
    #[error("{reason} at byte {at}")]
    Malformed {
        /// How many bytes come before.
        at: u64,
        /// What is wrong there.
        reason: &'static str,
    },
    /// Something is longer than is looked at.
    #[error("{what} that begins at byte {at} is longer than {CELL_BYTES_MAX} bytes")]
    TooLong {
        /// How many bytes come before it.
        at: u64,
        /// What it is.
        what: &'static str,
    },
}

impl BodyMaskError {
    /// Returns who must act, given who wrote the body: the client for a request, the upstream
    /// for a response.
    #[must_use]
    pub const fn fault(&self, writer: Fault) -> Fault {
        match self {
            Self::Cell(error) => error.fault(),
            Self::Malformed { .. } | Self::TooLong { .. } => writer,
        }
    }
}
