//! Rows as keys: hashing and comparing tuples of cells, column by column.

use std::borrow::Borrow;
use std::sync::atomic::{AtomicU32, Ordering};

use hashbrown::HashTable;
use rayon::prelude::*;

use super::tuple_set::TupleSet;
use crate::fork;
use crate::index::{Column, Kind, Kinds};

/// Hashes of all rows of some columns. Equal cells hash equally whether their column is uniform
/// or tagged.
pub(super) fn hash_rows(columns: &[&Column], rows: usize) -> Vec<u64> {
    fork::fill(rows, |start, hashes: &mut [u64]| {
        hashes.fill(0x9E37_79B9_7F4A_7C15);
        for column in columns {
            let bits = &column.bits()[start..];
            match column.kinds() {
                Kinds::All(kind) => {
                    let kind = u64::from(*kind as u8);
                    for (hash, &bits) in hashes.iter_mut().zip(bits) {
                        *hash = mix(*hash, bits, kind);
                    }
                }
                Kinds::Each(kinds) => {
                    for ((hash, &bits), &kind) in hashes.iter_mut().zip(bits).zip(&kinds[start..]) {
                        *hash = mix(*hash, bits, u64::from(kind));
                    }
                }
            }
        }
    })
}

/// One round of folded multiplication, as in wyhash.
fn mix(hash: u64, bits: u64, kind: u64) -> u64 {
    let product = u128::from(hash ^ bits) * u128::from(0xA076_1D64_78BD_642F ^ (kind << 56));
    (product as u64) ^ ((product >> 64) as u64)
}

/// A word whose bits all hang on all bits of another.
pub(super) fn scatter(word: u64) -> u64 {
    mix(0x9E37_79B9_7F4A_7C15, word, 0)
}

/// Whether a row of some columns equals a row of others.
pub(super) fn rows_equal<A: Borrow<Column>, B: Borrow<Column>>(
    a: &[A],
    row_a: usize,
    b: &[B],
    row_b: usize,
) -> bool {
    a.iter().zip(b).all(|(a, b)| {
        let (a, b) = (a.borrow(), b.borrow());
        a.bits()[row_a] == b.bits()[row_b] && a.kind_at(row_a) == b.kind_at(row_b)
    })
}

const NONE: u32 = u32::MAX;

/// Where numbers of one column that lie close together are found without hashing: by the number
/// less the smallest.
#[derive(Clone, Copy, Debug)]
struct Dense {
    kind: Kind,
    min: u64,
    /// Places.
    len: usize,
}

impl Dense {
    /// Places that one row may cost.
    const PER_ROW: usize = 8;
    /// Places that cost next to nothing.
    const FREE: usize = 1024;

    /// For columns of which there is one, of one kind, whose bits lie close together.
    fn of(columns: &[&Column]) -> Option<Dense> {
        let [column] = columns else { return None };
        let kind = column.kind()?;
        let ends = fork::split(column.len(), |part| {
            let signed = column.bits()[part].iter().map(|&bits| bits as i64);
            signed.fold((i64::MAX, i64::MIN), |(min, max), n| {
                (min.min(n), max.max(n))
            })
        });
        let (mins, maxs): (Vec<i64>, Vec<i64>) = ends.into_iter().unzip();
        let (min, max) = (mins.into_iter().min()?, maxs.into_iter().max()?);
        if min > max {
            return None;
        }
        let places = usize::try_from(max.abs_diff(min)).ok()?.checked_add(1)?;
        (places <= Dense::PER_ROW * column.len() + Dense::FREE).then_some(Dense {
            kind,
            min: min as u64,
            len: places,
        })
    }

    /// The place of a row's key; at least `len` if it has none.
    fn place(&self, column: &Column, row: usize) -> usize {
        if column.kind_at(row) == self.kind {
            self.place_of(column.bits()[row])
        } else {
            usize::MAX
        }
    }

    fn place_of(&self, bits: u64) -> usize {
        bits.wrapping_sub(self.min) as usize
    }
}

/// Rows by key: every row of some columns, found by a row of others.
pub(super) struct RowMap {
    columns: Vec<Column>,
    heads: Heads,
    next: Next,
}

/// The next row with the same key, by row. The rows of a key belong to one task while they are
/// chained, so what is written needs no order.
struct Next(Vec<AtomicU32>);

impl Next {
    fn new(rows: usize) -> Next {
        Next((0..rows).map(|_| AtomicU32::new(NONE)).collect())
    }

    fn of(&self, row: usize) -> u32 {
        self.0[row].load(Ordering::Relaxed)
    }

    fn chain(&self, row: usize, next: u32) {
        self.0[row].store(next, Ordering::Relaxed);
    }
}

/// The first row of each key.
enum Heads {
    Dense(Dense, Vec<u32>),
    Hashed(Hashed),
}

impl RowMap {
    /// Indexes all rows.
    pub(super) fn new(columns: &[&Column], rows: usize) -> RowMap {
        let next = Next::new(rows);
        let heads = match Dense::of(columns) {
            Some(dense) => Heads::Dense(dense, dense_heads(dense, columns[0].bits(), &next)),
            None => Heads::Hashed(Hashed::new(columns, &next)),
        };
        RowMap {
            columns: columns.iter().map(|&column| column.clone()).collect(),
            heads,
            next,
        }
    }

    /// Looks rows of other columns up.
    pub(super) fn probe<'s>(&'s self, columns: &'s [&'s Column], rows: usize) -> Probe<'s> {
        let hashes = match self.heads {
            Heads::Dense(..) => Vec::new(),
            Heads::Hashed(_) => hash_rows(columns, rows),
        };
        let places = match &self.heads {
            Heads::Dense(dense, _) if columns[0].kind() == Some(dense.kind) => {
                Some(columns[0].bits())
            }
            _ => None,
        };
        Probe {
            map: self,
            columns,
            hashes,
            places,
        }
    }
}

/// Chains rows by place, backwards, so that each chain lists its rows in order; each task those whose
/// places are its own.
fn dense_heads(dense: Dense, bits: &[u64], next: &Next) -> Vec<u32> {
    let mut heads = vec![NONE; dense.len];
    let tasks = fork::tasks(bits.len());
    let share = dense.len.div_ceil(tasks).max(1);
    let chain = |(at, heads): (usize, &mut [u32])| {
        let first = at * share;
        for (row, &bits) in bits.iter().enumerate().rev() {
            // A place below the first wraps around and is in no part.
            if let Some(head) = heads.get_mut(dense.place_of(bits).wrapping_sub(first)) {
                if *head != NONE {
                    next.chain(row, *head);
                }
                *head = row as u32;
            }
        }
    };
    if tasks > 1 {
        heads.par_chunks_mut(share).enumerate().for_each(chain);
    } else {
        chain((0, &mut heads));
    }
    heads
}

/// The first row of each key, by hash: a table for each task that builds them.
///
/// Each task passes over all hashes and takes those whose highest bits are its own, as in a radix join
/// of one pass (Manegold, Boncz, Kersten 2002) that spares the copying.
struct Hashed {
    parts: Vec<HashTable<(u64, u32)>>,
    /// How many bits of a hash name its part.
    bits: u32,
}

impl Hashed {
    fn new(columns: &[&Column], next: &Next) -> Hashed {
        let hashes = hash_rows(columns, next.0.len());
        let bits = fork::tasks(hashes.len()).next_power_of_two().ilog2();
        let build =
            |part: u64| hashed_heads(columns, &hashes, next, |hash| top(hash, bits) == part);
        let parts = match bits {
            0 => vec![build(0)],
            _ => (0..1u64 << bits).into_par_iter().map(build).collect(),
        };
        Hashed { parts, bits }
    }

    fn find(&self, hash: u64, same: impl FnMut(&(u64, u32)) -> bool) -> Option<u32> {
        let part = &self.parts[top(hash, self.bits) as usize];
        part.find(hash, same).map(|&(_, row)| row)
    }
}

/// The highest bits of a hash. The lowest and the seven highest choose the place in a table, so it
/// is not left with fewer places for being a part.
fn top(hash: u64, bits: u32) -> u64 {
    (hash << 8).checked_shr(64 - bits).unwrap_or(0)
}

fn hashed_heads(
    columns: &[&Column],
    hashes: &[u64],
    next: &Next,
    mine: impl Fn(u64) -> bool,
) -> HashTable<(u64, u32)> {
    let rows = hashes.iter().filter(|&&hash| mine(hash)).count();
    let mut heads: HashTable<(u64, u32)> = HashTable::with_capacity(rows);
    for (row, &hash) in hashes.iter().enumerate().rev() {
        if !mine(hash) {
            continue;
        }
        let same = |&(other_hash, other): &(u64, u32)| {
            other_hash == hash && rows_equal(columns, other as usize, columns, row)
        };
        match heads.find_mut(hash, same) {
            Some(head) => {
                next.chain(row, head.1);
                head.1 = row as u32;
            }
            None => {
                heads.insert_unique(hash, (hash, row as u32), |&(hash, _)| hash);
            }
        }
    }
    heads
}

/// Rows of other columns, being looked up in a [`RowMap`].
pub(super) struct Probe<'s> {
    map: &'s RowMap,
    columns: &'s [&'s Column],
    hashes: Vec<u64>,
    /// The bits of the one column, if they say where its keys are.
    places: Option<&'s [u64]>,
}

impl Probe<'_> {
    /// The first row with the key of a row of the other columns.
    pub(super) fn first(&self, row: usize) -> Option<u32> {
        match &self.map.heads {
            Heads::Dense(dense, heads) => {
                let place = match self.places {
                    Some(bits) => dense.place_of(bits[row]),
                    None => dense.place(self.columns[0], row),
                };
                let head = heads.get(place);
                head.copied().filter(|&head| head != NONE)
            }
            Heads::Hashed(heads) => {
                let hash = self.hashes[row];
                let same = |&(other_hash, other): &(u64, u32)| {
                    let mine = &self.map.columns;
                    other_hash == hash && rows_equal(mine, other as usize, self.columns, row)
                };
                heads.find(hash, same)
            }
        }
    }

    /// All rows with that key, in order.
    pub(super) fn matches(&self, row: usize) -> impl Iterator<Item = u32> {
        let next = &self.map.next;
        std::iter::successors(self.first(row), |&row| {
            Some(next.of(row as usize)).filter(|&next| next != NONE)
        })
    }
}

/// The keys of some columns' rows: which rows of others are among them.
pub(super) enum RowKeys {
    /// A bit for each place.
    Dense(Places),
    Hashed(RowMap),
}

/// A set of places.
pub(super) struct Places {
    dense: Dense,
    words: Vec<u64>,
}

impl Places {
    fn new(dense: Dense) -> Places {
        Places {
            dense,
            words: vec![0; dense.len.div_ceil(64)],
        }
    }

    /// Adds the key of bits; false if it was there.
    fn insert(&mut self, bits: u64) -> bool {
        let place = self.dense.place_of(bits);
        let (word, bit) = (&mut self.words[place / 64], 1 << (place % 64));
        let is_new = *word & bit == 0;
        *word |= bit;
        is_new
    }

    fn contains(&self, column: &Column, row: usize) -> bool {
        column.kind_at(row) == self.dense.kind && self.holds(column.bits()[row])
    }

    /// Whether the key of bits is in it.
    fn holds(&self, bits: u64) -> bool {
        let place = self.dense.place_of(bits);
        let word = self.words.get(place / 64).copied().unwrap_or(0);
        word >> (place % 64) & 1 != 0
    }
}

impl RowKeys {
    /// The keys of all rows.
    pub(super) fn new(columns: &[&Column], rows: usize) -> RowKeys {
        let Some(dense) = Dense::of(columns) else {
            return RowKeys::Hashed(RowMap::new(columns, rows));
        };
        let mut places = Places::new(dense);
        for &bits in columns[0].bits() {
            places.insert(bits);
        }
        RowKeys::Dense(places)
    }

    /// The rows of other columns whose key is (or is not) among them.
    pub(super) fn rows_among(&self, columns: &[&Column], rows: usize, want: bool) -> Vec<u32> {
        match self {
            RowKeys::Dense(places) => match columns[0].kind() {
                Some(kind) if kind == places.dense.kind => {
                    let bits = columns[0].bits();
                    fork::rows_where(rows, |row| places.holds(bits[row]) == want)
                }
                _ => fork::rows_where(rows, |row| places.contains(columns[0], row) == want),
            },
            RowKeys::Hashed(map) => {
                let probe = map.probe(columns, rows);
                fork::rows_where(rows, |row| probe.first(row).is_some() == want)
            }
        }
    }
}

/// Whether no two cells of a column are equal, where that is found out at little cost.
pub(super) fn is_key(column: &Column) -> bool {
    match Dense::of(&[column]) {
        Some(dense) if dense.len >= column.len() => {
            let mut places = Places::new(dense);
            column.bits().iter().all(|&bits| places.insert(bits))
        }
        _ => false,
    }
}

/// The first row of each key, in order, unless a check on the way fails.
pub(super) fn distinct_rows<E>(
    columns: &[Column],
    rows: usize,
    check: impl FnMut() -> Result<(), E>,
) -> Result<Vec<u32>, E> {
    let columns: Vec<&Column> = columns.iter().collect();
    let Some(dense) = Dense::of(&columns) else {
        return TupleSet::default().add_checked(&columns, rows, &[], check);
    };
    let mut places = Places::new(dense);
    let bits = columns[0].bits();
    Ok((0..rows as u32)
        .filter(|&row| places.insert(bits[row as usize]))
        .collect())
}

/// A group number for each row, numbered by first appearance, and the first row of each.
pub(super) fn group_rows(columns: &[&Column], rows: usize) -> (Vec<u32>, Vec<u32>) {
    let keys = GroupKeys::of(columns, rows);
    let parts = fork::shares(rows, |part| keys.group(part.map(|row| row as u32)));
    if let [_] = parts[..] {
        return parts.into_iter().next().unwrap_or_default();
    }
    // The first rows of the parts, in the order of the parts, are a list to group in its turn.
    let firsts: Vec<u32> = parts
        .iter()
        .flat_map(|(_, firsts)| firsts)
        .copied()
        .collect();
    let (numbers, of_all) = keys.group(firsts.iter().copied());
    let mut begin = 0;
    let parts: Vec<(&[u32], &[u32])> = parts
        .iter()
        .map(|(groups, firsts)| {
            let numbers = &numbers[begin..begin + firsts.len()];
            begin += firsts.len();
            (&groups[..], numbers)
        })
        .collect();
    let renumbered = parts.into_par_iter().map(|(groups, numbers)| {
        let number = |&group: &u32| numbers[group as usize];
        groups.iter().map(number).collect::<Vec<u32>>()
    });
    (renumbered.collect::<Vec<_>>().concat(), of_all)
}

/// Columns that rows are grouped by.
enum GroupKeys<'a> {
    Dense(Dense, &'a [u64]),
    Hashed(&'a [&'a Column], Vec<u64>),
}

impl<'a> GroupKeys<'a> {
    fn of(columns: &'a [&'a Column], rows: usize) -> GroupKeys<'a> {
        match Dense::of(columns) {
            Some(dense) => GroupKeys::Dense(dense, columns[0].bits()),
            None => GroupKeys::Hashed(columns, hash_rows(columns, rows)),
        }
    }

    /// The group of each of some rows, and the first of them in each group.
    fn group(&self, rows: impl Iterator<Item = u32>) -> (Vec<u32>, Vec<u32>) {
        let mut groups = Vec::with_capacity(rows.size_hint().0);
        let mut firsts: Vec<u32> = Vec::new();
        match self {
            GroupKeys::Dense(dense, bits) => {
                let mut numbers = vec![NONE; dense.len];
                for row in rows {
                    let group = &mut numbers[dense.place_of(bits[row as usize])];
                    if *group == NONE {
                        *group = firsts.len() as u32;
                        firsts.push(row);
                    }
                    groups.push(*group);
                }
            }
            GroupKeys::Hashed(columns, hashes) => {
                let mut heads: HashTable<(u64, u32)> = HashTable::new();
                for row in rows {
                    let hash = hashes[row as usize];
                    let same = |&(other_hash, group): &(u64, u32)| {
                        let first = firsts[group as usize] as usize;
                        other_hash == hash && rows_equal(columns, first, columns, row as usize)
                    };
                    let found = heads.find(hash, same).map(|&(_, group)| group);
                    groups.push(found.unwrap_or_else(|| {
                        let group = firsts.len() as u32;
                        heads.insert_unique(hash, (hash, group), |&(hash, _)| hash);
                        firsts.push(row);
                        group
                    }));
                }
            }
        }
        (groups, firsts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::Cell;

    /// Only what is found out at little cost is said of keys that lie far apart.
    #[test]
    fn a_column_without_repetition_is_a_key() {
        let keys = |numbers: &[i64]| is_key(&Column::longs(numbers));
        assert!(keys(&[5, 3, 4, 9]));
        assert!(!keys(&[5, 3, 4, 3]) && !keys(&[5, 1 << 40]));
    }

    /// Numbers close together are found by place, others by hash, with the same answers however many
    /// tasks build the tables.
    #[test]
    fn rows_are_found_by_place_as_by_hash() {
        for (threads, scale) in [(1, 1), (1, 1 << 40), (3, 1), (3, 1 << 40)] {
            fork::on_threads(Some(threads), Some(1), || {
                found_by_place_and_hash(scale);
                Ok(())
            })
            .unwrap();
        }
    }

    fn found_by_place_and_hash(scale: i64) {
        let keys = Column::longs(&[3i64, -2, 3, 7, -2, 3].map(|n| n * scale));
        let map = RowMap::new(&[&keys], keys.len());
        assert_eq!(matches!(map.heads, Heads::Dense(..)), scale == 1);
        let asked = [Cell::long(3 * scale), Cell::long(9), Cell::bool(true)];
        let asked = Column::from_cells(asked);
        let columns = [&asked];
        let probe = map.probe(&columns, asked.len());
        let found: Vec<Vec<u32>> = (0..3).map(|row| probe.matches(row).collect()).collect();
        assert_eq!(found, [vec![0, 2, 5], vec![], vec![]]);
        let among = RowKeys::new(&[&keys], keys.len());
        assert_eq!(among.rows_among(&columns, 3, true), [0]);
        assert_eq!(among.rows_among(&columns, 3, false), [1, 2]);
        let rows = distinct_rows(std::slice::from_ref(&keys), 6, || Ok::<(), ()>(()));
        assert_eq!(rows, Ok(vec![0, 1, 3]));
        assert!(!is_key(&keys));
        let groups = group_rows(&[&keys], 6);
        assert_eq!(groups, (vec![0, 1, 0, 2, 1, 0], vec![0, 1, 3]));
    }
}
