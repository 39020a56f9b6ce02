//! Segments of rows: the leaves of runs, written together and read chunk by chunk.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::UInt8Type;
use arrow_array::{ArrayRef, RecordBatch, UInt8Array};
use arrow_buffer::{Buffer, ScalarBuffer};
use arrow_schema::SchemaRef;
use hashbrown::HashSet;
use uuid::Uuid;

use super::codec::{Encoded, Encoding, Numbers, encode, encode_doubles};
use super::directory::{ChunkEntry, Directory, E, EXTRA, Layout};
use super::file::{Expected, FileWriter, SegmentReader};
use super::open::FromFile;
use super::stamp::{SegmentKind, SegmentStamp};
use crate::bytes::malformed;
use crate::error::{Code, Error, Result};
use crate::index::{Cell, Chunk, ChunkFence, Column, ColumnBuilder, Extra, Kind, Kinds};
use crate::limits::SEGMENT_CHUNK_ROWS;
use crate::store::Storage;

/// Longest palette of a leaf.
const PALETTE_MAX: usize = 4096;
/// Rows of a leaf for each value of its palette, at least: else the palette costs more than it saves.
const PALETTE_ROWS_MIN: usize = 16;

/// A segment of rows being written. Its leaves are encoded as they come and kept until the end.
pub struct SegmentWriter {
    origin: Uuid,
    palettes: Vec<Vec<u64>>,
    chunks: Vec<Draft>,
    rows: u64,
    bytes_estimate: usize,
}

/// A chunk that is encoded but not compressed.
struct Draft {
    entry: ChunkEntry,
    /// Planes of e, v, tx, extra.
    planes: [Vec<Vec<u8>>; 4],
    kinds: Option<Vec<u8>>,
    bytes_estimate: usize,
}

/// A leaf as four columns and kinds.
struct LeafColumns {
    e: Vec<u64>,
    v: Column,
    tx: Vec<u64>,
    extra: Option<Vec<u64>>,
}

impl SegmentWriter {
    /// A segment without rows.
    ///
    /// `origin` is the commit whose dictionary the rows' ids belong to. It enters the name: equal
    /// rows of branches that went apart mean different things and are different segments.
    pub fn new(origin: Uuid) -> SegmentWriter {
        SegmentWriter {
            origin,
            palettes: Vec::new(),
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
        let rows = leaf.e.len();
        let count = rows.div_ceil(SEGMENT_CHUNK_ROWS);
        if first + count > u32::MAX as usize {
            return Err(Error::new(Code::Internal, "a segment has too many chunks"));
        }
        let values = self.encode_values(&leaf, count);
        for (at, (v, palette)) in values.into_iter().enumerate() {
            let draft = leaf.draft(piece(rows, count, at), v, palette);
            self.bytes_estimate += draft.bytes_estimate;
            self.chunks.push(draft);
        }
        self.rows += rows as u64;
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

    /// The values of each chunk of a leaf: through a palette if that is shorter for all together.
    fn encode_values(&mut self, leaf: &LeafColumns, count: usize) -> Vec<(Encoded, Option<u32>)> {
        let rows = leaf.e.len();
        let bits = leaf.v.bits();
        let is_doubles = leaf.v.kind() == Some(Kind::Double);
        let plain: Vec<Encoded> = (0..count)
            .map(|at| {
                let bits = &bits[piece(rows, count, at)];
                if is_doubles {
                    encode_doubles(bits)
                } else {
                    encode(bits, Numbers::Bits)
                }
            })
            .collect();
        let plain_bytes: usize = plain.iter().map(|it| it.bytes_estimate).sum();
        let Some(palette) = palette_of(bits) else {
            return plain.into_iter().map(|encoded| (encoded, None)).collect();
        };
        let at_palette: Vec<Encoded> = (0..count)
            .map(|at| {
                let positions: Vec<u64> = bits[piece(rows, count, at)]
                    .iter()
                    .map(|bits| palette.partition_point(|value| value < bits) as u64)
                    .collect();
                encode(&positions, Numbers::Palette)
            })
            .collect();
        let palette_bytes: usize = at_palette.iter().map(|it| it.bytes_estimate).sum();
        if palette_bytes + 4 * palette.len() >= plain_bytes {
            return plain.into_iter().map(|encoded| (encoded, None)).collect();
        }
        let number = self.palettes.len() as u32;
        self.bytes_estimate += 4 * palette.len();
        self.palettes.push(palette);
        at_palette
            .into_iter()
            .map(|encoded| (encoded, Some(number)))
            .collect()
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
            palettes: self.palettes,
            chunks: Vec::with_capacity(self.chunks.len()),
        };
        for chunk in self.chunks {
            directory.chunks.push(chunk.entry.clone());
            file.write(chunk.arrays(&layout))?;
        }
        let mut bytes = Vec::new();
        directory.put(&mut bytes);
        file.finish(storage, SegmentKind::Rows, self.rows, &bytes)
    }
}

/// The rows of the `at`th of `count` chunks of much the same length.
fn piece(rows: usize, count: usize, at: usize) -> std::ops::Range<usize> {
    rows * at / count..rows * (at + 1) / count
}

/// The values that occur, ascending, if they are few.
fn palette_of(bits: &[u64]) -> Option<Vec<u64>> {
    let len_max = PALETTE_MAX.min(bits.len() / PALETTE_ROWS_MIN);
    let mut seen: HashSet<u64, foldhash::fast::FixedState> = HashSet::default();
    let mut last = None;
    for &value in bits {
        if last != Some(value) && seen.insert(value) && seen.len() > len_max {
            return None;
        }
        last = Some(value);
    }
    let mut palette: Vec<u64> = seen.into_iter().collect();
    palette.sort_unstable();
    Some(palette)
}

impl LeafColumns {
    fn gather<'c>(chunks: impl Iterator<Item = &'c Chunk>, extra: Extra) -> LeafColumns {
        let (mut e, mut v, mut tx) = (Vec::new(), ColumnBuilder::default(), Vec::new());
        let mut extras = Vec::new();
        for chunk in chunks {
            e.extend(chunk.e.iter().map(|&n| n as u64));
            v.extend(&chunk.v);
            tx.extend(chunk.tx.iter().map(|&n| n as u64));
            if let Some(extra) = &chunk.extra {
                extras.extend(extra.iter().map(|&n| n as u64));
            }
            extras.resize(e.len(), 0);
        }
        LeafColumns {
            e,
            v: v.finish(),
            tx,
            extra: (extra != Extra::Nothing).then_some(extras),
        }
    }

    fn draft(&self, rows: std::ops::Range<usize>, v: Encoded, palette: Option<u32>) -> Draft {
        let first = rows.start;
        let values = self.v.slice(first, rows.len());
        let (kind, kinds) = match values.kinds() {
            Kinds::All(kind) => (Some(*kind), None),
            Kinds::Each(kinds) if kinds.iter().all(|kind| *kind == kinds[0]) => {
                (Some(values.kind_at(0)), None)
            }
            Kinds::Each(kinds) => (None, Some(kinds.to_vec())),
        };
        let e = encode(&self.e[rows.clone()], Numbers::Bits);
        let tx = encode(&self.tx[rows.clone()], Numbers::Bits);
        let extra = self
            .extra
            .as_ref()
            .map(|extra| encode(&extra[rows.clone()], Numbers::Bits));
        let bytes_estimate = e.bytes_estimate
            + v.bytes_estimate
            + tx.bytes_estimate
            + extra.as_ref().map_or(0, |extra| extra.bytes_estimate)
            + kinds.as_ref().map_or(0, |kinds| kinds.len() / 4);
        let entry = ChunkEntry {
            fence: ChunkFence {
                rows: rows.len() as u32,
                e: self.e[first] as i64,
                v: values.cell(0),
            },
            kind,
            encodings: [
                Some(e.encoding),
                Some(v.encoding),
                Some(tx.encoding),
                extra.as_ref().map(|extra| extra.encoding),
            ],
            palette,
        };
        let extra_planes = extra.map_or_else(Vec::new, |extra| extra.planes);
        Draft {
            entry,
            planes: [e.planes, v.planes, tx.planes, extra_planes],
            kinds,
            bytes_estimate,
        }
    }
}

impl Draft {
    /// The Arrow columns; planes that this chunk does without are zeros.
    fn arrays(self, layout: &Layout) -> Vec<ArrayRef> {
        let rows = self.entry.fence.rows as usize;
        let mut arrays: Vec<ArrayRef> = Vec::new();
        let mut push = |bytes: Vec<u8>| arrays.push(Arc::new(UInt8Array::from(bytes)));
        for (planes, count) in self.planes.into_iter().zip(layout.planes) {
            let zeros = usize::from(count) - planes.len();
            planes.into_iter().for_each(&mut push);
            (0..zeros).for_each(|_| push(vec![0; rows]));
        }
        if layout.kinds {
            push(self.kinds.unwrap_or_else(|| vec![0; rows]));
        }
        arrays
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
        let directory = file.directory(Directory::read)?;
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
        let palette = entry
            .palette
            .and_then(|palette| self.directory.palettes.get(palette as usize))
            .map_or(&[][..], Vec::as_slice);
        let mut arrays = batch.columns().iter().map(|array| {
            let bytes: &[u8] = array.as_primitive::<UInt8Type>().values();
            bytes
        });
        let mut column = |encoding: &Encoding| {
            let planes: Vec<&[u8]> = arrays.by_ref().take(usize::from(encoding.planes)).collect();
            encoding.decode(&planes, rows, palette)
        };
        let [e, v, tx, extra] = &entry.encodings;
        let mut optional =
            |encoding: &Option<Encoding>| encoding.as_ref().map(&mut column).transpose();
        let (e, v, tx, extra) = (optional(e)?, optional(v)?, optional(tx)?, optional(extra)?);
        let v = v.unwrap_or_default();
        let v = match entry.kind {
            Some(kind) => Column::uniform(kind, v),
            None => mixed(arrays.next().unwrap_or_default(), &v)?,
        };
        Ok(Chunk {
            e: signed(e.unwrap_or_default()),
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
