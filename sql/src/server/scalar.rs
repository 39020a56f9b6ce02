//! Cells of arrays as PostgreSQL knows values.

use std::borrow::Cow;

use datafusion::arrow::array::cast::AsArray;
use datafusion::arrow::array::types::{
    Date32Type, Date64Type, DurationMicrosecondType, DurationMillisecondType,
    DurationNanosecondType, DurationSecondType, Float16Type, Float32Type, Float64Type, Int8Type,
    Int16Type, Int32Type, Int64Type, IntervalDayTimeType, IntervalMonthDayNanoType,
    IntervalYearMonthType, Time32MillisecondType, Time32SecondType, Time64MicrosecondType,
    Time64NanosecondType, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use datafusion::arrow::array::{Array, ArrayRef};
use datafusion::arrow::datatypes::{DataType, IntervalUnit, TimeUnit};
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use datalith_engine::Value;

use super::refusal::Refusal;
use crate::column::value;

const DAY_MS: i64 = 86_400_000;
const SECOND_US: i64 = 1_000_000;

/// A value as a client may ask for it.
#[derive(Debug)]
pub(super) enum Scalar<'a> {
    Null,
    Bool(bool),
    Int2(i16),
    Int4(i32),
    Int8(i64),
    Float4(f32),
    Float8(f64),
    Text(Cow<'a, str>),
    Bytes(&'a [u8]),
    /// Digits with a point and a sign.
    Numeric(String),
    /// Days since 1970.
    Date(i64),
    /// Microseconds since 1970; with a zone they are those of UTC.
    Timestamp {
        us: i64,
        zone: Zone,
    },
    /// Microseconds since midnight.
    Time(i64),
    Interval {
        months: i32,
        days: i32,
        us: i64,
    },
    List(ArrayRef),
}

/// Whether a timestamp knows where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Zone {
    Utc,
    Unsaid,
}

impl Scalar<'_> {
    /// The value of a cell; of the kind that [`Kind::of`](super::column::Kind::of) promises.
    ///
    /// Errors: 22008 for a time that PostgreSQL cannot say.
    pub(super) fn of(array: &dyn Array, row: usize) -> Result<Scalar<'_>, Refusal> {
        if array.is_null(row) {
            return Ok(Scalar::Null);
        }
        Ok(match array.data_type() {
            DataType::Null => Scalar::Null,
            DataType::Boolean => Scalar::Bool(array.as_boolean().value(row)),
            DataType::Utf8 => Scalar::Text(array.as_string::<i32>().value(row).into()),
            DataType::LargeUtf8 => Scalar::Text(array.as_string::<i64>().value(row).into()),
            DataType::Utf8View => Scalar::Text(array.as_string_view().value(row).into()),
            DataType::Binary => Scalar::Bytes(array.as_binary::<i32>().value(row)),
            DataType::LargeBinary => Scalar::Bytes(array.as_binary::<i64>().value(row)),
            DataType::BinaryView => Scalar::Bytes(array.as_binary_view().value(row)),
            DataType::FixedSizeBinary(_) => Scalar::Bytes(array.as_fixed_size_binary().value(row)),
            DataType::List(item) if !item.data_type().is_nested() => {
                Scalar::List(array.as_list::<i32>().value(row))
            }
            DataType::LargeList(item) if !item.data_type().is_nested() => {
                Scalar::List(array.as_list::<i64>().value(row))
            }
            DataType::FixedSizeList(item, _) if !item.data_type().is_nested() => {
                Scalar::List(array.as_fixed_size_list().value(row))
            }
            DataType::Dictionary(..) => {
                let dictionary = array.as_any_dictionary();
                let key = dictionary.normalized_keys()[row];
                return Scalar::of(dictionary.values().as_ref(), key);
            }
            DataType::Interval(unit) => interval(array, row, *unit),
            DataType::Duration(unit) => duration(array, row, *unit)?,
            kind if kind.is_numeric() => number(array, row),
            kind if kind.is_temporal() => time(array, row)?,
            _ => Scalar::Text(shown(array, row).into()),
        })
    }
}

fn number(array: &dyn Array, row: usize) -> Scalar<'_> {
    match array.data_type() {
        DataType::Int8 => Scalar::Int2(array.as_primitive::<Int8Type>().value(row).into()),
        DataType::Int16 => Scalar::Int2(array.as_primitive::<Int16Type>().value(row)),
        DataType::UInt8 => Scalar::Int2(array.as_primitive::<UInt8Type>().value(row).into()),
        DataType::Int32 => Scalar::Int4(array.as_primitive::<Int32Type>().value(row)),
        DataType::UInt16 => Scalar::Int4(array.as_primitive::<UInt16Type>().value(row).into()),
        DataType::Int64 => Scalar::Int8(array.as_primitive::<Int64Type>().value(row)),
        DataType::UInt32 => Scalar::Int8(array.as_primitive::<UInt32Type>().value(row).into()),
        DataType::UInt64 => {
            Scalar::Numeric(array.as_primitive::<UInt64Type>().value(row).to_string())
        }
        DataType::Float16 => {
            Scalar::Float4(array.as_primitive::<Float16Type>().value(row).to_f32())
        }
        DataType::Float32 => Scalar::Float4(array.as_primitive::<Float32Type>().value(row)),
        DataType::Float64 => Scalar::Float8(array.as_primitive::<Float64Type>().value(row)),
        // Every decimal: exactly, with all the digits of its column.
        _ => Scalar::Numeric(match value(array, row) {
            Value::BigDec(n) => n.to_plain_string(),
            Value::BigInt(n) => n.to_string(),
            _ => shown(array, row),
        }),
    }
}

fn time(array: &dyn Array, row: usize) -> Result<Scalar<'_>, Refusal> {
    let (of, per_second) = match array.data_type() {
        DataType::Date32 => {
            let days = array.as_primitive::<Date32Type>().value(row);
            return Ok(Scalar::Date(days.into()));
        }
        DataType::Date64 => {
            let ms = array.as_primitive::<Date64Type>().value(row);
            return Ok(Scalar::Date(ms.div_euclid(DAY_MS)));
        }
        DataType::Time32(TimeUnit::Second) => {
            let s = array.as_primitive::<Time32SecondType>().value(row);
            return Ok(Scalar::Time(i64::from(s) * SECOND_US));
        }
        DataType::Time32(_) => {
            let ms = array.as_primitive::<Time32MillisecondType>().value(row);
            return Ok(Scalar::Time(i64::from(ms) * 1000));
        }
        DataType::Time64(TimeUnit::Microsecond) => {
            let us = array.as_primitive::<Time64MicrosecondType>().value(row);
            return Ok(Scalar::Time(us));
        }
        DataType::Time64(_) => {
            let ns = array.as_primitive::<Time64NanosecondType>().value(row);
            return Ok(Scalar::Time(ns / 1000));
        }
        DataType::Timestamp(TimeUnit::Second, _) => {
            (array.as_primitive::<TimestampSecondType>().value(row), 1)
        }
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            let ms = array.as_primitive::<TimestampMillisecondType>().value(row);
            (ms, 1000)
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            let us = array.as_primitive::<TimestampMicrosecondType>().value(row);
            (us, SECOND_US)
        }
        _ => {
            let ns = array.as_primitive::<TimestampNanosecondType>().value(row);
            (ns, SECOND_US * 1000)
        }
    };
    let is_zoned = matches!(array.data_type(), DataType::Timestamp(_, Some(_)));
    Ok(Scalar::Timestamp {
        us: micros(of, per_second)?,
        zone: if is_zoned { Zone::Utc } else { Zone::Unsaid },
    })
}

/// Microseconds of a time in other units.
fn micros(time: i64, per_second: i64) -> Result<i64, Refusal> {
    if per_second > SECOND_US {
        return Ok(time.div_euclid(per_second / SECOND_US));
    }
    time.checked_mul(SECOND_US / per_second)
        .ok_or_else(|| Refusal::new("22008", "a time lies beyond what PostgreSQL can say"))
}

fn duration(array: &dyn Array, row: usize, unit: TimeUnit) -> Result<Scalar<'_>, Refusal> {
    let (of, per_second) = match unit {
        TimeUnit::Second => (array.as_primitive::<DurationSecondType>().value(row), 1),
        TimeUnit::Millisecond => {
            let ms = array.as_primitive::<DurationMillisecondType>().value(row);
            (ms, 1000)
        }
        TimeUnit::Microsecond => {
            let us = array.as_primitive::<DurationMicrosecondType>().value(row);
            (us, SECOND_US)
        }
        TimeUnit::Nanosecond => {
            let ns = array.as_primitive::<DurationNanosecondType>().value(row);
            (ns, SECOND_US * 1000)
        }
    };
    Ok(Scalar::Interval {
        months: 0,
        days: 0,
        us: micros(of, per_second)?,
    })
}

fn interval(array: &dyn Array, row: usize, unit: IntervalUnit) -> Scalar<'_> {
    match unit {
        IntervalUnit::YearMonth => Scalar::Interval {
            months: array.as_primitive::<IntervalYearMonthType>().value(row),
            days: 0,
            us: 0,
        },
        IntervalUnit::DayTime => {
            let span = array.as_primitive::<IntervalDayTimeType>().value(row);
            Scalar::Interval {
                months: 0,
                days: span.days,
                us: i64::from(span.milliseconds) * 1000,
            }
        }
        IntervalUnit::MonthDayNano => {
            let span = array.as_primitive::<IntervalMonthDayNanoType>().value(row);
            Scalar::Interval {
                months: span.months,
                days: span.days,
                us: span.nanoseconds / 1000,
            }
        }
    }
}

/// A cell that has no type in PostgreSQL, as Arrow shows it.
fn shown(array: &dyn Array, row: usize) -> String {
    let options = FormatOptions::default();
    match ArrayFormatter::try_new(array, &options) {
        Ok(formatter) => formatter.value(row).to_string(),
        Err(cause) => cause.to_string(),
    }
}
