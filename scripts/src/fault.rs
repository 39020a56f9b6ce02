//! Errors of the engine as rhai throws and catches them.

use datalith_engine::{Error, Value, edn};
use rhai::{Dynamic, EvalAltResult, Position};

use crate::meter::Spent;

/// What a function of the host returns.
pub type Done<T> = Result<T, Box<EvalAltResult>>;

/// An error of the engine, as a script catches it: `e.message`, `e.error`, `e.data`.
#[derive(Clone, Debug)]
pub struct Thrown(pub Error);

impl std::fmt::Display for Thrown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.message())
    }
}

/// An error of the engine as rhai's.
pub fn thrown(error: Error) -> Box<EvalAltResult> {
    Box::new(EvalAltResult::ErrorRuntime(
        Dynamic::from(Thrown(error)),
        Position::NONE,
    ))
}

/// A sentence as rhai's error.
pub fn refused(message: impl Into<String>) -> Box<EvalAltResult> {
    let message: String = message.into();
    Box::new(EvalAltResult::ErrorRuntime(message.into(), Position::NONE))
}

/// What ends a script, which no script can catch.
pub fn ended(spent: Spent) -> Box<EvalAltResult> {
    Box::new(EvalAltResult::ErrorTerminated(
        Dynamic::from(spent),
        Position::NONE,
    ))
}

/// A value as text for people: strings without quotes.
pub(crate) fn shown(value: &Value) -> String {
    edn::display_str(value)
}
