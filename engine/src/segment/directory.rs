//! The directory of a segment of rows: what is known of each chunk without reading it.

use std::ops::Range;
use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, SchemaRef};
use uuid::Uuid;

use super::codec::{Encoding, Numbers, PLANES_MAX};
use super::file::{FORMAT_OLDEST, FORMAT_VERSION};
use super::trend::Trend;
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

/// The format that may have trends.
const FORMAT_TRENDS: u32 = 2;

const _: () = assert!(FORMAT_OLDEST < FORMAT_TRENDS && FORMAT_TRENDS <= FORMAT_VERSION);
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

/// What chunks are decoded with beside their planes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tables {
    /// Lists of values, ascending; each serves the chunks of one leaf.
    pub(super) palettes: Vec<Vec<u64>>,
    /// Each serves one column of the chunks of one leaf.
    pub(super) trends: Vec<Trend>,
}

/// The directory of a segment of rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Directory {
    /// The commit that the ids of the rows belong to.
    pub(super) origin: Uuid,
    pub(super) layout: Layout,
    pub(super) tables: Tables,
    pub(super) chunks: Vec<ChunkEntry>,
}

impl Tables {
    /// The palettes, and in [`FORMAT_TRENDS`] the trends.
    fn put(&self, out: &mut Vec<u8>) {
        put_varint(out, self.palettes.len() as u64);
        for palette in &self.palettes {
            put_varint(out, palette.len() as u64);
            let mut last = 0u64;
            for &value in palette {
                put_varint(out, value.wrapping_sub(last));
                last = value;
            }
        }
        if !self.trends.is_empty() {
            put_varint(out, self.trends.len() as u64);
            self.trends.iter().for_each(|trend| trend.put(out));
        }
    }

    fn read(cursor: &mut Cursor<'_>, format: u32) -> Result<Tables> {
        let mut tables = Tables::default();
        for _ in 0..cursor.count(1)? {
            let mut last = 0u64;
            let palette: Result<Vec<u64>> = (0..cursor.count(1)?)
                .map(|_| {
                    last = last.wrapping_add(cursor.varint()?);
                    Ok(last)
                })
                .collect();
            tables.palettes.push(palette?);
        }
        if format >= FORMAT_TRENDS {
            for _ in 0..cursor.count(1)? {
                tables.trends.push(Trend::read(cursor)?);
            }
        }
        Ok(tables)
    }

    /// Whether all is there that a chunk is decoded with.
    fn serve(&self, chunk: &ChunkEntry) -> bool {
        let has_palette = chunk
            .palette
            .is_none_or(|palette| (palette as usize) < self.palettes.len());
        let trend = |encoding: &Encoding| match encoding.numbers {
            Numbers::Trend { number } => Some(number as usize),
            _ => None,
        };
        // Entities are told by nothing.
        let [e, others @ ..] = &chunk.encodings;
        let mut trends = others.iter().flatten().filter_map(trend);
        has_palette
            && e.as_ref().and_then(trend).is_none()
            && trends.all(|number| number < self.trends.len())
    }
}

impl Directory {
    /// The oldest format that can say what it says.
    pub(super) fn format(&self) -> u32 {
        match self.tables.trends.is_empty() {
            true => FORMAT_OLDEST,
            false => FORMAT_TRENDS,
        }
    }

    pub(super) fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.origin.as_bytes());
        out.extend_from_slice(&self.layout.planes);
        out.push(u8::from(self.layout.kinds));
        self.tables.put(out);
        put_varint(out, self.chunks.len() as u64);
        let mut last_e = 0i64;
        for chunk in &self.chunks {
            chunk.put(out, last_e);
            last_e = chunk.fence.e;
        }
    }

    pub(super) fn read(cursor: &mut Cursor<'_>, format: u32) -> Result<Directory> {
        let origin = Uuid::from_bytes(cursor.array()?);
        let planes: [u8; 4] = cursor.array()?;
        let kinds = cursor.byte()? != 0;
        if planes.iter().any(|&n| usize::from(n) > PLANES_MAX) {
            return Err(malformed("a column in it has too many planes"));
        }
        let layout = Layout { planes, kinds };
        let tables = Tables::read(cursor, format)?;
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
            if !fits || chunk.kind.is_none() && !layout.kinds || !tables.serve(&chunk) {
                return Err(malformed("a chunk of it refers to what it does not have"));
            }
            chunks.push(chunk);
        }
        Ok(Directory {
            origin,
            layout,
            tables,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::segment::codec::encode;

    fn directory(numbers: [Numbers; 3], trends: Vec<Trend>) -> Directory {
        let encoding = |numbers| Some(encode(&[0], numbers).encoding);
        let [e, v, tx] = numbers.map(encoding);
        Directory {
            origin: Uuid::nil(),
            layout: Layout {
                planes: [1; 4],
                kinds: false,
            },
            tables: Tables {
                palettes: Vec::new(),
                trends,
            },
            chunks: vec![ChunkEntry {
                fence: ChunkFence {
                    rows: 1,
                    e: 0,
                    v: Cell::long(0),
                },
                kind: Some(Kind::Long),
                encodings: [e, v, tx, None],
                palette: None,
            }],
        }
    }

    fn read(directory: &Directory, format: u32) -> Result<Directory> {
        let mut out = Vec::new();
        directory.put(&mut out);
        let mut cursor = Cursor::new(&out);
        let read = Directory::read(&mut cursor, format)?;
        match cursor.left() {
            0 => Ok(read),
            _ => Err(malformed("more")),
        }
    }

    #[test]
    fn chunks_refer_only_to_trends_that_are_there() {
        let trends = || {
            Trend::fit(&[(1, 7), (5, 9)], 0)
                .into_iter()
                .collect::<Vec<_>>()
        };
        let along = |number| Numbers::Trend { number };
        let fine = directory([Numbers::Bits, along(0), along(0)], trends());
        assert_eq!(read(&fine, fine.format()).unwrap(), fine);
        assert!(read(&fine, FORMAT_OLDEST).is_err(), "format 1 has none");
        for (numbers, trends) in [
            ([Numbers::Bits, along(1), Numbers::Bits], trends()),
            ([Numbers::Bits, Numbers::Bits, along(u32::MAX)], trends()),
            ([along(0), Numbers::Bits, Numbers::Bits], trends()),
        ] {
            let wrong = directory(numbers, trends);
            assert!(read(&wrong, wrong.format()).is_err(), "{numbers:?}");
        }
        let without = directory([Numbers::Bits; 3], Vec::new());
        assert_eq!(without.format(), FORMAT_OLDEST);
        assert_eq!(read(&without, FORMAT_OLDEST).unwrap(), without);
    }
}
