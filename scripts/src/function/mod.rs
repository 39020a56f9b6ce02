//! Functions that users write in rhai, as the engine calls them in queries and transactions.
//!
//! A source is a closure, `|x, y| x * y`, a function without a name, `fn(x, y) { … }`, or a script with
//! a function of the name it is kept under. What is arithmetic is also a [`Formula`], which answers
//! columns at a time; all else is called row by row.

mod evaluate;
mod formula;
mod language;
mod session;
mod written;

pub(crate) use language::allowance;
pub use language::{compile, install};
pub(crate) use session::register;
