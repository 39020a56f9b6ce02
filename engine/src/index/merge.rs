//! A run from an older run: rows taken out, rows put in, untouched leaves and chunks shared.

use std::cmp::Ordering;
use std::ops::Range;
use std::sync::Arc;

use arrow_buffer::ScalarBuffer;

use super::leaf::Slot;
use super::run::partition_point;
use super::{Cell, Chunk, ColumnBuilder, Dictionary, Extra, Leaf, Row, Run, SortOrder};

impl Run {
    /// The run without `removed` and with `added`.
    ///
    /// - `removed`: rows to take out, by entity and value; those the run lacks are passed over.
    /// - `added`: rows to put in, in any order; in a current run one that is there already (by
    ///   entity and value) is replaced.
    /// - Cost: O(k log k + touched chunks), k the rows given.
    #[must_use]
    pub fn apply(
        &self,
        mut removed: Vec<Row>,
        mut added: Vec<Row>,
        dictionary: &Dictionary,
    ) -> Run {
        if removed.is_empty() && added.is_empty() {
            return self.clone();
        }
        sort_rows(&mut removed, self.order, dictionary);
        sort_rows(&mut added, self.order, dictionary);
        let mut out = LeafWriter::default();
        let (mut removed, mut added) = (&removed[..], &added[..]);
        let (leaves, fences) = (self.leaves(), self.leaf_fences());
        let mut at = 0;
        while at < leaves.len() {
            let Some(touched) = self.next_part(&fences[at..], removed, added, dictionary) else {
                break;
            };
            out.leaves.extend_from_slice(&leaves[at..at + touched]);
            at += touched;
            let fence = fences.get(at + 1);
            let take_out = self.split_before(fence, &mut removed, dictionary);
            let put_in = self.split_before(fence, &mut added, dictionary);
            let grows = if at + 1 == leaves.len() {
                Growth::AtEnd
            } else {
                Growth::Within
            };
            let slots = self.merge_leaf(&leaves[at], take_out, put_in, dictionary, grows);
            out.push(slots, self.extra, grows);
            at += 1;
        }
        out.leaves.extend_from_slice(&leaves[at..]);
        if leaves.is_empty() {
            let mut rows = ChunkWriter::new(self.extra, Growth::AtEnd);
            added.iter().for_each(|row| rows.push(*row));
            out.push(rows.finish(), self.extra, Growth::AtEnd);
        }
        Run::from_leaves(self.order, self.extra, out.leaves)
    }

    /// Which of the parts that start with `fences` the first of the rows belongs to; none if there
    /// are no rows. What comes before the first part belongs to it.
    fn next_part(
        &self,
        fences: &[(i64, Cell)],
        removed: &[Row],
        added: &[Row],
        dictionary: &Dictionary,
    ) -> Option<usize> {
        let part = |row: &Row| {
            let starts_before = |&(e, v): &(i64, Cell)| {
                let fence = Row::new(e, v, i64::MIN);
                fence.compare_datom(row, self.order, dictionary) != Ordering::Greater
            };
            fences[1..].partition_point(starts_before)
        };
        let first = removed.first().map(part);
        first.into_iter().chain(added.first().map(part)).min()
    }

    /// Takes from the front of sorted rows those that come before what starts with `fence`.
    fn split_before<'r>(
        &self,
        fence: Option<&(i64, Cell)>,
        rows: &mut &'r [Row],
        dictionary: &Dictionary,
    ) -> &'r [Row] {
        let before_fence = |row: &Row| {
            fence.is_none_or(|&(e, v)| {
                let fence = Row::new(e, v, i64::MIN);
                row.compare_datom(&fence, self.order, dictionary) == Ordering::Less
            })
        };
        let (before, after) = rows.split_at(rows.partition_point(before_fence));
        *rows = after;
        before
    }

    fn merge_leaf(
        &self,
        leaf: &Leaf,
        mut removed: &[Row],
        mut added: &[Row],
        dictionary: &Dictionary,
        grows: Growth,
    ) -> Vec<Arc<Slot>> {
        let mut out = ChunkWriter::new(self.extra, grows);
        let (slots, fences) = (leaf.slots(), leaf.fences());
        let mut at = 0;
        while at < slots.len() {
            let Some(touched) = self.next_part(&fences[at..], removed, added, dictionary) else {
                break;
            };
            slots[at..at + touched]
                .iter()
                .for_each(|slot| out.share(slot));
            at += touched;
            // Everything before the next chunk's first row belongs to this one.
            let fence = fences.get(at + 1);
            let take_out = self.split_before(fence, &mut removed, dictionary);
            let put_in = self.split_before(fence, &mut added, dictionary);
            let is_tail = grows == Growth::AtEnd && at + 1 == slots.len();
            if is_tail && take_out.is_empty() && self.comes_after(&slots[at], put_in, dictionary) {
                out.grow_tail(slots, at);
                put_in.iter().for_each(|row| out.push(*row));
            } else {
                let chunk = slots[at].chunk();
                self.merge_chunk(chunk, take_out, put_in, dictionary, &mut out);
            }
            at += 1;
        }
        slots[at..].iter().for_each(|slot| out.share(slot));
        out.finish()
    }

    /// Whether sorted rows all come after those of a chunk.
    fn comes_after(&self, slot: &Slot, rows: &[Row], dictionary: &Dictionary) -> bool {
        let chunk = slot.chunk();
        let last = chunk.row(chunk.len() - 1);
        rows.first()
            .is_some_and(|row| row.compare_datom(&last, self.order, dictionary).is_gt())
    }

    fn merge_chunk(
        &self,
        chunk: &Chunk,
        mut take_out: &[Row],
        mut put_in: &[Row],
        dictionary: &Dictionary,
        out: &mut ChunkWriter,
    ) {
        let current = self.extra == Extra::Nothing;
        let compare = |row: &Row, other: &Row| {
            if current {
                row.compare_datom(other, self.order, dictionary)
            } else {
                row.compare(other, self.order, dictionary)
            }
        };
        let mut at = 0;
        while at < chunk.len() {
            // Values are dear to compare: rows before the next change are leapt over.
            let before_put_in = put_in
                .first()
                .map(|first| leap(at..chunk.len(), |at| compare(&chunk.row(at), first).is_lt()));
            let before_take_out = take_out.first().map(|first| {
                let end = before_put_in.unwrap_or(chunk.len());
                leap(at..end, |at| {
                    let row = chunk.row(at);
                    row.compare_datom(first, self.order, dictionary).is_lt()
                })
            });
            let next = before_take_out.or(before_put_in).unwrap_or(chunk.len());
            out.copy(chunk, at..next);
            at = next;
            if at == chunk.len() {
                break;
            }
            let row = chunk.row(at);
            let mut replaced = false;
            while let [first, rest @ ..] = put_in {
                match compare(first, &row) {
                    Ordering::Less => out.push(*first),
                    order => {
                        replaced = order.is_eq();
                        break;
                    }
                }
                put_in = rest;
            }
            while let [first, rest @ ..] = take_out
                && first.compare_datom(&row, self.order, dictionary) == Ordering::Less
            {
                take_out = rest;
            }
            let removed = take_out
                .first()
                .is_some_and(|first| first.compare_datom(&row, self.order, dictionary).is_eq());
            if !removed && !replaced {
                out.push(row);
            }
            at += 1;
        }
        put_in.iter().for_each(|row| out.push(*row));
    }

    /// The run with only the rows that `keep` holds for.
    #[must_use]
    pub fn retain(&self, keep: impl Fn(&Row) -> bool) -> Run {
        let mut out = LeafWriter::default();
        for leaf in self.leaves() {
            let mut kept = ChunkWriter::new(self.extra, Growth::Within);
            let mut whole = true;
            for slot in leaf.slots() {
                let chunk = slot.chunk();
                if (0..chunk.len()).all(|at| keep(&chunk.row(at))) {
                    kept.share(slot);
                } else {
                    whole = false;
                    let rows = (0..chunk.len()).map(|at| chunk.row(at));
                    rows.filter(&keep).for_each(|row| kept.push(row));
                }
            }
            if whole {
                out.leaves.push(Arc::clone(leaf));
            } else {
                out.push(kept.finish(), self.extra, Growth::Within);
            }
        }
        Run::from_leaves(self.order, self.extra, out.leaves)
    }

    /// The run with only the rows whose transaction `keep` holds for. Nothing but transactions is
    /// looked at where a chunk stays whole.
    #[must_use]
    pub fn retain_txs(&self, keep: impl Fn(i64) -> bool) -> Run {
        let is_whole = |leaf: &Leaf| {
            let mut chunks = leaf.chunks();
            chunks.all(|chunk| chunk.tx.iter().all(|&tx| keep(tx)))
        };
        if self.leaves().iter().all(|leaf| is_whole(leaf)) {
            return self.clone();
        }
        self.retain(|row| keep(row.tx))
    }

    /// A run of current rows as one with an extra column, which says the same of all.
    #[must_use]
    pub fn with_extra(&self, extra: Extra, mark: i64) -> Run {
        let longest = self.chunks().map(Chunk::len).max().unwrap_or(0);
        let marks: ScalarBuffer<i64> = vec![mark; longest].into();
        let marked = |slot: &Arc<Slot>| {
            let chunk = slot.chunk();
            Slot::of(Chunk {
                extra: Some(marks.slice(0, chunk.len())),
                ..chunk.clone()
            })
        };
        let leaf = |leaf: &Arc<Leaf>| Arc::new(Leaf::of(leaf.slots().iter().map(marked).collect()));
        Run::from_leaves(self.order, extra, self.leaves().iter().map(leaf).collect())
    }

    /// The same rows in the other order.
    #[must_use]
    pub fn resorted(&self, order: SortOrder, dictionary: &Dictionary) -> Run {
        let mut rows: Vec<Row> = self.rows().collect();
        sort_rows(&mut rows, order, dictionary);
        Run::from_sorted(order, self.extra, &rows)
    }
}

/// The first of a range for which `before` does not hold, its end if there is none; `before` must
/// hold for a prefix. Cost: O(log of the distance).
pub(super) fn leap(range: Range<usize>, before: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut step) = (range.start, 1);
    let mut high = low;
    while high < range.end && before(high) {
        low = high + 1;
        high += step;
        step *= 2;
    }
    partition_point(low..high.min(range.end), before)
}

/// Sorts rows as a run of that order has them.
pub(super) fn sort_rows(rows: &mut [Row], order: SortOrder, dictionary: &Dictionary) {
    let is_sorted = rows.is_sorted_by(|a, b| a.compare(b, order, dictionary).is_le());
    if is_sorted {
        return;
    }
    let one_kind = rows.iter().all(|row| row.v.kind == rows[0].v.kind);
    if order == SortOrder::ByValue && one_kind {
        let key = |v: Cell| v.sort_key(dictionary);
        let mut keyed: Vec<(u64, Row)> = rows.iter().map(|row| (key(row.v), *row)).collect();
        keyed.sort_unstable_by(|(key_a, a), (key_b, b)| {
            key_a
                .cmp(key_b)
                .then_with(|| a.compare(b, order, dictionary))
        });
        rows.iter_mut()
            .zip(keyed)
            .for_each(|(slot, (_, row))| *slot = row);
    } else {
        rows.sort_unstable_by(|a, b| a.compare(b, order, dictionary));
    }
}

/// Where a run grows: at its end parts are filled, elsewhere they are halved, for more will come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Growth {
    Within,
    AtEnd,
}

/// Cuts rows into chunks; whole chunks pass through shared.
struct ChunkWriter {
    extra: Extra,
    grows: Growth,
    e: Vec<i64>,
    v: ColumnBuilder,
    tx: Vec<i64>,
    extras: Vec<i64>,
    slots: Vec<Arc<Slot>>,
}

impl ChunkWriter {
    fn new(extra: Extra, grows: Growth) -> ChunkWriter {
        ChunkWriter {
            extra,
            grows,
            e: Vec::new(),
            v: ColumnBuilder::default(),
            tx: Vec::new(),
            extras: Vec::new(),
            slots: Vec::new(),
        }
    }

    fn push(&mut self, row: Row) {
        self.e.push(row.e);
        self.v.push(row.v);
        self.tx.push(row.tx);
        if self.extra != Extra::Nothing {
            self.extras.push(row.extra);
        }
        if self.e.len() == 2 * Chunk::ROWS_MAX {
            self.cut(Chunk::ROWS_MAX);
        }
    }

    /// Adds rows of a chunk, whole columns at a time.
    fn copy(&mut self, chunk: &Chunk, rows: Range<usize>) {
        let mut at = rows.start;
        while at < rows.end {
            let room = 2 * Chunk::ROWS_MAX - self.e.len();
            let part = at..rows.end.min(at + room);
            at = part.end;
            self.e.extend_from_slice(&chunk.e[part.clone()]);
            self.v.extend(&chunk.v.slice(part.start, part.len()));
            self.tx.extend_from_slice(&chunk.tx[part.clone()]);
            if let Some(extra) = &chunk.extra {
                self.extras.extend_from_slice(&extra[part]);
            }
            if self.e.len() == 2 * Chunk::ROWS_MAX {
                self.cut(Chunk::ROWS_MAX);
            }
        }
    }

    fn cut(&mut self, rows: usize) {
        // Copied: a chunk keeps no more memory than it needs.
        let front = |column: &mut Vec<i64>| {
            let front = column[..rows].to_vec();
            column.drain(..rows);
            front.into()
        };
        let chunk = Chunk {
            e: front(&mut self.e),
            tx: front(&mut self.tx),
            extra: (self.extra != Extra::Nothing).then(|| front(&mut self.extras)),
            v: self.v.cut(rows),
        };
        self.slots.push(Slot::of(chunk));
    }

    /// Takes in the last of a leaf's chunks, after the others before it, so that rows can follow.
    ///
    /// Chunks at the end have sizes that fall geometrically: a row that is added costs the copies of
    /// a small chunk and of a few larger ones now and then, not those of a full one each time. Here
    /// those are taken back that were written already and are no more than twice what follows them.
    fn grow_tail(&mut self, slots: &[Arc<Slot>], last: usize) {
        let mut rows = slots[last].len();
        if rows >= Chunk::TAIL_ROWS {
            self.share(&slots[last]);
            return;
        }
        let mut taken = last;
        while let Some(before) = taken.checked_sub(1)
            && self
                .slots
                .last()
                .is_some_and(|slot| Arc::ptr_eq(slot, &slots[before]))
            && slots[before].len() < Chunk::ROWS_MAX
            && slots[before].len() <= 2 * rows
            && rows + slots[before].len() <= Chunk::ROWS_MAX
        {
            self.slots.pop();
            rows += slots[before].len();
            taken = before;
        }
        for slot in &slots[taken..=last] {
            let chunk = slot.chunk();
            self.copy(chunk, 0..chunk.len());
        }
    }

    fn share(&mut self, slot: &Arc<Slot>) {
        self.flush(Growth::Within);
        self.slots.push(Arc::clone(slot));
    }

    fn flush(&mut self, grows: Growth) {
        if self.e.len() > Chunk::ROWS_MAX {
            self.cut(match grows {
                Growth::AtEnd => Chunk::ROWS_MAX,
                Growth::Within => self.e.len() / 2,
            });
        }
        if !self.e.is_empty() {
            self.cut(self.e.len());
        }
    }

    fn finish(mut self) -> Vec<Arc<Slot>> {
        self.flush(self.grows);
        self.slots
    }
}

/// Gathers chunks into leaves; whole leaves pass through shared.
#[derive(Default)]
struct LeafWriter {
    leaves: Vec<Arc<Leaf>>,
}

impl LeafWriter {
    /// Adds the chunks that one leaf became.
    fn push(&mut self, mut slots: Vec<Arc<Slot>>, extra: Extra, grows: Growth) {
        let rows: usize = slots.iter().map(|slot| slot.len()).sum();
        if slots.len() > Leaf::CHUNKS_MAX && rows <= slots.len() * Chunk::ROWS_MAX / 4 {
            slots = rechunked(&slots, extra);
        }
        let parts = rows
            .div_ceil(Leaf::ROWS_MAX)
            .max(slots.len().div_ceil(Leaf::CHUNKS_MAX));
        let rows_max = match grows {
            Growth::AtEnd => Leaf::ROWS_MAX,
            Growth::Within => rows.div_ceil(parts.max(1)),
        };
        let (mut part, mut part_rows) = (Vec::new(), 0);
        for slot in slots {
            let is_full = part_rows + slot.len() > rows_max || part.len() == Leaf::CHUNKS_MAX;
            if is_full && !part.is_empty() {
                self.leaves
                    .push(Arc::new(Leaf::of(std::mem::take(&mut part))));
                part_rows = 0;
            }
            part_rows += slot.len();
            part.push(slot);
        }
        if !part.is_empty() {
            self.leaves.push(Arc::new(Leaf::of(part)));
        }
    }
}

/// The rows of many small chunks in few.
fn rechunked(slots: &[Arc<Slot>], extra: Extra) -> Vec<Arc<Slot>> {
    let mut out = ChunkWriter::new(extra, Growth::Within);
    for slot in slots {
        let chunk = slot.chunk();
        out.copy(chunk, 0..chunk.len());
    }
    out.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes one by one at the end lies in few chunks of falling sizes.
    #[test]
    fn rows_that_come_one_by_one_lie_in_few_chunks() {
        let dictionary = Dictionary::default();
        let mut run = Run::empty(SortOrder::ByEntity, Extra::Nothing);
        let rows: Vec<Row> = (0..5_000).map(|n| Row::new(n, Cell::long(n), 0)).collect();
        for row in &rows {
            run = run.apply(Vec::new(), vec![*row], &dictionary);
        }
        assert_eq!(run.rows().collect::<Vec<_>>(), rows);
        let sizes: Vec<usize> = run.chunks().map(Chunk::len).collect();
        assert!(sizes.len() <= 10, "{sizes:?}");
    }

    /// Few rows and many rows go different ways to the same run.
    #[test]
    fn few_rows_are_merged_as_many_are() {
        let dictionary = Dictionary::default();
        let mut random = 7u64;
        let mut roll = |below: u64| {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (random >> 33) % below
        };
        for round in 0..200 {
            let extra = [Extra::Nothing, Extra::End][round % 2];
            let mut rows: Vec<Row> = (0..3000)
                .map(|_| Row {
                    extra: if round % 2 == 1 { 9 } else { 0 },
                    ..Row::new(roll(900) as i64, Cell::long(roll(3) as i64), 1)
                })
                .collect();
            sort_rows(&mut rows, SortOrder::ByEntity, &dictionary);
            rows.dedup();
            let run = Run::from_sorted(SortOrder::ByEntity, extra, &rows);
            let mut some = |tx: i64| -> Vec<Row> {
                let count = roll(6);
                let row = |_| Row {
                    extra: if round % 2 == 1 { 9 } else { 0 },
                    ..Row::new(roll(900) as i64, Cell::long(roll(3) as i64), tx)
                };
                (0..count).map(row).collect()
            };
            let (removed, mut added) = (some(0), some(2));
            added.dedup_by_key(|row| (row.e, row.v));
            added.sort_by_key(|row| (row.e, row.v.bits));
            added.dedup_by_key(|row| (row.e, row.v));
            // One by one, naively.
            let is_removed = |row: &Row| removed.iter().any(|r| (r.e, r.v) == (row.e, row.v));
            let is_replaced = |row: &Row| {
                extra == Extra::Nothing && added.iter().any(|r| (r.e, r.v) == (row.e, row.v))
            };
            let kept = rows
                .iter()
                .filter(|row| !is_removed(row) && !is_replaced(row));
            let mut expected: Vec<Row> = kept.copied().chain(added.iter().copied()).collect();
            sort_rows(&mut expected, SortOrder::ByEntity, &dictionary);
            let merged = run.apply(removed.clone(), added.clone(), &dictionary);
            assert_eq!(merged.rows().collect::<Vec<_>>(), expected, "round {round}");
        }
    }
}
