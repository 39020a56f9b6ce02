//! Tables as text and files for other programs.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use datalith_engine::{Value, edn};

use super::rows::Table;
use super::show::plain;
use super::{batch, failed};
use crate::columnar::{Compression, Layout, Writer};
use crate::fault::{Done, refused};
use crate::files::said;

/// How a table is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// Comma-separated values under their names; null is empty.
    Csv,
    /// An array of objects, a row on a line.
    Json,
    /// An object for each row.
    JsonLines,
    /// Markdown's tables.
    Markdown,
    /// HTML's tables.
    Html,
    /// A file of Arrow's columns, compressed with zstd.
    Arrow,
    /// Parquet, compressed with snappy.
    Parquet,
}

/// A table as text; only for formats that are.
pub(super) fn text(table: &Table, format: Format) -> Done<String> {
    let mut bytes = Vec::new();
    write(table, format, &mut bytes)?;
    String::from_utf8(bytes).map_err(|_| refused("the text is no UTF-8"))
}

/// Writes a table to a file, with the folders on the way there.
pub(super) fn file(table: &Table, format: Format, path: &Path) -> Done<()> {
    let at = |cause: io::Error| refused(format!("{}: {}", path.display(), said(&cause)));
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(at)?;
    }
    let mut out = BufWriter::new(File::create(path).map_err(at)?);
    write(table, format, &mut out)?;
    out.flush().map_err(at)
}

fn write(table: &Table, format: Format, out: &mut (impl Write + Send)) -> Done<()> {
    let io = |cause: io::Error| refused(said(&cause));
    match format {
        Format::Csv => csv(table, out).map_err(io),
        Format::Json => json(table, out).map_err(io),
        Format::JsonLines => json_lines(table, out).map_err(io),
        Format::Markdown => out.write_all(table.to_markdown().as_bytes()).map_err(io),
        Format::Html => out
            .write_all(table.to_html(table.len()).as_bytes())
            .map_err(io),
        Format::Arrow => columns(table, Layout::Arrow, out),
        Format::Parquet => columns(table, Layout::Parquet, out),
    }
}

fn columns(table: &Table, layout: Layout, out: &mut (impl Write + Send)) -> Done<()> {
    let batch = batch::of_table(table)?;
    let begun = Writer::begin(out, layout, Compression::Snappy, batch.schema_ref());
    let mut writer = begun.map_err(failed)?;
    writer.write(&batch).map_err(failed)?;
    writer.finish().map(drop).map_err(failed)
}

fn csv(table: &Table, out: &mut impl Write) -> io::Result<()> {
    let mut csv = csv::Writer::from_writer(out);
    csv.write_record(table.names())?;
    for row in 0..table.len() {
        for column in table.columns() {
            csv.write_field(plain(&column.value(row)))?;
        }
        csv.write_record(None::<&[u8]>)?;
    }
    csv.flush()
}

fn json(table: &Table, out: &mut impl Write) -> io::Result<()> {
    out.write_all(b"[")?;
    for row in 0..table.len() {
        out.write_all(if row == 0 { b"" } else { b",\n " })?;
        json_row(table, row, out)?;
    }
    out.write_all(b"]\n")
}

fn json_lines(table: &Table, out: &mut impl Write) -> io::Result<()> {
    for row in 0..table.len() {
        json_row(table, row, out)?;
        out.write_all(b"\n")?;
    }
    Ok(())
}

fn json_row(table: &Table, row: usize, out: &mut impl Write) -> io::Result<()> {
    out.write_all(b"{")?;
    for (at, (name, column)) in table.names().iter().zip(table.columns()).enumerate() {
        out.write_all(if at == 0 { b"" } else { b"," })?;
        serde_json::to_writer(&mut *out, name).map_err(io::Error::from)?;
        out.write_all(b":")?;
        let value = json_value(&column.value(row));
        serde_json::to_writer(&mut *out, &value).map_err(io::Error::from)?;
    }
    out.write_all(b"}")
}

/// A value as JSON: what JSON has as itself, all else as the text a person would write. Keywords lose
/// their colon, sets become arrays.
fn json_value(value: &Value) -> serde_json::Value {
    use serde_json::Value as Json;
    match value {
        Value::Nil => Json::Null,
        Value::Bool(b) => Json::from(*b),
        Value::Long(n) => Json::from(*n),
        Value::Double(x) if x.is_finite() => Json::from(*x),
        Value::Float(x) if x.is_finite() => Json::from(*x),
        Value::Keyword(keyword) => Json::from(keyword.as_str()),
        Value::FloatArray(items) => items
            .iter()
            .map(|x| json_value(&Value::Float(*x)))
            .collect(),
        Value::DoubleArray(items) => items
            .iter()
            .map(|x| json_value(&Value::Double(*x)))
            .collect(),
        Value::Bytes(bytes) => Json::from(edn::base64::encode(bytes)),
        Value::List(items) | Value::Vector(items) => items.iter().map(json_value).collect(),
        Value::Set(items) => items.iter().map(json_value).collect(),
        Value::Map(map) => {
            let key = |key: &Value| match key {
                Value::Keyword(keyword) => keyword.as_str().to_owned(),
                key => plain(key),
            };
            let entries = map
                .iter()
                .map(|(name, value)| (key(name), json_value(value)));
            Json::Object(entries.collect())
        }
        other => Json::from(plain(other)),
    }
}
