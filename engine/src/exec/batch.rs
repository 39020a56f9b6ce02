//! Answers as Arrow: one batch, one field per find element.

use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use arrow_array::{
    ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, RecordBatchOptions,
    TimestampMillisecondArray,
};
use arrow_schema::{Field, Schema};

use super::answer::{Answer, AnswerColumn};
use crate::error::{Code, Error, Result};
use crate::index::Kind;
use crate::value::Value;

impl Answer {
    /// All rows as one Arrow batch, in the order of the answer.
    ///
    /// Fields are named by the variables (without `?`) or by the aggregates as written. Integers and
    /// entities are `Int64`, floats `Float64`, booleans `Boolean`, instants `Timestamp(ms)`; every
    /// other column, and one of several kinds, is `Utf8`: strings as they are, the rest as EDN.
    pub fn record_batch(&self) -> Result<RecordBatch> {
        let arrays: Vec<ArrayRef> = (0..self.columns().len()).map(|at| self.array(at)).collect();
        let field =
            |(name, array): (&String, &ArrayRef)| Field::new(name, array.data_type().clone(), true);
        let fields: Vec<Field> = self.names().iter().zip(&arrays).map(field).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(self.len()));
        RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options)
            .map_err(|error| Error::new(Code::Internal, error.to_string()))
    }

    fn array(&self, at: usize) -> ArrayRef {
        if let AnswerColumn::Cells(cells) = &self.columns()[at] {
            let longs = || cells.bits().iter().map(|&bits| bits as i64);
            match cells.kind() {
                Some(Kind::Long) => return Arc::new(Int64Array::from_iter_values(longs())),
                Some(Kind::Instant) => {
                    return Arc::new(TimestampMillisecondArray::from_iter_values(longs()));
                }
                Some(Kind::Double | Kind::Float) => {
                    let floats = cells.bits().iter().map(|&bits| f64::from_bits(bits));
                    return Arc::new(Float64Array::from_iter_values(floats));
                }
                Some(Kind::Bool) => {
                    let flags: Vec<bool> = cells.bits().iter().map(|&bits| bits != 0).collect();
                    return Arc::new(BooleanArray::from(flags));
                }
                _ => {}
            }
        }
        let values: Vec<Value> = (0..self.len()).map(|row| self.value(at, row)).collect();
        if values.iter().all(|value| matches!(value, Value::Long(_))) && !values.is_empty() {
            return Arc::new(Int64Array::from_iter(values.iter().map(Value::as_long)));
        }
        if values.iter().all(|value| matches!(value, Value::Double(_))) && !values.is_empty() {
            let float = |value: &Value| match value {
                Value::Double(x) => Some(*x),
                _ => None,
            };
            return Arc::new(Float64Array::from_iter(values.iter().map(float)));
        }
        let mut texts = StringBuilder::new();
        for value in &values {
            match value {
                Value::Nil => texts.append_null(),
                Value::Str(text) => texts.append_value(text),
                other => texts.append_value(other.to_string()),
            }
        }
        Arc::new(texts.finish())
    }
}
