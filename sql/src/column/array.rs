//! Cells as arrays.

use std::fmt::Write;
use std::ops::Range;
use std::sync::Arc;

use datafusion::arrow::array::builder::{
    BinaryBuilder, Decimal128Builder, Float32Builder, Float64Builder, ListBuilder,
    StringViewBuilder,
};
use datafusion::arrow::array::{
    ArrayRef, BooleanArray, Float32Array, Float64Array, Int64Array, TimestampMillisecondArray,
    UInt32Array,
};
use datafusion::arrow::buffer::{BooleanBuffer, NullBuffer, ScalarBuffer};
use datafusion::arrow::compute::take;
use datalith_engine::index::{Cell, Column, Kind};
use datalith_engine::{Code, Error, Result, Value};

use super::decimal::unscaled;
use super::kind::{ColumnKind, DECIMAL_DIGITS, ZONE};

/// The interned value of a cell.
pub(crate) type Interned<'v> = &'v dyn Fn(Cell) -> &'v Value;

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
struct Cells<'c, 'v> {
    cells: &'c Column,
    nulls: Option<NullBuffer>,
    interned: Interned<'v>,
}

impl<'v> Cells<'_, 'v> {
    fn len(&self) -> usize {
        self.cells.len()
    }

    /// The cell of a row, unless it is null.
    fn cell(&self, row: usize) -> Option<Cell> {
        let cell = self.cells.cell(row);
        let is_null = self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row));
        (!is_null && cell.kind != Kind::Nil).then_some(cell)
    }

    fn value(&self, cell: Cell) -> Value {
        match cell.inline_value() {
            Some(value) => value,
            None => (self.interned)(cell).clone(),
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
    let mismatch = |value: &Value| mismatch(kind, value);
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
            let longs = values.map(|value| match value {
                Some(Value::Long(n)) => Ok(Some(n)),
                Some(other) => Err(mismatch(&other)),
                None => Ok(None),
            });
            Arc::new(longs.collect::<Result<Int64Array>>()?)
        }
        ColumnKind::Instant => {
            let instants = values.map(|value| match value {
                Some(Value::Instant(ms)) => Ok(Some(ms)),
                Some(other) => Err(mismatch(&other)),
                None => Ok(None),
            });
            let instants = instants.collect::<Result<TimestampMillisecondArray>>()?;
            Arc::new(instants.with_timezone(ZONE))
        }
        ColumnKind::Bool => {
            let bools = values.map(|value| match value {
                Some(Value::Bool(b)) => Ok(Some(b)),
                Some(other) => Err(mismatch(&other)),
                None => Ok(None),
            });
            Arc::new(bools.collect::<Result<BooleanArray>>()?)
        }
        ColumnKind::Double => {
            let doubles = values.map(|value| match value {
                Some(value) => value.to_double().map(Some).ok_or_else(|| mismatch(&value)),
                None => Ok(None),
            });
            Arc::new(doubles.collect::<Result<Float64Array>>()?)
        }
        ColumnKind::Float => {
            let floats = values.map(|value| match value {
                Some(value) => value
                    .to_double()
                    .map(|x| Some(x as f32))
                    .ok_or_else(|| mismatch(&value)),
                None => Ok(None),
            });
            Arc::new(floats.collect::<Result<Float32Array>>()?)
        }
        ColumnKind::Decimal(scale) => decimals(scale, values)?,
        ColumnKind::Bytes => {
            let mut builder = BinaryBuilder::new();
            for value in values {
                match value {
                    Some(Value::Bytes(bytes)) => builder.append_value(&*bytes),
                    Some(other) => return Err(mismatch(&other)),
                    None => builder.append_null(),
                }
            }
            Arc::new(builder.finish())
        }
        ColumnKind::Floats => {
            let mut builder = ListBuilder::new(Float32Builder::new());
            for value in values {
                let Some(value) = value else {
                    builder.append_null();
                    continue;
                };
                let floats = value.to_floats().ok_or_else(|| mismatch(&value))?;
                builder.values().append_slice(&floats);
                builder.append(true);
            }
            Arc::new(builder.finish())
        }
        ColumnKind::Doubles => {
            let mut builder = ListBuilder::new(Float64Builder::new());
            for value in values {
                match value {
                    Some(Value::DoubleArray(doubles)) => {
                        builder.values().append_slice(&doubles);
                        builder.append(true);
                    }
                    Some(other) => return Err(mismatch(&other)),
                    None => builder.append_null(),
                }
            }
            Arc::new(builder.finish())
        }
    })
}

/// Rows that are looked at before it is decided whether values come again.
const PROBED_ROWS: usize = 256;
/// Values that are remembered, by the last bits of their ids.
const REMEMBERED: usize = 1024;

/// Texts of cells. Where few values come again and again, each of them is written once.
fn texts(kind: ColumnKind, cells: &Cells<'_, '_>) -> Result<ArrayRef> {
    let are_interned = cells.cells.kind().is_some_and(Kind::is_interned);
    if are_interned && cells.len() > PROBED_ROWS {
        let mut again = Repeated::new(kind, cells);
        let probed = again.read(0..PROBED_ROWS);
        if probed <= PROBED_ROWS / 4 {
            again.read(PROBED_ROWS..cells.len());
            return again.finish();
        }
    }
    let mut builder = StringViewBuilder::with_capacity(cells.len());
    let mut written = String::new();
    for row in 0..cells.len() {
        match cells.cell(row) {
            Some(cell) => append_text(&mut builder, kind, cells, cell, &mut written),
            None => builder.append_null(),
        }
    }
    Ok(Arc::new(builder.finish()))
}

fn append_text(
    builder: &mut StringViewBuilder,
    kind: ColumnKind,
    cells: &Cells<'_, '_>,
    cell: Cell,
    written: &mut String,
) {
    if kind == ColumnKind::Text && cell.kind.is_interned() {
        match (cells.interned)(cell) {
            Value::Str(text) => return builder.append_value(&**text),
            Value::Keyword(keyword) => return builder.append_value(keyword.as_str()),
            Value::Symbol(symbol) => return builder.append_value(symbol.as_str()),
            _ => {}
        }
    }
    write_text(kind, &cells.value(cell), written);
    builder.append_value(written);
}

/// Texts of interned cells of one kind, of which many are the same.
struct Repeated<'c, 'k, 'v> {
    kind: ColumnKind,
    cells: &'c Cells<'k, 'v>,
    /// Ids with the places of their texts; another id with the same last bits takes the place over.
    remembered: Vec<(u64, u32)>,
    texts: StringViewBuilder,
    written: String,
    /// Texts so far.
    count: u32,
    /// The place of each row's text.
    places: Vec<u32>,
}

impl<'c, 'k, 'v> Repeated<'c, 'k, 'v> {
    fn new(kind: ColumnKind, cells: &'c Cells<'k, 'v>) -> Repeated<'c, 'k, 'v> {
        Repeated {
            kind,
            cells,
            remembered: vec![(u64::MAX, 0); REMEMBERED],
            texts: StringViewBuilder::new(),
            written: String::new(),
            count: 0,
            places: Vec::with_capacity(cells.len()),
        }
    }

    /// Reads rows; texts so far.
    fn read(&mut self, rows: Range<usize>) -> usize {
        for &id in &self.cells.cells.bits()[rows] {
            let slot = &mut self.remembered[id as usize % REMEMBERED];
            if slot.0 != id {
                *slot = (id, self.count);
                self.count += 1;
                let kind = self.cells.cells.kind().unwrap_or(Kind::Nil);
                let cell = Cell { kind, bits: id };
                let (cells, written) = (self.cells, &mut self.written);
                append_text(&mut self.texts, self.kind, cells, cell, written);
            }
            self.places.push(slot.1);
        }
        self.count as usize
    }

    fn finish(mut self) -> Result<ArrayRef> {
        let places = UInt32Array::new(self.places.into(), self.cells.nulls.clone());
        take(&self.texts.finish(), &places, None)
            .map_err(|cause| Error::new(Code::Internal, format!("Texts of a column: {cause}")))
    }
}

/// What a column of texts shows a value as.
fn write_text(kind: ColumnKind, value: &Value, out: &mut String) {
    out.clear();
    // Writing to a string cannot fail.
    let _ = match (kind, value) {
        (ColumnKind::Edn, value) => write!(out, "{value}"),
        (_, Value::Str(text)) => write!(out, "{text}"),
        (_, Value::Keyword(keyword)) => write!(out, "{}", keyword.as_str()),
        (_, Value::Symbol(symbol)) => write!(out, "{}", symbol.as_str()),
        (_, Value::Uuid(uuid)) => write!(out, "{uuid}"),
        (_, Value::Char(c)) => write!(out, "{c}"),
        (_, value) => write!(out, "{value}"),
    };
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
