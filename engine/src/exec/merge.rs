//! Sorted keys against a run in the same order: both are read once, what lies between is leapt over.

use std::ops::Range;

use super::budget::Budget;
use super::join::Pairs;
use super::matches::RowRef;
use crate::error::Result;
use crate::index::{Cell, Chunk, Column, Dictionary, Kind, Position, Run};

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

/// Which of the rows that have a key go with it.
pub(super) trait Agrees: Sync {
    /// Whether all do.
    const ALWAYS: bool;

    /// Whether a key, by its place, goes with a row of a chunk.
    fn agrees(&self, place: usize, chunk: &Chunk, row: usize) -> bool;

    /// Which of a chunk's rows that have the key may go with it; `row` is the first that has it,
    /// `keys` are those of the chunk.
    fn candidates(&self, _: usize, _: &Chunk, keys: &[u64], row: usize) -> Range<usize> {
        let others = keys[row..].iter().take_while(|&&key| key == keys[row]);
        row..row + others.count()
    }
}

/// A key goes with every row that has it.
pub(super) struct Always;

impl Agrees for Always {
    const ALWAYS: bool = true;

    fn agrees(&self, _: usize, _: &Chunk, _: usize) -> bool {
        true
    }
}

impl<F: Fn(usize, &Chunk, usize) -> bool + Sync> Agrees for F {
    const ALWAYS: bool = false;

    fn agrees(&self, place: usize, chunk: &Chunk, row: usize) -> bool {
        self(place, chunk, row)
    }
}

/// A key goes with the rows of its entity whose value is that of a column, at the key's place.
pub(super) struct SameValue<'c>(pub(super) &'c Column);

impl Agrees for SameValue<'_> {
    const ALWAYS: bool = false;

    fn agrees(&self, place: usize, chunk: &Chunk, row: usize) -> bool {
        chunk.v.cell(row) == self.0.cell(place)
    }

    /// Integers are in order among the rows of an entity.
    fn candidates(&self, place: usize, chunk: &Chunk, keys: &[u64], row: usize) -> Range<usize> {
        let (key, wanted) = (keys[row], self.0.bits()[place]);
        let are_integers = [chunk.v.kind(), Some(self.0.kind_at(place))] == [Some(Kind::Long); 2];
        let is_before = |at: usize| {
            keys[at] == key && (!are_integers || (chunk.v.bits()[at] as i64) < wanted as i64)
        };
        if !are_integers {
            return row..leap(keys.len(), row, is_before);
        }
        let first = leap(keys.len(), row, is_before);
        let same =
            (first..keys.len()).take_while(|&at| keys[at] == key && chunk.v.bits()[at] == wanted);
        first..first + same.count()
    }
}

/// Fewest keys in a row that are the keys of a chunk before they are paired as a whole.
const BLOCK: usize = 8;

/// Pairs each of the sorted keys with the rows that have it.
///
/// - `once`: one row of each key will do.
/// - Cost: O(keys * log(rows leapt over)), and O(keys) where the keys of a chunk lie evenly apart
///   or are the wanted ones; a chunk without keys is not read.
pub(super) fn merge<'b, K: Keys + Sync, A: Agrees>(
    (run, keys): (&Run, &K),
    wanted: &[u64],
    agrees: &A,
    once: bool,
    budget: &'b Budget,
) -> Result<Pairs<'b>> {
    Pairs::of_tasks(wanted.len(), (2, budget), |places, pairs| {
        merge_part((run, keys), (wanted, places), agrees, once, pairs)
    })
}

/// As [`merge`], for the keys of some places.
fn merge_part<K: Keys, A: Agrees>(
    (run, keys): (&Run, &K),
    (wanted, places): (&[u64], Range<usize>),
    agrees: &A,
    once: bool,
    pairs: &mut Pairs<'_>,
) -> Result<()> {
    let wanted = &wanted[..places.end];
    let mut place = places.start;
    let Some(&first) = wanted.get(place) else {
        return Ok(());
    };
    let mut at = keys.seek(run, first as i64);
    if at.chunk >= run.end_chunk() {
        return Ok(());
    }
    pairs.reserve(places.len().min(run.len()));
    let mut chunk = run.chunk(at.chunk);
    let mut sorted = Sorted::of(K::of(chunk));
    while place < wanted.len() {
        let key = wanted[place] as i64;
        if sorted.last() < key {
            at = keys.seek(run, key);
            if at.chunk >= run.end_chunk() {
                return Ok(());
            }
            chunk = run.chunk(at.chunk);
            sorted = Sorted::of(K::of(chunk));
        }
        if let Some(end) = sorted.alone(wanted, place) {
            let first = sorted.keys[0];
            let row = |place: usize| wanted[place].wrapping_sub(first) as usize;
            pairs.reserve(end - place);
            for place in place..end {
                if A::ALWAYS || agrees.agrees(place, chunk, row(place)) {
                    pairs.left.push(place as u32);
                    pairs.right.push(RowRef::new(at.chunk, row(place)).0);
                }
            }
            pairs.check()?;
            (place, at.row) = (end, row(end - 1));
            continue;
        }
        at.row = sorted.seek(at.row, key);
        let (ahead, beside) = (wanted.get(place + BLOCK), sorted.keys.get(at.row + BLOCK));
        if A::ALWAYS && ahead.is_some() && ahead == beside {
            // The last of them may have more rows.
            let alone = shared_keys(&wanted[place..], &sorted.keys[at.row..]).saturating_sub(1);
            if alone >= BLOCK {
                pairs.push_all(place as u32, RowRef::new(at.chunk, at.row).0, alone)?;
                (place, at.row) = (place + alone, at.row + alone);
                continue;
            }
        }
        let mut is_met = false;
        if sorted.keys[at.row] as i64 == key {
            for row in agrees.candidates(place, chunk, sorted.keys, at.row) {
                if agrees.agrees(place, chunk, row) {
                    pairs.push(place as u32, RowRef::new(at.chunk, row).0)?;
                    is_met = true;
                    if once {
                        break;
                    }
                }
            }
        }
        if sorted.last() == key && !(once && is_met) {
            let from = run.next_chunk(at.chunk);
            chunks_after::<K, A>((run, from), (place, key), agrees, once, pairs)?;
        }
        place += 1;
    }
    Ok(())
}

/// Pairs a key with its rows in the chunks from one on.
fn chunks_after<K: Keys, A: Agrees>(
    (run, mut number): (&Run, usize),
    (place, key): (usize, i64),
    agrees: &A,
    once: bool,
    pairs: &mut Pairs<'_>,
) -> Result<()> {
    while number < run.end_chunk() && K::first(run.chunk_first(number)) == key {
        let chunk = run.chunk(number);
        for row in 0..chunk.len() {
            if K::first((chunk.e[row], chunk.v.cell(row))) != key {
                return Ok(());
            }
            if agrees.agrees(place, chunk, row) {
                pairs.push(place as u32, RowRef::new(number, row).0)?;
                if once {
                    return Ok(());
                }
            }
        }
        number = run.next_chunk(number);
    }
    Ok(())
}

/// How many keys from the start are those of a chunk, each more than the one before.
fn shared_keys(wanted: &[u64], keys: &[u64]) -> usize {
    let len = wanted.len().min(keys.len());
    let (wanted, keys) = (&wanted[..len], &keys[..len]);
    // A whole block at a time, without a branch in it.
    let mut start = 0;
    while start + BLOCK < len {
        let pairs = wanted[start..=start + BLOCK]
            .iter()
            .zip(&keys[start..=start + BLOCK]);
        let is_same = pairs.fold(true, |same, (a, b)| same & (a == b));
        let rises = wanted[start..=start + BLOCK].windows(2);
        let is_rising = rises.fold(true, |rising, pair| rising & (pair[0] != pair[1]));
        if !(is_same & is_rising) {
            break;
        }
        start += BLOCK;
    }
    if start == 0 { 0 } else { start + 1 }
}

/// The keys of a chunk, in order, not empty.
struct Sorted<'k> {
    keys: &'k [u64],
    /// Rows per unit of key, where the keys lie evenly.
    slope: Option<f64>,
}

impl<'k> Sorted<'k> {
    fn of(keys: &'k [u64]) -> Sorted<'k> {
        let last = keys.len() - 1;
        let span = (keys[last] as i64).wrapping_sub(keys[0] as i64);
        let slope = last as f64 / span as f64;
        let mut sorted = Sorted { keys, slope: None };
        let is_even = |row: usize| sorted.place(slope, keys[row] as i64) == row;
        if span > 0
            && [last / 4, last / 2, last - last / 4]
                .into_iter()
                .all(is_even)
        {
            sorted.slope = Some(slope);
        }
        sorted
    }

    fn last(&self) -> i64 {
        self.keys[self.keys.len() - 1] as i64
    }

    /// If many of the wanted keys from a place on are this chunk's, and its keys are consecutive
    /// integers: the place up to which each of the wanted ones is one row's and no other's.
    fn alone(&self, wanted: &[u64], place: usize) -> Option<usize> {
        let is_before = |at: usize| (wanted[at] as i64) < self.last();
        let many = place + self.keys.len() / 16;
        let are_many = self.keys.len() >= 2 * BLOCK && many < wanted.len() && is_before(many);
        let span = self.last().wrapping_sub(self.keys[0] as i64);
        if !are_many
            || span != self.keys.len() as i64 - 1
            || (wanted[place] as i64) < self.keys[0] as i64
        {
            return None;
        }
        // Without a branch: the keys of most chunks are looked at once and pass.
        let pairs = self.keys.iter().zip(&self.keys[1..]);
        let is_consecutive = pairs.fold(true, |is, (a, b)| is & (a.wrapping_add(1) == *b));
        is_consecutive.then(|| leap(wanted.len(), place, is_before))
    }

    /// Where a key is, if the keys lie evenly.
    fn place(&self, slope: f64, key: i64) -> usize {
        (key.wrapping_sub(self.keys[0] as i64) as f64 * slope + 0.5) as usize
    }

    /// The first row from one on whose key is at least this; the last row's is.
    fn seek(&self, from: usize, key: i64) -> usize {
        let is_at = |row: usize| self.keys.get(row).is_some_and(|&bits| bits as i64 == key);
        if let Some(slope) = self.slope {
            let guess = self.place(slope, key);
            if is_at(guess) && !is_at(guess.wrapping_sub(1)) {
                return guess;
            }
        }
        leap(self.keys.len(), from, |row| (self.keys[row] as i64) < key)
    }
}

/// The first row from one on of which it does not hold that it is before; `len` if all are.
pub(super) fn leap(len: usize, from: usize, is_before: impl Fn(usize) -> bool) -> usize {
    if from == len || !is_before(from) {
        return from;
    }
    let (mut low, mut step) = (from, 1);
    while low + step < len && is_before(low + step) {
        low += step;
        step *= 2;
    }
    let (mut low, mut high) = (low + 1, (low + step).min(len));
    while low < high {
        let middle = low + (high - low) / 2;
        if is_before(middle) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}

#[cfg(test)]
mod tests {
    use super::*;
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
            let pairs = merge((&run, &Entities), &wanted, &Always, once, &budget).unwrap();
            let of_place = |place: u32| pairs.left.iter().filter(move |&&left| left == place);
            (0..wanted.len() as u32)
                .map(|place| of_place(place).count())
                .collect::<Vec<_>>()
        };
        assert_eq!(met(false), [7, 7, 0, 7, 7, 7, 1, 0]);
        assert_eq!(met(true), [1, 1, 0, 1, 1, 1, 1, 0]);
    }

    /// Keys of every step and gaps, alone and repeated, against a search of all rows.
    #[test]
    fn pairs_are_those_of_a_search_of_all_rows() {
        let evenly = |step: i64, times: i64| move |n: i64| n / times * step;
        let gaps = |n: i64| if n % 4_000 < 3_990 { n } else { n + n % 7 };
        let steps: [&dyn Fn(i64) -> i64; 5] =
            [&evenly(1, 1), &evenly(3, 1), &evenly(1, 2), &gaps, &|n| {
                n * n
            }];
        for step in steps {
            let mut keys: Vec<i64> = (0..9_000).map(step).collect();
            keys.sort_unstable();
            let row = |(n, &e): (usize, &i64)| Row::new(e, Cell::long(n as i64), 0);
            let rows: Vec<Row> = keys.iter().enumerate().map(row).collect();
            let run = Run::from_sorted(SortOrder::ByEntity, Extra::Nothing, &rows);
            let odd = keys.iter().flat_map(|&key| [key, key + 1]).step_by(3);
            for wanted in [keys.clone(), odd.collect(), keys.repeat(2)] {
                let mut wanted = wanted;
                wanted.sort_unstable();
                let bits: Vec<u64> = wanted.iter().map(|&key| key as u64).collect();
                let budget = Budget::default();
                let pairs = merge((&run, &Entities), &bits, &Always, false, &budget).unwrap();
                let expected = wanted.iter().enumerate().flat_map(|(place, key)| {
                    let from = keys.partition_point(|other| other < key);
                    let to = keys.partition_point(|other| other <= key);
                    (from..to).map(move |row| (place as u32, row as i64))
                });
                let chunk = |at: u32| run.chunk(at as usize >> 13);
                let number = |&at: &u32| chunk(at).v.bits()[at as usize & 8_191] as i64;
                let found = pairs
                    .left
                    .iter()
                    .copied()
                    .zip(pairs.right.iter().map(number));
                assert!(found.eq(expected));
            }
        }
    }

    /// Entities of one row and of thousands, asked for values they have and have not.
    #[test]
    fn entities_meet_their_own_values() {
        let values = |e: i64| if e % 50 == 0 { 3_000 } else { e % 4 };
        let has = |e: i64, v: i64| v % 2 == 0 && (0..2 * values(e)).contains(&v);
        let rows_of = |e: i64| (0..values(e)).map(move |n| Row::new(e, Cell::long(2 * n), 0));
        let rows: Vec<Row> = (0..200).flat_map(rows_of).collect();
        let run = Run::from_sorted(SortOrder::ByEntity, Extra::Nothing, &rows);
        let asked = (0..210).flat_map(|e| [0, 4, 5, 2_998, 5_998, 6_000].map(|v| (e, v)));
        let asked: Vec<(i64, i64)> = asked.collect();
        let entities: Vec<u64> = asked.iter().map(|(e, _)| *e as u64).collect();
        let wanted = Column::longs(&asked.iter().map(|(_, v)| *v).collect::<Vec<_>>());
        let budget = Budget::default();
        let agrees = SameValue(&wanted);
        for once in [false, true] {
            let pairs = merge((&run, &Entities), &entities, &agrees, once, &budget).unwrap();
            let expected =
                (0..asked.len()).filter(|&at| asked[at].0 < 200 && has(asked[at].0, asked[at].1));
            assert!(pairs.left.iter().map(|&left| left as usize).eq(expected));
        }
    }
}
