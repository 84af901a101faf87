//! Holds an instance to its memory.

use wasmtime::ResourceLimiter;

use crate::fault::Ended;

/// Tables grow by what a guest's own code asks; 20,000 is what the pool's slots hold.
const TABLE_ELEMENTS_MAX: usize = 20_000;

/// Counts an instance's memory and ends the guest that wants more than it may have.
///
/// Ending it is better than refusing: a guest that is refused memory panics, and the reason is
/// lost.
#[derive(Debug)]
pub(crate) struct Limiter {
    bytes: usize,
    bytes_max: usize,
}

impl Limiter {
    pub(crate) const fn new(bytes_max: usize) -> Self {
        Self { bytes: 0, bytes_max }
    }

    /// Returns how much memory the instance has now. It never shrinks.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let bytes = self.bytes.saturating_add(desired.saturating_sub(current));
        if bytes > self.bytes_max {
            return Err(Ended::Memory.into());
        }
        self.bytes = bytes;
        Ok(true)
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if desired > TABLE_ELEMENTS_MAX {
            return Err(Ended::Memory.into());
        }
        Ok(true)
    }
}
