//! Answers as rows, and whether two are the same.

use std::cmp::Ordering;

use datafusion::arrow::array::RecordBatch;
use datalith_engine::Value;
use datalith_sql::value;

use crate::query::Query;

/// How far two sums of the same doubles may be apart, as a share of them.
const TOLERANCE: f64 = 1e-9;

/// A row of an answer.
pub(crate) type Row = Vec<Value>;

/// All rows of an answer.
pub(crate) fn rows(batches: &[RecordBatch]) -> Vec<Row> {
    let row = |(batch, at): (&RecordBatch, usize)| {
        let columns = batch.columns().iter();
        columns.map(|column| value(column, at)).collect()
    };
    batches
        .iter()
        .flat_map(|batch| (0..batch.num_rows()).map(move |at| (batch, at)))
        .map(row)
        .collect()
}

/// Where two answers differ, in words; none if they do not.
pub(crate) fn difference(
    query: &Query,
    ours: &[RecordBatch],
    other: &[RecordBatch],
) -> Option<String> {
    let (mut ours, mut other) = (rows(ours), rows(other));
    if ours.len() != other.len() {
        return Some(format!("{} rows, not {}", ours.len(), other.len()));
    }
    if !query.is_ordered() {
        ours.sort_by(compare_rows);
        other.sort_by(compare_rows);
    }
    let mut pairs = ours.iter().zip(&other);
    pairs
        .find(|(a, b)| !is_same_row(a, b))
        .map(|(a, b)| format!("{a:?}, not {b:?}"))
}

/// By all that is not a double: sums may differ by their last digit.
fn compare_rows(a: &Row, b: &Row) -> Ordering {
    let exact = |row: &Row| -> Vec<String> {
        let cells = row.iter().filter(|cell| !matches!(cell, Value::Double(_)));
        cells.map(Value::to_string).collect()
    };
    exact(a).cmp(&exact(b))
}

fn is_same_row(a: &Row, b: &Row) -> bool {
    a.len() == b.len()
        && a.iter().zip(b).all(|cells| match cells {
            (Value::Double(a), Value::Double(b)) => {
                (a - b).abs() <= TOLERANCE * a.abs().max(b.abs())
            }
            (a, b) => a == b,
        })
}
