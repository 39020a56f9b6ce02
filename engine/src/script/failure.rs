//! Errors of functions that users write: what the language says, and where in the source.

use crate::error::{Code, Error};
use crate::value::Value;

/// A place in a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its line, from 1.
    pub line: usize,
    /// Its character in the line, from 1; 0 where only the line is known.
    pub column: usize,
}

/// A source that cannot be compiled; the name of the function is added by who asked.
pub fn syntax_error(message: impl Into<String>, place: Option<Place>) -> Error {
    placed(Error::new(Code::FunctionSyntax, message), place)
}

/// A call that failed; the name of the function is added by who called.
pub fn failure(message: impl Into<String>, place: Option<Place>) -> Error {
    placed(Error::new(Code::FunctionFailed, message), place)
}

fn placed(error: Error, place: Option<Place>) -> Error {
    match place {
        None => error,
        Some(Place { line, column: 0 }) => error.with("line", line),
        Some(Place { line, column }) => error.with("line", line).with("column", column),
    }
}

/// The error with the name of its function, unless it has one: the innermost wins.
pub(super) fn named(error: Error, name: &str) -> Error {
    let has_name = error.data().iter().any(|(key, _)| *key == "function");
    match has_name {
        true => error,
        false => error.with("function", Value::symbol(name)),
    }
}
