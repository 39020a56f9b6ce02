//! Numbers and values as bytes: what records of the log and segments are written in.
//!
//! The tables are in `docs/format.md`. Bytes that do not decode are a typed error, never a panic.

mod cursor;
mod value;

pub(crate) use cursor::{Cursor, malformed, put_varint, put_zigzag};
#[cfg(test)]
pub(crate) use value::tests::samples;
pub(crate) use value::{put_value, read_value};
