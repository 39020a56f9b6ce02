//! Batches of cells to one file, or to a file for each value of some columns.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_schema::{Schema, SchemaRef};
use datalith_engine::Value;
use datalith_scripts::columnar::{Compression, Layout, Writer};

use super::column::Column;
use super::rows::Cells;
use super::{Form, TableForm};
use crate::cli::fault::Fault;
use crate::cli::import::NO_VALUE;
use crate::cli::json;

/// Most files that are open at once: one for each value of the columns to part by.
const FILES_MAX: usize = 1_000;
/// Bytes written at a time.
const WRITE_BYTES: usize = 256 << 10;

/// Where rows go.
pub(super) struct Files {
    path: PathBuf,
    form: TableForm,
    columns: Vec<Column>,
    /// The places of the columns that name folders.
    parted_by: Vec<usize>,
    schema: SchemaRef,
    open: HashMap<PathBuf, Sink>,
    pub(super) rows: usize,
}

/// A file under way.
struct Sink {
    /// Its name until it is whole.
    part: PathBuf,
    writer: Rows,
}

enum Rows {
    Columns(Box<Writer<BufWriter<File>>>),
    Csv(Box<csv::Writer<BufWriter<File>>>),
    Jsonl(BufWriter<File>),
}

impl Files {
    /// Fails if there is something at the path already, or a column to part by is missing.
    pub(super) fn new(
        path: &Path,
        form: TableForm,
        columns: Vec<Column>,
        parted_by: &[String],
    ) -> Result<Files, Fault> {
        if path.exists() {
            return Err(Fault::Failed(format!(
                "{} is there already: choose another name, or remove it",
                path.display()
            )));
        }
        let place = |name: &String| {
            let at = columns.iter().position(|column| column.name == *name);
            at.ok_or_else(|| {
                let names: Vec<&str> = columns.iter().map(|column| &*column.name).collect();
                let names = names.join(", ");
                Fault::Usage(format!(
                    "--partition-by {name}: no such column; there are {names}"
                ))
            })
        };
        let parted_by: Vec<usize> = parted_by.iter().map(place).collect::<Result<_, _>>()?;
        let own = (0..columns.len()).filter(|at| !parted_by.contains(at));
        let fields: Vec<_> = own.map(|at| columns[at].field()).collect();
        Ok(Files {
            path: path.to_owned(),
            form,
            columns,
            parted_by,
            schema: Arc::new(Schema::new(fields)),
            open: HashMap::new(),
            rows: 0,
        })
    }

    /// Writes rows.
    pub(super) fn write(&mut self, cells: &Cells) -> Result<(), Fault> {
        let rows = cells.first().map_or(0, Vec::len);
        self.rows += rows;
        if self.parted_by.is_empty() {
            return self.write_to(&self.path.clone(), cells);
        }
        let mut parts: Vec<(PathBuf, Vec<usize>)> = Vec::new();
        let mut places: HashMap<PathBuf, usize> = HashMap::new();
        for row in 0..rows {
            let path = self.part_of(cells, row);
            let place = *places.entry(path.clone()).or_insert_with(|| {
                parts.push((path, Vec::new()));
                parts.len() - 1
            });
            parts[place].1.push(row);
        }
        for (path, rows) in parts {
            let chosen =
                |column: &Vec<Value>| rows.iter().map(|row| column[*row].clone()).collect();
            self.write_to(&path, &cells.iter().map(chosen).collect())?;
        }
        Ok(())
    }

    /// Ends all files; gives how many there are, and their bytes.
    pub(super) fn finish(mut self) -> Result<(usize, u64), Fault> {
        if self.parted_by.is_empty() && self.open.is_empty() {
            // No row is a file too.
            self.sink(&self.path.clone())?;
        }
        let (count, mut bytes) = (self.open.len(), 0);
        for (path, sink) in std::mem::take(&mut self.open) {
            let unwritable = |cause: io::Error| unwritable(&path, &cause);
            let file = sink.writer.finish().map_err(unwritable)?;
            bytes += file.metadata().map_err(unwritable)?.len();
            fs::rename(&sink.part, &path).map_err(unwritable)?;
        }
        Ok((count, bytes))
    }

    fn part_of(&self, cells: &Cells, row: usize) -> PathBuf {
        let mut path = self.path.clone();
        for at in &self.parted_by {
            let (column, cell) = (&self.columns[*at], &cells[*at][row]);
            let value = match cell {
                Value::Nil => NO_VALUE.to_owned(),
                cell => encoded(&column.text(cell)),
            };
            path.push(format!("{}={value}", encoded(&column.name)));
        }
        path.join(format!("part-0.{}", self.form.ending()))
    }

    fn write_to(&mut self, path: &Path, cells: &Cells) -> Result<(), Fault> {
        let (schema, columns) = (self.schema.clone(), self.columns.clone());
        let own: Vec<usize> = (0..columns.len())
            .filter(|at| !self.parted_by.contains(at))
            .collect();
        let rows = cells.first().map_or(0, Vec::len);
        let sink = self.sink(path)?;
        let unwritable = |cause: io::Error| unwritable(path, &cause);
        match &mut sink.writer {
            Rows::Columns(writer) => {
                let arrays = own.iter().map(|at| columns[*at].array(&cells[*at]));
                let arrays = arrays.collect::<Result<_, _>>().map_err(Fault::Failed)?;
                let options = RecordBatchOptions::new().with_row_count(Some(rows));
                let batch = RecordBatch::try_new_with_options(schema, arrays, &options);
                let written = batch.and_then(|batch| writer.write(&batch));
                written.map_err(|cause| unwritable(io::Error::other(cause)))
            }
            Rows::Csv(writer) => (0..rows).try_for_each(|row| {
                let texts = own.iter().map(|at| columns[*at].text(&cells[*at][row]));
                let written = writer.write_record(texts);
                written.map_err(|cause| unwritable(cause.into()))
            }),
            Rows::Jsonl(out) => (0..rows).try_for_each(|row| {
                let entries = own.iter().map(|at| (&columns[*at], &cells[*at][row]));
                let present = entries.filter(|(_, cell)| !cell.is_nil());
                let object =
                    present.map(|(column, cell)| (Value::str(&column.name), column.json(cell)));
                let written = json::write(out, &Value::map(object));
                written
                    .and_then(|()| out.write_all(b"\n"))
                    .map_err(unwritable)
            }),
        }
    }

    fn sink(&mut self, path: &Path) -> Result<&mut Sink, Fault> {
        if !self.open.contains_key(path) {
            if self.open.len() == FILES_MAX {
                return Err(Fault::Failed(format!(
                    "--partition-by makes more than {FILES_MAX} files"
                )));
            }
            let sink = self.begin(path).map_err(|cause| unwritable(path, &cause))?;
            self.open.insert(path.to_owned(), sink);
        }
        Ok(self
            .open
            .get_mut(path)
            .expect("it is there or was just put there"))
    }

    fn begin(&self, path: &Path) -> io::Result<Sink> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut part = path.as_os_str().to_owned();
        part.push(".part");
        let part = PathBuf::from(part);
        let mut out = BufWriter::with_capacity(WRITE_BYTES, File::create(&part)?);
        let writer = match self.form.form {
            Form::Csv | Form::Tsv => {
                let delimiter = if self.form.form == Form::Tsv {
                    b'\t'
                } else {
                    b','
                };
                let mut builder = csv::WriterBuilder::new();
                let mut writer = builder.delimiter(delimiter).from_writer(out);
                writer.write_record(self.schema.fields().iter().map(|field| field.name()))?;
                Rows::Csv(Box::new(writer))
            }
            Form::Jsonl => {
                out.flush()?;
                Rows::Jsonl(out)
            }
            Form::Parquet => self.columns(out, Layout::Parquet)?,
            Form::Arrow => self.columns(out, Layout::Arrow)?,
            Form::ArrowStream => self.columns(out, Layout::ArrowStream)?,
        };
        Ok(Sink { part, writer })
    }

    fn columns(&self, out: BufWriter<File>, layout: Layout) -> io::Result<Rows> {
        let compression = match self.form.zstd {
            true => Compression::Zstd,
            false => Compression::Snappy,
        };
        let writer = Writer::begin(out, layout, compression, &self.schema);
        Ok(Rows::Columns(Box::new(writer.map_err(io::Error::other)?)))
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        for sink in self.open.values() {
            // Half a file is of no use to anybody.
            let _ = fs::remove_file(&sink.part);
        }
    }
}

impl Rows {
    fn finish(self) -> io::Result<File> {
        let mut out = match self {
            Rows::Columns(writer) => writer.finish().map_err(io::Error::other)?,
            Rows::Csv(writer) => writer.into_inner().map_err(|cause| cause.into_error())?,
            Rows::Jsonl(out) => out,
        };
        out.flush()?;
        out.into_inner().map_err(io::IntoInnerError::into_error)
    }
}

fn unwritable(path: &Path, cause: &io::Error) -> Fault {
    Fault::Failed(format!("cannot write {}: {cause}", path.display()))
}

/// A text as the name of a folder: what would not be one as `%` and two digits.
fn encoded(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'-' | b'_' | b'.' | b' ' | b'+' | 0x80.. => {
            vec![byte]
        }
        byte => format!("%{byte:02X}").into_bytes(),
    };
    let bytes: Vec<u8> = text.bytes().flat_map(byte).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}
