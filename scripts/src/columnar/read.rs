//! The batches of a file, one after the other.

use std::fs::File;
use std::io::{BufReader, Read};

use arrow_array::RecordBatch;
use arrow_schema::{ArrowError, SchemaRef};
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};

use super::guard::{damaged, guarded};
use super::ipc::Messages;

/// Rows of a batch of Parquet.
const BATCH_ROWS: usize = 8 * 1024;

/// How columns lie in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Apache Parquet.
    Parquet,
    /// Arrow's file, which ends with a list of its batches.
    Arrow,
    /// Arrow's stream.
    ArrowStream,
}

/// The batches of a file; holds one at a time.
pub struct Batches {
    schema: SchemaRef,
    source: Source,
}

enum Source {
    Parquet(Box<ParquetRecordBatchReader>),
    Arrow(Box<Messages>),
    /// After an error nothing more is read.
    Ended,
}

impl Batches {
    /// The batches of a Parquet file.
    pub fn parquet(file: File) -> Result<Batches, ArrowError> {
        guarded(|| {
            let builder = ParquetRecordBatchReaderBuilder::try_new(file)?;
            let schema = builder.schema().clone();
            let rows = builder.metadata().file_metadata().num_rows();
            if rows < 0 {
                return Err(damaged("it has fewer rows than none"));
            }
            let reader = builder.with_batch_size(BATCH_ROWS).build()?;
            Ok(Batches {
                schema,
                source: Source::Parquet(Box::new(reader)),
            })
        })
    }

    /// The batches of a file or a stream of Arrow; which it is shows from its first bytes.
    pub fn arrow(bytes: impl Read + Send + 'static) -> Result<Batches, ArrowError> {
        guarded(|| {
            let (messages, schema) = Messages::open(Box::new(BufReader::new(bytes)))?;
            Ok(Batches {
                schema,
                source: Source::Arrow(Box::new(messages)),
            })
        })
    }

    /// The names and types of the columns.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }
}

impl Iterator for Batches {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = guarded(|| match &mut self.source {
            Source::Parquet(reader) => reader.next().transpose(),
            Source::Arrow(messages) => messages.next(),
            Source::Ended => Ok(None),
        });
        if next.is_err() {
            self.source = Source::Ended;
        }
        next.transpose()
    }
}
