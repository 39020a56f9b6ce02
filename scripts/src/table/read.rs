//! Tables from text and files of other programs.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use arrow_array::builder::StringBuilder;
use arrow_array::{Array, BooleanArray, Float64Array, Int64Array, StringArray};
use arrow_schema::ArrowError;
use datalith_engine::{Value, edn};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

use super::column::{Column, Kind};
use super::rows::{Table, unique};
use super::{batch, room};
use crate::columnar::Batches;
use crate::fault::{Done, refused};
use crate::files::said;
use crate::meter::Meter;

/// How many times its bytes a text takes while it becomes a table.
const TEXT_GROWTH: usize = 4;

/// How comma-separated values lie in a text.
pub(super) struct Csv {
    /// What separates the fields of a row.
    pub(super) delimiter: u8,
    /// Whether the first row names the columns.
    pub(super) has_header: bool,
}

impl Default for Csv {
    fn default() -> Csv {
        Csv {
            delimiter: b',',
            has_header: true,
        }
    }
}

/// The bytes of a file.
pub(super) fn bytes(path: &Path, meter: &Meter) -> Done<Vec<u8>> {
    let at = |cause: std::io::Error| refused(format!("{}: {}", path.display(), said(&cause)));
    let mut file = File::open(path).map_err(at)?;
    let len = file.metadata().map_err(at)?.len();
    room(
        meter,
        usize::try_from(len)
            .unwrap_or(usize::MAX)
            .saturating_mul(TEXT_GROWTH),
    )?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(at)?;
    Ok(bytes)
}

/// A table of comma-separated values; each column of the narrowest kind that fits all its fields: longs,
/// doubles, booleans, ISO dates and times, strings. An empty field is null. Numbers that start with a
/// needless 0 are strings: they are codes.
///
/// Fails at a row that has more or fewer fields than the first, with its line.
pub(super) fn csv(bytes: &[u8], csv: &Csv) -> Done<Table> {
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(csv.delimiter)
        .has_headers(csv.has_header)
        .from_reader(bytes);
    let mut names: Vec<String> = match csv.has_header {
        true => reader
            .headers()
            .map_err(ragged)?
            .iter()
            .map(|name| name.trim().to_owned())
            .collect(),
        false => Vec::new(),
    };
    let mut columns: Vec<StringBuilder> = names.iter().map(|_| StringBuilder::new()).collect();
    let (mut rows, mut record) = (0, csv::StringRecord::new());
    while reader.read_record(&mut record).map_err(ragged)? {
        while columns.len() < record.len() {
            columns.push(StringBuilder::new());
            names.push(String::new());
        }
        for (column, field) in columns.iter_mut().zip(&record) {
            if column.values_slice().len() + field.len() > i32::MAX as usize {
                return Err(refused("the texts of a column are too long"));
            }
            column.append_option((!field.is_empty()).then_some(field));
        }
        rows += 1;
    }
    for (at, name) in names
        .iter_mut()
        .enumerate()
        .filter(|(_, name)| name.is_empty())
    {
        *name = format!("column_{}", at + 1);
    }
    let columns = columns.iter_mut().map(|column| inferred(column.finish()));
    Ok(Table::of_columns(
        unique(names.into_iter()),
        columns.collect(),
        rows,
    ))
}

fn ragged(error: csv::Error) -> Box<rhai::EvalAltResult> {
    let line = error
        .position()
        .map(|position| format!("line {}: ", position.line()));
    let line = line.unwrap_or_default();
    refused(match error.kind() {
        csv::ErrorKind::UnequalLengths {
            expected_len, len, ..
        } => {
            format!("{line}{len} fields where {expected_len} are expected")
        }
        csv::ErrorKind::Utf8 { .. } => format!("{line}the text is no UTF-8"),
        _ => format!("{line}{error}"),
    })
}

/// Texts as the narrowest kind that fits all of them.
fn inferred(texts: StringArray) -> Column {
    if texts.null_count() == texts.len() {
        return Column::nulls(Kind::Any, texts.len());
    }
    if let Some(cells) = all(&texts, long) {
        return Column::Long(cells.into_iter().collect::<Int64Array>());
    }
    if let Some(cells) = all(&texts, double) {
        return Column::Double(cells.into_iter().collect::<Float64Array>());
    }
    if let Some(cells) = all(&texts, boolean) {
        return Column::Bool(cells.into_iter().collect::<BooleanArray>());
    }
    match all(&texts, instant) {
        Some(cells) => Column::instants(cells.into_iter().collect()),
        None => Column::Str(texts),
    }
}

/// What each text reads as; none if one does not.
fn all<T>(texts: &StringArray, read: impl Fn(&str) -> Option<T>) -> Option<Vec<Option<T>>> {
    let cell = |text: Option<&str>| match text {
        Some(text) => read(text.trim()).map(Some),
        None => Some(None),
    };
    texts.iter().map(cell).collect()
}

fn is_code(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text).as_bytes();
    digits.len() > 1 && digits[0] == b'0' && digits[1].is_ascii_digit()
}

fn long(text: &str) -> Option<i64> {
    let is_plain = !text.starts_with('+') && !is_code(text);
    is_plain.then(|| text.parse().ok()).flatten()
}

fn double(text: &str) -> Option<f64> {
    let starts = text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '.'));
    let is_plain = starts && text.ends_with(|c: char| c.is_ascii_digit()) && !is_code(text);
    is_plain.then(|| text.parse().ok()).flatten()
}

fn boolean(text: &str) -> Option<bool> {
    match text {
        "true" | "True" | "TRUE" => Some(true),
        "false" | "False" | "FALSE" => Some(false),
        _ => None,
    }
}

/// `2026-01-31`, or with a time behind `T` or a space.
fn instant(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    let is_digits = |range: std::ops::Range<usize>| {
        bytes
            .get(range)
            .is_some_and(|part| part.iter().all(u8::is_ascii_digit))
    };
    let is_date = is_digits(0..4) && is_digits(5..7) && is_digits(8..10);
    if !is_date || bytes[4] != b'-' || bytes[7] != b'-' {
        return None;
    }
    match bytes.get(10) {
        None => edn::parse_instant(text).ok(),
        Some(b'T' | b' ') => edn::parse_instant(&text.replacen(' ', "T", 1)).ok(),
        Some(_) => None,
    }
}

/// The entries of an object in their order.
struct Entries(Vec<(String, serde_json::Value)>);

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Entries, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Entries;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object for each row")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

/// A table of JSON: an array of objects, or objects one after the other, each a row. What one lacks is
/// null; columns come in the order in which their names first do.
pub(super) fn json(bytes: &[u8]) -> Done<Table> {
    let unreadable = |error: serde_json::Error| refused(error.to_string());
    let start = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
    let rows: Vec<Entries> = match start {
        Some(b'[') => serde_json::from_slice(bytes).map_err(unreadable)?,
        _ => serde_json::Deserializer::from_slice(bytes)
            .into_iter()
            .collect::<Result<_, _>>()
            .map_err(unreadable)?,
    };
    let (mut names, mut columns): (Vec<String>, Vec<Vec<Value>>) = (Vec::new(), Vec::new());
    let count = rows.len();
    for (row, Entries(entries)) in rows.into_iter().enumerate() {
        for (name, value) in entries {
            let column = names.iter().position(|other| *other == name);
            let column = column.unwrap_or_else(|| {
                names.push(name);
                columns.push(Vec::new());
                names.len() - 1
            });
            // The last of two entries of one name counts.
            columns[column].truncate(row);
            columns[column].resize(row, Value::Nil);
            columns[column].push(value_of(value));
        }
    }
    let column = |mut values: Vec<Value>| {
        values.resize(count, Value::Nil);
        Column::from_written(values)
    };
    Ok(Table::of_columns(
        names,
        columns.into_iter().map(column).collect(),
        count,
    ))
}

/// A value of JSON; keys of objects become keywords.
fn value_of(json: serde_json::Value) -> Value {
    use serde_json::Value as Json;
    match json {
        Json::Null => Value::Nil,
        Json::Bool(b) => Value::Bool(b),
        Json::Number(n) => match (n.as_i64(), n.as_f64()) {
            (Some(n), _) => Value::Long(n),
            (None, Some(x)) => Value::Double(x),
            (None, None) => Value::from(n.to_string()),
        },
        Json::String(text) => Value::from(text),
        Json::Array(items) => Value::vector(items.into_iter().map(value_of)),
        Json::Object(map) => {
            let entries = map.into_iter();
            Value::map(entries.map(|(key, value)| (Value::keyword(&key), value_of(value))))
        }
    }
}

/// A table of a Parquet file.
pub(super) fn parquet(path: &Path, meter: &Meter) -> Done<Table> {
    collected(path, meter, Batches::parquet)
}

/// A table of a file or a stream of Arrow's columns.
pub(super) fn arrow(path: &Path, meter: &Meter) -> Done<Table> {
    collected(path, meter, Batches::arrow)
}

fn collected(
    path: &Path,
    meter: &Meter,
    open: impl FnOnce(File) -> Result<Batches, ArrowError>,
) -> Done<Table> {
    let cause = |cause: &dyn std::fmt::Display| refused(format!("{}: {cause}", path.display()));
    let file = File::open(path).map_err(|error| cause(&said(&error)))?;
    let opened = open(file).map_err(|error| cause(&error))?;
    let schema = opened.schema().clone();
    let mut batches = Vec::new();
    for batch in opened {
        let batch = batch.map_err(|error| cause(&error))?;
        // What is read so far is held already; it is copied once more at the end.
        room(meter, 2 * batch.get_array_memory_size())?;
        batches.push(batch);
    }
    batch::to_table(&schema, &batches)
}
