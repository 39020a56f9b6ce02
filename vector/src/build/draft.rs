//! The graph while it is built.

use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use super::connect::connect;
use super::layer::{Layer, Link};
use super::order::Order;
use super::pack::{Codes, FromRow};
use super::select::Selector;
use crate::ask::Parameters;
use crate::scratch::Scratch;
#[cfg(feature = "hnsw-rs")]
use crate::walk::Measure;
use crate::walk::Walk;

/// A batch has at most this part of the rows inserted before it: the rest of their neighbours is there to be found.
const BATCH_PART: usize = 16;
/// Most rows of a batch.
const BATCH_ROWS_MAX: usize = 1024;
/// Rows that one thread takes at once.
const FORK_ROWS: usize = 16;

/// Rows as codes, numbered in the order of insertion, and their links.
pub(crate) struct Draft {
    pub(crate) codes: Codes,
    /// From the lowest up.
    pub(crate) layers: Vec<Layer>,
    ef: usize,
    len: usize,
    memory: Mutex<Vec<Memory>>,
}

/// What one thread needs to insert rows.
#[derive(Default)]
pub(crate) struct Memory {
    pub(crate) scratch: Scratch,
    pub(crate) selector: Selector,
}

/// The links of a new row or a pruned one, and the layer they are of.
struct Change {
    row: u32,
    layer: usize,
    links: Vec<Link>,
}

impl Draft {
    /// No row is inserted yet.
    pub(crate) fn of_rows(rows: &[f32], parameters: &Parameters, order: &Order) -> Draft {
        let len = order.inserted().len();
        let lowest = Layer::empty(len, 2 * parameters.m);
        let upper = order
            .counts
            .iter()
            .map(|count| Layer::empty(*count as usize, parameters.m));
        Draft {
            codes: Codes::of_rows(rows, parameters, &order.rows),
            layers: std::iter::once(lowest).chain(upper).collect(),
            ef: parameters.ef_construction,
            len,
            memory: Mutex::default(),
        }
    }

    /// Inserts rows from `start` on; gives where the next batch starts.
    pub(crate) fn insert_batch(&mut self, start: usize) -> usize {
        let size = (start / BATCH_PART).clamp(1, BATCH_ROWS_MAX);
        let end = (start + size).min(self.len);
        let rows: Vec<u32> = (start as u32..end as u32).collect();
        let found = self.each(&rows, |row, memory, out| {
            self.find(*row, start, memory, out)
        });
        let mut back: Vec<(usize, u32, u32, f32)> = Vec::new();
        for change in found {
            let Change { row, layer, links } = change;
            back.extend(links.iter().map(|(to, apart)| (layer, *to, row, *apart)));
            self.layers[layer].set(row, &links);
        }
        back.sort_unstable_by_key(|(layer, to, from, _)| (*layer, *to, *from));
        let groups: Vec<&[_]> = back.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)).collect();
        let pruned = self.each(&groups, |group, memory, out| {
            let (layer, row, ..) = group[0];
            let more = group.iter().map(|(_, _, from, apart)| (*from, *apart));
            let links = self.layers[layer].with(row, more, &self.codes, &mut memory.selector);
            out.push(Change { row, layer, links });
        });
        for change in pruned {
            self.layers[change.layer].set(change.row, &change.links);
        }
        end
    }

    /// Takes links that were made elsewhere instead of inserting rows.
    ///
    /// - `lists`: the neighbours of a row on each of its layers, from the lowest up; at most as many as a list holds.
    #[cfg(feature = "hnsw-rs")]
    pub(crate) fn take_links(&mut self, lists: impl Fn(u32) -> Vec<Vec<u32>> + Sync) {
        for start in (0..self.len).step_by(BATCH_ROWS_MAX) {
            let end = self.len.min(start + BATCH_ROWS_MAX);
            let rows: Vec<u32> = (start as u32..end as u32).collect();
            let taken = self.each(&rows, |row, memory, out| {
                let Scratch { products, code, .. } = &mut memory.scratch;
                let mut measure = FromRow::new(&self.codes, *row, code, products);
                let mut apart = Vec::new();
                for (layer, list) in lists(*row).into_iter().enumerate() {
                    let measured = measure.measure(&list, &mut apart);
                    measured.expect("codes in memory are not corrupt");
                    let links = list.into_iter().zip(apart.iter().copied()).collect();
                    out.push(Change {
                        row: *row,
                        layer,
                        links,
                    });
                }
            });
            for change in taken {
                self.layers[change.layer].set(change.row, &change.links);
            }
        }
    }

    /// Prunes lists to what they hold in the end, and connects the lowest layer.
    ///
    /// A row that has copies keeps one link free for them.
    pub(crate) fn finish(&mut self, order: &Order) {
        for at in 0..self.layers.len() {
            let layer = &self.layers[at];
            let most = |row: u32| layer.most - usize::from(at == 0 && order.has_copies(row));
            let all = 0..layer.len() as u32;
            let rows: Vec<u32> = all
                .filter(|row| layer.links(*row).len() > most(*row))
                .collect();
            let pruned = self.each(&rows, |row, memory, out| {
                let links = layer.measured(*row).collect();
                let links = memory.selector.pruned(&self.codes, links, most(*row));
                out.push(Change {
                    row: *row,
                    layer: at,
                    links,
                });
            });
            for change in pruned {
                self.layers[at].set(change.row, &change.links);
            }
        }
        let most = self.layers[0].most;
        let most = |row: u32| most - usize::from(order.has_copies(row));
        connect(&mut self.layers[0], &most);
    }

    /// Runs `task` on all items by the threads of the pool; gives what it put out in the order of the items.
    fn each<T: Sync>(
        &self,
        items: &[T],
        task: impl Fn(&T, &mut Memory, &mut Vec<Change>) + Sync,
    ) -> Vec<Change> {
        let take = || {
            self.memory
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .pop()
        };
        let chunks = items.par_chunks(FORK_ROWS).map(|chunk| {
            let mut memory = take().unwrap_or_default();
            let mut out = Vec::new();
            chunk
                .iter()
                .for_each(|item| task(item, &mut memory, &mut out));
            let mut kept = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
            kept.push(memory);
            out
        });
        chunks.collect::<Vec<_>>().into_iter().flatten().collect()
    }

    /// The links of a new row on each of its layers, among the first `len` rows.
    fn find(&self, row: u32, len: usize, memory: &mut Memory, out: &mut Vec<Change>) {
        if len == 0 {
            return;
        }
        let Scratch {
            visited,
            pool,
            fresh,
            apart,
            products,
            code,
            ..
        } = &mut memory.scratch;
        let mut measure = FromRow::new(&self.codes, row, code, products);
        let mut walk = Walk {
            visited,
            pool,
            fresh,
            apart,
        };
        let mut starts = vec![0];
        for (at, layer) in self.layers.iter().enumerate().rev() {
            let is_on = (row as usize) < layer.len();
            let ef = if is_on { self.ef } else { 1 };
            let known = len.min(layer.len());
            let walked = walk.run(layer, &mut measure, &starts, known, ef);
            walked.expect("a graph in memory is not corrupt");
            if is_on {
                let near: Vec<Link> = walk.pool.iter().collect();
                let links = memory.selector.select(&self.codes, &near, layer.most);
                out.push(Change {
                    row,
                    layer: at,
                    links,
                });
            }
            starts.clear();
            starts.extend(walk.pool.iter().map(|(row, _)| row));
        }
    }
}
