//! Columns of tables: what an attribute's values are, and its cells as arrays.

mod array;
mod decimal;
mod kind;

pub(crate) use array::array;
pub(crate) use decimal::scaled;
pub(crate) use kind::{ColumnKind, ZONE};
