//! Decoders that meet bytes they do not expect may panic; here that ends as an error.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use arrow_schema::ArrowError;

thread_local! {
    /// Whether a panic of this thread is an answer to its bytes.
    static DECODING: Cell<bool> = const { Cell::new(false) };
}
static QUIETED: Once = Once::new();

/// Runs a decoder; a panic within it is an error, and nothing is printed.
///
/// Faults that the engine throws go on unwinding.
pub fn guarded<T>(decode: impl FnOnce() -> Result<T, ArrowError>) -> Result<T, ArrowError> {
    // A hook cannot be set for one thread, so the one there is is asked only for panics that are ours.
    QUIETED.call_once(|| {
        let loud = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            if !DECODING.get() {
                loud(panic);
            }
        }));
    });
    let outer = DECODING.replace(true);
    let decoded = catch_unwind(AssertUnwindSafe(decode));
    DECODING.set(outer);
    decoded.unwrap_or_else(|payload| {
        let said = payload.downcast_ref::<String>().map(String::as_str);
        let said = said.or(payload.downcast_ref::<&str>().copied());
        match said {
            Some(said) => Err(damaged(said)),
            None => panic::resume_unwind(payload),
        }
    })
}

/// The error of a file that is not what it should be.
pub(super) fn damaged(why: &str) -> ArrowError {
    let why = why.lines().next().unwrap_or_default();
    ArrowError::ParseError(format!("the file is damaged: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error() {
        let shown = |decoded: Result<(), ArrowError>| decoded.map_err(|error| error.to_string());
        assert_eq!(
            shown(guarded(|| panic!("offset {} of {}", 9, 8))),
            Err("Parser error: the file is damaged: offset 9 of 8".to_owned())
        );
        assert_eq!(shown(guarded(|| Ok(()))), Ok(()));
    }
}
