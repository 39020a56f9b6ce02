//! A read of stored bytes that fails deep inside an operator, carried to the door.
//!
//! Columns are read on first touch, by code that compares and copies cells and has no place for a
//! `Result` at every cell. Such a read that fails unwinds with its [`Error`] ([`throw`]; no panic
//! hook runs, nothing is printed) up to the public function that began the work, which turns it
//! into the `Err` of its answer ([`catch`]). ADR 6 has the reasons.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use crate::error::{Error, Result};

/// What unwinds.
struct Fault(Error);

/// Gives up the work at hand; the nearest [`catch`] below answers with `error`.
pub fn throw(error: Error) -> ! {
    resume_unwind(Box::new(Fault(error)))
}

/// The value, or the work at hand is given up with the error.
pub fn or_throw<T>(result: Result<T>) -> T {
    result.unwrap_or_else(|error| throw(error))
}

/// Does work whose reads of stored bytes may fail. Panics of other kinds go on unwinding.
pub fn catch<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|payload| {
        match payload.downcast::<Fault>() {
            Ok(fault) => Err(fault.0),
            Err(other) => resume_unwind(other),
        }
    })
}

/// The error that a caught payload carries, if [`throw`] began it.
pub fn error_of(payload: Box<dyn std::any::Any + Send>) -> Option<Error> {
    payload.downcast::<Fault>().ok().map(|fault| fault.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Code;

    #[test]
    fn fault_thrown_in_a_worker_arrives_at_the_door() {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(2)
            .build()
            .unwrap();
        let caught: Result<((), ())> = catch(|| {
            Ok(pool.join(
                || (),
                || throw(Error::new(Code::CorruptSegment, "bad bytes")),
            ))
        });
        assert_eq!(caught.unwrap_err().code(), Code::CorruptSegment);
    }

    #[test]
    #[should_panic(expected = "ours")]
    fn other_panics_go_on() {
        let _ = catch(|| -> Result<()> { panic!("ours") });
    }
}
