//! The directory of a segment of rows: what is known of each chunk without reading it.

use std::ops::Range;
use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, SchemaRef};
use uuid::Uuid;

use super::codec::{Encoding, PLANES_MAX};
use crate::bytes::{Cursor, malformed, put_varint, put_zigzag};
use crate::error::Result;
use crate::index::{Cell, ChunkFence, Kind};
use crate::limits::SEGMENT_CHUNK_ROWS;

/// The columns of a chunk that are numbers, e, v, tx and extra: the outer places in arrays of four.
pub(super) const E: usize = 0;
pub(super) const EXTRA: usize = 3;
/// How planes are named in the Arrow schema, with the number of the plane.
const NAMES: [&str; 4] = ["e", "v", "tx", "extra"];
/// The name of the column of kinds.
const KIND_NAME: &str = "kind";
/// In place of a kind: the rows differ in kind.
const MIXED: u8 = 0xff;

const _: () = assert!(Kind::ALL.len() < MIXED as usize);

/// The Arrow columns of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    /// Planes of e, v, tx, extra.
    pub(super) planes: [u8; 4],
    /// Whether there is a column of kinds.
    pub(super) kinds: bool,
}

impl Layout {
    /// Places of a column's first planes among the Arrow columns.
    pub(super) fn places(&self, column: usize, planes: u8) -> Range<usize> {
        let start: usize = self.planes[..column].iter().map(|&n| usize::from(n)).sum();
        start..start + usize::from(planes)
    }

    /// The place of the column of kinds.
    pub(super) fn kinds_place(&self) -> usize {
        self.planes.iter().map(|&n| usize::from(n)).sum()
    }

    pub(super) fn schema(&self) -> SchemaRef {
        let planes = self
            .planes
            .iter()
            .zip(NAMES)
            .flat_map(|(&planes, name)| (0..planes).map(move |plane| format!("{name}{plane}")));
        let kinds = self.kinds.then(|| KIND_NAME.to_owned());
        let fields: Vec<Field> = planes
            .chain(kinds)
            .map(|name| Field::new(name, DataType::UInt8, false))
            .collect();
        Arc::new(Schema::new(fields))
    }
}

/// What is known of a chunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ChunkEntry {
    pub(super) fence: ChunkFence,
    /// The one kind of all values, if there is one.
    pub(super) kind: Option<Kind>,
    /// e, v, tx, and extra if the run has one.
    pub(super) encodings: [Option<Encoding>; 4],
    /// Which palette the values are positions in, if they are.
    pub(super) palette: Option<u32>,
}

/// The directory of a segment of rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Directory {
    /// The commit that the ids of the rows belong to.
    pub(super) origin: Uuid,
    pub(super) layout: Layout,
    /// Lists of values, ascending; each serves the chunks of one leaf.
    pub(super) palettes: Vec<Vec<u64>>,
    pub(super) chunks: Vec<ChunkEntry>,
}

impl Directory {
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.origin.as_bytes());
        out.extend_from_slice(&self.layout.planes);
        out.push(u8::from(self.layout.kinds));
        put_varint(out, self.palettes.len() as u64);
        for palette in &self.palettes {
            put_varint(out, palette.len() as u64);
            let mut last = 0u64;
            for &value in palette {
                put_varint(out, value.wrapping_sub(last));
                last = value;
            }
        }
        put_varint(out, self.chunks.len() as u64);
        let mut last_e = 0i64;
        for chunk in &self.chunks {
            chunk.put(out, last_e);
            last_e = chunk.fence.e;
        }
    }

    pub(super) fn read(cursor: &mut Cursor<'_>) -> Result<Directory> {
        let origin = Uuid::from_bytes(cursor.array()?);
        let planes: [u8; 4] = cursor.array()?;
        let kinds = cursor.byte()? != 0;
        if planes.iter().any(|&n| usize::from(n) > PLANES_MAX) {
            return Err(malformed("a column in it has too many planes"));
        }
        let layout = Layout { planes, kinds };
        let mut palettes = Vec::new();
        for _ in 0..cursor.count(1)? {
            let mut last = 0u64;
            let palette: Result<Vec<u64>> = (0..cursor.count(1)?)
                .map(|_| {
                    last = last.wrapping_add(cursor.varint()?);
                    Ok(last)
                })
                .collect();
            palettes.push(palette?);
        }
        let mut last_e = 0;
        let mut chunks = Vec::new();
        for _ in 0..cursor.count(8)? {
            let chunk = ChunkEntry::read(cursor, last_e)?;
            last_e = chunk.fence.e;
            let fits = chunk
                .encodings
                .iter()
                .zip(layout.planes)
                .all(|(encoding, planes)| encoding.is_none_or(|it| it.planes <= planes));
            let palette = chunk.palette.unwrap_or(0) as usize;
            if !fits
                || chunk.kind.is_none() && !layout.kinds
                || chunk.palette.is_some() && palette >= palettes.len()
            {
                return Err(malformed("a chunk of it refers to what it does not have"));
            }
            chunks.push(chunk);
        }
        Ok(Directory {
            origin,
            layout,
            palettes,
            chunks,
        })
    }
}

impl ChunkEntry {
    /// Rows, first e (difference to the chunk before), kind of the first value and its bits, kind of
    /// all, whether there is an extra column, palette + 1 or 0, the encodings.
    fn put(&self, out: &mut Vec<u8>, last_e: i64) {
        put_varint(out, u64::from(self.fence.rows));
        put_zigzag(out, self.fence.e.wrapping_sub(last_e));
        out.push(self.fence.v.kind as u8);
        put_zigzag(out, self.fence.v.bits as i64);
        out.push(self.kind.map_or(MIXED, |kind| kind as u8));
        out.push(u8::from(self.encodings[EXTRA].is_some()));
        put_varint(
            out,
            self.palette.map_or(0, |palette| u64::from(palette) + 1),
        );
        for encoding in self.encodings.iter().flatten() {
            encoding.put(out);
        }
    }

    fn read(cursor: &mut Cursor<'_>, last_e: i64) -> Result<ChunkEntry> {
        let rows = cursor.varint()?;
        if rows == 0 || rows > SEGMENT_CHUNK_ROWS as u64 {
            return Err(malformed("a chunk of it has no rows, or too many"));
        }
        let e = last_e.wrapping_add(cursor.zigzag()?);
        let v = Cell {
            kind: read_kind(cursor.byte()?)?,
            bits: cursor.zigzag()? as u64,
        };
        let kind = match cursor.byte()? {
            MIXED => None,
            number => Some(read_kind(number)?),
        };
        let has_extra = cursor.byte()? != 0;
        let palette = match cursor.varint()? {
            0 => None,
            n => Some(u32::try_from(n - 1).map_err(|_| malformed("a palette in it has no place"))?),
        };
        let mut encodings = [None; 4];
        for encoding in &mut encodings[..if has_extra { 4 } else { 3 }] {
            *encoding = Some(Encoding::read(cursor)?);
        }
        Ok(ChunkEntry {
            fence: ChunkFence {
                rows: rows as u32,
                e,
                v,
            },
            kind,
            encodings,
            palette,
        })
    }
}

fn read_kind(number: u8) -> Result<Kind> {
    Kind::from_number(number).ok_or_else(|| malformed("a kind in it is not known"))
}
