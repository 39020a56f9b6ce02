//! A column: an Arrow array, or values where no array can hold them.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type, TimestampMillisecondType};
use arrow_array::{
    Array, ArrayRef, BooleanArray, Float64Array, Int64Array, StringArray,
    TimestampMillisecondArray, UInt32Array,
};
use datalith_engine::{Keyword, Value};
use foldhash::fast::FixedState;
use rhai::{Dynamic, ImmutableString};

use super::failed;
use crate::fault::Done;
use crate::value::{Edn, to_dynamic};

/// Most bytes of text that one array takes: its offsets are of 32 bits.
const TEXT_BYTES: usize = i32::MAX as usize;
/// Largest whole number up to which doubles tell all whole numbers apart.
const EXACT: i64 = 1 << 53;

/// What the cells of a column are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Whole numbers of 64 bits; entities too.
    Long,
    /// Floating point numbers of 64 bits.
    Double,
    /// Booleans.
    Bool,
    /// Strings.
    Str,
    /// Keywords.
    Keyword,
    /// Milliseconds since 1970 UTC.
    Instant,
    /// Values of several kinds, or of one that has no array.
    Any,
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Kind::Long => "long",
            Kind::Double => "double",
            Kind::Bool => "bool",
            Kind::Str => "string",
            Kind::Keyword => "keyword",
            Kind::Instant => "instant",
            Kind::Any => "any",
        })
    }
}

/// An immutable column; clones share its cells. Any cell may be null.
#[derive(Clone, Debug)]
pub enum Column {
    /// See [`Kind::Long`].
    Long(Int64Array),
    /// See [`Kind::Double`].
    Double(Float64Array),
    /// See [`Kind::Bool`]. Comparisons give these: masks.
    Bool(BooleanArray),
    /// See [`Kind::Str`].
    Str(StringArray),
    /// See [`Kind::Keyword`]; without colons.
    Keyword(StringArray),
    /// See [`Kind::Instant`].
    Instant(TimestampMillisecondArray),
    /// See [`Kind::Any`]; `nil` is null.
    Any(Arc<[Value]>),
}

impl Column {
    /// What the cells are.
    pub fn kind(&self) -> Kind {
        match self {
            Column::Long(_) => Kind::Long,
            Column::Double(_) => Kind::Double,
            Column::Bool(_) => Kind::Bool,
            Column::Str(_) => Kind::Str,
            Column::Keyword(_) => Kind::Keyword,
            Column::Instant(_) => Kind::Instant,
            Column::Any(_) => Kind::Any,
        }
    }

    /// The array, unless the cells are values.
    pub fn array(&self) -> Option<&dyn Array> {
        Some(match self {
            Column::Long(cells) => cells,
            Column::Double(cells) => cells,
            Column::Bool(cells) => cells,
            Column::Str(cells) | Column::Keyword(cells) => cells,
            Column::Instant(cells) => cells,
            Column::Any(_) => return None,
        })
    }

    /// A column of a kind that has arrays.
    pub(super) fn of_array(kind: Kind, array: &dyn Array) -> Column {
        match kind {
            Kind::Long => Column::Long(array.as_primitive::<Int64Type>().clone()),
            Kind::Double => Column::Double(array.as_primitive::<Float64Type>().clone()),
            Kind::Bool => Column::Bool(array.as_boolean().clone()),
            Kind::Str => Column::Str(array.as_string().clone()),
            Kind::Keyword => Column::Keyword(array.as_string().clone()),
            Kind::Instant => {
                Column::Instant(array.as_primitive::<TimestampMillisecondType>().clone())
            }
            Kind::Any => unreachable!("values have no array"),
        }
    }

    /// Instants from their milliseconds.
    pub(super) fn instants(ms: Int64Array) -> Column {
        let (_, ms, nulls) = ms.into_parts();
        Column::Instant(TimestampMillisecondArray::new(ms, nulls).with_timezone("UTC"))
    }

    /// Rows.
    pub fn len(&self) -> usize {
        match self {
            Column::Any(values) => values.len(),
            column => column.array().map_or(0, Array::len),
        }
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether a cell is null.
    pub fn is_null(&self, row: usize) -> bool {
        match self {
            Column::Any(values) => values[row].is_nil(),
            column => column.array().is_some_and(|array| array.is_null(row)),
        }
    }

    /// How many cells are null.
    pub fn null_count(&self) -> usize {
        match self {
            Column::Any(values) => values.iter().filter(|value| value.is_nil()).count(),
            column => column.array().map_or(0, Array::null_count),
        }
    }

    /// Bytes that the cells take, about.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Column::Any(values) => values.len() * size_of::<Value>(),
            Column::Str(cells) | Column::Keyword(cells) => {
                let offsets = cells.value_offsets();
                let text = offsets[cells.len()].abs_diff(offsets[0]) as usize;
                text + cells.len() * size_of::<i32>()
            }
            Column::Bool(cells) => cells.len().div_ceil(8),
            column => column.len() * size_of::<i64>(),
        }
    }

    /// Bytes of a cell, on average and rounded up.
    pub(super) fn cell_bytes(&self) -> usize {
        self.bytes().div_ceil(self.len().max(1))
    }

    /// The value of a cell; null is `nil`.
    pub fn value(&self, row: usize) -> Value {
        if self.is_null(row) {
            return Value::Nil;
        }
        match self {
            Column::Long(cells) => Value::Long(cells.value(row)),
            Column::Double(cells) => Value::Double(cells.value(row)),
            Column::Bool(cells) => Value::Bool(cells.value(row)),
            Column::Str(cells) => Value::str(cells.value(row)),
            Column::Keyword(cells) => Value::Keyword(Keyword::new(cells.value(row))),
            Column::Instant(cells) => Value::Instant(cells.value(row)),
            Column::Any(values) => values[row].clone(),
        }
    }

    /// A cell as a script sees it.
    pub(super) fn dynamic(&self, row: usize) -> Dynamic {
        if self.is_null(row) {
            return Dynamic::UNIT;
        }
        match self {
            Column::Long(cells) => Dynamic::from(cells.value(row)),
            Column::Double(cells) => Dynamic::from(cells.value(row)),
            Column::Bool(cells) => Dynamic::from(cells.value(row)),
            Column::Str(cells) => Dynamic::from(ImmutableString::from(cells.value(row))),
            Column::Keyword(_) | Column::Instant(_) => Dynamic::from(Edn(self.value(row))),
            Column::Any(values) => to_dynamic(&values[row]),
        }
    }

    /// All values in order.
    pub(super) fn values(&self) -> impl Iterator<Item = Value> + '_ {
        (0..self.len()).map(|row| self.value(row))
    }

    /// A column of values: an array if they are of one kind that has one, apart from `nil`.
    pub fn from_values(values: Vec<Value>) -> Column {
        let mut kinds = values.iter().filter(|v| !v.is_nil()).map(kind_of);
        let kind = kinds.next().unwrap_or(Kind::Any);
        if kind == Kind::Any || kinds.any(|other| other != kind) {
            return Column::Any(values.into());
        }
        match kind {
            Kind::Long => Column::Long(values.iter().map(Value::as_long).collect()),
            Kind::Double => Column::Double(values.iter().map(Value::to_double).collect()),
            Kind::Bool => Column::Bool(
                values
                    .iter()
                    .map(|value| match value {
                        Value::Bool(b) => Some(*b),
                        _ => None,
                    })
                    .collect(),
            ),
            Kind::Instant => Column::instants(
                values
                    .iter()
                    .map(|value| match value {
                        Value::Instant(ms) => Some(*ms),
                        _ => None,
                    })
                    .collect(),
            ),
            _ => match texts(values.len(), values.iter().map(text_of)) {
                Some(texts) if kind == Kind::Str => Column::Str(texts),
                Some(texts) => Column::Keyword(texts),
                None => Column::Any(values.into()),
            },
        }
    }

    /// A column of values that somebody wrote: longs among doubles are doubles too.
    pub(super) fn from_written(values: Vec<Value>) -> Column {
        let has_doubles = values.iter().any(|v| kind_of(v) == Kind::Double);
        let are_numbers = values.iter().all(|value| match value {
            Value::Nil | Value::Double(_) | Value::Float(_) => true,
            Value::Long(n) => (-EXACT..=EXACT).contains(n),
            _ => false,
        });
        match has_doubles && are_numbers {
            true => Column::Double(values.iter().map(Value::to_double).collect()),
            false => Column::from_values(values),
        }
    }

    /// The same value in each row.
    pub(super) fn repeated(value: &Value, rows: usize) -> Done<Column> {
        let one = Column::from_values(vec![value.clone()]);
        one.take(&UInt32Array::from(vec![0; rows]))
    }

    /// Nulls of a kind.
    pub(super) fn nulls(kind: Kind, rows: usize) -> Column {
        match kind {
            Kind::Long => Column::Long(Int64Array::new_null(rows)),
            Kind::Double => Column::Double(Float64Array::new_null(rows)),
            Kind::Bool => Column::Bool(BooleanArray::new_null(rows)),
            Kind::Str => Column::Str(StringArray::new_null(rows)),
            Kind::Keyword => Column::Keyword(StringArray::new_null(rows)),
            Kind::Instant => Column::instants(Int64Array::new_null(rows)),
            Kind::Any => Column::Any(vec![Value::Nil; rows].into()),
        }
    }

    /// Whether nothing is known of the kind: each cell is null, if there are any.
    pub(super) fn is_blank(&self) -> bool {
        matches!(self, Column::Any(values) if values.iter().all(Value::is_nil))
    }

    /// The given rows in the given order; null for a null.
    pub(super) fn take(&self, rows: &UInt32Array) -> Done<Column> {
        let Some(array) = self.array() else {
            let value = |row: Option<u32>| row.map_or(Value::Nil, |row| self.value(row as usize));
            return Ok(Column::Any(rows.iter().map(value).collect()));
        };
        let taken = arrow_select::take::take(array, rows, None).map_err(failed)?;
        Ok(Column::of_array(self.kind(), &taken))
    }

    /// The rows where a mask is true.
    pub(super) fn filter(&self, mask: &BooleanArray) -> Done<Column> {
        let Some(array) = self.array() else {
            let rows = mask.iter().zip(self.values());
            let kept = rows.filter(|(keep, _)| *keep == Some(true));
            return Ok(Column::Any(kept.map(|(_, value)| value).collect()));
        };
        let kept = arrow_select::filter::filter(array, mask).map_err(failed)?;
        Ok(Column::of_array(self.kind(), &kept))
    }

    /// Rows `start .. start + len`, shared.
    pub(super) fn slice(&self, start: usize, len: usize) -> Column {
        match self {
            Column::Any(values) => Column::Any(values[start..start + len].into()),
            Column::Long(cells) => Column::Long(cells.slice(start, len)),
            Column::Double(cells) => Column::Double(cells.slice(start, len)),
            Column::Bool(cells) => Column::Bool(cells.slice(start, len)),
            Column::Str(cells) => Column::Str(cells.slice(start, len)),
            Column::Keyword(cells) => Column::Keyword(cells.slice(start, len)),
            Column::Instant(cells) => Column::Instant(cells.slice(start, len)),
        }
    }

    /// One column below the other; of two kinds, numbers become doubles and others values.
    pub(super) fn concat(&self, other: &Column) -> Done<Column> {
        let (above, below) = self.alike(other);
        match (above.array(), below.array()) {
            (Some(a), Some(b)) if above.kind() == below.kind() => {
                let both = arrow_select::concat::concat(&[a, b]).map_err(failed)?;
                Ok(Column::of_array(above.kind(), &both))
            }
            _ => Ok(Column::Any(above.values().chain(below.values()).collect())),
        }
    }

    /// Both columns in one kind, where there is one for them.
    pub(super) fn alike(&self, other: &Column) -> (Column, Column) {
        match (self, other) {
            (Column::Any(_), other) if self.is_blank() => {
                (Column::nulls(other.kind(), self.len()), other.clone())
            }
            (column, Column::Any(_)) if other.is_blank() => {
                (column.clone(), Column::nulls(column.kind(), other.len()))
            }
            (Column::Long(longs), Column::Double(_)) => {
                (Column::Double(doubles(longs)), other.clone())
            }
            (Column::Double(_), Column::Long(longs)) => {
                (self.clone(), Column::Double(doubles(longs)))
            }
            _ => (self.clone(), other.clone()),
        }
    }

    /// An array whose cells are equal where the values are.
    pub(super) fn keys(&self) -> ArrayRef {
        match self {
            Column::Any(values) => {
                let mut seen: HashMap<&Value, i64, FixedState> = HashMap::default();
                let mut id = |value| {
                    let next = seen.len() as i64;
                    *seen.entry(value).or_insert(next)
                };
                let ids = values.iter().map(|v| (!v.is_nil()).then(|| id(v)));
                Arc::new(ids.collect::<Int64Array>())
            }
            column => column.shared(),
        }
    }

    /// An array whose cells are in the order of the values.
    pub(super) fn ranks(&self) -> ArrayRef {
        let Column::Any(values) = self else {
            return self.shared();
        };
        let mut rows: Vec<usize> = (0..values.len()).collect();
        rows.sort_by(|&a, &b| datalith_engine::value::compare(&values[a], &values[b]));
        let mut ranks = vec![None; rows.len()];
        let mut rank = 0;
        for pair in 0..rows.len() {
            let value = &values[rows[pair]];
            if pair > 0 && &values[rows[pair - 1]] != value {
                rank += 1;
            }
            ranks[rows[pair]] = (!value.is_nil()).then_some(rank);
        }
        Arc::new(Int64Array::from(ranks))
    }

    fn shared(&self) -> ArrayRef {
        match self {
            Column::Long(cells) => Arc::new(cells.clone()),
            Column::Double(cells) => Arc::new(cells.clone()),
            Column::Bool(cells) => Arc::new(cells.clone()),
            Column::Str(cells) | Column::Keyword(cells) => Arc::new(cells.clone()),
            Column::Instant(cells) => Arc::new(cells.clone()),
            Column::Any(_) => unreachable!("values have no array"),
        }
    }
}

/// Longs as doubles.
pub(super) fn doubles(longs: &Int64Array) -> Float64Array {
    longs.unary(|n| n as f64)
}

/// Texts as an array; none if they are too long for one.
pub(super) fn texts<'a>(
    rows: usize,
    texts: impl Iterator<Item = Option<&'a str>>,
) -> Option<StringArray> {
    let mut array = StringBuilder::with_capacity(rows, rows * 8);
    let mut bytes = 0;
    for text in texts {
        bytes += text.map_or(0, str::len);
        if bytes > TEXT_BYTES {
            return None;
        }
        array.append_option(text);
    }
    Some(array.finish())
}

/// The kind of column that holds a value.
fn kind_of(value: &Value) -> Kind {
    match value {
        Value::Long(_) => Kind::Long,
        Value::Double(_) | Value::Float(_) => Kind::Double,
        Value::Bool(_) => Kind::Bool,
        Value::Str(_) => Kind::Str,
        Value::Keyword(_) => Kind::Keyword,
        Value::Instant(_) => Kind::Instant,
        _ => Kind::Any,
    }
}

fn text_of(value: &Value) -> Option<&str> {
    match value {
        Value::Str(text) => Some(text),
        Value::Keyword(keyword) => Some(keyword.as_str()),
        _ => None,
    }
}
