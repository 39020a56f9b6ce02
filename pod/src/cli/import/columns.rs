//! Columns of Arrow to cells: each type to the value it stands for.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Date64Type, Decimal32Type, Decimal64Type, Decimal128Type,
    Decimal256Type, DecimalType, Float16Type, Float32Type, Float64Type, Int8Type, Int16Type,
    Int32Type, Int64Type, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, TimeUnit};
use datalith_engine::schema::ValueType;
use datalith_engine::{Value, edn};
use datalith_scripts::columnar::KIND;

use super::cell::{Cell, of_text};

const DAY_MS: i64 = 86_400_000;

/// What a column holds in each row, null for none; or why it cannot be read.
pub(super) type Cells = Vec<Result<Option<Cell<'static>>, String>>;

/// The cells of a batch, by column; of those that are not wanted there are none.
pub(super) fn columns(batch: &RecordBatch, wanted: &[bool]) -> Vec<Cells> {
    let schema = batch.schema();
    let fields = schema.fields().iter().zip(batch.columns()).zip(wanted);
    let column = |((field, array), wanted): ((&Arc<Field>, &ArrayRef), &bool)| match wanted {
        true => column(field, array),
        false => Vec::new(),
    };
    fields.map(column).collect()
}

/// The type that a field notes beside Arrow's.
pub(super) fn noted_type(field: &Field) -> Option<ValueType> {
    let kind = field.metadata().get(KIND)?;
    ValueType::from_ident(&format!("db.type/{kind}"))
}

/// Whether there are values for a type.
pub(super) fn is_readable(kind: &DataType) -> bool {
    let is_scalar = |kind: &DataType| {
        let is_list = matches!(
            kind,
            DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..)
        );
        is_readable(kind) && !is_list
    };
    match kind {
        DataType::Struct(_)
        | DataType::Map(..)
        | DataType::Union(..)
        | DataType::RunEndEncoded(..)
        | DataType::Interval(_)
        | DataType::Duration(_)
        | DataType::Time32(_)
        | DataType::Time64(_)
        | DataType::ListView(_)
        | DataType::LargeListView(_) => false,
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            is_scalar(item.data_type())
        }
        DataType::Dictionary(_, values) => is_scalar(values),
        _ => true,
    }
}

fn column(field: &Field, array: &ArrayRef) -> Cells {
    let cells = cells(array);
    match field.metadata().get(KIND) {
        None => cells,
        Some(kind) => cells.into_iter().map(|cell| noted(kind, cell?)).collect(),
    }
}

/// A cell as the type that the file notes beside Arrow's.
fn noted(kind: &str, cell: Option<Cell<'static>>) -> Result<Option<Cell<'static>>, String> {
    let Some(cell) = cell else { return Ok(None) };
    let value_type = ValueType::from_ident(&format!("db.type/{kind}"));
    let scalar = |cell: &Cell<'_>| match (kind, value_type, cell) {
        ("edn", _, Cell::Value(Value::Str(text))) => {
            edn::read(text).map_err(|error| error.message().to_owned())
        }
        (_, Some(value_type), cell) => cell.to_value(value_type),
        (_, None, cell) => cell.to_value(ValueType::String),
    };
    let noted = match (&cell, value_type) {
        (cell, Some(value_type @ (ValueType::FloatArray | ValueType::DoubleArray))) => {
            Cell::Value(cell.to_array(value_type)?)
        }
        (Cell::Many(parts), _) => {
            let parts = parts.iter().map(|part| scalar(part).map(Cell::Value));
            Cell::Many(parts.collect::<Result<_, _>>()?)
        }
        (cell, _) => Cell::Value(scalar(cell)?),
    };
    Ok(Some(noted))
}

fn cells(array: &ArrayRef) -> Cells {
    match array.data_type() {
        DataType::Null => vec![Ok(None); array.len()],
        DataType::Boolean => each(array.as_boolean().iter(), |b| Ok(Value::Bool(b))),
        DataType::Utf8 => texts(array.as_string::<i32>().iter()),
        DataType::LargeUtf8 => texts(array.as_string::<i64>().iter()),
        DataType::Utf8View => texts(array.as_string_view().iter()),
        DataType::Binary => bytes(array.as_binary::<i32>().iter()),
        DataType::LargeBinary => bytes(array.as_binary::<i64>().iter()),
        DataType::BinaryView => bytes(array.as_binary_view().iter()),
        DataType::FixedSizeBinary(_) => bytes(array.as_fixed_size_binary().iter()),
        DataType::Dictionary(_, _) => of_dictionary(array),
        DataType::List(_) => lists(array.as_list::<i32>().iter()),
        DataType::LargeList(_) => lists(array.as_list::<i64>().iter()),
        DataType::FixedSizeList(_, _) => vectors(array),
        DataType::Date32 | DataType::Date64 | DataType::Timestamp(_, _) => instants(array),
        DataType::Decimal32(_, _) => decimals::<Decimal32Type>(array),
        DataType::Decimal64(_, _) => decimals::<Decimal64Type>(array),
        DataType::Decimal128(_, _) => decimals::<Decimal128Type>(array),
        DataType::Decimal256(_, _) => decimals::<Decimal256Type>(array),
        _ => numbers(array),
    }
}

fn each<T>(
    items: impl ExactSizeIterator<Item = Option<T>>,
    value: impl Fn(T) -> Result<Value, String>,
) -> Cells {
    let cell = |item: Option<T>| {
        let value = item.map(&value).transpose()?;
        Ok(value.map(Cell::Value))
    };
    items.map(cell).collect()
}

fn primitives<T: ArrowPrimitiveType>(
    array: &ArrayRef,
    value: impl Fn(T::Native) -> Result<Value, String>,
) -> Cells {
    each(array.as_primitive::<T>().iter(), value)
}

fn longs<T: ArrowPrimitiveType>(array: &ArrayRef) -> Cells
where
    T::Native: Into<i64>,
{
    primitives::<T>(array, |n| Ok(Value::Long(n.into())))
}

fn numbers(array: &ArrayRef) -> Cells {
    match array.data_type() {
        DataType::Int8 => longs::<Int8Type>(array),
        DataType::Int16 => longs::<Int16Type>(array),
        DataType::Int32 => longs::<Int32Type>(array),
        DataType::Int64 => longs::<Int64Type>(array),
        DataType::UInt8 => longs::<UInt8Type>(array),
        DataType::UInt16 => longs::<UInt16Type>(array),
        DataType::UInt32 => longs::<UInt32Type>(array),
        DataType::UInt64 => primitives::<UInt64Type>(array, |n| match i64::try_from(n) {
            Ok(n) => Ok(Value::Long(n)),
            Err(_) => of_text(&n.to_string(), ValueType::BigInt),
        }),
        DataType::Float16 => primitives::<Float16Type>(array, |x| Ok(Value::Double(x.into()))),
        DataType::Float32 => primitives::<Float32Type>(array, |x| Ok(Value::Double(x.into()))),
        DataType::Float64 => primitives::<Float64Type>(array, |x| Ok(Value::Double(x))),
        other => {
            let refused = Err(format!("values of the type {other} cannot be read"));
            vec![refused; array.len()]
        }
    }
}

fn instants(array: &ArrayRef) -> Cells {
    let ms = |ms: i64| Ok(Value::Instant(ms));
    let scaled = |n: i64, by: i64| {
        let ms = n.checked_mul(by).map(Value::Instant);
        ms.ok_or_else(|| "an instant is too far away".to_owned())
    };
    match array.data_type() {
        DataType::Date32 => primitives::<Date32Type>(array, |days| scaled(days.into(), DAY_MS)),
        DataType::Date64 => primitives::<Date64Type>(array, ms),
        DataType::Timestamp(TimeUnit::Second, _) => {
            primitives::<TimestampSecondType>(array, |n| scaled(n, 1_000))
        }
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            primitives::<TimestampMillisecondType>(array, ms)
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            primitives::<TimestampMicrosecondType>(array, |n| ms(n.div_euclid(1_000)))
        }
        _ => primitives::<TimestampNanosecondType>(array, |n| ms(n.div_euclid(1_000_000))),
    }
}

fn decimals<T: DecimalType>(array: &ArrayRef) -> Cells {
    let decimals = array.as_primitive::<T>();
    let text = |row: usize| (!decimals.is_null(row)).then(|| decimals.value_as_string(row));
    each((0..array.len()).map(text), |text| {
        of_text(&text, ValueType::BigDec)
    })
}

fn texts<'t>(texts: impl Iterator<Item = Option<&'t str>>) -> Cells {
    let cell = |text: &str| Cell::Value(Value::str(text));
    texts.map(|text| Ok(text.map(cell))).collect()
}

fn bytes<'b>(items: impl Iterator<Item = Option<&'b [u8]>>) -> Cells {
    let cell = |bytes: &[u8]| Cell::Value(Value::Bytes(Arc::from(bytes)));
    items.map(|bytes| Ok(bytes.map(cell))).collect()
}

/// Each value of a dictionary is made once.
fn of_dictionary(array: &ArrayRef) -> Cells {
    let dictionary = array.as_any_dictionary();
    let values = cells(dictionary.values());
    if values.is_empty() {
        return vec![Ok(None); array.len()];
    }
    let keys = dictionary.normalized_keys();
    let cell = |row: usize| match array.is_null(row) {
        true => Ok(None),
        false => values[keys[row]].clone(),
    };
    (0..array.len()).map(cell).collect()
}

fn lists(items: impl Iterator<Item = Option<ArrayRef>>) -> Cells {
    let cell = |items: Option<ArrayRef>| {
        let Some(items) = items else { return Ok(None) };
        let parts = cells(&items).into_iter().filter_map(Result::transpose);
        let parts: Vec<Cell<'static>> = parts.collect::<Result<_, _>>()?;
        Ok((!parts.is_empty()).then_some(Cell::Many(parts)))
    };
    items.map(cell).collect()
}

/// Lists of one length: arrays where their items are floats, several values otherwise.
fn vectors(array: &ArrayRef) -> Cells {
    let list = array.as_fixed_size_list();
    let value_type = match list.value_type() {
        DataType::Float16 | DataType::Float32 => ValueType::FloatArray,
        DataType::Float64 => ValueType::DoubleArray,
        _ => return lists(list.iter()),
    };
    let array_of = |cell: Option<Cell<'static>>| {
        let array = cell.map(|cell| cell.to_array(value_type)).transpose()?;
        Ok(array.map(Cell::Value))
    };
    let lists = lists(list.iter());
    lists.into_iter().map(|cell| array_of(cell?)).collect()
}
