//! Values to columns of Arrow, each type to what holds all of its values.
//!
//! Where Arrow has no such type the values are texts, and the field notes what they are: import reads that.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Float32Array, Float64Array, Int64Array, ListArray,
    StringArray, TimestampMillisecondArray,
};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_schema::{DataType, Field, TimeUnit};
use datalith_engine::index::Kind;
use datalith_engine::schema::{Attribute, ValueType};
use datalith_engine::{Value, edn};
use datalith_scripts::columnar::KIND;

/// The zone of instants.
const UTC: &str = "UTC";

/// A column of a file.
#[derive(Clone, Debug)]
pub(super) struct Column {
    pub(super) name: String,
    lies: Lies,
    /// Whether a cell may have several values.
    pub(super) is_many: bool,
    /// Whether its cells are arrays that are kept aside.
    pub(super) is_aside: bool,
    /// What the values are, where their array does not say.
    note: Option<&'static str>,
}

/// How values lie in an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lies {
    Bool,
    Long,
    Double,
    Instant,
    Text,
    /// As EDN writes them.
    Edn,
    Bytes,
    Floats,
    Doubles,
}

impl Column {
    /// Of entity ids.
    pub(super) fn of_ids(name: &str) -> Column {
        Column::of(name, Lies::Long, None)
    }

    /// Of the values of an attribute that takes no others.
    pub(super) fn of_attribute(name: &str, attribute: &Attribute) -> Column {
        let value_type = attribute.value_type.unwrap_or(ValueType::Value);
        let (lies, note) = match value_type {
            ValueType::Boolean => (Lies::Bool, None),
            ValueType::Long => (Lies::Long, None),
            ValueType::Double => (Lies::Double, None),
            ValueType::Instant => (Lies::Instant, None),
            ValueType::String => (Lies::Text, None),
            ValueType::Bytes => (Lies::Bytes, None),
            ValueType::Float => (Lies::Double, Some("float")),
            ValueType::Ref => (Lies::Long, Some("ref")),
            ValueType::Keyword => (Lies::Text, Some("keyword")),
            ValueType::Symbol => (Lies::Text, Some("symbol")),
            ValueType::Uuid => (Lies::Text, Some("uuid")),
            ValueType::BigInt => (Lies::Text, Some("bigint")),
            ValueType::BigDec => (Lies::Text, Some("bigdec")),
            ValueType::Number => (Lies::Edn, Some("number")),
            ValueType::Tuple => (Lies::Edn, Some("tuple")),
            ValueType::FloatArray if !attribute.is_many() => (Lies::Floats, Some("float-array")),
            ValueType::DoubleArray if !attribute.is_many() => (Lies::Doubles, Some("double-array")),
            _ => (Lies::Edn, Some("edn")),
        };
        Column {
            is_many: attribute.is_many(),
            is_aside: attribute.aside,
            ..Column::of(name, lies, note)
        }
    }

    /// Of values that are of these kinds.
    pub(super) fn of_kinds(name: &str, kinds: impl Iterator<Item = Kind>) -> Column {
        let mut kinds = kinds.filter(|kind| *kind != Kind::Nil);
        let first = kinds.next();
        let only = first.filter(|first| kinds.all(|kind| kind == *first));
        let (lies, note) = match only {
            Some(Kind::Bool) => (Lies::Bool, None),
            Some(Kind::Long) => (Lies::Long, None),
            Some(Kind::Double) => (Lies::Double, None),
            Some(Kind::Float) => (Lies::Double, Some("float")),
            Some(Kind::Instant) => (Lies::Instant, None),
            Some(Kind::Str) => (Lies::Text, None),
            Some(Kind::Bytes) => (Lies::Bytes, None),
            Some(Kind::Keyword) => (Lies::Text, Some("keyword")),
            Some(Kind::Symbol) => (Lies::Text, Some("symbol")),
            Some(Kind::Uuid) => (Lies::Text, Some("uuid")),
            Some(Kind::BigInt) => (Lies::Text, Some("bigint")),
            Some(Kind::BigDec) => (Lies::Text, Some("bigdec")),
            Some(Kind::Floats) => (Lies::Floats, Some("float-array")),
            Some(Kind::Doubles) => (Lies::Doubles, Some("double-array")),
            _ => (Lies::Edn, Some("edn")),
        };
        Column::of(name, lies, note)
    }

    fn of(name: &str, lies: Lies, note: Option<&'static str>) -> Column {
        Column {
            name: name.to_owned(),
            lies,
            is_many: false,
            is_aside: false,
            note,
        }
    }

    /// The same, of arrays that are kept aside.
    pub(super) fn of_arrays(self) -> Column {
        Column {
            is_aside: true,
            lies: Lies::Edn,
            note: Some("edn"),
            ..self
        }
    }

    /// Its name and type.
    pub(super) fn field(&self) -> Field {
        let scalar = self.lies.data_type();
        let data_type = match self.is_many {
            true => DataType::List(item(scalar)),
            false => scalar,
        };
        let note = self.note.map(|note| (KIND.to_owned(), note.to_owned()));
        Field::new(&self.name, data_type, true).with_metadata(HashMap::from_iter(note))
    }

    /// An array of cells; of a column of many each is a vector of values, or nil.
    pub(super) fn array(&self, cells: &[Value]) -> Result<ArrayRef, String> {
        let array = match self.is_many {
            false => self.lies.array(cells),
            true => {
                let parts = |cell: &Value| cell.as_sequential().unwrap_or_default().to_vec();
                let parts: Vec<Vec<Value>> = cells.iter().map(parts).collect();
                let items = self.lies.array(&parts.concat())?;
                list(cells, parts.iter().map(Vec::len), items)
            }
        };
        array.map_err(|message| format!("{}: {message}", self.name))
    }

    /// A cell for JSON: numbers that readers of JSON would round are texts.
    pub(super) fn json(&self, cell: &Value) -> Value {
        match cell {
            Value::BigInt(_) | Value::BigDec(_) | Value::Ratio(_) => {
                Value::str(&self.lies.text(cell))
            }
            Value::Vector(items) if self.is_many => {
                Value::vector(items.iter().map(|v| self.json(v)))
            }
            cell => cell.clone(),
        }
    }

    /// A cell as text for CSV: several values with `;` between them.
    pub(super) fn text(&self, cell: &Value) -> String {
        match cell.as_sequential() {
            Some(parts) if self.is_many => {
                let parts: Vec<String> = parts.iter().map(|part| self.lies.text(part)).collect();
                parts.join(";")
            }
            _ => self.lies.text(cell),
        }
    }
}

fn item(data_type: DataType) -> Arc<Field> {
    Arc::new(Field::new("item", data_type, true))
}

fn list(
    cells: &[Value],
    lengths: impl Iterator<Item = usize>,
    items: ArrayRef,
) -> Result<ArrayRef, String> {
    let present: NullBuffer = cells.iter().map(|cell| !cell.is_nil()).collect();
    let list = ListArray::try_new(
        item(items.data_type().clone()),
        OffsetBuffer::from_lengths(lengths),
        items,
        Some(present),
    );
    let list = list.map_err(|cause| cause.to_string())?;
    Ok(Arc::new(list))
}

fn arrays<T: Clone, A: Array + From<Vec<T>> + 'static>(
    cells: &[Value],
    parts: Vec<Option<Vec<T>>>,
) -> Result<ArrayRef, String> {
    let parts: Vec<Vec<T>> = parts.into_iter().map(Option::unwrap_or_default).collect();
    let items: A = parts.concat().into();
    list(cells, parts.iter().map(Vec::len), Arc::new(items))
}

impl Lies {
    fn data_type(self) -> DataType {
        match self {
            Lies::Bool => DataType::Boolean,
            Lies::Long => DataType::Int64,
            Lies::Double => DataType::Float64,
            Lies::Instant => DataType::Timestamp(TimeUnit::Millisecond, Some(UTC.into())),
            Lies::Text | Lies::Edn => DataType::Utf8,
            Lies::Bytes => DataType::Binary,
            Lies::Floats => DataType::List(item(DataType::Float32)),
            Lies::Doubles => DataType::List(item(DataType::Float64)),
        }
    }

    fn array(self, cells: &[Value]) -> Result<ArrayRef, String> {
        Ok(match self {
            Lies::Bool => Arc::new(each::<_, BooleanArray>(cells, |cell| match cell {
                Value::Bool(b) => Some(*b),
                _ => None,
            })?),
            Lies::Long => Arc::new(each::<_, Int64Array>(cells, Value::as_long)?),
            Lies::Double => Arc::new(each::<_, Float64Array>(cells, |cell| match cell {
                Value::Double(_) | Value::Float(_) => cell.to_double(),
                _ => None,
            })?),
            Lies::Instant => {
                let instants = each::<_, TimestampMillisecondArray>(cells, |cell| match cell {
                    Value::Instant(ms) => Some(*ms),
                    _ => None,
                })?;
                Arc::new(instants.with_timezone(UTC))
            }
            Lies::Bytes => Arc::new(each::<_, BinaryArray>(cells, |cell| match cell {
                Value::Bytes(bytes) => Some(bytes.to_vec()),
                _ => None,
            })?),
            Lies::Text | Lies::Edn => {
                Arc::new(each::<_, StringArray>(cells, |cell| Some(self.text(cell)))?)
            }
            Lies::Floats => {
                let floats = |cell: &Value| match cell {
                    Value::FloatArray(items) => Some(items.to_vec()),
                    _ => None,
                };
                let parts: Vec<Option<Vec<f32>>> = each(cells, floats)?;
                return arrays::<_, Float32Array>(cells, parts);
            }
            Lies::Doubles => {
                let doubles = |cell: &Value| match cell {
                    Value::DoubleArray(items) => Some(items.to_vec()),
                    _ => None,
                };
                let parts: Vec<Option<Vec<f64>>> = each(cells, doubles)?;
                return arrays::<_, Float64Array>(cells, parts);
            }
        })
    }

    fn text(self, cell: &Value) -> String {
        let numbers = |numbers: Vec<String>| format!("[{}]", numbers.join(" "));
        match cell {
            Value::Nil => String::new(),
            _ if self == Lies::Edn => cell.to_string(),
            Value::Instant(ms) => edn::instant_text(*ms).unwrap_or_else(|| ms.to_string()),
            Value::Bytes(bytes) => edn::base64::encode(bytes),
            Value::Keyword(keyword) => keyword.as_str().to_owned(),
            Value::FloatArray(items) => numbers(items.iter().map(f32::to_string).collect()),
            Value::DoubleArray(items) => numbers(items.iter().map(f64::to_string).collect()),
            other => edn::display_str(other),
        }
    }
}

/// An array of what `read` finds in each cell; null for nil.
fn each<T, A: FromIterator<Option<T>>>(
    cells: &[Value],
    read: impl Fn(&Value) -> Option<T>,
) -> Result<A, String> {
    let cell = |cell: &Value| match cell {
        Value::Nil => Ok(None),
        cell => match read(cell) {
            Some(found) => Ok(Some(found)),
            None => Err(format!("{cell} is not of the type of the others")),
        },
    };
    cells.iter().map(cell).collect()
}
