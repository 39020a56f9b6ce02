//! The container of every segment: an Arrow IPC file whose footer carries our directory.
//!
//! Written whole, in memory; read by position. The bytes of a batch reach Arrow only after their
//! checksum, which the directory holds, and the directory only after its own, which the stamp holds.
//! What a checksum vouches for may still come from an enemy's writer: lengths and offsets are
//! looked at before Arrow, which panics on some, sees them.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_buffer::Buffer;
use arrow_ipc::reader::FileDecoder;
use arrow_ipc::writer::IpcWriteOptions;
use arrow_ipc::{Block, CompressionType, MetadataVersion};
use arrow_schema::{ArrowError, SchemaRef};
use xxhash_rust::xxh3::xxh3_64;

use super::stamp::{SegmentKind, SegmentStamp};
use crate::bytes::Cursor;
use crate::edn::base64;
use crate::error::{Code, Error, Result};
use crate::index::Digest;
use crate::store::{Storage, create_by_content};

/// The newest format that this build reads. It writes the oldest that has what is needed.
pub(super) const FORMAT_VERSION: u32 = 4;
/// The oldest format.
pub(super) const FORMAT_OLDEST: u32 = 1;
/// The key of the directory in the footer's metadata.
const DIRECTORY_KEY: &str = "datalith";
/// Format `u32`, kind `u32`, rows `u64`, batches `u32`; then a checksum `u64` for each batch.
const HEADER_BYTES: usize = 20;
/// Length of the footer `u32`, then `ARROW1`.
const TRAILER_BYTES: usize = 10;
/// What the metadata of a batch starts with: a marker and its length.
const PREFIX_BYTES: usize = 8;
const ZSTD_LEVEL: i32 = 3;

const _: () = assert!(HEADER_BYTES == 4 + 4 + 8 + 4);
const _: () = assert!(TRAILER_BYTES == 4 + 6 && PREFIX_BYTES == 4 + 4);

/// A segment being written.
pub(super) struct FileWriter {
    schema: SchemaRef,
    arrow: arrow_ipc::writer::FileWriter<Vec<u8>>,
    sums: Vec<u64>,
    format: u32,
}

impl FileWriter {
    /// A file without batches.
    pub(super) fn with_schema(schema: SchemaRef) -> Result<FileWriter> {
        let options = IpcWriteOptions::try_new(8, false, MetadataVersion::V5)
            .and_then(|options| options.try_with_compression(Some(CompressionType::ZSTD)))
            .and_then(|options| options.try_with_compression_level(Some(ZSTD_LEVEL)))
            .map_err(unwritable)?;
        let arrow =
            arrow_ipc::writer::FileWriter::try_new_with_options(Vec::new(), &schema, options)
                .map_err(unwritable)?;
        Ok(FileWriter {
            schema,
            arrow,
            sums: Vec::new(),
            format: FORMAT_OLDEST,
        })
    }

    /// The file in a format of its kind, in place of the oldest.
    #[must_use]
    pub(super) fn in_format(self, format: u32) -> FileWriter {
        FileWriter { format, ..self }
    }

    /// Appends a batch; answers how many there are now.
    pub(super) fn write(&mut self, columns: Vec<ArrayRef>) -> Result<()> {
        let start = self.arrow.get_ref().len();
        let batch = RecordBatch::try_new(self.schema.clone(), columns).map_err(unwritable)?;
        self.arrow.write(&batch).map_err(unwritable)?;
        self.sums.push(xxh3_64(&self.arrow.get_ref()[start..]));
        Ok(())
    }

    /// Creates the object. One of the same name is there already: then it holds the same bytes.
    pub(super) fn finish(
        mut self,
        storage: &dyn Storage,
        kind: SegmentKind,
        rows: u64,
        directory: &[u8],
    ) -> Result<SegmentStamp> {
        let mut whole = Vec::with_capacity(HEADER_BYTES + 8 * self.sums.len() + directory.len());
        whole.extend_from_slice(&self.format.to_le_bytes());
        whole.extend_from_slice(&(kind as u32).to_le_bytes());
        whole.extend_from_slice(&rows.to_le_bytes());
        whole.extend_from_slice(&(self.sums.len() as u32).to_le_bytes());
        for sum in &self.sums {
            whole.extend_from_slice(&sum.to_le_bytes());
        }
        whole.extend_from_slice(directory);
        self.arrow
            .write_metadata(DIRECTORY_KEY, base64::encode(&whole));
        let bytes = self.arrow.into_inner().map_err(unwritable)?;
        let footer_at = footer_start(&bytes)
            .ok_or_else(|| Error::new(Code::Internal, "a file was written without a footer"))?;
        let stamp = SegmentStamp {
            digest: Digest::of(&bytes),
            bytes: bytes.len() as u64,
            footer_at: footer_at as u64,
            footer_sum: xxh3_64(&bytes[footer_at..]),
            rows,
            kind,
        };
        create_by_content(storage, &stamp.name(), &bytes)?;
        Ok(stamp)
    }
}

fn unwritable(error: ArrowError) -> Error {
    Error::new(
        Code::Internal,
        format!("a segment cannot be written: {error}"),
    )
}

/// Where the footer of a whole file starts.
fn footer_start(bytes: &[u8]) -> Option<usize> {
    let (rest, trailer) = bytes.split_last_chunk::<TRAILER_BYTES>()?;
    let (len, _) = trailer.split_first_chunk::<4>()?;
    rest.len().checked_sub(u32::from_le_bytes(*len) as usize)
}

/// A segment whose footer is verified.
#[derive(Debug)]
pub(super) struct SegmentReader {
    storage: Arc<dyn Storage>,
    stamp: SegmentStamp,
    blocks: Vec<Block>,
    sums: Vec<u64>,
    format: u32,
    directory: Vec<u8>,
}

/// What a batch must be like: checked before Arrow decodes it.
pub(super) struct Expected<'a> {
    /// The columns of the file.
    pub(super) schema: &'a SchemaRef,
    /// Rows of the batch.
    pub(super) rows: usize,
    /// The most bytes that one buffer may unfold to.
    pub(super) buffer_bytes_max: usize,
    /// Which columns are wanted.
    pub(super) columns: Vec<usize>,
}

impl SegmentReader {
    /// Reads and verifies the footer.
    pub(super) fn verified(
        storage: Arc<dyn Storage>,
        stamp: SegmentStamp,
    ) -> Result<SegmentReader> {
        let footer = storage
            .read(&stamp.name(), stamp.footer_at..stamp.bytes)?
            .ok_or_else(|| stamp.missing())?;
        let len = stamp.bytes.saturating_sub(stamp.footer_at);
        if footer.len() as u64 != len {
            return Err(stamp.corrupt(format!("{len} bytes of footer"), footer.len().to_string()));
        }
        verify(&stamp, "the footer", stamp.footer_sum, &footer)?;
        let (blocks, whole) = read_footer(&stamp, &footer)?;
        let Header {
            format,
            sums,
            directory,
        } = read_header(&stamp, &whole).map_err(|error| match error.code() {
            Code::CorruptLog => stamp.unreadable(&error),
            _ => error,
        })?;
        if sums.len() != blocks.len() {
            return Err(stamp.corrupt(format!("{} batches", sums.len()), blocks.len().to_string()));
        }
        Ok(SegmentReader {
            storage,
            stamp,
            blocks,
            sums,
            format,
            directory,
        })
    }

    /// The format of its directory.
    pub(super) fn format(&self) -> u32 {
        self.format
    }

    /// What the file was opened with.
    pub(super) fn stamp(&self) -> &SegmentStamp {
        &self.stamp
    }

    /// Where it lies.
    pub(super) fn storage(&self) -> &Arc<dyn Storage> {
        &self.storage
    }

    /// Batches.
    pub(super) fn batches(&self) -> usize {
        self.blocks.len()
    }

    /// The directory's part for this kind, read with `read`, which must take all of it.
    pub(super) fn directory<T>(
        &self,
        read: impl FnOnce(&mut Cursor<'_>) -> Result<T>,
    ) -> Result<T> {
        let mut cursor = Cursor::new(&self.directory);
        let read = read(&mut cursor).map_err(|error| self.stamp.unreadable(&error))?;
        if cursor.left() > 0 {
            return Err(self.stamp.corrupt("the end of the directory", "more of it"));
        }
        Ok(read)
    }

    /// The bytes of a batch, verified.
    fn read(&self, at: usize) -> Result<(Block, Buffer)> {
        let stamp = &self.stamp;
        let (Some(block), Some(&sum)) = (self.blocks.get(at), self.sums.get(at)) else {
            return Err(stamp.corrupt(format!("batch {at}"), self.blocks.len().to_string()));
        };
        let start = block.offset() as u64;
        let len = block.metaDataLength() as u64 + block.bodyLength() as u64;
        let bytes = self
            .storage
            .read(&stamp.name(), start..start + len)?
            .ok_or_else(|| stamp.missing())?;
        if bytes.len() as u64 != len {
            return Err(stamp.corrupt(
                format!("{len} bytes of batch {at}"),
                bytes.len().to_string(),
            ));
        }
        verify(stamp, &format!("batch {at}"), sum, &bytes)?;
        Ok((*block, Buffer::from_vec(bytes)))
    }

    /// Reads, verifies and decodes a batch.
    pub(super) fn batch(&self, at: usize, expected: &Expected<'_>) -> Result<RecordBatch> {
        let (block, bytes) = self.read(at)?;
        decode(&block, &bytes, expected)
            .map_err(|error| self.stamp.corrupt(format!("batch {at} as written"), error))
    }
}

/// What Arrow makes of a batch.
fn decode(
    block: &Block,
    bytes: &Buffer,
    expected: &Expected<'_>,
) -> std::result::Result<RecordBatch, String> {
    inspect(block, bytes, expected)?;
    FileDecoder::new(expected.schema.clone(), MetadataVersion::V5)
        .with_projection(expected.columns.clone())
        .read_record_batch(block, bytes)
        .map_err(|error| error.to_string())?
        .ok_or_else(|| "no batch".to_owned())
}

fn verify(stamp: &SegmentStamp, part: &str, sum: u64, bytes: &[u8]) -> Result<()> {
    let got = xxh3_64(bytes);
    if got == sum {
        return Ok(());
    }
    let expected = format!("checksum {sum:016x} of {part}");
    Err(stamp.corrupt(expected, format!("{got:016x}")))
}

/// The places of the batches and the directory.
fn read_footer(stamp: &SegmentStamp, bytes: &[u8]) -> Result<(Vec<Block>, Vec<u8>)> {
    let refuse = |what: &str| stamp.corrupt("a footer as written", what);
    let flat = bytes
        .split_last_chunk::<TRAILER_BYTES>()
        .filter(|(flat, _)| footer_start(bytes) == Some(0) && !flat.is_empty())
        .map(|(flat, _)| flat)
        .ok_or_else(|| refuse("another length"))?;
    let footer = arrow_ipc::root_as_footer(flat).map_err(|error| refuse(&error.to_string()))?;
    let blocks: Vec<Block> = footer
        .recordBatches()
        .map(|blocks| blocks.iter().copied().collect())
        .unwrap_or_default();
    let mut end = 0u64;
    for block in &blocks {
        let fields = (
            u64::try_from(block.offset()),
            u64::try_from(block.metaDataLength()),
            u64::try_from(block.bodyLength()),
        );
        let (Ok(start), Ok(head), Ok(body)) = fields else {
            return Err(refuse("a batch at no place"));
        };
        let next = start
            .checked_add(head)
            .and_then(|next| next.checked_add(body));
        end = next
            .filter(|&next| start >= end && next <= stamp.footer_at)
            .ok_or_else(|| refuse("batches that overlap"))?;
    }
    let directory = footer
        .custom_metadata()
        .and_then(|entries| {
            entries
                .iter()
                .find(|entry| entry.key() == Some(DIRECTORY_KEY))
        })
        .and_then(|entry| base64::decode(entry.value()?))
        .ok_or_else(|| refuse("no directory"))?;
    Ok((blocks, directory))
}

/// What the directories of all kinds start with.
struct Header {
    format: u32,
    /// Of the batches.
    sums: Vec<u64>,
    /// The rest of the directory.
    directory: Vec<u8>,
}

fn read_header(stamp: &SegmentStamp, whole: &[u8]) -> Result<Header> {
    let mut cursor = Cursor::new(whole);
    let format = u32::from_le_bytes(cursor.array()?);
    if format > FORMAT_VERSION {
        let file = stamp.name();
        let message =
            format!("{file} has format {format}; this build reads up to {FORMAT_VERSION}");
        return Err(Error::new(Code::FormatVersion, message)
            .with("file", file)
            .with("format", i64::from(format)));
    }
    let kind = u32::from_le_bytes(cursor.array()?);
    if kind != stamp.kind as u32 {
        return Err(stamp.corrupt(format!("kind {}", stamp.kind as u32), kind.to_string()));
    }
    let rows = u64::from_le_bytes(cursor.array()?);
    if rows != stamp.rows {
        return Err(stamp.corrupt(format!("{} rows", stamp.rows), rows.to_string()));
    }
    let batches = u32::from_le_bytes(cursor.array()?) as usize;
    let bytes = cursor.take(batches.saturating_mul(8))?;
    let (sums, _) = bytes.as_chunks::<8>();
    let sums = sums.iter().map(|sum| u64::from_le_bytes(*sum)).collect();
    Ok(Header {
        format,
        sums,
        directory: cursor.take(cursor.left())?.to_vec(),
    })
}

/// Whether a message is what our writer writes for such a batch.
fn inspect(
    block: &Block,
    bytes: &[u8],
    expected: &Expected<'_>,
) -> std::result::Result<(), &'static str> {
    let (head, body) = bytes
        .split_at_checked(block.metaDataLength() as usize)
        .ok_or("a short message")?;
    let flat = head.get(PREFIX_BYTES..).ok_or("a short message")?;
    let message = arrow_ipc::root_as_message(flat).map_err(|_| "another message")?;
    let batch = message.header_as_record_batch().ok_or("no record batch")?;
    let nodes = batch.nodes().ok_or("no columns")?;
    let is_full = |len: i64| usize::try_from(len) == Ok(expected.rows);
    if nodes.len() != expected.schema.fields().len()
        || !is_full(batch.length())
        || nodes
            .iter()
            .any(|node| !is_full(node.length()) || node.null_count() != 0)
        || batch.variadicBufferCounts().is_some_and(|v| !v.is_empty())
    {
        return Err("other rows or columns");
    }
    for buffer in batch.buffers().ok_or("no buffers")? {
        let start = usize::try_from(buffer.offset()).map_err(|_| "a buffer at no place")?;
        let len = usize::try_from(buffer.length()).map_err(|_| "a buffer of no length")?;
        let buffer = body
            .get(start..)
            .and_then(|rest| rest.get(..len))
            .ok_or("a buffer beyond the end")?;
        let unfolds_to = match buffer.split_first_chunk::<8>() {
            Some((prefix, rest)) => match i64::from_le_bytes(*prefix) {
                -1 => Ok(rest.len()),
                len => usize::try_from(len),
            },
            None if buffer.is_empty() => Ok(0),
            None => return Err("a buffer without a length"),
        };
        if !unfolds_to.is_ok_and(|len| len <= expected.buffer_bytes_max) {
            return Err("a buffer too large");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use arrow_array::{BinaryArray, UInt8Array};
    use arrow_schema::{DataType, Field, Schema};

    use super::*;
    use crate::store::MemoryStorage;

    /// An enemy's checksums are right: a forged batch is an error or other data, never a panic.
    #[test]
    fn forged_batches_do_no_harm() {
        const ROWS: usize = 200;
        let schema: SchemaRef = Arc::new(Schema::new(vec![
            Field::new("a", DataType::UInt8, false),
            Field::new("b", DataType::Binary, false),
        ]));
        let mut file = FileWriter::with_schema(schema.clone()).unwrap();
        let bytes: Vec<u8> = (0..ROWS).map(|row| (row % 7) as u8).collect();
        let texts: Vec<&[u8]> = bytes.iter().map(std::slice::from_ref).collect();
        file.write(vec![
            Arc::new(UInt8Array::from(bytes.clone())),
            Arc::new(BinaryArray::from_vec(texts)),
        ])
        .unwrap();
        let storage = Arc::new(MemoryStorage::default());
        let stamp = file
            .finish(storage.as_ref(), SegmentKind::Rows, ROWS as u64, b"")
            .unwrap();
        let file = SegmentReader::verified(storage, stamp).unwrap();
        let (block, bytes) = file.read(0).unwrap();
        let expected = Expected {
            schema: &schema,
            rows: ROWS,
            buffer_bytes_max: 4 * (ROWS + 1),
            columns: vec![0, 1],
        };
        assert_eq!(decode(&block, &bytes, &expected).unwrap().num_rows(), ROWS);
        for at in 0..bytes.len() {
            for wrong in [0, 1, 0x7f, 0x80, 0xff, bytes[at] ^ 4, bytes[at] ^ 16] {
                let mut forged = bytes.to_vec();
                forged[at] = wrong;
                if let Ok(batch) = decode(&block, &Buffer::from_vec(forged), &expected) {
                    assert_eq!(batch.num_rows(), ROWS);
                }
            }
        }
    }
}
