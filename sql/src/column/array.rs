//! Cells as arrays.

use std::sync::Arc;

use datafusion::arrow::array::builder::{
    BinaryBuilder, Decimal128Builder, Float32Builder, Float64Builder, ListBuilder,
    StringViewBuilder,
};
use datafusion::arrow::array::{
    ArrayRef, BooleanArray, Float32Array, Float64Array, Int64Array, TimestampMillisecondArray,
};
use datafusion::arrow::buffer::{BooleanBuffer, NullBuffer, ScalarBuffer};
use datalith_engine::index::{Cell, Column, Dictionary, Kind, TextPage};
use datalith_engine::{Code, Error, Result, Value};

use super::decimal::unscaled;
use super::kind::{ColumnKind, DECIMAL_DIGITS, ZONE};
use super::text::{texts, write_text};

/// Where interned values are found.
#[derive(Clone, Copy)]
pub(crate) enum Interned<'v> {
    /// Those of a database value.
    Dictionary(&'v Dictionary),
    /// Those of an answer.
    Answer(&'v dyn Fn(Cell) -> &'v Value),
}

impl<'v> Interned<'v> {
    pub(super) fn value(self, cell: Cell) -> &'v Value {
        match self {
            Interned::Dictionary(dictionary) => dictionary.interned(cell.bits),
            Interned::Answer(value) => value(cell),
        }
    }

    /// The page of texts that one lies in, if it is in a segment.
    pub(super) fn texts(self, id: u64) -> Option<&'v TextPage> {
        match self {
            Interned::Dictionary(dictionary) => dictionary.texts(id),
            Interned::Answer(_) => None,
        }
    }
}

/// Cells as an array of the type of their column; numbers as they lie.
///
/// - `nulls`: which cells stand for nothing; cells of `nil` are null anyway.
/// - Errors: [`Code::SqlFailed`] for a value that the type cannot hold.
pub(crate) fn array(
    kind: ColumnKind,
    cells: &Column,
    nulls: Option<NullBuffer>,
    interned: Interned<'_>,
) -> Result<ArrayRef> {
    let rows = cells.len();
    let bits = || cells.buffer().inner().clone();
    let longs = || ScalarBuffer::<i64>::new(bits(), 0, rows);
    Ok(match (kind, cells.kind()) {
        (ColumnKind::Long, Some(Kind::Long)) => Arc::new(Int64Array::new(longs(), nulls)),
        (ColumnKind::Instant, Some(Kind::Instant)) => {
            Arc::new(TimestampMillisecondArray::new(longs(), nulls).with_timezone(ZONE))
        }
        (ColumnKind::Double, Some(Kind::Double | Kind::Float)) => {
            Arc::new(Float64Array::new(ScalarBuffer::new(bits(), 0, rows), nulls))
        }
        (ColumnKind::Float, Some(Kind::Float | Kind::Double)) => {
            let floats = cells.bits().iter().map(|bits| f64::from_bits(*bits) as f32);
            Arc::new(Float32Array::new(floats.collect(), nulls))
        }
        (ColumnKind::Bool, Some(Kind::Bool)) => {
            let bools: BooleanBuffer = cells.bits().iter().map(|bits| *bits != 0).collect();
            Arc::new(BooleanArray::new(bools, nulls))
        }
        _ => {
            let cells = Cells {
                cells,
                nulls,
                interned,
            };
            match kind {
                ColumnKind::Text | ColumnKind::Edn => return texts(kind, &cells),
                _ => return of_values(kind, cells.values()),
            }
        }
    })
}

/// Cells that are looked up one by one.
pub(super) struct Cells<'c, 'v> {
    pub(super) cells: &'c Column,
    pub(super) nulls: Option<NullBuffer>,
    pub(super) interned: Interned<'v>,
}

impl<'v> Cells<'_, 'v> {
    pub(super) fn len(&self) -> usize {
        self.cells.len()
    }

    /// The cell of a row, unless it is null.
    pub(super) fn cell(&self, row: usize) -> Option<Cell> {
        let cell = self.cells.cell(row);
        let is_null = self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row));
        (!is_null && cell.kind != Kind::Nil).then_some(cell)
    }

    pub(super) fn value(&self, cell: Cell) -> Value {
        match cell.inline_value() {
            Some(value) => value,
            None => self.interned.value(cell).clone(),
        }
    }

    fn values(&self) -> impl Iterator<Item = Option<Value>> {
        (0..self.len()).map(|row| Some(self.value(self.cell(row)?)))
    }
}

/// Values as an array of the type of their column; none is null.
///
/// Errors: as [`array`].
pub(crate) fn of_values(
    kind: ColumnKind,
    values: impl Iterator<Item = Option<Value>>,
) -> Result<ArrayRef> {
    Ok(match kind {
        ColumnKind::Text | ColumnKind::Edn => {
            let mut builder = StringViewBuilder::new();
            let mut written = String::new();
            for value in values {
                builder.append_option(value.map(|value| {
                    write_text(kind, &value, &mut written);
                    &written[..]
                }));
            }
            Arc::new(builder.finish())
        }
        ColumnKind::Long => {
            let longs = each(kind, values, Value::as_long);
            Arc::new(longs.collect::<Result<Int64Array>>()?)
        }
        ColumnKind::Instant => {
            let instants = each(kind, values, |value| match value {
                Value::Instant(ms) => Some(*ms),
                _ => None,
            });
            let instants = instants.collect::<Result<TimestampMillisecondArray>>()?;
            Arc::new(instants.with_timezone(ZONE))
        }
        ColumnKind::Bool => {
            let bools = each(kind, values, |value| match value {
                Value::Bool(b) => Some(*b),
                _ => None,
            });
            Arc::new(bools.collect::<Result<BooleanArray>>()?)
        }
        ColumnKind::Double => {
            let doubles = each(kind, values, Value::to_double);
            Arc::new(doubles.collect::<Result<Float64Array>>()?)
        }
        ColumnKind::Float => {
            let floats = each(kind, values, |value| Some(value.to_double()? as f32));
            Arc::new(floats.collect::<Result<Float32Array>>()?)
        }
        ColumnKind::Decimal(scale) => decimals(scale, values)?,
        ColumnKind::Bytes | ColumnKind::Floats | ColumnKind::Doubles => sequences(kind, values)?,
    })
}

/// What a column wants of each value; nothing stays nothing.
fn each<T>(
    kind: ColumnKind,
    values: impl Iterator<Item = Option<Value>>,
    part: impl Fn(&Value) -> Option<T>,
) -> impl Iterator<Item = Result<Option<T>>> {
    values.map(move |value| match value {
        Some(value) => match part(&value) {
            Some(part) => Ok(Some(part)),
            None => Err(mismatch(kind, &value)),
        },
        None => Ok(None),
    })
}

/// Bytes, and arrays of floats.
fn sequences(kind: ColumnKind, values: impl Iterator<Item = Option<Value>>) -> Result<ArrayRef> {
    let mut bytes = BinaryBuilder::new();
    let mut floats = ListBuilder::new(Float32Builder::new());
    let mut doubles = ListBuilder::new(Float64Builder::new());
    for value in values {
        match (kind, value) {
            (ColumnKind::Bytes, Some(Value::Bytes(items))) => bytes.append_value(&*items),
            (ColumnKind::Bytes, None) => bytes.append_null(),
            (ColumnKind::Floats, None) => floats.append_null(),
            (ColumnKind::Floats, Some(value)) => {
                let items = value.to_floats().ok_or_else(|| mismatch(kind, &value))?;
                floats.values().append_slice(&items);
                floats.append(true);
            }
            (_, Some(Value::DoubleArray(items))) => {
                doubles.values().append_slice(&items);
                doubles.append(true);
            }
            (_, None) => doubles.append_null(),
            (_, Some(other)) => return Err(mismatch(kind, &other)),
        }
    }
    Ok(match kind {
        ColumnKind::Bytes => Arc::new(bytes.finish()),
        ColumnKind::Floats => Arc::new(floats.finish()),
        _ => Arc::new(doubles.finish()),
    })
}

fn decimals(scale: i8, values: impl Iterator<Item = Option<Value>>) -> Result<ArrayRef> {
    let mut builder = Decimal128Builder::new();
    for value in values {
        match value {
            None => builder.append_null(),
            Some(value) => builder.append_value(unscaled(&value, scale).ok_or_else(|| {
                let message = format!(
                    "{value} does not fit a decimal of {DECIMAL_DIGITS} digits, {scale} of them after the point"
                );
                Error::new(Code::SqlFailed, message).with("value", value.clone())
            })?),
        }
    }
    let decimals = builder.finish();
    let decimals = decimals.with_precision_and_scale(DECIMAL_DIGITS, scale);
    Ok(Arc::new(decimals.map_err(|cause| {
        Error::new(
            Code::Internal,
            format!("Decimals of scale {scale}: {cause}"),
        )
    })?))
}

fn mismatch(kind: ColumnKind, value: &Value) -> Error {
    let message = format!("{value} is no {}", kind.data_type());
    Error::new(Code::SqlFailed, message).with("value", value.clone())
}
