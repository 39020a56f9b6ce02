//! Sorted keys against a run in the same order: both are read once, what lies between is leapt over.

use super::join::Pairs;
use super::lookup::RowRef;
use crate::error::Result;
use crate::index::{Cell, Chunk, Dictionary, Kind, Position, Run};

/// What a run is read by.
pub(super) trait Keys {
    /// The key of a chunk's row.
    fn key(chunk: &Chunk, row: usize) -> i64;

    /// The key of what a chunk starts with.
    fn first(first: (i64, Cell)) -> i64;

    /// The first position whose key is at least this.
    fn seek(&self, run: &Run, key: i64) -> Position;
}

/// The entities of a run by entity.
pub(super) struct Entities;

impl Keys for Entities {
    fn key(chunk: &Chunk, row: usize) -> i64 {
        chunk.e[row]
    }

    fn first((e, _): (i64, Cell)) -> i64 {
        e
    }

    fn seek(&self, run: &Run, e: i64) -> Position {
        run.entity_position(e)
    }
}

/// The values of a run by value, if all are integers.
pub(super) struct Integers<'d>(pub(super) &'d Dictionary);

impl Integers<'_> {
    /// Whether a run by value has no other values: they sort before or after.
    pub(super) fn are_all(run: &Run) -> bool {
        let ends = [run.first(), run.last()];
        ends.iter().flatten().all(|row| row.v.kind == Kind::Long)
    }
}

impl Keys for Integers<'_> {
    fn key(chunk: &Chunk, row: usize) -> i64 {
        chunk.v.bits()[row] as i64
    }

    fn first((_, v): (i64, Cell)) -> i64 {
        v.bits as i64
    }

    fn seek(&self, run: &Run, n: i64) -> Position {
        let wanted = Cell::long(n);
        run.partition_point(|_, v| v.compare(wanted, self.0).is_lt())
    }
}

/// Pairs each of the sorted keys with the rows that have it.
///
/// - `agrees`: whether a key, by its place, goes with a row of a chunk.
/// - `once`: one row of each key will do.
/// - Cost: O(keys * log(rows leapt over)); a chunk without keys is not read.
pub(super) fn merge<K: Keys>(
    (run, keys): (&Run, &K),
    wanted: &[u64],
    agrees: impl Fn(usize, &Chunk, usize) -> bool,
    once: bool,
    pairs: &mut Pairs<'_>,
) -> Result<()> {
    let end = run.end_chunk();
    let Some(&first) = wanted.first() else {
        return Ok(());
    };
    let mut at = keys.seek(run, first as i64);
    if at.chunk >= end {
        return Ok(());
    }
    let mut chunk = run.chunk(at.chunk);
    for (place, &key) in wanted.iter().enumerate() {
        let key = key as i64;
        if K::key(chunk, chunk.len() - 1) < key {
            at = keys.seek(run, key);
            if at.chunk >= end {
                return Ok(());
            }
            chunk = run.chunk(at.chunk);
        }
        at.row = leap::<K>(chunk, at.row, key);
        let (mut rows, mut number, mut row) = (chunk, at.chunk, at.row);
        loop {
            let mut is_met = false;
            while row < rows.len() && K::key(rows, row) == key {
                if agrees(place, rows, row) {
                    pairs.push(place as u32, RowRef::new(number, row).0)?;
                    is_met = true;
                    if once {
                        break;
                    }
                }
                row += 1;
            }
            if row < rows.len() || once && is_met {
                break;
            }
            number = run.next_chunk(number);
            if number >= end || K::first(run.chunk_first(number)) != key {
                break;
            }
            (rows, row) = (run.chunk(number), 0);
        }
    }
    Ok(())
}

/// The first row from one on whose key is at least this; the last row's is.
fn leap<K: Keys>(chunk: &Chunk, from: usize, key: i64) -> usize {
    if K::key(chunk, from) >= key {
        return from;
    }
    let (mut low, mut step) = (from, 1);
    while low + step < chunk.len() && K::key(chunk, low + step) < key {
        low += step;
        step *= 2;
    }
    let (mut low, mut high) = (low + 1, (low + step).min(chunk.len() - 1));
    while low < high {
        let middle = low + (high - low) / 2;
        if K::key(chunk, middle) < key {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}
