//! Segments of transactions: records of the log that a root has taken in, kept for history.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{UInt32Type, UInt64Type};
use arrow_array::{
    ArrayRef, BinaryArray, FixedSizeBinaryArray, RecordBatch, UInt32Array, UInt64Array,
};
use arrow_buffer::Buffer;
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use uuid::Uuid;

use super::file::{Expected, FileWriter, SegmentReader};
use super::open::{FromFile, Lazy};
use super::stamp::{SegmentKind, SegmentStamp};
use crate::bytes::{Cursor, malformed, put_varint};
use crate::error::{Code, Error, Result};
use crate::store::Storage;

/// A record of the log as the archive keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchivedRecord {
    /// Its t.
    pub t: u64,
    /// The epoch of its writer.
    pub epoch: u64,
    /// Its commit id.
    pub commit: Uuid,
    /// What became of it; the meaning is the caller's.
    pub flags: u32,
    /// Its payload, or what is kept of it.
    pub body: Vec<u8>,
}

/// Bytes of bodies after which a chunk is full.
const CHUNK_BODY_BYTES: usize = 256 << 10;
/// Most records of a chunk.
const CHUNK_RECORDS: usize = 8192;
/// The flags there were when segments did not say which of them their records have.
const FLAGS_AT_FIRST: u32 = 3;
/// The bytes of a commit id.
const COMMIT_BYTES: usize = 16;

const _: () = assert!(COMMIT_BYTES == size_of::<uuid::Bytes>());

fn schema() -> SchemaRef {
    let field = |name: &str, kind| Field::new(name, kind, false);
    Arc::new(Schema::new(vec![
        field("t", DataType::UInt64),
        field("epoch", DataType::UInt64),
        field("commit", DataType::FixedSizeBinary(COMMIT_BYTES as i32)),
        field("flags", DataType::UInt32),
        field("body", DataType::Binary),
    ]))
}

/// What is known of a chunk of records without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct RecordFence {
    records: u32,
    /// The t and epoch of the first.
    t: u64,
    epoch: u64,
}

/// Writes records whose t rises.
pub fn write_transactions(
    storage: &dyn Storage,
    records: &mut dyn Iterator<Item = Result<ArchivedRecord>>,
) -> Result<SegmentStamp> {
    let mut file = FileWriter::with_schema(schema())?;
    let mut fences = Vec::new();
    let mut chunk: Vec<ArchivedRecord> = Vec::new();
    let (mut bytes, mut count, mut last_t, mut flags) = (0, 0u64, None, 0);
    for record in records {
        let record = record?;
        if last_t.is_some_and(|last| last >= record.t) {
            return Err(Error::new(Code::Internal, "records came out of order"));
        }
        last_t = Some(record.t);
        count += 1;
        flags |= record.flags;
        bytes += record.body.len();
        chunk.push(record);
        if bytes >= CHUNK_BODY_BYTES || chunk.len() == CHUNK_RECORDS {
            fences.push(write_chunk(&mut file, &chunk)?);
            chunk.clear();
            bytes = 0;
        }
    }
    if !chunk.is_empty() {
        fences.push(write_chunk(&mut file, &chunk)?);
    }
    let mut directory = Vec::new();
    put_fences(&mut directory, &fences);
    put_varint(&mut directory, u64::from(flags));
    file.finish(storage, SegmentKind::Transactions, count, &directory)
}

fn write_chunk(file: &mut FileWriter, chunk: &[ArchivedRecord]) -> Result<RecordFence> {
    let fence = RecordFence {
        records: chunk.len() as u32,
        t: chunk[0].t,
        epoch: chunk[0].epoch,
    };
    let bodies: Vec<&[u8]> = chunk.iter().map(|record| record.body.as_slice()).collect();
    let commits: Vec<u8> = chunk
        .iter()
        .flat_map(|record| *record.commit.as_bytes())
        .collect();
    let commits =
        FixedSizeBinaryArray::try_new(COMMIT_BYTES as i32, Buffer::from_vec(commits), None)
            .map_err(|error| Error::new(Code::Internal, error.to_string()))?;
    let columns: Vec<ArrayRef> = vec![
        Arc::new(differences(chunk.iter().map(|record| record.t))),
        Arc::new(differences(chunk.iter().map(|record| record.epoch))),
        Arc::new(commits),
        Arc::new(UInt32Array::from_iter_values(
            chunk.iter().map(|record| record.flags),
        )),
        Arc::new(BinaryArray::from_vec(bodies)),
    ];
    file.write(columns)?;
    Ok(fence)
}

/// Each number less the one before; the first, which the directory has, is 0.
fn differences(numbers: impl Iterator<Item = u64>) -> UInt64Array {
    let mut last = None;
    UInt64Array::from_iter_values(numbers.map(|n| {
        let before = last.replace(n).unwrap_or(n);
        n.wrapping_sub(before)
    }))
}

/// Count; then for each chunk its records, and t and epoch of the first, less those before.
fn put_fences(out: &mut Vec<u8>, fences: &[RecordFence]) {
    put_varint(out, fences.len() as u64);
    let (mut t, mut epoch) = (0u64, 0u64);
    for fence in fences {
        put_varint(out, u64::from(fence.records));
        put_varint(out, fence.t.wrapping_sub(t));
        put_varint(out, fence.epoch.wrapping_sub(epoch));
        (t, epoch) = (fence.t, fence.epoch);
    }
}

fn read_fences(cursor: &mut Cursor<'_>) -> Result<Vec<RecordFence>> {
    let (mut t, mut epoch) = (0u64, 0u64);
    (0..cursor.count(3)?)
        .map(|_| {
            let records = cursor.varint()?;
            if records == 0 || records > CHUNK_RECORDS as u64 {
                return Err(malformed("a chunk of it has no records, or too many"));
            }
            t = t.wrapping_add(cursor.varint()?);
            epoch = epoch.wrapping_add(cursor.varint()?);
            Ok(RecordFence {
                records: records as u32,
                t,
                epoch,
            })
        })
        .collect()
}

/// Segments were written without them before records had more than two.
fn read_flags(cursor: &mut Cursor<'_>) -> Result<u32> {
    if cursor.left() == 0 {
        return Ok(FLAGS_AT_FIRST);
    }
    u32::try_from(cursor.varint()?).map_err(|_| malformed("its flags are too large"))
}

/// The records in a segment. Cloning is cheap; nothing is read before it is asked for.
#[derive(Clone, Debug)]
pub struct Transactions(Arc<Lazy<TransactionsSegment>>);

impl Transactions {
    pub(super) fn of(storage: Arc<dyn Storage>, stamp: SegmentStamp) -> Transactions {
        Transactions(Arc::new(Lazy::of(storage, stamp)))
    }

    /// The records whose t lies in a range, in order. Cost: that of the chunks that hold them.
    pub fn range(&self, t: Range<u64>) -> impl Iterator<Item = Result<ArchivedRecord>> + use<> {
        Records {
            segment: self.0.clone(),
            t,
            next_chunk: None,
            read: Vec::new().into_iter(),
        }
    }

    /// The flags that any of the records has. Cost: that of opening the segment.
    pub fn flags(&self) -> Result<u32> {
        Ok(self.0.get()?.flags)
    }

    /// Reads everything.
    pub(super) fn check(&self) -> Result<()> {
        let (mut last, flags) = (None, self.flags()?);
        for record in self.range(0..u64::MAX) {
            let ArchivedRecord { t, flags: own, .. } = record?;
            if own & !flags != 0 {
                let expected = format!("no flags but those in {flags}");
                return Err(self.0.stamp.corrupt(expected, own.to_string()));
            }
            if last.is_some_and(|last| last >= t) {
                return Err(self.0.stamp.corrupt("records whose t rises", t.to_string()));
            }
            last = Some(t);
        }
        Ok(())
    }
}

/// Records, a chunk at a time.
struct Records {
    segment: Arc<Lazy<TransactionsSegment>>,
    t: Range<u64>,
    /// The next chunk to read; none before the first.
    next_chunk: Option<usize>,
    read: std::vec::IntoIter<ArchivedRecord>,
}

impl Iterator for Records {
    type Item = Result<ArchivedRecord>;

    fn next(&mut self) -> Option<Result<ArchivedRecord>> {
        loop {
            for record in self.read.by_ref() {
                if self.t.contains(&record.t) {
                    return Some(Ok(record));
                }
            }
            match self.read_chunk() {
                Ok(true) => {}
                Ok(false) => return None,
                Err(error) => {
                    self.t = 0..0;
                    return Some(Err(error));
                }
            }
        }
    }
}

impl Records {
    /// Reads the next chunk with records of the range; false if there is none.
    fn read_chunk(&mut self) -> Result<bool> {
        if self.t.is_empty() {
            return Ok(false);
        }
        let segment = self.segment.get()?;
        let at = self
            .next_chunk
            .unwrap_or_else(|| segment.chunk_of(self.t.start));
        match segment.fences.get(at) {
            Some(fence) if fence.t < self.t.end => {
                self.read = segment.chunk(at)?.into_iter();
                self.next_chunk = Some(at + 1);
                Ok(true)
            }
            _ => Ok(false),
        }
    }
}

/// A segment of transactions whose directory is read.
#[derive(Debug)]
pub(super) struct TransactionsSegment {
    file: SegmentReader,
    fences: Vec<RecordFence>,
    flags: u32,
    schema: SchemaRef,
}

impl FromFile for TransactionsSegment {
    fn from_file(file: SegmentReader) -> Result<TransactionsSegment> {
        let (fences, flags) = file.directory(|cursor| {
            let fences = read_fences(cursor)?;
            Ok((fences, read_flags(cursor)?))
        })?;
        let records: u64 = fences.iter().map(|fence| u64::from(fence.records)).sum();
        let stamp = file.stamp();
        if fences.len() != file.batches() || records != stamp.rows {
            return Err(stamp.corrupt(
                format!("{} records in {} batches", stamp.rows, file.batches()),
                format!("{records} in {}", fences.len()),
            ));
        }
        Ok(TransactionsSegment {
            file,
            fences,
            flags,
            schema: schema(),
        })
    }
}

impl TransactionsSegment {
    /// The first chunk that may hold a t.
    fn chunk_of(&self, t: u64) -> usize {
        self.fences
            .partition_point(|fence| fence.t <= t)
            .saturating_sub(1)
    }

    fn chunk(&self, at: usize) -> Result<Vec<ArchivedRecord>> {
        let fence = self.fences[at];
        let batch = self.file.batch(
            at,
            &Expected {
                schema: &self.schema,
                rows: fence.records as usize,
                buffer_bytes_max: i32::MAX as usize,
                columns: (0..self.schema.fields().len()).collect(),
            },
        )?;
        Ok(decode_chunk(fence, &batch))
    }
}

fn decode_chunk(fence: RecordFence, batch: &RecordBatch) -> Vec<ArchivedRecord> {
    let [t, epoch] = [0, 1].map(|column| batch.column(column).as_primitive::<UInt64Type>());
    let commits = batch.column(2).as_fixed_size_binary();
    let flags = batch.column(3).as_primitive::<UInt32Type>();
    let bodies = batch.column(4).as_binary::<i32>();
    let (mut last_t, mut last_epoch) = (fence.t, fence.epoch);
    (0..batch.num_rows())
        .map(|row| {
            last_t = last_t.wrapping_add(t.value(row));
            last_epoch = last_epoch.wrapping_add(epoch.value(row));
            let mut commit = [0; COMMIT_BYTES];
            commit.copy_from_slice(commits.value(row));
            ArchivedRecord {
                t: last_t,
                epoch: last_epoch,
                commit: Uuid::from_bytes(commit),
                flags: flags.value(row),
                body: bodies.value(row).to_vec(),
            }
        })
        .collect()
}
