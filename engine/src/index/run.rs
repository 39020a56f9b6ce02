//! A run: the sorted, duplicate-free rows of one attribute, cut into shared leaves and chunks.

use std::cmp::Ordering;
use std::ops::{Range, RangeInclusive};
use std::sync::Arc;

use super::leaf::Slot;
use super::{Cell, Chunk, Column, Dictionary, Extra, Leaf, Row};

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
    spine: Arc<Spine>,
}

#[derive(Debug)]
struct Spine {
    leaves: Vec<Arc<Leaf>>,
    /// First entity and value of each leaf, so that a search touches one leaf.
    fences: Vec<(i64, Cell)>,
    /// Rows before each leaf, and after the last.
    offsets: Vec<usize>,
}

/// A row of a run: its chunk and the row within.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The number of the chunk. Numbers rise with the rows, but not by one from leaf to leaf.
    pub chunk: usize,
    /// The row within the chunk.
    pub row: usize,
}

/// Entities of a chunk, ascending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entities<'r> {
    /// All from the first up to the last.
    Consecutive(Range<i64>),
    /// These.
    Listed(&'r [i64]),
}

impl Run {
    /// A run without rows.
    pub fn empty(order: SortOrder, extra: Extra) -> Run {
        Run::from_leaves(order, extra, Vec::new())
    }

    /// A run of rows that are sorted already.
    pub fn from_sorted(order: SortOrder, extra: Extra, rows: &[Row]) -> Run {
        let slots: Vec<Arc<Slot>> = rows
            .chunks(Chunk::ROWS_MAX)
            .map(|rows| Slot::of(Chunk::from_rows(rows, extra)))
            .collect();
        let leaves = slots.chunks(Leaf::ROWS_MAX / Chunk::ROWS_MAX);
        let leaves = leaves.map(|slots| Arc::new(Leaf::of(slots.to_vec())));
        Run::from_leaves(order, extra, leaves.collect())
    }

    /// A run of leaves in their order.
    pub fn from_leaves(order: SortOrder, extra: Extra, leaves: Vec<Arc<Leaf>>) -> Run {
        let fences = leaves.iter().map(|leaf| leaf.first()).collect();
        let mut offsets = Vec::with_capacity(leaves.len() + 1);
        let mut rows = 0;
        offsets.push(0);
        for leaf in &leaves {
            rows += leaf.rows();
            offsets.push(rows);
        }
        Run {
            order,
            extra,
            spine: Arc::new(Spine {
                leaves,
                fences,
                offsets,
            }),
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
        self.spine.offsets[self.spine.leaves.len()]
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.spine.leaves.is_empty()
    }

    /// The same rows in a copy that keeps to itself what it reads of a range of entities: it is given back
    /// with the copy. For passes over more than is worth keeping.
    ///
    /// Cost: O(leaves); nothing is read.
    #[must_use]
    pub fn apart(&self, entities: RangeInclusive<i64>) -> Run {
        debug_assert!(self.order == SortOrder::ByEntity);
        let fences = &self.spine.fences;
        let before = fences.partition_point(|(e, _)| e < entities.start());
        let end = fences.partition_point(|(e, _)| e <= entities.end());
        let mut leaves = self.spine.leaves.clone();
        for leaf in &mut leaves[before.saturating_sub(1)..end] {
            *leaf = Arc::new(leaf.apart());
        }
        Run::from_leaves(self.order, self.extra, leaves)
    }

    /// Entities among which those of a range of offsets are, as the first rows of leaves tell: nothing is
    /// read.
    pub fn entities_around(&self, rows: Range<usize>) -> RangeInclusive<i64> {
        let leaf = |offset: usize| {
            self.spine
                .offsets
                .partition_point(|&before| before <= offset)
        };
        let fence = |leaf: usize| self.spine.fences.get(leaf).map(|(e, _)| *e);
        let first = fence(leaf(rows.start).saturating_sub(1)).unwrap_or(i64::MAX);
        let last = fence(leaf(rows.end.saturating_sub(1))).unwrap_or(i64::MAX);
        first..=last
    }

    /// Its leaves in order.
    pub fn leaves(&self) -> &[Arc<Leaf>] {
        &self.spine.leaves
    }

    /// First entity and value of each leaf.
    pub(super) fn leaf_fences(&self) -> &[(i64, Cell)] {
        &self.spine.fences
    }

    /// Its chunks in order, each read now if it was not; none is empty.
    pub fn chunks(&self) -> impl DoubleEndedIterator<Item = &Chunk> {
        self.spine.leaves.iter().flat_map(|leaf| leaf.chunks())
    }

    /// Its chunks in order with their numbers.
    pub fn numbered_chunks(&self) -> impl DoubleEndedIterator<Item = (usize, &Chunk)> {
        self.spine.leaves.iter().enumerate().flat_map(|(at, leaf)| {
            let chunks = leaf.chunks().enumerate();
            chunks.map(move |(n, chunk)| ((at << Leaf::CHUNK_BITS) + n, chunk))
        })
    }

    /// The chunk with a number.
    pub fn chunk(&self, number: usize) -> &Chunk {
        self.slot(number).chunk()
    }

    /// The chunk with a number for one look: if it was not read before it is not kept either.
    pub(super) fn look(&self, number: usize) -> Chunk {
        let leaf = &self.spine.leaves[number >> Leaf::CHUNK_BITS];
        leaf.look(number & (Leaf::CHUNKS_MAX - 1))
    }

    fn slot(&self, number: usize) -> &Slot {
        let leaf = &self.spine.leaves[number >> Leaf::CHUNK_BITS];
        &leaf.slots()[number & (Leaf::CHUNKS_MAX - 1)]
    }

    /// The number of the chunk after one, and of the end after the last.
    pub fn next_chunk(&self, number: usize) -> usize {
        let leaf = number >> Leaf::CHUNK_BITS;
        let within = number & (Leaf::CHUNKS_MAX - 1);
        if within + 1 < self.spine.leaves[leaf].slots().len() {
            number + 1
        } else {
            (leaf + 1) << Leaf::CHUNK_BITS
        }
    }

    /// One above the largest number a chunk may have: the chunk of the end position.
    pub fn end_chunk(&self) -> usize {
        self.spine.leaves.len() << Leaf::CHUNK_BITS
    }

    /// The position after one, perhaps the end.
    pub fn next(&self, at: Position) -> Position {
        if at.row + 1 < self.slot(at.chunk).len() {
            Position {
                row: at.row + 1,
                ..at
            }
        } else {
            Position {
                chunk: self.next_chunk(at.chunk),
                row: 0,
            }
        }
    }

    /// All rows in order.
    pub fn rows(&self) -> impl DoubleEndedIterator<Item = Row> + '_ {
        self.chunks()
            .flat_map(|chunk| (0..chunk.len()).map(|at| chunk.row(at)))
    }

    /// The first row.
    pub fn first(&self) -> Option<Row> {
        Some(self.spine.leaves.first()?.chunks().next()?.row(0))
    }

    /// The last row.
    pub fn last(&self) -> Option<Row> {
        let chunk = self.spine.leaves.last()?.chunks().next_back()?;
        Some(chunk.row(chunk.len() - 1))
    }

    /// The row at a position.
    pub fn row(&self, at: Position) -> Row {
        self.chunk(at.chunk).row(at.row)
    }

    /// How many rows come before a position.
    pub fn offset(&self, at: Position) -> usize {
        let leaf = at.chunk >> Leaf::CHUNK_BITS;
        let before = self.spine.offsets[leaf];
        match self.spine.leaves.get(leaf) {
            Some(leaf) => before + leaf.offsets()[at.chunk & (Leaf::CHUNKS_MAX - 1)] + at.row,
            None => before,
        }
    }

    /// The position before which there are `offset` rows.
    pub fn position(&self, offset: usize) -> Position {
        if offset >= self.len() {
            return self.end();
        }
        let at = self.spine.offsets.partition_point(|&rows| rows <= offset) - 1;
        let within = offset - self.spine.offsets[at];
        let offsets = self.spine.leaves[at].offsets();
        let chunk = offsets.partition_point(|&rows| rows <= within) - 1;
        Position {
            chunk: (at << Leaf::CHUNK_BITS) + chunk,
            row: within - offsets[chunk],
        }
    }

    fn end(&self) -> Position {
        Position {
            chunk: self.end_chunk(),
            row: 0,
        }
    }

    /// The first position whose row is not `before`; `before` must hold for a prefix of the rows.
    ///
    /// Cost: O(log rows), touching one chunk.
    pub fn partition_point(&self, before: impl Fn(i64, Cell) -> bool) -> Position {
        self.search(
            |&(e, v)| before(e, v),
            |rows| partition_point(0..rows.len(), |row| before(rows.e[row], rows.v.cell(row))),
        )
    }

    /// The first position whose row is not before something; `fence` tells it of first rows,
    /// `within` counts the rows of one chunk.
    fn search(
        &self,
        fence: impl Fn(&(i64, Cell)) -> bool,
        within: impl Fn(&Chunk) -> usize,
    ) -> Position {
        let at = self.spine.fences.partition_point(&fence);
        let Some(at) = at.checked_sub(1) else {
            return Position { chunk: 0, row: 0 };
        };
        let leaf = &self.spine.leaves[at];
        let chunk = leaf.fences().partition_point(&fence) - 1;
        let slot = &leaf.slots()[chunk];
        let number = (at << Leaf::CHUNK_BITS) + chunk;
        let row = within(slot.chunk());
        if row == slot.len() {
            Position {
                chunk: self.next_chunk(number),
                row: 0,
            }
        } else {
            Position { chunk: number, row }
        }
    }

    /// The first position whose entity is at least `e`, in a run by entity.
    pub fn entity_position(&self, e: i64) -> Position {
        debug_assert!(self.order == SortOrder::ByEntity);
        self.search(
            |&(first, _)| first < e,
            |rows| rows.e.partition_point(|&x| x < e),
        )
    }

    /// The first entity and value of a chunk, which is not read for it.
    pub fn chunk_first(&self, number: usize) -> (i64, Cell) {
        self.slot(number).first()
    }

    /// The rows of one entity, as offsets. The run is sorted by entity.
    pub fn entity_range(&self, e: i64) -> Range<usize> {
        debug_assert!(self.order == SortOrder::ByEntity);
        let start = self.entity_position(e);
        let from = self.offset(start);
        let mut end = from;
        let Position {
            mut chunk,
            row: mut first_row,
        } = start;
        while chunk < self.end_chunk() {
            // A chunk that starts with another entity need not be read.
            let slot = self.slot(chunk);
            if first_row == 0 && slot.first().0 != e {
                break;
            }
            let rows = &slot.chunk().e[first_row..];
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
            chunk = self.next_chunk(chunk);
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
        let first = (at.chunk < self.end_chunk()).then(|| self.slot(at.chunk))?;
        if at.row == 0 && first.first() != (e, v) {
            return None;
        }
        let row = first.chunk().row(at.row);
        (row.e == e && row.v == v).then_some(row)
    }

    /// The entities of a run by entity that has one row for each, chunk by chunk. Where a chunk's entities
    /// follow one another without a gap it is not read for them.
    pub fn entities(&self) -> impl Iterator<Item = Entities<'_>> {
        debug_assert!(self.order == SortOrder::ByEntity);
        let leaves = &self.spine.leaves;
        leaves.iter().enumerate().flat_map(move |(at, leaf)| {
            let slots = leaf.slots();
            let after = leaves.get(at + 1).map(|leaf| leaf.first().0);
            slots.iter().enumerate().map(move |(n, slot)| {
                let first = slot.first().0;
                let next = slots.get(n + 1).map(|next| next.first().0).or(after);
                match next {
                    Some(next) if next - first == slot.len() as i64 => {
                        Entities::Consecutive(first..next)
                    }
                    _ => Entities::Listed(&slot.chunk().e),
                }
            })
        })
    }

    /// The values of a range of offsets; shared where one chunk holds them all.
    pub fn values(&self, range: Range<usize>) -> Column {
        let pieces: Vec<Column> = self.pieces(range).map(|piece| piece.v).collect();
        Column::concat(&pieces)
    }

    /// The rows of a range of offsets, as slices of chunks.
    pub fn pieces(&self, range: Range<usize>) -> impl Iterator<Item = Chunk> + '_ {
        let mut at = self.position(range.start);
        let mut left = range.end.min(self.len()).saturating_sub(range.start);
        std::iter::from_fn(move || {
            if left == 0 {
                return None;
            }
            let chunk = self.chunk(at.chunk);
            let rows = left.min(chunk.len() - at.row);
            let piece = chunk.slice(at.row, rows);
            left -= rows;
            if left > 0 {
                at = Position {
                    chunk: self.next_chunk(at.chunk),
                    row: 0,
                };
            }
            Some(piece)
        })
    }

    /// The rows of a range of offsets, one by one.
    pub fn rows_in(&self, range: Range<usize>) -> impl Iterator<Item = Row> + '_ {
        let mut at = self.position(range.start);
        range.map(move |_| {
            let row = self.row(at);
            at = self.next(at);
            row
        })
    }
}

/// The first of a range that is not `before`.
pub(super) fn partition_point(range: Range<usize>, before: impl Fn(usize) -> bool) -> usize {
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::super::{ChunkFence, Digest, LeafPlace, Sample, StoredLeaf};
    use super::*;
    use crate::error::Result;

    /// A leaf of two chunks of ten rows that counts how often one is read.
    #[derive(Debug, Default)]
    struct Counted {
        first: i64,
        reads: AtomicUsize,
    }

    impl StoredLeaf for Counted {
        fn fences(&self) -> Result<Vec<ChunkFence>> {
            let fence = |at: i64| ChunkFence {
                rows: 10,
                e: self.first + 10 * at,
                v: Cell::long(7),
            };
            Ok(vec![fence(0), fence(1)])
        }

        fn chunk(&self, at: usize) -> Result<Chunk> {
            self.reads.fetch_add(1, Ordering::Relaxed);
            let first = self.first + 10 * at as i64;
            let rows: Vec<Row> = (first..first + 10)
                .map(|e| Row::new(e, Cell::long(7), 1))
                .collect();
            Ok(Chunk::from_rows(&rows, Extra::Nothing))
        }

        fn place(&self) -> LeafPlace {
            LeafPlace {
                segment: Digest::of(b"counted"),
                first: 0,
                chunks: 2,
            }
        }
    }

    fn entities(run: &Run, rows: Range<usize>) -> Vec<i64> {
        run.pieces(rows)
            .flat_map(|piece| piece.e.to_vec())
            .collect()
    }

    #[test]
    fn a_copy_apart_keeps_what_it_reads_of_its_entities_to_itself() {
        let stored = [0, 20, 40].map(|first| {
            Arc::new(Counted {
                first,
                ..Counted::default()
            })
        });
        let leaf = |stored: &Arc<Counted>| {
            let first = (stored.first, Cell::long(7));
            Arc::new(Leaf::stored(20, first, Arc::clone(stored) as _))
        };
        let leaves = stored.iter().map(leaf).collect();
        let run = Run::from_leaves(SortOrder::ByEntity, Extra::Nothing, leaves);
        let reads = || {
            stored
                .each_ref()
                .map(|leaf| leaf.reads.load(Ordering::Relaxed))
        };
        assert_eq!(run.entities_around(25..31), 20..=40);
        assert_eq!(run.entities_around(45..60), 40..=i64::MAX);
        let copy = run.apart(20..=39);
        assert_eq!(reads(), [0, 0, 0]);
        for run in [&copy, &copy, &run] {
            assert_eq!(entities(run, 25..33), (25..33).collect::<Vec<i64>>());
        }
        assert_eq!(reads(), [0, 4, 0]);
        // The leaf before may end with the first entity; the others are shared.
        assert_eq!(copy.entity_range(45), 45..46);
        assert_eq!(run.entity_range(45), 45..46);
        assert_eq!(reads(), [0, 4, 1]);
    }

    #[test]
    fn a_sample_keeps_no_chunk() {
        let stored = Arc::new(Counted::default());
        let leaf = Leaf::stored(20, (0, Cell::long(7)), Arc::clone(&stored) as _);
        let run = Run::from_leaves(SortOrder::ByEntity, Extra::Nothing, vec![Arc::new(leaf)]);
        let looked = |times: usize| {
            assert_eq!(Sample::new(&run).rows(), 20.0);
            assert_eq!(stored.reads.load(Ordering::Relaxed), 3 * times);
        };
        // Both chunks for values, and one for entities.
        looked(1);
        looked(2);
    }
}
