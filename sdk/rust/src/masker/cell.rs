//! The writer a masker tells what becomes of one cell.

use super::bytes::Writer;

/// What becomes of one cell. As long as nothing is called, it passes unchanged.
#[derive(Debug)]
pub struct Cell<'a> {
    out: Writer<'a>,
    written: bool,
    null: bool,
}

impl<'a> Cell<'a> {
    #[inline]
    pub(super) const fn new(out: Writer<'a>) -> Self {
        Self {
            out,
            written: false,
            null: false,
        }
    }

    /// Appends bytes to the new cell, which from now on replaces the old one. No bytes at all
    /// make it empty, not unchanged.
    #[inline]
    pub fn push(&mut self, bytes: &[u8]) {
        self.written = true;
        self.out.push(bytes);
    }

    /// Appends `count` asterisks.
    #[inline]
    pub fn stars(&mut self, count: usize) {
        self.written = true;
        self.out.repeat(b'*', count);
    }

    /// Makes the new cell NULL, whatever else is called.
    #[inline]
    pub fn null(&mut self) {
        self.null = true;
    }

    /// Returns whether the new cell is NULL.
    #[inline]
    pub(super) const fn is_null(&self) -> bool {
        self.null
    }

    /// Returns where the bytes of the new cell end, if there are any to replace the old one.
    #[inline]
    pub(super) const fn end(&self) -> Option<usize> {
        if self.written { Some(self.out.end()) } else { None }
    }
}
