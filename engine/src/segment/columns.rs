//! A leaf as columns, and the shortest encoding of each.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::{ArrayRef, UInt8Array};
use hashbrown::HashSet;

use super::codec::{Encoded, Numbers, encode, encode_doubles};
use super::directory::{ChunkEntry, Layout, Tables};
use super::trend::Trend;
use crate::index::{Chunk, ChunkFence, Column, ColumnBuilder, Extra, Kind, Kinds};

/// Longest palette of a leaf.
const PALETTE_MAX: usize = 4096;
/// Rows of a leaf for each value of its palette, at least: else the palette costs more than it saves.
const PALETTE_ROWS_MIN: usize = 16;
/// Rows from which on a trend is looked for.
const TREND_ROWS_MIN: usize = 256;
/// How far rows may lie from a trend, and the bits that tell how far: first none at all, for what
/// is made in bulk, then what many small transactions leave.
const TREND_ERRORS: [(u32, usize); 3] = [(0, 0), (7, 4), (127, 8)];

/// A leaf as four columns and kinds.
pub(super) struct LeafColumns {
    e: Vec<u64>,
    v: Column,
    tx: Vec<u64>,
    extra: Option<Vec<u64>>,
}

/// A chunk that is encoded but not compressed.
pub(super) struct Draft {
    pub(super) entry: ChunkEntry,
    /// Planes of e, v, tx, extra.
    pub(super) planes: [Vec<Vec<u8>>; 4],
    pub(super) kinds: Option<Vec<u8>>,
}

/// A column of a leaf, cut into chunks.
struct EncodedColumn {
    chunks: Vec<Encoded>,
    /// What they are encoded with, if anything.
    table: Option<Table>,
    bytes_estimate: usize,
}

/// What stands in the directory for a column of a leaf.
enum Table {
    Palette(Vec<u64>),
    Trend(Trend),
}

impl LeafColumns {
    /// Of chunks of any length.
    pub(super) fn gather<'c>(chunks: impl Iterator<Item = &'c Chunk>, extra: Extra) -> LeafColumns {
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

    /// Rows.
    pub(super) fn rows(&self) -> usize {
        self.e.len()
    }

    /// The leaf in `count` chunks of much the same length. What several of them share is added to
    /// the tables.
    pub(super) fn encode(&self, count: usize, tables: &mut Tables) -> (Vec<Draft>, usize) {
        let cut = Cut {
            rows: self.rows(),
            count,
        };
        let mut by_entity = ByEntity::of(&self.e);
        let e = cut.encode(&self.e, Numbers::Bits);
        let v = cut.along_trend(self.encode_values(cut), self.v.bits(), &mut by_entity);
        let mut others = |column: &[u64]| {
            let plain = cut.encode(column, Numbers::Bits);
            cut.along_trend(plain, column, &mut by_entity)
        };
        let tx = others(&self.tx);
        let extra = self.extra.as_deref().map(others);
        let columns = [Some(e), Some(v), Some(tx), extra];
        let mut bytes_estimate = 0;
        let mut palette = None;
        let mut columns = columns.map(|column| {
            let column = column?;
            bytes_estimate += column.bytes_estimate;
            palette = palette.or(matches!(column.table, Some(Table::Palette(_)))
                .then_some(tables.palettes.len() as u32));
            Some(column.placed(tables).into_iter())
        });
        let drafts = (0..count).map(|at| {
            let encoded = columns
                .each_mut()
                .map(|column| column.as_mut().and_then(Iterator::next));
            self.draft(cut.piece(at), encoded, palette)
        });
        let drafts: Vec<Draft> = drafts.collect();
        let kinds = drafts.iter().filter_map(|draft| draft.kinds.as_ref());
        bytes_estimate += kinds.map(|kinds| kinds.len() / 4).sum::<usize>();
        (drafts, bytes_estimate)
    }

    /// The values of each chunk: through a palette if that is shorter for all together.
    fn encode_values(&self, cut: Cut) -> EncodedColumn {
        let bits = self.v.bits();
        let plain = match self.v.kind() == Some(Kind::Double) {
            true => cut.each(bits, encode_doubles),
            false => cut.encode(bits, Numbers::Bits),
        };
        let Some(palette) = palette_of(bits) else {
            return plain;
        };
        let position = |bits: &u64| palette.partition_point(|value| value < bits) as u64;
        let positions: Vec<u64> = bits.iter().map(position).collect();
        let mut at_palette = cut.encode(&positions, Numbers::Palette);
        at_palette.bytes_estimate += 4 * palette.len();
        at_palette.table = Some(Table::Palette(palette));
        plain.or_shorter(at_palette)
    }

    fn draft(
        &self,
        rows: Range<usize>,
        columns: [Option<Encoded>; 4],
        palette: Option<u32>,
    ) -> Draft {
        let first = rows.start;
        let values = self.v.slice(first, rows.len());
        let (kind, kinds) = match values.kinds() {
            Kinds::All(kind) => (Some(*kind), None),
            Kinds::Each(kinds) if kinds.iter().all(|kind| *kind == kinds[0]) => {
                (Some(values.kind_at(0)), None)
            }
            Kinds::Each(kinds) => (None, Some(kinds.to_vec())),
        };
        let entry = ChunkEntry {
            fence: ChunkFence {
                rows: rows.len() as u32,
                e: self.e[first] as i64,
                v: values.cell(0),
            },
            kind,
            encodings: columns
                .each_ref()
                .map(|column| column.as_ref().map(|it| it.encoding)),
            palette,
        };
        Draft {
            entry,
            planes: columns.map(|column| column.map_or_else(Vec::new, |it| it.planes)),
            kinds,
        }
    }
}

impl EncodedColumn {
    fn or_shorter(self, other: EncodedColumn) -> EncodedColumn {
        match other.bytes_estimate < self.bytes_estimate {
            true => other,
            false => self,
        }
    }

    /// Its chunks, with the number that their table gets.
    fn placed(mut self, tables: &mut Tables) -> Vec<Encoded> {
        match self.table {
            None => {}
            Some(Table::Palette(palette)) => tables.palettes.push(palette),
            Some(Table::Trend(trend)) => {
                let number = tables.trends.len() as u32;
                for chunk in &mut self.chunks {
                    chunk.encoding.numbers = Numbers::Trend { number };
                }
                tables.trends.push(trend);
            }
        }
        self.chunks
    }
}

/// How a leaf is cut into chunks.
#[derive(Clone, Copy)]
struct Cut {
    rows: usize,
    count: usize,
}

impl Cut {
    /// The rows of a chunk: all are of much the same length.
    fn piece(self, at: usize) -> Range<usize> {
        self.rows * at / self.count..self.rows * (at + 1) / self.count
    }

    fn each(self, column: &[u64], encode: impl Fn(&[u64]) -> Encoded) -> EncodedColumn {
        let chunks = (0..self.count).map(|at| encode(&column[self.piece(at)]));
        let chunks: Vec<Encoded> = chunks.collect();
        EncodedColumn {
            bytes_estimate: chunks.iter().map(|chunk| chunk.bytes_estimate).sum(),
            chunks,
            table: None,
        }
    }

    fn encode(self, column: &[u64], numbers: Numbers) -> EncodedColumn {
        self.each(column, |chunk| encode(chunk, numbers))
    }

    /// The column as differences to a trend, if there is one and that is shorter.
    fn along_trend(
        self,
        plain: EncodedColumn,
        column: &[u64],
        by_entity: &mut ByEntity<'_>,
    ) -> EncodedColumn {
        let mut best = plain;
        let mut points = None;
        for (error_max, bits) in TREND_ERRORS {
            if self.rows < TREND_ROWS_MIN || 8 * best.bytes_estimate <= (bits + 1) * self.rows {
                break;
            }
            let Some(trend) = Trend::fit(
                points.get_or_insert_with(|| by_entity.points(column)),
                error_max,
            ) else {
                continue;
            };
            let told = trend.at(by_entity.e).zip(column);
            let off: Vec<u64> = told.map(|(told, n)| n.wrapping_sub(told)).collect();
            // The number is known when it is chosen.
            let mut along = self.encode(&off, Numbers::Trend { number: 0 });
            along.bytes_estimate += trend.bytes();
            along.table = Some(Table::Trend(trend));
            best = best.or_shorter(along);
        }
        best
    }
}

/// The rows of a leaf in the order of their entities, found out on first use.
struct ByEntity<'l> {
    e: &'l [u64],
    rows: Option<Vec<u32>>,
}

impl<'l> ByEntity<'l> {
    fn of(e: &'l [u64]) -> ByEntity<'l> {
        ByEntity { e, rows: None }
    }

    /// Entity and number of each row.
    fn points(&mut self, column: &[u64]) -> Vec<(i64, u64)> {
        let e = self.e;
        let rows = self.rows.get_or_insert_with(|| {
            let mut rows: Vec<(i64, u32)> = e.iter().map(|&e| e as i64).zip(0..).collect();
            rows.sort_unstable();
            rows.into_iter().map(|(_, row)| row).collect()
        });
        let points = rows.iter().map(|&row| row as usize);
        points.map(|row| (e[row] as i64, column[row])).collect()
    }
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

impl Draft {
    /// The Arrow columns; planes that this chunk does without are zeros.
    pub(super) fn arrays(self, layout: &Layout) -> Vec<ArrayRef> {
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
