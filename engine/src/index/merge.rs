//! A run from an older run: rows taken out, rows put in, untouched leaves and chunks shared.

use std::cmp::Ordering;
use std::sync::Arc;

use super::leaf::Slot;
use super::{Cell, Chunk, Dictionary, Extra, Leaf, Row, Run, SortOrder};

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
        let leaves = self.leaves();
        for (at, leaf) in leaves.iter().enumerate() {
            let fence = self.leaf_fences().get(at + 1);
            let take_out = self.split_before(fence, &mut removed, dictionary);
            let put_in = self.split_before(fence, &mut added, dictionary);
            if take_out.is_empty() && put_in.is_empty() {
                out.leaves.push(Arc::clone(leaf));
            } else {
                let grows = if at + 1 == leaves.len() {
                    Growth::AtEnd
                } else {
                    Growth::Within
                };
                let slots = self.merge_leaf(leaf, take_out, put_in, dictionary, grows);
                out.push(slots, self.extra, grows);
            }
        }
        if leaves.is_empty() {
            let mut rows = ChunkWriter::new(self.extra, Growth::AtEnd);
            added.iter().for_each(|row| rows.push(*row));
            out.push(rows.finish(), self.extra, Growth::AtEnd);
        }
        Run::from_leaves(self.order, self.extra, out.leaves)
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
        for (at, slot) in leaf.slots().iter().enumerate() {
            // Everything before the next chunk's first row belongs to this one.
            let fence = leaf.fences().get(at + 1);
            let take_out = self.split_before(fence, &mut removed, dictionary);
            let put_in = self.split_before(fence, &mut added, dictionary);
            if take_out.is_empty() && put_in.is_empty() {
                out.share(slot);
            } else {
                self.merge_chunk(slot.chunk(), take_out, put_in, dictionary, &mut out);
            }
        }
        out.finish()
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
        for at in 0..chunk.len() {
            let row = chunk.row(at);
            let compare = |other: &Row| {
                if current {
                    other.compare_datom(&row, self.order, dictionary)
                } else {
                    other.compare(&row, self.order, dictionary)
                }
            };
            let mut replaced = false;
            while let [first, rest @ ..] = put_in {
                match compare(first) {
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

    /// The same rows in the other order.
    #[must_use]
    pub fn resorted(&self, order: SortOrder, dictionary: &Dictionary) -> Run {
        let mut rows: Vec<Row> = self.rows().collect();
        sort_rows(&mut rows, order, dictionary);
        Run::from_sorted(order, self.extra, &rows)
    }
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
    rows: Vec<Row>,
    slots: Vec<Arc<Slot>>,
}

impl ChunkWriter {
    fn new(extra: Extra, grows: Growth) -> ChunkWriter {
        ChunkWriter {
            extra,
            grows,
            rows: Vec::new(),
            slots: Vec::new(),
        }
    }

    fn push(&mut self, row: Row) {
        self.rows.push(row);
        if self.rows.len() == 2 * Chunk::ROWS_MAX {
            self.cut(Chunk::ROWS_MAX);
        }
    }

    fn cut(&mut self, rows: usize) {
        let chunk = Chunk::from_rows(&self.rows[..rows], self.extra);
        self.slots.push(Slot::of(chunk));
        self.rows.drain(..rows);
    }

    fn share(&mut self, slot: &Arc<Slot>) {
        self.flush(Growth::Within);
        self.slots.push(Arc::clone(slot));
    }

    fn flush(&mut self, grows: Growth) {
        if self.rows.len() > Chunk::ROWS_MAX {
            self.cut(match grows {
                Growth::AtEnd => Chunk::ROWS_MAX,
                Growth::Within => self.rows.len() / 2,
            });
        }
        if !self.rows.is_empty() {
            self.cut(self.rows.len());
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
        (0..chunk.len()).for_each(|at| out.push(chunk.row(at)));
    }
    out.finish()
}
