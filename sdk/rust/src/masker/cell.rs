//! The writer a masker tells what becomes of one cell.

/// What becomes of one cell. As long as nothing is called, it passes unchanged.
#[derive(Debug)]
pub struct Cell<'a> {
    out: &'a mut Vec<u8>,
    fate: Fate,
}

/// What the calls so far came to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Fate {
    /// Nothing was called.
    Kept,
    /// The bytes written so far are the new cell.
    Written,
    /// The new cell is NULL.
    Null,
}

impl<'a> Cell<'a> {
    pub(super) const fn new(out: &'a mut Vec<u8>) -> Self {
        Self {
            out,
            fate: Fate::Kept,
        }
    }

    pub(super) const fn fate(&self) -> Fate {
        self.fate
    }

    /// Appends bytes to the new cell, which from now on replaces the old one. No bytes at all
    /// make it empty, not unchanged.
    #[inline]
    pub fn push(&mut self, bytes: &[u8]) {
        self.fate = self.fate.max_written();
        self.out.extend_from_slice(bytes);
    }

    /// Appends `count` asterisks.
    #[inline]
    pub fn stars(&mut self, count: usize) {
        self.fate = self.fate.max_written();
        self.out.resize(self.out.len() + count, b'*');
    }

    /// Makes the new cell NULL, whatever else is called.
    #[inline]
    pub fn null(&mut self) {
        self.fate = Fate::Null;
    }
}

impl Fate {
    const fn max_written(self) -> Self {
        match self {
            Self::Null => Self::Null,
            Self::Kept | Self::Written => Self::Written,
        }
    }
}
