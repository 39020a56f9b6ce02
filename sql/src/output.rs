//! Answers to files and sockets, batch by batch: memory does not grow with the answer.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};

use datafusion::arrow::csv::WriterBuilder;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::ipc::writer::{FileWriter, StreamWriter};
use datafusion::arrow::json::LineDelimitedWriter;
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::basic::Compression;
use datafusion::parquet::file::properties::WriterProperties;
use datalith_engine::{Code, Error, Result};

use crate::access::{Access, Purpose};
use crate::session::Answer;

/// Where an answer goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// A file; its ending says what it holds.
    File(PathBuf, FileForm),
    /// A listening socket of the system, which gets an Arrow stream.
    #[cfg(unix)]
    Unix(PathBuf),
    /// A listening address, which gets an Arrow stream.
    Tcp(String),
}

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileForm {
    /// Arrow's file format, `.arrow`.
    Arrow,
    /// Arrow's stream format, `.arrows`.
    ArrowStream,
    /// `.parquet`, compressed by Snappy.
    Parquet,
    /// `.csv`, under a line of headings.
    Csv,
    /// `.jsonl` or `.ndjson`, an object on each line.
    JsonLines,
}

impl Destination {
    /// From a path, `unix:/path/of/socket`, or `tcp:host:port`.
    ///
    /// Errors: [`Code::SqlStatement`] for a file whose ending says nothing.
    pub fn parse(text: &str) -> Result<Destination> {
        #[cfg(unix)]
        if let Some(path) = text.strip_prefix("unix:") {
            return Ok(Destination::Unix(PathBuf::from(path)));
        }
        if let Some(address) = text.strip_prefix("tcp:") {
            return Ok(Destination::Tcp(address.to_owned()));
        }
        let path = PathBuf::from(text);
        let ending = path
            .extension()
            .map(|ending| ending.to_string_lossy().to_lowercase());
        let form = match ending.as_deref() {
            Some("arrow") => FileForm::Arrow,
            Some("arrows") => FileForm::ArrowStream,
            Some("parquet") => FileForm::Parquet,
            Some("csv") => FileForm::Csv,
            Some("jsonl" | "ndjson") => FileForm::JsonLines,
            _ => {
                let message = format!(
                    "{text}: end the name with .arrow, .arrows, .parquet, .csv or .jsonl, or say unix:PATH or tcp:HOST:PORT"
                );
                return Err(Error::new(Code::SqlStatement, message));
            }
        };
        Ok(Destination::File(path, form))
    }

    /// Writes an answer and gives its rows. A file has its name only once all of it is there.
    ///
    /// - `files`: whether the file may be written.
    /// - Errors: those of the answer; [`Code::Storage`] for what cannot be written or reached.
    pub fn write(&self, answer: Answer, files: &Access) -> Result<usize> {
        match self {
            Destination::File(path, form) => {
                files.check(path, Purpose::Write)?;
                let part = part_of(path);
                let written = write_file(answer, &part, *form);
                let named = written.and_then(|rows| {
                    fs::rename(&part, path).map_err(|cause| unwritable(path, &cause))?;
                    Ok(rows)
                });
                if named.is_err() {
                    // What is half there is of no use; that it stays harms nobody.
                    let _ = fs::remove_file(&part);
                }
                named
            }
            #[cfg(unix)]
            Destination::Unix(path) => {
                files.check(path, Purpose::Write)?;
                let socket = std::os::unix::net::UnixStream::connect(path);
                stream(answer, socket.map_err(|cause| unwritable(path, &cause))?)
            }
            Destination::Tcp(address) => {
                let socket = TcpStream::connect(address);
                stream(
                    answer,
                    socket.map_err(|cause| unwritable(Path::new(address), &cause))?,
                )
            }
        }
    }
}

fn part_of(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".part");
    path.with_file_name(name)
}

fn write_file(answer: Answer, path: &Path, form: FileForm) -> Result<usize> {
    let file = File::create(path).map_err(|cause| unwritable(path, &cause))?;
    let out = BufWriter::new(file);
    match form {
        FileForm::Arrow => file_format(answer, out),
        FileForm::ArrowStream => stream(answer, out),
        FileForm::Parquet => parquet(answer, out),
        FileForm::Csv => {
            let mut writer = WriterBuilder::new().with_header(true).build(out);
            // The headings are written with the first rows, even if there are none.
            let none =
                datafusion::arrow::array::RecordBatch::new_empty(SchemaRef::clone(answer.schema()));
            writer.write(&none).map_err(|cause| failed(&cause))?;
            each(answer, |batch| writer.write(batch))
        }
        FileForm::JsonLines => {
            let mut writer = LineDelimitedWriter::new(out);
            let rows = each(answer, |batch| writer.write(batch))?;
            writer.finish().map_err(|cause| failed(&cause))?;
            Ok(rows)
        }
    }
}

fn each(
    answer: Answer,
    mut write: impl FnMut(&datafusion::arrow::array::RecordBatch) -> std::result::Result<(), ArrowError>,
) -> Result<usize> {
    let mut rows = 0;
    for batch in answer {
        let batch = batch?;
        write(&batch).map_err(|cause| failed(&cause))?;
        rows += batch.num_rows();
    }
    Ok(rows)
}

fn file_format(answer: Answer, out: impl Write) -> Result<usize> {
    let mut writer = FileWriter::try_new(out, answer.schema()).map_err(|cause| failed(&cause))?;
    let rows = each(answer, |batch| writer.write(batch))?;
    writer.finish().map_err(|cause| failed(&cause))?;
    Ok(rows)
}

fn stream(answer: Answer, out: impl Write) -> Result<usize> {
    let out = BufWriter::new(out);
    let mut writer = StreamWriter::try_new(out, answer.schema()).map_err(|cause| failed(&cause))?;
    let rows = each(answer, |batch| writer.write(batch))?;
    writer.finish().map_err(|cause| failed(&cause))?;
    Ok(rows)
}

fn parquet(answer: Answer, out: impl Write + Send) -> Result<usize> {
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .build();
    let schema = SchemaRef::clone(answer.schema());
    let failed = |cause| failed(&ArrowError::from(cause));
    let mut writer = ArrowWriter::try_new(out, schema, Some(properties)).map_err(failed)?;
    let rows = each(answer, |batch| {
        writer.write(batch).map_err(ArrowError::from)
    })?;
    writer.close().map_err(failed)?;
    Ok(rows)
}

fn unwritable(path: &Path, cause: &io::Error) -> Error {
    Error::new(
        Code::Storage,
        format!("cannot write {}: {cause}", path.display()),
    )
}

fn failed(cause: &ArrowError) -> Error {
    Error::new(Code::Storage, format!("cannot write the answer: {cause}"))
}
