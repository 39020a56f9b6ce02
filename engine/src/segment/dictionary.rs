//! Reads segments of values: by id, one page; by value, a page of buckets and the candidates' pages.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use arrow_array::builder::StringViewBuilder;
use arrow_array::cast::AsArray;
use arrow_array::{Array, RecordBatch, StringViewArray};
use arrow_buffer::Buffer;
use arrow_schema::SchemaRef;
use datalith_vector::Row;
use uuid::Uuid;

use super::bits;
use super::file::{Expected, SegmentReader};
use super::open::{FromFile, Lazy};
use super::stamp::SegmentStamp;
use super::values::{Fingerprints, Form, ValuesDirectory, schema};
use super::vectors::{VectorsSegment, vector_error};
use crate::bytes::{Cursor, malformed, read_value};
use crate::error::{Code, Error, Result};
use crate::index::{HashPrefix, TextPage, is_same_value, kept_aside};
use crate::value::{Keyword, Symbol, Value, stable_hash};

/// A run of the dictionary whose directory is read. Pages are read on first touch and kept.
#[derive(Debug)]
pub(super) struct ValuesSegment {
    file: Arc<SegmentReader>,
    directory: Arc<ValuesDirectory>,
    schema: SchemaRef,
    pages: Box<[OnceLock<ValuePage>]>,
    /// Pages that were asked for as texts.
    text_pages: Box<[OnceLock<TextPage>]>,
    bucket_pages: Box<[OnceLock<BucketPage>]>,
    /// Where its arrays lie that are not here.
    graphs: Box<[Arc<Lazy<VectorsSegment>>]>,
    /// Bytes of the pages of values and texts.
    held: AtomicUsize,
}

type ValuePage = Box<[Slot]>;

/// What a page has for an id.
#[derive(Debug)]
enum Slot {
    Value(Value),
    Purged,
    /// An array that lies in a segment of vectors; read on first touch and kept.
    Row {
        graph: usize,
        row: u32,
        read: OnceLock<Value>,
    },
}

/// Some of the buckets.
#[derive(Debug)]
struct BucketPage {
    /// Where each bucket ends among the entries.
    ends: Vec<u32>,
    fingerprints: Vec<u16>,
    ids: Vec<u8>,
}

impl FromFile for ValuesSegment {
    fn from_file(file: SegmentReader) -> Result<ValuesSegment> {
        let directory = file.directory(|cursor| ValuesDirectory::read(cursor, file.format()))?;
        let pages = directory.pages() + directory.bucket_pages();
        let stamp = file.stamp();
        if pages != file.batches() || u64::from(directory.len) != stamp.rows {
            return Err(stamp.corrupt(
                format!("{} values in {} pages", stamp.rows, file.batches()),
                format!("{} in {}", directory.len, pages),
            ));
        }
        Ok(ValuesSegment::unread(Arc::new(file), Arc::new(directory)))
    }
}

impl ValuesSegment {
    fn unread(file: Arc<SegmentReader>, directory: Arc<ValuesDirectory>) -> ValuesSegment {
        let pages = directory.pages();
        let storage = file.storage();
        let graphs = directory.graphs.iter();
        let graphs = graphs.map(|stamp| Arc::new(Lazy::of(Arc::clone(storage), *stamp)));
        ValuesSegment {
            graphs: graphs.collect(),
            schema: schema(),
            pages: (0..pages).map(|_| OnceLock::new()).collect(),
            text_pages: (0..pages).map(|_| OnceLock::new()).collect(),
            bucket_pages: (0..directory.bucket_pages())
                .map(|_| OnceLock::new())
                .collect(),
            held: AtomicUsize::new(0),
            file,
            directory,
        }
    }

    /// The same segment, no page of it read.
    pub(super) fn apart(&self) -> ValuesSegment {
        ValuesSegment {
            graphs: self.graphs.clone(),
            ..ValuesSegment::unread(Arc::clone(&self.file), Arc::clone(&self.directory))
        }
    }

    /// The segments of vectors that hold arrays of it.
    pub(super) fn graphs(&self) -> &[SegmentStamp] {
        &self.directory.graphs
    }

    /// Calls with the id of each such array, the number of its segment among these, and its row there.
    pub(super) fn each_place(&self, take: &mut dyn FnMut(u32, usize, u32)) -> Result<()> {
        for number in 0..self.pages.len() {
            let first = self.directory.start + ((number as u32) << self.directory.page_shift);
            let (page, _) = self.read_values(number)?;
            for (id, slot) in (first..).zip(&page) {
                if let Slot::Row { graph, row, .. } = slot {
                    take(id, *graph, *row);
                }
            }
        }
        Ok(())
    }

    /// Bytes of the values and texts that are read.
    pub(super) fn held_bytes(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    /// Refuses a segment of other ids than its root says.
    pub(super) fn expect_ids(&self, start: u32, len: u32) -> Result<()> {
        let directory = &self.directory;
        if (directory.start, directory.len) == (start, len) {
            return Ok(());
        }
        Err(self.file.stamp().corrupt(
            format!("{len} values from id {start} on"),
            format!("{} from {}", directory.len, directory.start),
        ))
    }

    /// The value with an id.
    pub(super) fn value(&self, id: u32) -> Result<&Value> {
        self.slot(id)?.ok_or_else(|| {
            Error::new(Code::Purged, format!("the value {id} was purged")).with("id", i64::from(id))
        })
    }

    /// The texts of the page that an id lies in.
    pub(super) fn texts(&self, id: u32) -> Result<&TextPage> {
        let (number, _) = self.page_of(id)?;
        let page = &self.text_pages[number];
        match page.get() {
            Some(texts) => Ok(texts),
            None => {
                let read = self.read_texts(number)?;
                Ok(page.get_or_init(|| read))
            }
        }
    }

    fn outside(&self, id: u32) -> Error {
        let message = format!("an id below {}", self.directory.len);
        self.file.stamp().corrupt(message, id.to_string())
    }

    /// The value with an id; none if it was purged.
    fn slot(&self, id: u32) -> Result<Option<&Value>> {
        let (number, at) = self.page_of(id)?;
        let values = match self.pages[number].get() {
            Some(values) => values,
            None => {
                let (values, bytes) = self.read_values(number)?;
                self.keep(number, values, bytes)
            }
        };
        let slot = values.get(at).ok_or_else(|| self.outside(id))?;
        self.value_in(slot)
    }

    /// The value of a slot; none if it was purged.
    fn value_in<'s>(&self, slot: &'s Slot) -> Result<Option<&'s Value>> {
        match slot {
            Slot::Value(value) => Ok(Some(value)),
            Slot::Purged => Ok(None),
            Slot::Row { graph, row, read } => {
                if let Some(value) = read.get() {
                    return Ok(Some(value));
                }
                let vectors = &self.graphs[*graph];
                let array = vectors.read(|segment| {
                    let array = segment.vector(Row(*row));
                    array.map_err(|error| vector_error(Some(&vectors.stamp), &error))
                })?;
                self.held
                    .fetch_add(size_of_val(&array[..]), Ordering::Relaxed);
                let value = kept_aside(Value::FloatArray(array.into()));
                Ok(Some(read.get_or_init(|| value)))
            }
        }
    }

    /// The id of a value.
    pub(super) fn find(&self, hash: u64, value: &Value) -> Result<Option<u32>> {
        let (page, bucket, fingerprint) = self.directory.place(hash);
        let page = self.bucket_page(page)?;
        let start = bucket.checked_sub(1).map_or(0, |last| page.ends[last]) as usize;
        for at in start..page.ends[bucket] as usize {
            if page.fingerprints[at] == fingerprint {
                let id = self.directory.start + self.id_at(page, at)?;
                if self.is_at(id, value)? {
                    return Ok(Some(id));
                }
            }
        }
        Ok(None)
    }

    /// Whether a value is the one with an id. A page that was read only to see that it is not is not kept:
    /// many values that are looked for are nowhere.
    fn is_at(&self, id: u32, value: &Value) -> Result<bool> {
        let is_it = |slot: &Slot| -> Result<bool> {
            let found = self.value_in(slot)?;
            Ok(found.is_some_and(|found| is_same_value(found, value)))
        };
        let (number, at) = self.page_of(id)?;
        let page = &self.pages[number];
        if let Some(values) = page.get() {
            return is_it(values.get(at).ok_or_else(|| self.outside(id))?);
        }
        let (values, bytes) = self.read_values(number)?;
        let is_it = is_it(values.get(at).ok_or_else(|| self.outside(id))?)?;
        if is_it || self.directory.fingerprints == Fingerprints::Bytes {
            self.keep(number, values, bytes);
        }
        Ok(is_it)
    }

    /// The page of an id, and its place there.
    fn page_of(&self, id: u32) -> Result<(usize, usize)> {
        let at = id.checked_sub(self.directory.start);
        let at = at.ok_or_else(|| self.outside(id))?;
        let shift = self.directory.page_shift;
        let number = (at >> shift) as usize;
        if number >= self.pages.len() {
            return Err(self.outside(id));
        }
        Ok((number, at as usize & ((1 << shift) - 1)))
    }

    fn keep(&self, number: usize, values: ValuePage, bytes: usize) -> &ValuePage {
        self.pages[number].get_or_init(|| {
            self.held.fetch_add(bytes, Ordering::Relaxed);
            values
        })
    }

    /// Calls with the prefix of each hash, if that much of hashes is known.
    pub(super) fn each_prefix(&self, take: &mut dyn FnMut(HashPrefix)) -> Result<bool> {
        let bits = self.directory.fingerprints.bits();
        let known = u32::from(self.directory.bucket_bits) + bits;
        if known < HashPrefix::BITS {
            return Ok(false);
        }
        for number in 0..self.bucket_pages.len() {
            let page = self.bucket_page(number)?;
            let first = number * self.directory.page_buckets();
            let mut at = 0;
            for (bucket, &end) in page.ends.iter().enumerate() {
                let bucket = ((first + bucket) as u64) << bits;
                for &fingerprint in &page.fingerprints[at..end as usize] {
                    let prefix = HashPrefix::of_bits(bucket | u64::from(fingerprint), known);
                    prefix.into_iter().for_each(&mut *take);
                }
                at = end as usize;
            }
        }
        Ok(true)
    }

    /// The id of an entry of a page of buckets, counted from the first.
    fn id_at(&self, page: &BucketPage, at: usize) -> Result<u32> {
        let id = bits::get(&page.ids, u32::from(self.directory.id_bits), at);
        if id < self.directory.len {
            return Ok(id);
        }
        let expected = format!("an id below {}", self.directory.len);
        Err(self.file.stamp().corrupt(expected, id.to_string()))
    }

    fn bucket_page(&self, number: usize) -> Result<&BucketPage> {
        let page = self
            .bucket_pages
            .get(number)
            .ok_or_else(|| self.file.stamp().corrupt("a page of buckets", "none"))?;
        match page.get() {
            Some(page) => Ok(page),
            None => {
                let read = self.read_buckets(number)?;
                Ok(page.get_or_init(|| read))
            }
        }
    }

    /// The three columns of a page.
    fn read(&self, at: usize) -> Result<RecordBatch> {
        self.file.batch(
            at,
            &Expected {
                schema: &self.schema,
                rows: 1,
                buffer_bytes_max: i32::MAX as usize,
                columns: vec![0, 1, 2],
            },
        )
    }

    fn read_texts(&self, number: usize) -> Result<TextPage> {
        let batch = self.read(number)?;
        let bytes = batch.column(2).as_binary::<i32>().values().clone();
        let texts = decode_texts(columns(&batch), bytes, self.page_len(number))
            .map_err(|error| self.file.stamp().unreadable(&error))?;
        self.held
            .fetch_add(texts.get_array_memory_size(), Ordering::Relaxed);
        Ok(TextPage {
            start: self.directory.start + ((number as u32) << self.directory.page_shift),
            texts,
        })
    }

    /// Values of a page.
    fn page_len(&self, number: usize) -> usize {
        let size = 1usize << self.directory.page_shift;
        size.min(self.directory.len as usize - number * size)
    }

    /// The values of a page, and how many bytes they take.
    fn read_values(&self, number: usize) -> Result<(ValuePage, usize)> {
        let batch = self.read(number)?;
        let len = self.page_len(number);
        let bytes = batch.get_array_memory_size() + len * size_of::<Slot>();
        let values = decode_values(columns(&batch), len, self.graphs.len());
        let values = values.map_err(|error| self.file.stamp().unreadable(&error))?;
        Ok((values, bytes))
    }

    fn read_buckets(&self, number: usize) -> Result<BucketPage> {
        let batch = self.read(self.pages.len() + number)?;
        let width = u32::from(self.directory.id_bits);
        let fingerprints = self.directory.fingerprints;
        decode_buckets(
            columns(&batch),
            self.directory.page_buckets(),
            width,
            fingerprints,
        )
        .map_err(|error| self.file.stamp().unreadable(&error))
    }

    /// Reads everything: every value is found under its id and nothing else is.
    pub(super) fn check(&self) -> Result<()> {
        let mut live = 0u64;
        for at in 0..self.directory.len {
            let id = self.directory.start + at;
            let Some(value) = self.slot(id)? else {
                continue;
            };
            live += 1;
            if self.find(stable_hash(value), value)? != Some(id) {
                let stamp = self.file.stamp();
                return Err(stamp.corrupt(format!("value {id} in its bucket"), "another or none"));
            }
        }
        let mut found = 0;
        for page in 0..self.bucket_pages.len() {
            found += self.bucket_page(page)?.fingerprints.len() as u64;
        }
        if found == live {
            return Ok(());
        }
        let stamp = self.file.stamp();
        Err(stamp.corrupt(format!("{live} values in buckets"), found.to_string()))
    }
}

fn columns(batch: &RecordBatch) -> [&[u8]; 3] {
    [0, 1, 2].map(|column| batch.column(column).as_binary::<i32>().value(0))
}

/// The texts of a page; its bytes are shared, not copied.
///
/// - `shared`: the last of the columns, as it lies.
fn decode_texts(columns: [&[u8]; 3], shared: Buffer, len: usize) -> Result<StringViewArray> {
    let [forms, lengths, bytes] = columns;
    if forms.len() != len {
        return Err(malformed("a page of it has another number of values"));
    }
    let mut lengths = Cursor::new(lengths);
    let mut texts = StringViewBuilder::with_capacity(len);
    let block = texts.append_block(shared);
    let mut start = 0u32;
    for &form in forms {
        let too_long = || malformed("a value of it is too long");
        let len = u32::try_from(lengths.varint()?).map_err(|_| too_long())?;
        let end = start.checked_add(len).ok_or_else(too_long)?;
        if [Form::Text, Form::Keyword, Form::Symbol]
            .map(|form| form as u8)
            .contains(&form)
        {
            texts
                .try_append_view(block, start, len)
                .map_err(|_| malformed("a text in it is not UTF-8"))?;
        } else {
            texts.append_null();
        }
        start = end;
    }
    if lengths.left() > 0 || start as usize != bytes.len() {
        return Err(malformed("a page of it goes on after its last value"));
    }
    Ok(texts.finish())
}

fn decode_values(columns: [&[u8]; 3], len: usize, graphs: usize) -> Result<ValuePage> {
    let [forms, lengths, bytes] = columns;
    if forms.len() != len {
        return Err(malformed("a page of it has another number of values"));
    }
    let (mut lengths, mut bytes) = (Cursor::new(lengths), Cursor::new(bytes));
    let values: Result<ValuePage> = forms
        .iter()
        .map(|&form| {
            let len = usize::try_from(lengths.varint()?)
                .map_err(|_| malformed("a value of it is too long"))?;
            decode_slot(form, bytes.take(len)?, graphs)
        })
        .collect();
    if lengths.left() + bytes.left() > 0 {
        return Err(malformed("a page of it goes on after its last value"));
    }
    values
}

fn decode_slot(form: u8, bytes: &[u8], graphs: usize) -> Result<Slot> {
    let text = || std::str::from_utf8(bytes).map_err(|_| malformed("a text in it is not UTF-8"));
    Ok(Slot::Value(match form {
        form if form == Form::Text as u8 => Value::str(text()?),
        form if form == Form::Keyword as u8 => Value::Keyword(Keyword::new(text()?)),
        form if form == Form::Symbol as u8 => Value::Symbol(Symbol::new(text()?)),
        form if form == Form::Uuid as u8 => Value::Uuid(
            Uuid::from_slice(bytes).map_err(|_| malformed("a uuid in it has no 16 bytes"))?,
        ),
        form if form == Form::Bytes as u8 => Value::Bytes(Arc::from(bytes)),
        form if form == Form::Purged as u8 => return Ok(Slot::Purged),
        form if form == Form::Row as u8 => return decode_row(bytes, graphs),
        form if form == Form::Encoded as u8 => {
            let mut cursor = Cursor::new(bytes);
            let value = read_value(&mut cursor)?;
            if cursor.left() > 0 {
                return Err(malformed("a value in it has bytes after its end"));
            }
            value
        }
        _ => return Err(malformed("a value in it has no known form")),
    }))
}

fn decode_row(bytes: &[u8], graphs: usize) -> Result<Slot> {
    let mut cursor = Cursor::new(bytes);
    let (graph, row) = (cursor.varint()?, cursor.varint()?);
    let graph = usize::try_from(graph).ok().filter(|graph| *graph < graphs);
    match (graph, u32::try_from(row)) {
        (Some(graph), Ok(row)) if cursor.left() == 0 => Ok(Slot::Row {
            graph,
            row,
            read: OnceLock::new(),
        }),
        _ => Err(malformed("an array of it lies nowhere")),
    }
}

fn decode_buckets(
    columns: [&[u8]; 3],
    buckets: usize,
    width: u32,
    kept: Fingerprints,
) -> Result<BucketPage> {
    let [counts, fingerprints, ids] = columns;
    let mut counts = Cursor::new(counts);
    let mut end = 0u64;
    let mut ends = Vec::with_capacity(buckets);
    for _ in 0..buckets {
        end = end.saturating_add(counts.varint()?);
        ends.push(u32::try_from(end).map_err(|_| malformed("a bucket of it is too large"))?);
    }
    let bytes = fingerprints.len();
    let fingerprints: Vec<u16> = match kept {
        Fingerprints::Bytes => fingerprints.iter().map(|byte| u16::from(*byte)).collect(),
        Fingerprints::Pairs => {
            let pairs = fingerprints.as_chunks().0.iter();
            pairs.map(|pair| u16::from_le_bytes(*pair)).collect()
        }
    };
    let entries = fingerprints.len();
    if counts.left() > 0
        || entries as u64 != end
        || entries * kept.width() != bytes
        || ids.len() != bits::packed_bytes(entries, width)
    {
        return Err(malformed("the buckets of it have another number of values"));
    }
    Ok(BucketPage {
        ends,
        fingerprints,
        ids: ids.to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use super::super::{Places, Segments, write_values};
    use super::*;
    use crate::index::StoredValues;
    use crate::store::{MemoryStorage, Storage};

    const VALUES: u32 = 20_000;

    fn value(n: u32) -> Value {
        Value::from(format!("value {n}"))
    }

    fn stored() -> Arc<dyn StoredValues> {
        let storage: Arc<dyn Storage> = Arc::new(MemoryStorage::default());
        let values: Vec<Value> = (0..VALUES).map(value).collect();
        let stamp = write_values(
            storage.as_ref(),
            0,
            values.iter().map(Some),
            &Places::default(),
        )
        .unwrap();
        Segments::new(storage).values(&stamp, 0, VALUES)
    }

    #[test]
    fn what_is_looked_for_in_vain_leaves_no_page_behind() {
        let run = stored();
        let find = |n: u32| run.find(stable_hash(&value(n)), &value(n)).unwrap();
        assert!((VALUES..20 * VALUES).all(|n| find(n).is_none()));
        assert_eq!(run.held_bytes(), 0);
        assert_eq!(find(7), Some(7));
        assert!(run.held_bytes() > 0);
    }

    #[test]
    fn a_copy_apart_gives_back_what_it_read() {
        let run = stored();
        let copy = run.apart().unwrap();
        assert!((0..VALUES).all(|n| *copy.value(n).unwrap() == value(n)));
        assert!(copy.held_bytes() > VALUES as usize);
        let again = copy.apart().unwrap();
        assert_eq!((run.held_bytes(), again.held_bytes()), (0, 0));
    }
}
