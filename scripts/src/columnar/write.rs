//! Batches to files.

use std::io::Write;

use arrow_array::RecordBatch;
use arrow_ipc::CompressionType;
use arrow_ipc::writer::{FileWriter, IpcWriteOptions, StreamWriter};
use arrow_schema::{ArrowError, Schema, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::basic;
use parquet::file::properties::WriterProperties;

use super::read::Layout;

/// How the pages of a Parquet file are packed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// Fast, and read by everything.
    #[default]
    Snappy,
    /// Smaller.
    Zstd,
}

/// Writes batches of one schema, as they come.
pub struct Writer<W: Write + Send> {
    form: Form<W>,
}

enum Form<W: Write + Send> {
    Parquet(Box<ArrowWriter<W>>),
    Arrow(Box<FileWriter<W>>),
    ArrowStream(Box<StreamWriter<W>>),
}

impl<W: Write + Send> Writer<W> {
    /// Begins a file. Arrow's files and streams are packed with zstd.
    pub fn begin(
        out: W,
        layout: Layout,
        compression: Compression,
        schema: &SchemaRef,
    ) -> Result<Writer<W>, ArrowError> {
        let packed =
            || IpcWriteOptions::default().try_with_compression(Some(CompressionType::ZSTD));
        let plain: &Schema = schema;
        let form = match layout {
            Layout::Parquet => {
                let compression = match compression {
                    Compression::Snappy => basic::Compression::SNAPPY,
                    Compression::Zstd => basic::Compression::ZSTD(basic::ZstdLevel::default()),
                };
                let properties = WriterProperties::builder().set_compression(compression);
                let writer = ArrowWriter::try_new(out, schema.clone(), Some(properties.build()))?;
                Form::Parquet(Box::new(writer))
            }
            Layout::Arrow => {
                let writer = FileWriter::try_new_with_options(out, plain, packed()?)?;
                Form::Arrow(Box::new(writer))
            }
            Layout::ArrowStream => {
                let writer = StreamWriter::try_new_with_options(out, plain, packed()?)?;
                Form::ArrowStream(Box::new(writer))
            }
        };
        Ok(Writer { form })
    }

    /// Writes a batch.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<(), ArrowError> {
        match &mut self.form {
            Form::Parquet(writer) => Ok(writer.write(batch)?),
            Form::Arrow(writer) => writer.write(batch),
            Form::ArrowStream(writer) => writer.write(batch),
        }
    }

    /// Ends the file, and gives back where it was written.
    pub fn finish(self) -> Result<W, ArrowError> {
        match self.form {
            Form::Parquet(writer) => Ok(writer.into_inner()?),
            Form::Arrow(writer) => writer.into_inner(),
            Form::ArrowStream(writer) => writer.into_inner(),
        }
    }
}
