//! A root as bytes; the table is in `docs/format.md`.

use uuid::Uuid;

use super::{ArchivePart, AttributePart, DictionaryPart, GraphPart, LeafPart, Root, SamplePart};
use crate::bytes::{Cursor, put_value, put_varint, put_zigzag, read_value};
use crate::datom::{AttrId, EntityId};
use crate::error::{Code, Error, Result};
use crate::index::{Cell, Kind};
use crate::segment::{Cover, SegmentStamp};

/// What a root starts with.
const MAGIC: &[u8; 8] = b"datalith";
/// The newest format this build reads. It writes the oldest that can say what is to be said: a root
/// without graphs is of the first.
const FORMAT: u32 = 2;
/// The first format that has graphs.
const FORMAT_GRAPHS: u32 = 2;
/// Bytes of magic, format, commit.
const HEAD_BYTES: usize = 8 + 4 + 16;
const _: () = assert!(HEAD_BYTES == MAGIC.len() + size_of::<u32>() + size_of::<Uuid>());
/// Bytes of a leaf at least: six numbers and a kind.
const LEAF_BYTES_MIN: usize = 7;

impl Root {
    pub(super) fn encode(&self) -> Result<Vec<u8>> {
        let mut out = Vec::with_capacity(4096);
        out.extend_from_slice(MAGIC);
        let format = match self.graphs.is_empty() {
            true => 1,
            false => FORMAT_GRAPHS,
        };
        out.extend_from_slice(&u32::to_le_bytes(format));
        out.extend_from_slice(self.commit.as_bytes());
        put_varint(&mut out, self.t);
        put_varint(&mut out, self.epoch);
        put_zigzag(&mut out, self.max_eid);
        put_zigzag(&mut out, self.max_tx);
        out.push(u8::from(self.unswept));
        put_value(&mut out, &self.schema)?;
        put_varint(&mut out, self.segments.len() as u64);
        self.segments.iter().for_each(|stamp| stamp.put(&mut out));
        put_varint(&mut out, self.dictionary.len() as u64);
        for part in &self.dictionary {
            put_varint(&mut out, u64::from(part.start));
            put_varint(&mut out, u64::from(part.len));
            part.stamp.put(&mut out);
        }
        put_varint(&mut out, self.archive.len() as u64);
        for part in &self.archive {
            put_varint(&mut out, part.first);
            put_varint(&mut out, part.last);
            part.stamp.put(&mut out);
        }
        put_varint(&mut out, self.attributes.len() as u64);
        self.attributes.iter().for_each(|part| part.put(&mut out));
        if !self.graphs.is_empty() {
            put_varint(&mut out, self.graphs.len() as u64);
            self.graphs.iter().for_each(|part| part.put(&mut out));
        }
        Ok(out)
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Root> {
        let mut cursor = Cursor::new(bytes);
        if cursor.take(MAGIC.len())? != MAGIC {
            return Err(Error::new(Code::CorruptSegment, "it does not start as one"));
        }
        let format = u32::from_le_bytes(cursor.array()?);
        if format > FORMAT {
            let message = format!("a root has format {format}; this build reads up to {FORMAT}");
            return Err(Error::new(Code::FormatVersion, message));
        }
        let commit = Uuid::from_bytes(cursor.array()?);
        let [t, epoch] = [cursor.varint()?, cursor.varint()?];
        let [max_eid, max_tx] = [cursor.zigzag()?, cursor.zigzag()?];
        let unswept = cursor.byte()? != 0;
        let schema = read_value(&mut cursor)?;
        let segments = list(&mut cursor, SegmentStamp::BYTES, SegmentStamp::read)?;
        let dictionary = list(&mut cursor, SegmentStamp::BYTES, |cursor| {
            Ok(DictionaryPart {
                start: number(cursor)?,
                len: number(cursor)?,
                stamp: SegmentStamp::read(cursor)?,
            })
        })?;
        let archive = list(&mut cursor, SegmentStamp::BYTES, |cursor| {
            Ok(ArchivePart {
                first: cursor.varint()?,
                last: cursor.varint()?,
                stamp: SegmentStamp::read(cursor)?,
            })
        })?;
        let attributes = list(&mut cursor, 2, AttributePart::read)?;
        let graphs = match format {
            ..FORMAT_GRAPHS => Vec::new(),
            _ => list(&mut cursor, SegmentStamp::BYTES, GraphPart::read)?,
        };
        let count = segments.len() as u32;
        let leaves = attributes
            .iter()
            .flat_map(|part: &AttributePart| part.runs.iter().flatten());
        if cursor.left() > 0 || leaves.into_iter().any(|leaf| leaf.segment >= count) {
            return Err(Error::new(
                Code::CorruptSegment,
                "its parts do not fit together",
            ));
        }
        Ok(Root {
            commit,
            t,
            epoch,
            max_eid,
            max_tx,
            unswept,
            schema,
            segments,
            dictionary,
            attributes,
            archive,
            graphs,
        })
    }
}

impl GraphPart {
    fn put(&self, out: &mut Vec<u8>) {
        let cover = self.cover;
        put_zigzag(out, cover.index.0);
        put_varint(out, u64::from(cover.attribute.0));
        put_zigzag(out, cover.after);
        put_zigzag(out, cover.upto);
        self.stamp.put(out);
    }

    fn read(cursor: &mut Cursor<'_>) -> Result<GraphPart> {
        Ok(GraphPart {
            cover: Cover {
                index: EntityId(cursor.zigzag()?),
                attribute: AttrId(number(cursor)?),
                after: cursor.zigzag()?,
                upto: cursor.zigzag()?,
            },
            stamp: SegmentStamp::read(cursor)?,
        })
    }
}

impl AttributePart {
    fn put(&self, out: &mut Vec<u8>) {
        put_varint(out, u64::from(self.id));
        put_varint(out, self.runs.len() as u64);
        for leaves in &self.runs {
            put_varint(out, leaves.len() as u64);
            for leaf in leaves {
                for number in [leaf.segment, leaf.first, leaf.chunks, leaf.rows] {
                    put_varint(out, u64::from(number));
                }
                put_zigzag(out, leaf.e);
                put_cell(out, leaf.v);
            }
        }
        let Some(sample) = &self.sample else {
            return out.push(0);
        };
        out.push(1);
        out.extend_from_slice(&sample.rows.to_le_bytes());
        out.extend_from_slice(&sample.entities.to_le_bytes());
        put_varint(out, sample.values.len() as u64);
        sample.values.iter().for_each(|cell| put_cell(out, *cell));
    }

    fn read(cursor: &mut Cursor<'_>) -> Result<AttributePart> {
        let id = number(cursor)?;
        let runs = list(cursor, 1, |cursor| list(cursor, LEAF_BYTES_MIN, leaf))?;
        let sample = match cursor.byte()? {
            0 => None,
            _ => Some(SamplePart {
                rows: f64::from_le_bytes(cursor.array()?),
                entities: f64::from_le_bytes(cursor.array()?),
                values: list(cursor, 2, cell)?,
            }),
        };
        Ok(AttributePart { id, runs, sample })
    }
}

fn leaf(cursor: &mut Cursor<'_>) -> Result<LeafPart> {
    Ok(LeafPart {
        segment: number(cursor)?,
        first: number(cursor)?,
        chunks: number(cursor)?,
        rows: number(cursor)?,
        e: cursor.zigzag()?,
        v: cell(cursor)?,
    })
}

fn put_cell(out: &mut Vec<u8>, cell: Cell) {
    out.push(cell.kind as u8);
    put_zigzag(out, cell.bits as i64);
}

fn cell(cursor: &mut Cursor<'_>) -> Result<Cell> {
    let kind = Kind::from_number(cursor.byte()?)
        .ok_or_else(|| Error::new(Code::CorruptSegment, "it holds a cell of no known kind"))?;
    Ok(Cell {
        kind,
        bits: cursor.zigzag()? as u64,
    })
}

fn number(cursor: &mut Cursor<'_>) -> Result<u32> {
    u32::try_from(cursor.varint()?)
        .map_err(|_| Error::new(Code::CorruptSegment, "a number in it is too large"))
}

/// A count, then so many of what `item` reads, each of `bytes_min` bytes at least.
fn list<T>(
    cursor: &mut Cursor<'_>,
    bytes_min: usize,
    item: impl Fn(&mut Cursor<'_>) -> Result<T>,
) -> Result<Vec<T>> {
    let count = cursor.count(bytes_min)?;
    (0..count).map(|_| item(cursor)).collect()
}
