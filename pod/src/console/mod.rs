//! The console: lines in, values out, until Ctrl-D.
//!
//! Input: what a person types, or a pipe. Output: results on standard output, all else on standard error.
//! What a line means is decided by `command`; scripts are run by a [`Host`] of the crate for scripts, which
//! [`editor`] also asks while a line is typed.

mod command;
mod editor;
mod highlight;
mod lines;
mod session;

#[cfg(feature = "sql")]
pub(crate) use lines::Lines;
pub(crate) use session::run;
