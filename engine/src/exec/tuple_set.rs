//! Sets of tuples, a word for each: its cells side by side where they fit, else a hash and a row.

use std::convert::Infallible;

use super::key::{hash_rows, rows_equal, scatter};
use crate::index::{Column, ColumnBuilder, Kind};

/// Which tuples there are; the tuples themselves lie in columns of the caller's.
#[derive(Default)]
pub(super) struct TupleSet {
    layout: Layout,
    words: Words,
}

/// What the word of a tuple says.
enum Layout {
    /// Its cells, a field for each column.
    Packed(Vec<Field>),
    /// Half a hash, and which tuple it is.
    Hashed,
}

/// Where the bits of a column's cells lie in a word.
struct Field {
    kind: Kind,
    shift: u32,
    width: u32,
}

impl TupleSet {
    /// Adds tuples, a cell of each column; answers the rows of those that are new, in order.
    ///
    /// - `kept`: all that were found new before, in that order.
    pub(super) fn add(
        &mut self,
        columns: &[&Column],
        rows: usize,
        kept: &[ColumnBuilder],
    ) -> Vec<u32> {
        let Ok(new) = self.add_checked(columns, rows, kept, || Ok::<(), Infallible>(()));
        new
    }

    /// As [`TupleSet::add`], unless a check on the way fails.
    pub(super) fn add_checked<E>(
        &mut self,
        columns: &[&Column],
        rows: usize,
        kept: &[ColumnBuilder],
        mut check: impl FnMut() -> Result<(), E>,
    ) -> Result<Vec<u32>, E> {
        if rows == 0 {
            return Ok(Vec::new());
        }
        if !self.layout.fits(columns) {
            let kept: Vec<Column> = kept
                .iter()
                .map(|column| column.part(0..column.len()))
                .collect();
            let kept: Vec<&Column> = kept.iter().collect();
            self.layout = Layout::of(columns, &kept);
            let rows = std::mem::take(&mut self.words).len;
            self.insert(&kept, rows, &[], &mut check)?;
        }
        if kept.is_empty() {
            // Often most are new; a table that is too large costs less than one that grows.
            self.words.reserve(rows.min(ROWS_FORESEEN), scatter);
        }
        self.insert(columns, rows, kept, check)
    }

    /// Bytes held.
    pub(super) fn bytes(&self) -> usize {
        self.words.slots.len() * size_of::<u64>()
    }

    fn insert<E>(
        &mut self,
        columns: &[&Column],
        rows: usize,
        kept: &[ColumnBuilder],
        mut check: impl FnMut() -> Result<(), E>,
    ) -> Result<Vec<u32>, E> {
        let mut new = Vec::new();
        match &self.layout {
            Layout::Packed(fields) => {
                let mut block = [0; BLOCK];
                for start in (0..rows).step_by(BLOCK) {
                    if start.is_multiple_of(CHECK_ROWS) {
                        check()?;
                    }
                    let words = &mut block[..BLOCK.min(rows - start)];
                    pack(fields, columns, start, words);
                    self.words.insert_all(words, start as u32, &mut new);
                }
            }
            Layout::Hashed => {
                let before = self.words.len;
                for (row, &hash) in hash_rows(columns, rows).iter().enumerate() {
                    if row.is_multiple_of(CHECK_ROWS) {
                        check()?;
                    }
                    let is_same = |other: usize| match other.checked_sub(before) {
                        Some(at) => rows_equal(columns, new[at] as usize, columns, row),
                        None => {
                            let mut pairs = kept.iter().zip(columns);
                            pairs.all(|(kept, column)| kept.cell(other) == column.cell(row))
                        }
                    };
                    if self.words.insert_hashed(hash, is_same) {
                        new.push(row as u32);
                    }
                }
            }
        }
        Ok(new)
    }
}

impl Default for Layout {
    fn default() -> Layout {
        Layout::Packed(Vec::new())
    }
}

impl Layout {
    /// For tuples and those before them: packed if each column is of one kind, and all fit.
    fn of(columns: &[&Column], kept: &[&Column]) -> Layout {
        let needs = columns.iter().enumerate().map(|(at, column)| {
            let kept = kept.get(at).filter(|kept| !kept.is_empty());
            let bits = kept.map_or(1, |kept| bits_of(kept)).max(bits_of(column));
            let is_alike = kept.is_none_or(|kept| kept.kind() == column.kind());
            column.kind().filter(|_| is_alike).map(|kind| (kind, bits))
        });
        let needs: Vec<(Kind, u32)> = needs.map_while(|need| need).collect();
        let total: u32 = needs.iter().map(|(_, bits)| bits).sum();
        if needs.len() < columns.len() || total > u64::BITS {
            return Layout::Hashed;
        }
        // What is left over makes room for larger cells to come.
        let spare = (u64::BITS - total) / needs.len().max(1) as u32;
        let mut shift = 0;
        let fields = needs.into_iter().map(|(kind, bits)| {
            let width = bits + spare;
            shift += width;
            Field {
                kind,
                shift: shift - width,
                width,
            }
        });
        Layout::Packed(fields.collect())
    }

    fn fits(&self, columns: &[&Column]) -> bool {
        let Layout::Packed(fields) = self else {
            return true;
        };
        let fits = |(field, column): (&Field, &&Column)| {
            column.kind() == Some(field.kind) && bits_of(column) <= field.width
        };
        fields.len() == columns.len() && fields.iter().zip(columns).all(fits)
    }
}

/// How many bits its largest cell takes; at least one.
fn bits_of(column: &Column) -> u32 {
    let all = column.bits().iter().fold(1, |all, bits| all | bits);
    u64::BITS - all.leading_zeros()
}

/// Writes the words of consecutive rows.
fn pack(fields: &[Field], columns: &[&Column], start: usize, words: &mut [u64]) {
    words.fill(0);
    for (field, column) in fields.iter().zip(columns) {
        for (word, bits) in words.iter_mut().zip(&column.bits()[start..]) {
            *word |= bits << field.shift;
        }
    }
}

/// Most tuples that room is made for before any is met.
const ROWS_FORESEEN: usize = 1 << 16;

/// Rows between two checks, whole blocks.
const CHECK_ROWS: usize = 1 << 16;

/// Words handled together, so that the memory they lie in is fetched at the same time.
const BLOCK: usize = 128;
const EMPTY: u64 = 0;

/// An open-addressing table of words.
#[derive(Default)]
struct Words {
    slots: Vec<u64>,
    /// How many there are, the one that is [`EMPTY`] included.
    len: usize,
    has_empty: bool,
}

impl Words {
    /// Adds packed tuples, the first of which has this row; appends the rows of those that are new.
    fn insert_all(&mut self, words: &[u64], start: u32, new: &mut Vec<u32>) {
        self.reserve(words.len(), scatter);
        let mask = self.slots.len() - 1;
        let mut met = [(0, EMPTY); BLOCK];
        for (met, &word) in met.iter_mut().zip(words) {
            let at = scatter(word) as usize & mask;
            *met = (at, self.slots[at]);
        }
        for ((row, &word), &(at, found)) in (start..).zip(words).zip(&met) {
            if word == EMPTY {
                if std::mem::replace(&mut self.has_empty, true) {
                    continue;
                }
            } else {
                if found == word {
                    continue;
                }
                let at = self.free_slot(at, |found| found == word);
                let Some(at) = at else { continue };
                self.slots[at] = word;
            }
            self.len += 1;
            new.push(row);
        }
    }

    /// Adds a tuple by its hash, unless one of those there is the same.
    fn insert_hashed(&mut self, hash: u64, is_same: impl Fn(usize) -> bool) -> bool {
        self.reserve(1, |word| scatter(word >> 32));
        let at = scatter(hash >> 32) as usize & (self.slots.len() - 1);
        let half = hash >> 32 << 32;
        let is_here = |found: u64| found >> 32 == hash >> 32 && is_same(found as u32 as usize - 1);
        let Some(at) = self.free_slot(at, is_here) else {
            return false;
        };
        self.len += 1;
        self.slots[at] = half | self.len as u64;
        true
    }

    /// The first slot from one on that is free, unless what is looked for comes before it.
    fn free_slot(&self, mut at: usize, is_here: impl Fn(u64) -> bool) -> Option<usize> {
        let mask = self.slots.len() - 1;
        loop {
            match self.slots[at] {
                EMPTY => return Some(at),
                found if is_here(found) => return None,
                _ => at = (at + 1) & mask,
            }
        }
    }

    /// Makes room for so many more; three eighths of the slots stay free.
    fn reserve(&mut self, more: usize, place: impl Fn(u64) -> u64) {
        let wanted = (self.len + more) * 8 / 5 + 1;
        if wanted <= self.slots.len() {
            return;
        }
        let slots = vec![EMPTY; wanted.next_power_of_two()];
        let before = std::mem::replace(&mut self.slots, slots);
        let mask = self.slots.len() - 1;
        for word in before.into_iter().filter(|&word| word != EMPTY) {
            if let Some(at) = self.free_slot(place(word) as usize & mask, |_| false) {
                self.slots[at] = word;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::Cell;

    /// Tuples that fit a word, cease to, and never did: each is new once.
    #[test]
    fn a_tuple_is_new_once_however_its_word_is_made() {
        let wide = |n: i64| Cell::long(n << 40);
        let batches: [&[[Cell; 2]]; 4] = [
            &[[0, 0], [1, 2], [2, 1], [0, 0]].map(|row| row.map(Cell::long)),
            &[[Cell::long(1), Cell::long(2)], [wide(1), Cell::long(2)]],
            &[
                [wide(1), Cell::long(2)],
                [wide(1), wide(2)],
                [wide(-1), wide(2)],
            ],
            &[
                [Cell::bool(true), Cell::long(1)],
                [Cell::long(1), Cell::long(2)],
                [Cell::long(0); 2],
            ],
        ];
        let (mut set, mut kept) = (
            TupleSet::default(),
            [(); 2].map(|()| ColumnBuilder::default()),
        );
        let mut found = Vec::new();
        for batch in batches {
            let columns = [0, 1].map(|at| Column::from_cells(batch.iter().map(|row| row[at])));
            let columns = columns.each_ref();
            let new = set.add(&columns, batch.len(), &kept);
            for (kept, column) in kept.iter_mut().zip(columns) {
                kept.extend(&column.gather(&new));
            }
            found.push(new);
        }
        assert_eq!(found, [vec![0, 1, 2], vec![1], vec![1, 2], vec![0]]);
    }

    /// As many as make the table grow, without a column too.
    #[test]
    fn a_set_grows() {
        let numbers: Vec<i64> = (0..10_000).map(|n| n % 7_000).collect();
        let column = Column::longs(&numbers);
        for scale in [1, -1] {
            let other = Column::longs(&numbers.iter().map(|n| n * scale).collect::<Vec<_>>());
            let new = TupleSet::default().add(&[&column, &other], numbers.len(), &[]);
            assert!(new.into_iter().eq(0..7_000));
        }
        assert_eq!(TupleSet::default().add(&[], 3, &[]), [0]);
    }
}
