//! Segments of rows: the leaves of runs, written together and read chunk by chunk.

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::UInt8Type;
use arrow_buffer::{Buffer, ScalarBuffer};
use arrow_schema::SchemaRef;
use uuid::Uuid;

use super::codec::{Context, Encoding};
use super::columns::{Draft, LeafColumns};
use super::directory::{ChunkEntry, Directory, E, EXTRA, Layout, Tables};
use super::file::{Expected, FileWriter, SegmentReader};
use super::open::FromFile;
use super::stamp::{SegmentKind, SegmentStamp};
use crate::bytes::malformed;
use crate::error::{Code, Error, Result};
use crate::index::{Cell, Chunk, ChunkFence, Column, ColumnBuilder, Extra, Kind};
use crate::limits::SEGMENT_CHUNK_ROWS;
use crate::store::Storage;

/// A segment of rows being written. Its leaves are encoded as they come and kept until the end.
pub struct SegmentWriter {
    origin: Uuid,
    tables: Tables,
    chunks: Vec<Draft>,
    rows: u64,
    bytes_estimate: usize,
}

impl SegmentWriter {
    /// A segment without rows.
    ///
    /// `origin` is the commit whose dictionary the rows' ids belong to. It enters the name: equal
    /// rows of branches that went apart mean different things and are different segments.
    pub fn new(origin: Uuid) -> SegmentWriter {
        SegmentWriter {
            origin,
            tables: Tables::default(),
            chunks: Vec::new(),
            rows: 0,
            bytes_estimate: 0,
        }
    }

    /// Adds a leaf; answers the number of its first chunk in the segment and how many it has.
    pub fn add_leaf<'c>(
        &mut self,
        chunks: impl Iterator<Item = &'c Chunk>,
        extra: Extra,
    ) -> Result<(u32, u32)> {
        let leaf = LeafColumns::gather(chunks, extra);
        let first = self.chunks.len();
        let count = leaf.rows().div_ceil(SEGMENT_CHUNK_ROWS);
        if first + count > u32::MAX as usize {
            return Err(Error::new(Code::Internal, "a segment has too many chunks"));
        }
        let (drafts, bytes_estimate) = leaf.encode(count, &mut self.tables);
        self.chunks.extend(drafts);
        self.bytes_estimate += bytes_estimate;
        self.rows += leaf.rows() as u64;
        Ok((first as u32, count as u32))
    }

    /// Rows so far.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// The length of the file, more or less.
    pub fn bytes_estimate(&self) -> u64 {
        self.bytes_estimate as u64
    }

    /// Compresses and creates the object.
    pub fn finish(self, storage: &dyn Storage) -> Result<SegmentStamp> {
        let mut layout = Layout {
            planes: [0; 4],
            kinds: self.chunks.iter().any(|chunk| chunk.kinds.is_some()),
        };
        for chunk in &self.chunks {
            for (planes, of_chunk) in layout.planes.iter_mut().zip(&chunk.planes) {
                *planes = (*planes).max(of_chunk.len() as u8);
            }
        }
        // A file without columns is one that not every Arrow reader takes.
        layout.planes[E] = layout.planes[E].max(1);
        let mut file = FileWriter::with_schema(layout.schema())?;
        let mut directory = Directory {
            origin: self.origin,
            layout,
            tables: self.tables,
            chunks: Vec::with_capacity(self.chunks.len()),
        };
        for chunk in self.chunks {
            directory.chunks.push(chunk.entry.clone());
            file.write(chunk.arrays(&layout))?;
        }
        let mut bytes = Vec::new();
        directory.put(&mut bytes);
        file.in_format(directory.format())
            .finish(storage, SegmentKind::Rows, self.rows, &bytes)
    }
}

/// A segment of rows whose directory is read.
#[derive(Debug)]
pub(super) struct RowsSegment {
    file: SegmentReader,
    directory: Directory,
    schema: SchemaRef,
}

impl FromFile for RowsSegment {
    fn from_file(file: SegmentReader) -> Result<RowsSegment> {
        let format = file.format();
        let directory = file.directory(|cursor| Directory::read(cursor, format))?;
        let rows: u64 = directory
            .chunks
            .iter()
            .map(|chunk| u64::from(chunk.fence.rows))
            .sum();
        let stamp = file.stamp();
        if directory.chunks.len() != file.batches() || rows != stamp.rows {
            return Err(stamp.corrupt(
                format!("{} rows in {} batches", stamp.rows, file.batches()),
                format!("{rows} rows in {}", directory.chunks.len()),
            ));
        }
        let schema = directory.layout.schema();
        Ok(RowsSegment {
            file,
            directory,
            schema,
        })
    }
}

impl RowsSegment {
    /// What is known of the chunks of a leaf.
    pub(super) fn fences(&self, first: u32, chunks: u32) -> Result<Vec<ChunkFence>> {
        let (first, count) = (first as usize, chunks as usize);
        let chunks = self
            .directory
            .chunks
            .get(first..)
            .and_then(|rest| rest.get(..count))
            .ok_or_else(|| self.no_chunk(first + count))?;
        Ok(chunks.iter().map(|chunk| chunk.fence).collect())
    }

    /// Reads everything: each chunk starts as the directory says.
    pub(super) fn check(&self) -> Result<()> {
        for (at, entry) in self.directory.chunks.iter().enumerate() {
            let chunk = self.chunk(at)?;
            let fence = &entry.fence;
            if (chunk.e[0], chunk.v.cell(0)) != (fence.e, fence.v) {
                let stamp = self.file.stamp();
                return Err(stamp.corrupt(
                    format!("chunk {at} to start with {:?} {:?}", fence.e, fence.v),
                    format!("{:?} {:?}", chunk.e[0], chunk.v.cell(0)),
                ));
            }
        }
        Ok(())
    }

    /// Reads, verifies and decodes a chunk.
    pub(super) fn chunk(&self, at: usize) -> Result<Chunk> {
        let entry = self
            .directory
            .chunks
            .get(at)
            .ok_or_else(|| self.no_chunk(at))?;
        let layout = &self.directory.layout;
        let planes = |column: usize| {
            let planes = entry.encodings[column].map_or(0, |encoding| encoding.planes);
            layout.places(column, planes)
        };
        let kinds = entry.kind.is_none().then(|| layout.kinds_place());
        let rows = entry.fence.rows as usize;
        let batch = self.file.batch(
            at,
            &Expected {
                schema: &self.schema,
                rows,
                buffer_bytes_max: rows,
                columns: (E..=EXTRA).flat_map(planes).chain(kinds).collect(),
            },
        )?;
        self.decode(entry, &batch)
            .map_err(|error| self.file.stamp().unreadable(&error))
    }

    fn decode(&self, entry: &ChunkEntry, batch: &RecordBatch) -> Result<Chunk> {
        let rows = entry.fence.rows as usize;
        let Tables { palettes, trends } = &self.directory.tables;
        let palette = entry
            .palette
            .and_then(|palette| palettes.get(palette as usize))
            .map_or(&[][..], Vec::as_slice);
        let mut arrays = batch.columns().iter().map(|array| {
            let bytes: &[u8] = array.as_primitive::<UInt8Type>().values();
            bytes
        });
        let mut column = |encoding: &Option<Encoding>, e: &[u64]| {
            let Some(encoding) = encoding else {
                return Ok(None);
            };
            let planes: Vec<&[u8]> = arrays.by_ref().take(usize::from(encoding.planes)).collect();
            let context = Context { palette, trends, e };
            encoding.decode(&planes, rows, context).map(Some)
        };
        let [e, v, tx, extra] = &entry.encodings;
        let e = column(e, &[])?.unwrap_or_default();
        let (v, tx, extra) = (column(v, &e)?, column(tx, &e)?, column(extra, &e)?);
        let v = v.unwrap_or_default();
        let v = match entry.kind {
            Some(kind) => Column::uniform(kind, v),
            None => mixed(arrays.next().unwrap_or_default(), &v)?,
        };
        Ok(Chunk {
            e: signed(e),
            v,
            tx: signed(tx.unwrap_or_default()),
            extra: extra.map(signed),
        })
    }

    fn no_chunk(&self, at: usize) -> Error {
        let chunks = self.directory.chunks.len();
        self.file
            .stamp()
            .corrupt(format!("a chunk {at}"), format!("{chunks} chunks"))
    }
}

fn signed(column: Vec<u64>) -> ScalarBuffer<i64> {
    let rows = column.len();
    ScalarBuffer::new(Buffer::from_vec(column), 0, rows)
}

fn mixed(kinds: &[u8], bits: &[u64]) -> Result<Column> {
    let mut builder = ColumnBuilder::default();
    for (&kind, &bits) in kinds.iter().zip(bits) {
        let kind = Kind::from_number(kind).ok_or_else(|| malformed("a kind in it is not known"))?;
        builder.push(Cell { kind, bits });
    }
    Ok(builder.finish())
}
