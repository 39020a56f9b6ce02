//! Sorted keys against a run in the same order: both are read once, what lies between is leapt over.

use super::join::Pairs;
use super::lookup::RowRef;
use crate::error::Result;
use crate::index::{Cell, Chunk, Dictionary, Kind, Position, Run};

/// What a run is read by.
pub(super) trait Keys {
    /// The keys of a chunk's rows, as the bits of integers.
    fn of(chunk: &Chunk) -> &[u64];

    /// The key of what a chunk starts with.
    fn first(first: (i64, Cell)) -> i64;

    /// The first position whose key is at least this.
    fn seek(&self, run: &Run, key: i64) -> Position;
}

/// The entities of a run by entity.
pub(super) struct Entities;

impl Keys for Entities {
    fn of(chunk: &Chunk) -> &[u64] {
        chunk.e.inner().typed_data()
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
    fn of(chunk: &Chunk) -> &[u64] {
        chunk.v.bits()
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
    pairs.reserve(wanted.len().min(run.len()));
    let mut chunk = run.chunk(at.chunk);
    let mut of_chunk = K::of(chunk);
    for (place, &key) in wanted.iter().enumerate() {
        let key = key as i64;
        if (of_chunk[of_chunk.len() - 1] as i64) < key {
            at = keys.seek(run, key);
            if at.chunk >= end {
                return Ok(());
            }
            chunk = run.chunk(at.chunk);
            of_chunk = K::of(chunk);
        }
        at.row = leap(of_chunk, at.row, key);
        let mut is_met = false;
        let mut row = at.row;
        while row < of_chunk.len() && of_chunk[row] as i64 == key {
            if agrees(place, chunk, row) {
                pairs.push(place as u32, RowRef::new(at.chunk, row).0)?;
                is_met = true;
                if once {
                    break;
                }
            }
            row += 1;
        }
        if row == of_chunk.len() && !(once && is_met) {
            let from = run.next_chunk(at.chunk);
            chunks_after(
                (run, from),
                place as u32,
                key,
                &agrees,
                once,
                pairs,
                K::first,
            )?;
        }
    }
    Ok(())
}

/// Pairs a key with its rows in the chunks from one on.
fn chunks_after(
    (run, mut number): (&Run, usize),
    place: u32,
    key: i64,
    agrees: &impl Fn(usize, &Chunk, usize) -> bool,
    once: bool,
    pairs: &mut Pairs<'_>,
    first: impl Fn((i64, Cell)) -> i64,
) -> Result<()> {
    while number < run.end_chunk() && first(run.chunk_first(number)) == key {
        let chunk = run.chunk(number);
        for row in 0..chunk.len() {
            if first((chunk.e[row], chunk.v.cell(row))) != key {
                return Ok(());
            }
            if agrees(place as usize, chunk, row) {
                pairs.push(place, RowRef::new(number, row).0)?;
                if once {
                    return Ok(());
                }
            }
        }
        number = run.next_chunk(number);
    }
    Ok(())
}

/// The first row from one on whose key is at least this; the last row's is.
fn leap(keys: &[u64], from: usize, key: i64) -> usize {
    let is_before = |row: usize| (keys[row] as i64) < key;
    if !is_before(from) {
        return from;
    }
    let (mut low, mut step) = (from, 1);
    while low + step < keys.len() && is_before(low + step) {
        low += step;
        step *= 2;
    }
    let end = (low + step).min(keys.len());
    low + 1 + keys[low + 1..end].partition_point(|&bits| (bits as i64) < key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::Budget;
    use crate::index::{Extra, Row, SortOrder};

    /// Keys in runs of many chunks, entities of many rows among them.
    #[test]
    fn each_key_meets_its_rows_once() {
        let rows: Vec<Row> = (0..20_000i64)
            .map(|n| Row::new((n / 7) * 3, Cell::long(n), 0))
            .collect();
        let run = Run::from_sorted(SortOrder::ByEntity, Extra::Nothing, &rows);
        let wanted: Vec<u64> = [3, 3, 5, 879, 2_193, 8_568, 8_571, 9_999].to_vec();
        let budget = Budget::default();
        let met = |once: bool| {
            let mut pairs = Pairs::new(2, &budget);
            merge((&run, &Entities), &wanted, |_, _, _| true, once, &mut pairs).unwrap();
            let counts: Vec<usize> = (0..wanted.len())
                .map(|place| {
                    pairs
                        .left
                        .iter()
                        .filter(|&&left| left == place as u32)
                        .count()
                })
                .collect();
            counts
        };
        assert_eq!(met(false), [7, 7, 0, 7, 7, 7, 1, 0]);
        assert_eq!(met(true), [1, 1, 0, 1, 1, 1, 1, 0]);
    }
}
