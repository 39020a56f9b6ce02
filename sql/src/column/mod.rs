//! Columns of tables: what an attribute's values are, and its cells as arrays.

mod array;
mod decimal;
mod kind;
mod text;
mod value;

pub(crate) use array::{Interned, array, of_values};
pub(crate) use kind::{ColumnKind, DECIMAL_DIGITS, ZONE, most_digits};
pub use value::value;
