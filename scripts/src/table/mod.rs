//! Tables and their columns as values of scripts.

use datalith_engine::Value;
use rhai::Dynamic;

use crate::fault::Done;

/// A table or a column as the database takes it: rows as vectors, a column as a vector.
pub(crate) fn to_value(_value: &Dynamic) -> Option<Done<Value>> {
    None
}
