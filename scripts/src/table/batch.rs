//! Tables as Arrow's record batches, and back: what Parquet and Arrow files hold.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Date64Type, Decimal128Type, Float32Type, Float64Type, Int8Type,
    Int16Type, Int32Type, Int64Type, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, Int64Array, RecordBatch, RecordBatchOptions, StringArray};
use arrow_schema::{DataType, Field, Schema, TimeUnit};
use datalith_engine::{Value, edn};

use super::column::{Column, Kind, texts};
use super::failed;
use super::rows::{Table, unique};
use crate::columnar::KIND;
use crate::fault::{Done, refused};

const DAY_MS: i64 = 86_400_000;

/// A table as one batch. Keywords and values of several kinds become texts, with a note of what they
/// were; values are written as EDN.
pub(super) fn of_table(table: &Table) -> Done<RecordBatch> {
    let (mut fields, mut arrays): (Vec<Field>, Vec<ArrayRef>) = (Vec::new(), Vec::new());
    for (name, column) in table.names().iter().zip(table.columns()) {
        let array: ArrayRef = match column {
            Column::Any(values) => {
                let text = |value: &Value| (!value.is_nil()).then(|| value.to_string());
                Arc::new(values.iter().map(text).collect::<StringArray>())
            }
            column => column.keys(),
        };
        let note = match column.kind() {
            Kind::Keyword => Some("keyword"),
            Kind::Any => Some("edn"),
            _ => None,
        };
        let note = note.map(|kind| (KIND.to_owned(), kind.to_owned()));
        let field = Field::new(name, array.data_type().clone(), true);
        fields.push(field.with_metadata(HashMap::from_iter(note)));
        arrays.push(array);
    }
    let options = RecordBatchOptions::new().with_row_count(Some(table.len()));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options)
        .map_err(failed)
}

/// Batches of one schema as a table.
///
/// Smaller numbers become longs and doubles, decimals doubles, dates and times instants of milliseconds.
/// Fails for types that tables do not have.
pub(super) fn to_table(schema: &Arc<Schema>, batches: &[RecordBatch]) -> Done<Table> {
    let all = arrow_select::concat::concat_batches(schema, batches).map_err(failed)?;
    let column = |(field, array): (&Arc<Field>, &ArrayRef)| to_column(field, array);
    let columns = schema.fields().iter().zip(all.columns()).map(column);
    let columns = columns.collect::<Done<Vec<Column>>>()?;
    let names = unique(schema.fields().iter().map(|field| field.name().clone()));
    Ok(Table::of_columns(names, columns, all.num_rows()))
}

/// As [`to_table`]; a column of a type that tables do not have is one of values.
///
/// - `value`: the value of a cell.
#[cfg(feature = "sql")]
pub(crate) fn from_batches(
    schema: &Arc<Schema>,
    batches: &[RecordBatch],
    value: impl Fn(&dyn Array, usize) -> Value,
) -> Done<Table> {
    let all = arrow_select::concat::concat_batches(schema, batches).map_err(failed)?;
    let column = |(field, array): (&Arc<Field>, &ArrayRef)| {
        to_column(field, array).unwrap_or_else(|_| {
            Column::from_values((0..array.len()).map(|row| value(array, row)).collect())
        })
    };
    let columns = schema.fields().iter().zip(all.columns()).map(column);
    let columns: Vec<Column> = columns.collect();
    let names = unique(schema.fields().iter().map(|field| field.name().clone()));
    Ok(Table::of_columns(names, columns, all.num_rows()))
}

fn to_column(field: &Field, array: &ArrayRef) -> Done<Column> {
    let column = match array.data_type() {
        DataType::Boolean => Column::Bool(array.as_boolean().clone()),
        DataType::Null => Column::nulls(Kind::Any, array.len()),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Column::Str(to_texts(array)?),
        DataType::Dictionary(_, _) => {
            let dictionary = array.as_any_dictionary();
            let (values, keys) = (dictionary.values(), dictionary.keys());
            let plain = arrow_select::take::take(values, keys, None).map_err(failed)?;
            return to_column(field, &plain);
        }
        DataType::Float64 => Column::Double(array.as_primitive::<Float64Type>().clone()),
        DataType::Float32 => Column::Double(array.as_primitive::<Float32Type>().unary(f64::from)),
        DataType::Decimal128(_, scale) => {
            let scale = 10f64.powi(i32::from(*scale));
            let decimals = array.as_primitive::<Decimal128Type>();
            Column::Double(decimals.unary(|n| n as f64 / scale))
        }
        other => match to_longs(array)? {
            Some(longs) if is_time(other) => Column::instants(longs),
            Some(longs) => Column::Long(longs),
            None => {
                let name = field.name();
                return Err(refused(format!(
                    "column {name} is of Arrow's type {other}, which tables do not have"
                )));
            }
        },
    };
    let note = field.metadata().get(KIND).map(String::as_str);
    Ok(match (note, column) {
        (Some("keyword"), Column::Str(texts)) => Column::Keyword(texts),
        (Some("edn"), Column::Str(texts)) => {
            let value = |text: Option<&str>| match text {
                Some(text) => edn::read(text).map_err(crate::fault::thrown),
                None => Ok(Value::Nil),
            };
            Column::Any(texts.iter().map(value).collect::<Done<_>>()?)
        }
        (_, column) => column,
    })
}

fn is_time(kind: &DataType) -> bool {
    matches!(
        kind,
        DataType::Date32 | DataType::Date64 | DataType::Timestamp(_, _)
    )
}

/// Whole numbers as longs, dates and times as milliseconds; none for other types.
fn to_longs(array: &ArrayRef) -> Done<Option<Int64Array>> {
    Ok(Some(match array.data_type() {
        DataType::Int8 => longs::<Int8Type>(array),
        DataType::Int16 => longs::<Int16Type>(array),
        DataType::Int32 => longs::<Int32Type>(array),
        DataType::Int64 => longs::<Int64Type>(array),
        DataType::UInt8 => longs::<UInt8Type>(array),
        DataType::UInt16 => longs::<UInt16Type>(array),
        DataType::UInt32 => longs::<UInt32Type>(array),
        DataType::UInt64 => {
            let long = |n| i64::try_from(n).map_err(|_| refused(format!("{n} is no long")));
            let numbers = array.as_primitive::<UInt64Type>();
            numbers.try_unary(long)?
        }
        DataType::Date32 => array
            .as_primitive::<Date32Type>()
            .unary(|days| i64::from(days) * DAY_MS),
        DataType::Date64 => longs::<Date64Type>(array),
        DataType::Timestamp(TimeUnit::Second, _) => array
            .as_primitive::<TimestampSecondType>()
            .unary(|seconds: i64| seconds.saturating_mul(1_000)),
        DataType::Timestamp(TimeUnit::Millisecond, _) => longs::<TimestampMillisecondType>(array),
        DataType::Timestamp(TimeUnit::Microsecond, _) => array
            .as_primitive::<TimestampMicrosecondType>()
            .unary(|micros: i64| micros.div_euclid(1_000)),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => array
            .as_primitive::<TimestampNanosecondType>()
            .unary(|nanos: i64| nanos.div_euclid(1_000_000)),
        _ => return Ok(None),
    }))
}

fn longs<T: ArrowPrimitiveType>(array: &ArrayRef) -> Int64Array
where
    T::Native: Into<i64>,
{
    array.as_primitive::<T>().unary(Into::into)
}

fn to_texts(array: &ArrayRef) -> Done<StringArray> {
    let long = || refused("the texts of a column are too long");
    match array.data_type() {
        DataType::LargeUtf8 => texts(array.len(), array.as_string::<i64>().iter()).ok_or_else(long),
        DataType::Utf8View => texts(array.len(), array.as_string_view().iter()).ok_or_else(long),
        _ => Ok(array.as_string::<i32>().clone()),
    }
}
