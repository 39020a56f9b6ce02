//! Cells of arrays as values.

use std::sync::Arc;

use bigdecimal::BigDecimal;
use bigdecimal::num_bigint::BigInt;
use datafusion::arrow::array::Array;
use datafusion::arrow::array::cast::AsArray;
use datafusion::arrow::array::types::{
    Date32Type, Date64Type, Decimal128Type, Decimal256Type, Float16Type, Float32Type, Float64Type,
    Int8Type, Int16Type, Int32Type, Int64Type, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use datafusion::arrow::datatypes::{DataType, TimeUnit};
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use datalith_engine::Value;

const DAY_MS: i64 = 86_400_000;

/// The value of a cell; null is `nil`.
///
/// Whole numbers are longs, floating point numbers doubles, dates and timestamps instants (of finer times
/// the milliseconds are kept), decimals without digits after the point integers of any size, lists vectors, structs maps with keywords for keys. What Datalith has no value
/// for, durations and intervals, is its text.
pub fn value(array: &dyn Array, row: usize) -> Value {
    if array.is_null(row) {
        return Value::Nil;
    }
    match array.data_type() {
        DataType::Null => Value::Nil,
        DataType::Boolean => Value::Bool(array.as_boolean().value(row)),
        DataType::Utf8 => Value::str(array.as_string::<i32>().value(row)),
        DataType::LargeUtf8 => Value::str(array.as_string::<i64>().value(row)),
        DataType::Utf8View => Value::str(array.as_string_view().value(row)),
        DataType::Binary => Value::Bytes(array.as_binary::<i32>().value(row).into()),
        DataType::LargeBinary => Value::Bytes(array.as_binary::<i64>().value(row).into()),
        DataType::BinaryView => Value::Bytes(array.as_binary_view().value(row).into()),
        DataType::FixedSizeBinary(_) => {
            Value::Bytes(array.as_fixed_size_binary().value(row).into())
        }
        DataType::List(_) => items(&*array.as_list::<i32>().value(row)),
        DataType::LargeList(_) => items(&*array.as_list::<i64>().value(row)),
        DataType::FixedSizeList(..) => items(&*array.as_fixed_size_list().value(row)),
        DataType::Struct(fields) => {
            let columns = array.as_struct().columns().iter();
            let entry = |(field, column): (&Arc<_>, &Arc<dyn Array>)| {
                let field: &datafusion::arrow::datatypes::Field = field;
                (Value::keyword(field.name()), value(column, row))
            };
            Value::map(fields.iter().zip(columns).map(entry))
        }
        DataType::Dictionary(..) => {
            let dictionary = array.as_any_dictionary();
            value(dictionary.values(), dictionary.normalized_keys()[row])
        }
        _ => number(array, row)
            .or_else(|| time(array, row))
            .unwrap_or_else(|| text(array, row)),
    }
}

fn items(array: &dyn Array) -> Value {
    Value::vector((0..array.len()).map(|row| value(array, row)))
}

fn number(array: &dyn Array, row: usize) -> Option<Value> {
    let long = |n: i64| Some(Value::Long(n));
    match array.data_type() {
        DataType::Int8 => long(array.as_primitive::<Int8Type>().value(row).into()),
        DataType::Int16 => long(array.as_primitive::<Int16Type>().value(row).into()),
        DataType::Int32 => long(array.as_primitive::<Int32Type>().value(row).into()),
        DataType::Int64 => long(array.as_primitive::<Int64Type>().value(row)),
        DataType::UInt8 => long(array.as_primitive::<UInt8Type>().value(row).into()),
        DataType::UInt16 => long(array.as_primitive::<UInt16Type>().value(row).into()),
        DataType::UInt32 => long(array.as_primitive::<UInt32Type>().value(row).into()),
        DataType::UInt64 => {
            let n = array.as_primitive::<UInt64Type>().value(row);
            let large = || Value::BigInt(Arc::new(BigInt::from(n)));
            Some(i64::try_from(n).map_or_else(|_| large(), Value::Long))
        }
        DataType::Float16 => {
            let x = array.as_primitive::<Float16Type>().value(row);
            Some(Value::Double(x.to_f64()))
        }
        DataType::Float32 => {
            let x = array.as_primitive::<Float32Type>().value(row);
            Some(Value::Double(f64::from(x)))
        }
        DataType::Float64 => Some(Value::Double(
            array.as_primitive::<Float64Type>().value(row),
        )),
        DataType::Decimal128(_, scale) => {
            let digits = array.as_primitive::<Decimal128Type>().value(row);
            Some(decimal(BigInt::from(digits), *scale))
        }
        DataType::Decimal256(_, scale) => {
            let digits = array.as_primitive::<Decimal256Type>().value(row);
            let digits = BigInt::from_signed_bytes_le(&digits.to_le_bytes());
            Some(decimal(digits, *scale))
        }
        _ => None,
    }
}

/// A decimal; a whole number where its column has no digits after the point.
fn decimal(digits: BigInt, scale: i8) -> Value {
    if scale == 0 {
        return Value::BigInt(Arc::new(digits));
    }
    Value::BigDec(Arc::new(BigDecimal::new(digits, i64::from(scale))))
}

fn time(array: &dyn Array, row: usize) -> Option<Value> {
    let ms = match array.data_type() {
        DataType::Date32 => i64::from(array.as_primitive::<Date32Type>().value(row)) * DAY_MS,
        DataType::Date64 => array.as_primitive::<Date64Type>().value(row),
        DataType::Timestamp(TimeUnit::Second, _) => {
            let seconds = array.as_primitive::<TimestampSecondType>().value(row);
            seconds.checked_mul(1000)?
        }
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            array.as_primitive::<TimestampMillisecondType>().value(row)
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => array
            .as_primitive::<TimestampMicrosecondType>()
            .value(row)
            .div_euclid(1000),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => array
            .as_primitive::<TimestampNanosecondType>()
            .value(row)
            .div_euclid(1_000_000),
        _ => return None,
    };
    Some(Value::Instant(ms))
}

fn text(array: &dyn Array, row: usize) -> Value {
    let options = FormatOptions::default();
    match ArrayFormatter::try_new(array, &options) {
        Ok(formatter) => Value::from(formatter.value(row).to_string()),
        Err(cause) => Value::from(cause.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{Decimal128Array, TimestampNanosecondArray, UInt64Array};

    use super::*;

    #[test]
    fn cells_keep_what_values_can_hold() {
        let large = UInt64Array::from(vec![u64::MAX]);
        assert_eq!(value(&large, 0).to_string(), "18446744073709551615N");
        let money = Decimal128Array::from(vec![Some(-150), None]);
        let money = money.with_precision_and_scale(10, 2).unwrap();
        assert_eq!(value(&money, 0).to_string(), "-1.50M");
        assert_eq!(value(&money, 1), Value::Nil);
        let before = TimestampNanosecondArray::from(vec![-1]);
        assert_eq!(value(&before, 0), Value::Instant(-1));
    }
}
