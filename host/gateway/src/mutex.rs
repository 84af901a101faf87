//! Locks whose holders never panic halfway.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks what is whole at every moment: who panicked while holding it left nothing half done.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
