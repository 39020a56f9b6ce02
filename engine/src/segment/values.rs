//! Writes segments of values: a run of the dictionary in pages, and pages to look values up in.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use arrow_array::{ArrayRef, BinaryArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use foldhash::fast::FixedState;

use super::bits;
use super::file::{FORMAT_VERSION, FileWriter};
use super::stamp::{SegmentKind, SegmentStamp};
use crate::bytes::{Cursor, malformed, put_value, put_varint};
use crate::error::{Code, Error, Result};
use crate::limits::SEGMENT_PAGE_BYTES;
use crate::store::Storage;
use crate::value::{Value, stable_hash};

/// How the bytes of a value are to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Form {
    /// As values stand in payloads.
    Encoded = 0,
    /// A string, UTF-8.
    Text = 1,
    /// A keyword without its colon, UTF-8.
    Keyword = 2,
    /// A symbol, UTF-8.
    Symbol = 3,
    /// The 16 bytes of a UUID.
    Uuid = 4,
    /// Bytes as they are.
    Bytes = 5,
    /// Nothing any more.
    Purged = 6,
    /// An array kept aside that lies in a segment of vectors: its number among those of the directory, and the
    /// row there, as varints.
    Row = 7,
}

/// Where arrays lie that are kept aside, by id: each in a row of a segment of vectors, to the bit.
#[derive(Clone, Debug, Default)]
pub struct Places {
    graphs: Vec<SegmentStamp>,
    rows: HashMap<u32, (usize, u32), FixedState>,
}

impl Places {
    /// Takes in the rows of a segment: the ids of the arrays, and where each lies.
    pub fn add(&mut self, graph: SegmentStamp, rows: impl IntoIterator<Item = (u32, u32)>) {
        let known = self.graphs.iter().position(|other| *other == graph);
        let number = known.unwrap_or_else(|| {
            self.graphs.push(graph);
            self.graphs.len() - 1
        });
        let rows = rows.into_iter().map(|(id, row)| (id, (number, row)));
        self.rows.extend(rows);
    }

    /// How many of some ids have a place in other segments than these.
    pub fn count_beyond(&self, graphs: &[SegmentStamp], ids: &Range<u32>) -> usize {
        let is_beyond = |(id, (graph, _)): &(&u32, &(usize, u32))| {
            ids.contains(id) && !graphs.contains(&self.graphs[*graph])
        };
        self.rows.iter().filter(is_beyond).count()
    }
}

/// What the directory says of the whole run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ValuesDirectory {
    /// The id of the first value.
    pub(super) start: u32,
    /// Values, purged ones included.
    pub(super) len: u32,
    /// A page of values has `1 << page_shift`.
    pub(super) page_shift: u8,
    /// There are `1 << bucket_bits` buckets, by the highest bits of the hash.
    pub(super) bucket_bits: u8,
    /// Bits of an id, counted from the first, in a page of buckets.
    pub(super) id_bits: u8,
    /// What pages of buckets keep of each hash.
    pub(super) fingerprints: Fingerprints,
    /// The segments of vectors that hold arrays of the run.
    pub(super) graphs: Vec<SegmentStamp>,
}

/// Bits of a hash, behind those that name its bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fingerprints {
    /// Eight, in formats 1 and 2: of the values that are not there, one in sixty-four looks as if it were.
    Bytes,
    /// Sixteen: hardly one in ten thousand does.
    Pairs,
}

impl Fingerprints {
    /// Those of a format.
    pub(super) fn of(format: u32) -> Fingerprints {
        match format < FORMAT_PAIRS {
            true => Fingerprints::Bytes,
            false => Fingerprints::Pairs,
        }
    }

    /// Bits of each.
    pub(super) fn bits(self) -> u32 {
        match self {
            Fingerprints::Bytes => 8,
            Fingerprints::Pairs => 16,
        }
    }

    /// Bytes of each.
    pub(super) fn width(self) -> usize {
        self.bits() as usize / 8
    }
}

/// The first format with fingerprints of two bytes.
const FORMAT_PAIRS: u32 = 3;
/// The first format whose arrays may lie in segments of vectors; written only where some do.
const FORMAT_PLACES: u32 = 4;
/// Start, length, then three single bytes.
const DIRECTORY_BYTES: usize = 4 + 4 + 3;
/// A page of buckets has `1 << this`, or all there are.
const PAGE_BUCKETS_SHIFT: u8 = 10;
/// Most values of a page, as a shift.
const PAGE_SHIFT_MAX: u8 = 13;
/// Most values of a bucket on average: few, for each costs a look, and many, for each bucket costs
/// a byte.
const BUCKET_VALUES: u64 = 4;
/// Longest page of more than one value.
const PAGE_BYTES_MAX: usize = 1 << 30;

const _: () = assert!(DIRECTORY_BYTES == 11 && FORMAT_PLACES <= FORMAT_VERSION);
const _: () = assert!(bits::WIDTH_MAX <= 32);

impl ValuesDirectory {
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.start.to_le_bytes());
        out.extend_from_slice(&self.len.to_le_bytes());
        out.extend_from_slice(&[self.page_shift, self.bucket_bits, self.id_bits]);
        if !self.graphs.is_empty() {
            put_varint(out, self.graphs.len() as u64);
            self.graphs.iter().for_each(|graph| graph.put(out));
        }
    }

    pub(super) fn read(cursor: &mut Cursor<'_>, format: u32) -> Result<ValuesDirectory> {
        let directory = ValuesDirectory {
            start: u32::from_le_bytes(cursor.array()?),
            len: u32::from_le_bytes(cursor.array()?),
            page_shift: cursor.byte()?,
            bucket_bits: cursor.byte()?,
            id_bits: cursor.byte()?,
            fingerprints: Fingerprints::of(format),
            graphs: match format < FORMAT_PLACES {
                true => Vec::new(),
                false => {
                    let count = cursor.count(SegmentStamp::BYTES)?;
                    let graphs = (0..count).map(|_| SegmentStamp::read(cursor));
                    graphs.collect::<Result<_>>()?
                }
            },
        };
        let is_possible = directory.start.checked_add(directory.len).is_some()
            && directory.page_shift <= PAGE_SHIFT_MAX
            && directory.bucket_bits <= 32
            && u32::from(directory.id_bits) <= bits::WIDTH_MAX;
        is_possible
            .then_some(directory)
            .ok_or_else(|| malformed("its run of values is not possible"))
    }

    /// Pages of values; pages of buckets follow them.
    pub(super) fn pages(&self) -> usize {
        self.len.div_ceil(1 << self.page_shift) as usize
    }

    /// Pages of buckets.
    pub(super) fn bucket_pages(&self) -> usize {
        1 << self.bucket_bits.saturating_sub(PAGE_BUCKETS_SHIFT)
    }

    /// Buckets of each page of buckets.
    pub(super) fn page_buckets(&self) -> usize {
        1 << self.bucket_bits.min(PAGE_BUCKETS_SHIFT)
    }

    /// The page of buckets, the bucket in it, and the fingerprint of a hash.
    pub(super) fn place(&self, hash: u64) -> (usize, usize, u16) {
        let bucket = ((hash >> 1) >> (63 - self.bucket_bits)) as usize;
        let fingerprint = (hash << self.bucket_bits) >> (64 - self.fingerprints.bits());
        let buckets = self.page_buckets();
        (bucket / buckets, bucket % buckets, fingerprint as u16)
    }
}

/// The Arrow columns of every page; it has one row. In a page of buckets they hold counts,
/// fingerprints and ids.
pub(super) fn schema() -> SchemaRef {
    let field = |name: &str| Field::new(name, DataType::Binary, false);
    Arc::new(Schema::new(vec![
        field("kind"),
        field("length"),
        field("bytes"),
    ]))
}

/// Writes the values with the ids from `start` on; none stands for one that was purged. Of those that have a place in a
/// segment of vectors only the place is written.
pub fn write_values(
    storage: &dyn Storage,
    start: u32,
    values: impl Iterator<Item = Option<impl Borrow<Value>>>,
    places: &Places,
) -> Result<SegmentStamp> {
    let run = EncodedRun::gather(start, values, places)?;
    let format = match run.graphs.is_empty() {
        true => FORMAT_PAIRS,
        false => FORMAT_PLACES,
    };
    let too_many = || Error::new(Code::Limit, "the dictionary has no more ids");
    let len = u32::try_from(run.forms.len()).map_err(|_| too_many())?;
    start.checked_add(len).ok_or_else(too_many)?;
    let directory = ValuesDirectory {
        start,
        len,
        page_shift: run.page_shift(),
        bucket_bits: bucket_bits(run.hashes.len() as u64),
        id_bits: bits::width_of(len.saturating_sub(1)) as u8,
        fingerprints: Fingerprints::of(format),
        graphs: run.graphs.iter().map(|&at| places.graphs[at]).collect(),
    };
    let mut file = FileWriter::with_schema(schema())?.in_format(format);
    run.write_pages(&mut file, directory.page_shift)?;
    write_buckets(&mut file, &directory, run.hashes)?;
    let mut bytes = Vec::new();
    directory.put(&mut bytes);
    file.finish(storage, SegmentKind::Values, u64::from(len), &bytes)
}

fn write_page(file: &mut FileWriter, columns: [&[u8]; 3]) -> Result<()> {
    let array = |bytes: &[u8]| Arc::new(BinaryArray::from_vec(vec![bytes])) as ArrayRef;
    file.write(columns.map(array).to_vec())
}

/// Values as bytes, and the hashes of those that are there, with their place.
#[derive(Default)]
struct EncodedRun {
    forms: Vec<u8>,
    /// Where each value's bytes end.
    ends: Vec<usize>,
    bytes: Vec<u8>,
    hashes: Vec<(u64, u32)>,
    /// The numbers of the segments of vectors that are needed, in order of need.
    graphs: Vec<usize>,
}

impl EncodedRun {
    fn gather(
        start: u32,
        values: impl Iterator<Item = Option<impl Borrow<Value>>>,
        places: &Places,
    ) -> Result<EncodedRun> {
        let mut run = EncodedRun::default();
        for value in values {
            let at = run.forms.len() as u32;
            let form = match value {
                Some(value) => {
                    let value = value.borrow();
                    run.hashes.push((stable_hash(value), at));
                    match places.rows.get(&start.wrapping_add(at)) {
                        Some(place) => run.put_place(*place),
                        None => put_form(&mut run.bytes, value)?,
                    }
                }
                None => Form::Purged,
            };
            run.forms.push(form as u8);
            run.ends.push(run.bytes.len());
        }
        Ok(run)
    }

    fn put_place(&mut self, (graph, row): (usize, u32)) -> Form {
        let known = self.graphs.iter().position(|other| *other == graph);
        let number = known.unwrap_or_else(|| {
            self.graphs.push(graph);
            self.graphs.len() - 1
        });
        put_varint(&mut self.bytes, number as u64);
        put_varint(&mut self.bytes, u64::from(row));
        Form::Row
    }

    /// The count of values, as a shift, that makes pages of much [`SEGMENT_PAGE_BYTES`].
    fn page_shift(&self) -> u8 {
        let len = self.forms.len().max(1);
        let value_bytes = (self.bytes.len() + 2 * len).div_ceil(len).max(1);
        // Half as much again before the binary logarithm: it rounds down.
        let values = (SEGMENT_PAGE_BYTES * 3 / 2 / value_bytes).max(1);
        let mut shift = (values.ilog2() as u8).min(PAGE_SHIFT_MAX);
        while shift > 0
            && self
                .pages(shift)
                .any(|(_, bytes)| bytes.len() > PAGE_BYTES_MAX)
        {
            shift -= 1;
        }
        shift
    }

    /// The values and the bytes of each page.
    fn pages(&self, shift: u8) -> impl Iterator<Item = (Range<usize>, Range<usize>)> {
        let len = self.forms.len();
        let byte = move |at: usize| at.checked_sub(1).map_or(0, |last| self.ends[last]);
        (0..len).step_by(1 << shift).map(move |first| {
            let end = len.min(first + (1 << shift));
            (first..end, byte(first)..byte(end))
        })
    }

    fn write_pages(&self, file: &mut FileWriter, shift: u8) -> Result<()> {
        let mut lengths = Vec::new();
        for (values, bytes) in self.pages(shift) {
            lengths.clear();
            let mut last = bytes.start;
            for &end in &self.ends[values.clone()] {
                put_varint(&mut lengths, (end - last) as u64);
                last = end;
            }
            write_page(file, [&self.forms[values], &lengths, &self.bytes[bytes]])?;
        }
        Ok(())
    }
}

fn put_form(out: &mut Vec<u8>, value: &Value) -> Result<Form> {
    let (form, bytes) = match value {
        Value::Str(text) => (Form::Text, text.as_bytes()),
        Value::Keyword(name) => (Form::Keyword, name.as_str().as_bytes()),
        Value::Symbol(name) => (Form::Symbol, name.as_str().as_bytes()),
        Value::Uuid(id) => (Form::Uuid, &id.as_bytes()[..]),
        Value::Bytes(bytes) => (Form::Bytes, &bytes[..]),
        other => {
            put_value(out, other)?;
            return Ok(Form::Encoded);
        }
    };
    out.extend_from_slice(bytes);
    Ok(form)
}

fn bucket_bits(values: u64) -> u8 {
    let buckets = values.div_ceil(BUCKET_VALUES).max(1);
    buckets.next_power_of_two().ilog2() as u8
}

/// The pages of buckets: counts as varints, then the fingerprints and ids of all their values,
/// ordered by hash.
fn write_buckets(
    file: &mut FileWriter,
    directory: &ValuesDirectory,
    mut hashes: Vec<(u64, u32)>,
) -> Result<()> {
    hashes.sort_unstable();
    let mut rest = &hashes[..];
    for page in 0..directory.bucket_pages() {
        let in_page = rest.partition_point(|&(hash, _)| directory.place(hash).0 == page);
        let (entries, after) = rest.split_at(in_page);
        rest = after;
        let mut counts = vec![0u64; directory.page_buckets()];
        let width = directory.fingerprints.width();
        let mut fingerprints = Vec::with_capacity(width * entries.len());
        let mut ids = Vec::with_capacity(entries.len());
        for &(hash, id) in entries {
            let (_, bucket, fingerprint) = directory.place(hash);
            counts[bucket] += 1;
            fingerprints.extend_from_slice(&fingerprint.to_le_bytes()[..width]);
            ids.push(id);
        }
        let mut packed_counts = Vec::with_capacity(counts.len());
        counts
            .iter()
            .for_each(|&count| put_varint(&mut packed_counts, count));
        let ids = bits::pack(&ids, u32::from(directory.id_bits));
        write_page(file, [&packed_counts, &fingerprints, &ids])?;
    }
    Ok(())
}
