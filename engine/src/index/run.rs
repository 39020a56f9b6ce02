//! A run: the sorted, duplicate-free rows of one attribute, cut into shared chunks.

use std::cmp::Ordering;
use std::ops::Range;
use std::sync::Arc;

use super::{Cell, Chunk, Dictionary, Extra, Row};

/// How the rows of a run are sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SortOrder {
    /// By entity, then value.
    ByEntity,
    /// By value, then entity.
    ByValue,
}

/// Sorted rows of one attribute. Cloning is cheap; a clone never changes.
#[derive(Clone, Debug)]
pub struct Run {
    pub(super) order: SortOrder,
    pub(super) extra: Extra,
    pub(super) chunks: Arc<Vec<Arc<Chunk>>>,
    /// First entity and value of each chunk, so that a search touches one chunk.
    pub(super) fences: Arc<Vec<(i64, Cell)>>,
    /// Rows before each chunk, and after the last.
    pub(super) offsets: Arc<Vec<usize>>,
}

/// A row of a run: its chunk and the row within.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The chunk.
    pub chunk: usize,
    /// The row within the chunk.
    pub row: usize,
}

impl Run {
    /// A run without rows.
    pub fn empty(order: SortOrder, extra: Extra) -> Run {
        Run::from_chunks(order, extra, Vec::new())
    }

    /// A run of rows that are sorted already.
    pub fn from_sorted(order: SortOrder, extra: Extra, rows: &[Row]) -> Run {
        let chunks = rows
            .chunks(Chunk::ROWS_MAX)
            .map(|rows| Arc::new(Chunk::from_rows(rows, extra)));
        Run::from_chunks(order, extra, chunks.collect())
    }

    pub(super) fn from_chunks(order: SortOrder, extra: Extra, chunks: Vec<Arc<Chunk>>) -> Run {
        let fences = chunks
            .iter()
            .map(|chunk| (chunk.e[0], chunk.v.cell(0)))
            .collect();
        let mut offsets = Vec::with_capacity(chunks.len() + 1);
        let mut rows = 0;
        offsets.push(0);
        for chunk in &chunks {
            rows += chunk.len();
            offsets.push(rows);
        }
        Run {
            order,
            extra,
            chunks: Arc::new(chunks),
            fences: Arc::new(fences),
            offsets: Arc::new(offsets),
        }
    }

    /// How its rows are sorted.
    pub fn order(&self) -> SortOrder {
        self.order
    }

    /// What its extra column holds.
    pub fn extra(&self) -> Extra {
        self.extra
    }

    /// Rows.
    pub fn len(&self) -> usize {
        self.offsets[self.chunks.len()]
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// Its chunks in order; none is empty.
    pub fn chunks(&self) -> &[Arc<Chunk>] {
        &self.chunks
    }

    /// All rows in order.
    pub fn rows(&self) -> impl DoubleEndedIterator<Item = Row> + '_ {
        self.chunks
            .iter()
            .flat_map(|chunk| (0..chunk.len()).map(|at| chunk.row(at)))
    }

    /// The row at a position.
    pub fn row(&self, at: Position) -> Row {
        self.chunks[at.chunk].row(at.row)
    }

    /// How many rows come before a position.
    pub fn offset(&self, at: Position) -> usize {
        self.offsets[at.chunk] + at.row
    }

    /// The position before which there are `offset` rows.
    pub fn position(&self, offset: usize) -> Position {
        if offset >= self.len() {
            return Position {
                chunk: self.chunks.len(),
                row: 0,
            };
        }
        let chunk = self.offsets.partition_point(|&rows| rows <= offset) - 1;
        Position {
            chunk,
            row: offset - self.offsets[chunk],
        }
    }

    /// The first position whose row is not `before`; `before` must hold for a prefix of the rows.
    ///
    /// Cost: O(log rows), touching one chunk.
    pub fn partition_point(&self, before: impl Fn(i64, Cell) -> bool) -> Position {
        let chunk = self.fences.partition_point(|&(e, v)| before(e, v));
        let Some(chunk) = chunk.checked_sub(1) else {
            return Position { chunk: 0, row: 0 };
        };
        let rows = &self.chunks[chunk];
        let row = partition_point(0..rows.len(), |row| before(rows.e[row], rows.v.cell(row)));
        if row == rows.len() {
            Position {
                chunk: chunk + 1,
                row: 0,
            }
        } else {
            Position { chunk, row }
        }
    }

    /// The rows of one entity, as offsets. The run is sorted by entity.
    pub fn entity_range(&self, e: i64) -> Range<usize> {
        debug_assert!(self.order == SortOrder::ByEntity);
        let Some(chunk) = self
            .fences
            .partition_point(|&(first, _)| first < e)
            .checked_sub(1)
        else {
            return self.entity_range_from(Position { chunk: 0, row: 0 }, e);
        };
        let row = self.chunks[chunk].e.partition_point(|&x| x < e);
        let start = if row == self.chunks[chunk].len() {
            Position {
                chunk: chunk + 1,
                row: 0,
            }
        } else {
            Position { chunk, row }
        };
        self.entity_range_from(start, e)
    }

    /// From the first row of an entity on, how far its rows go.
    fn entity_range_from(&self, start: Position, e: i64) -> Range<usize> {
        let from = self.offset(start);
        let mut end = from;
        let mut first_row = start.row;
        for chunk in &self.chunks[start.chunk.min(self.chunks.len())..] {
            let rows = &chunk.e[first_row..];
            // Few rows per entity is the rule: look before searching.
            let same = if rows.first() != Some(&e) {
                0
            } else if rows.len() > 1 && rows[1] != e {
                1
            } else {
                rows.partition_point(|&x| x <= e)
            };
            end += same;
            if same < rows.len() {
                break;
            }
            first_row = 0;
        }
        from..end
    }

    /// The rows whose value is `v`, as offsets. The run is sorted by value.
    pub fn value_range(&self, v: Cell, dictionary: &Dictionary) -> Range<usize> {
        debug_assert!(self.order == SortOrder::ByValue);
        let start = self.partition_point(|_, x| x.compare(v, dictionary) == Ordering::Less);
        let end = self.partition_point(|_, x| x.compare(v, dictionary) != Ordering::Greater);
        self.offset(start)..self.offset(end)
    }

    /// Where one datom lies, by its entity and value.
    pub fn find(&self, e: i64, v: Cell, dictionary: &Dictionary) -> Option<Row> {
        let probe = Row::new(e, v, 0);
        let at = self.partition_point(|e, v| {
            Row::new(e, v, 0).compare_datom(&probe, self.order, dictionary) == Ordering::Less
        });
        let row = (at.chunk < self.chunks.len()).then(|| self.row(at))?;
        (row.e == e && row.v == v).then_some(row)
    }

    /// The rows of a range of offsets, as slices of chunks.
    pub fn pieces(&self, range: Range<usize>) -> impl Iterator<Item = Chunk> + '_ {
        let first = self.position(range.start);
        let chunks = self.chunks.get(first.chunk..).unwrap_or_default();
        chunks
            .iter()
            .zip(first.chunk..)
            .map_while(move |(chunk, at)| {
                let offset = self.offsets[at];
                let start = range.start.max(offset);
                let end = range.end.min(offset + chunk.len());
                (start < end).then(|| chunk.slice(start - offset, end - start))
            })
    }

    /// The rows of a range of offsets, one by one.
    pub fn rows_in(&self, range: Range<usize>) -> impl Iterator<Item = Row> + '_ {
        let first = self.position(range.start);
        let mut at = first;
        range.map(move |_| {
            let row = self.row(at);
            at.row += 1;
            if at.row == self.chunks[at.chunk].len() {
                at = Position {
                    chunk: at.chunk + 1,
                    row: 0,
                };
            }
            row
        })
    }
}

fn partition_point(range: Range<usize>, before: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (range.start, range.end);
    while low < high {
        let middle = low + (high - low) / 2;
        if before(middle) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}
