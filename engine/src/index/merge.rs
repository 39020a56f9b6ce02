//! A run from an older run: rows taken out, rows put in, untouched chunks shared.

use std::cmp::Ordering;
use std::sync::Arc;

use super::{Cell, Chunk, Dictionary, Extra, Row, Run, SortOrder};

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
        let mut out = ChunkWriter {
            extra: self.extra,
            rows: Vec::new(),
            chunks: Vec::new(),
        };
        let (mut removed, mut added) = (&removed[..], &added[..]);
        for (at, chunk) in self.chunks.iter().enumerate() {
            // Everything before the next chunk's first row belongs to this one.
            let fence = self
                .fences
                .get(at + 1)
                .map(|&(e, v)| Row::new(e, v, i64::MIN));
            let before_fence = |row: &Row| {
                fence.is_none_or(|fence| {
                    row.compare_datom(&fence, self.order, dictionary) == Ordering::Less
                })
            };
            let (take_out, later_removed) = removed.split_at(removed.partition_point(before_fence));
            let (put_in, later_added) = added.split_at(added.partition_point(before_fence));
            (removed, added) = (later_removed, later_added);
            if take_out.is_empty() && put_in.is_empty() {
                out.share(chunk);
            } else {
                self.merge_chunk(chunk, take_out, put_in, dictionary, &mut out);
            }
        }
        added.iter().for_each(|row| out.push(*row));
        Run::from_chunks(self.order, self.extra, out.finish())
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
        let mut out = ChunkWriter {
            extra: self.extra,
            rows: Vec::new(),
            chunks: Vec::new(),
        };
        for chunk in self.chunks() {
            if (0..chunk.len()).all(|at| keep(&chunk.row(at))) {
                out.share(chunk);
            } else {
                (0..chunk.len())
                    .map(|at| chunk.row(at))
                    .filter(&keep)
                    .for_each(|row| out.push(row));
            }
        }
        Run::from_chunks(self.order, self.extra, out.finish())
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

/// Cuts rows into chunks; whole chunks pass through shared.
struct ChunkWriter {
    extra: Extra,
    rows: Vec<Row>,
    chunks: Vec<Arc<Chunk>>,
}

impl ChunkWriter {
    fn push(&mut self, row: Row) {
        self.rows.push(row);
        // A full buffer is cut in half only when more comes, so that appending fills chunks.
        if self.rows.len() == 2 * Chunk::ROWS_MAX {
            self.chunks.push(Arc::new(Chunk::from_rows(
                &self.rows[..Chunk::ROWS_MAX],
                self.extra,
            )));
            self.rows.drain(..Chunk::ROWS_MAX);
        }
    }

    fn share(&mut self, chunk: &Arc<Chunk>) {
        self.flush();
        self.chunks.push(Arc::clone(chunk));
    }

    fn flush(&mut self) {
        for rows in self.rows.chunks(Chunk::ROWS_MAX) {
            self.chunks
                .push(Arc::new(Chunk::from_rows(rows, self.extra)));
        }
        self.rows.clear();
    }

    fn finish(mut self) -> Vec<Arc<Chunk>> {
        self.flush();
        self.chunks
    }
}
