//! Tables and their columns as values of scripts.
//!
//! A [`Table`] stays columnar: an answer's cells become Arrow arrays as they lie, each verb makes new
//! columns of old ones with Arrow's kernels, and rows exist only where a script loops over them. What a
//! verb is about to hold is asked of the meter before it is made.

mod column;
mod rows;

mod answer;
mod arithmetic;
mod calendar;
mod cells;
mod group;
mod join;
mod measure;
mod order;
mod summary;

mod batch;
mod read;
mod write;

mod formats;
mod functions;
mod show;
mod verbs;

#[cfg(test)]
pub(crate) mod tests;

pub use answer::readable_names;
#[cfg(feature = "sql")]
pub(crate) use batch::from_batches;
pub use column::{Column, Kind};
pub(crate) use measure::numbers;
pub use rows::Table;
pub use show::grouped;
pub(crate) use show::{plain, rounded, visible};
pub(crate) use verbs::{check_options, text, texts};

use arrow_schema::ArrowError;
use datalith_engine::Value;
use rhai::{Dynamic, Engine, EvalAltResult};

use crate::fault::{Done, ended, refused};
use crate::files::Grants;
use crate::meter::Meter;

/// Fewest bytes that are worth asking for.
const ASKED_BYTES: usize = 64 << 10;

/// Gives scripts tables, columns, and the files they were granted.
pub fn register(engine: &mut Engine, meter: &Meter, files: &Grants) {
    verbs::register(engine, meter);
    functions::register(engine, meter);
    formats::register(engine, meter, files);
}

/// A table or a column as the database takes it: rows as vectors, a column as a vector.
pub(crate) fn to_value(value: &Dynamic) -> Option<Done<Value>> {
    if let Some(table) = value.read_lock::<Table>() {
        return Some(Ok(table.to_value()));
    }
    let column = value.read_lock::<Column>()?;
    Some(Ok(Value::vector(column.values())))
}

/// Fails if a script may not hold so many bytes more.
fn room(meter: &Meter, bytes: usize) -> Done<()> {
    match bytes < ASKED_BYTES {
        true => Ok(()),
        false => meter.check(bytes).map_err(ended),
    }
}

/// An error of a kernel as rhai's.
fn failed(error: ArrowError) -> Box<EvalAltResult> {
    match error {
        ArrowError::DivideByZero => refused("division by zero"),
        ArrowError::ArithmeticOverflow(_) => refused("the numbers are too large for 64 bits"),
        ArrowError::OffsetOverflowError(_) => refused("the texts of a column are too long"),
        error => refused(error.to_string()),
    }
}
