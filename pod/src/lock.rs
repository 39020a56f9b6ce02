//! Taking a mutex whatever happened to its last holder.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Takes a mutex. A call that panicked fails alone: what it guarded is left consistent by every
/// holder here, so poison is no reason to fail the calls after it.
pub(crate) fn hold<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
