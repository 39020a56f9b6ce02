//! Rows found by key: an index that grows, in which the rows of a key lie side by side.

use std::ops::Range;

use super::budget::Budget;
use super::graph::Nodes;
use crate::error::Result;
use crate::fork;
use crate::index::{Cell, Column};

/// Where each key's rows lie.
pub(super) struct KeyIndex {
    keys: Keys,
    /// By the number of the key.
    lists: Vec<List>,
    /// The rows of all lists. A list has room for a power of two; one that is full moves to the
    /// end, where it finds twice as much.
    rows: Vec<u32>,
    len: usize,
}

/// The rows of a key, in order.
#[derive(Clone, Copy, Default)]
struct List {
    start: usize,
    len: usize,
}

impl KeyIndex {
    /// Without a row, for keys of so many columns.
    pub(super) fn new(columns: usize) -> KeyIndex {
        KeyIndex {
            keys: Keys::new(columns),
            lists: Vec::new(),
            rows: Vec::new(),
            len: 0,
        }
    }

    /// How many rows were added.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Bytes held, the numbers of the keys not counted exactly.
    pub(super) fn bytes(&self) -> usize {
        let list = size_of::<List>() + 4 * size_of::<Cell>();
        self.rows.capacity() * size_of::<u32>() + self.lists.capacity() * list
    }

    /// Adds the next rows, a key of each.
    pub(super) fn extend(&mut self, keys: &[&Column], rows: usize) {
        for key in self.keys.number(keys, rows) {
            if key as usize == self.lists.len() {
                self.lists.push(List::default());
            }
            let list = &mut self.lists[key as usize];
            if list.len == 0 || list.len.is_power_of_two() {
                let start = self.rows.len();
                self.rows
                    .extend_from_within(list.start..list.start + list.len);
                self.rows.resize(start + (2 * list.len).max(1), 0);
                list.start = start;
            }
            self.rows[list.start + list.len] = self.len as u32;
            list.len += 1;
            self.len += 1;
        }
    }

    /// Pairs of rows of others and the rows here that have their keys.
    ///
    /// - `columns`: that the pairs are to make, for the budget.
    pub(super) fn pairs(
        &self,
        (keys, rows): (&[&Column], usize),
        columns: usize,
        budget: &Budget,
    ) -> Result<(Vec<u32>, Vec<u32>)> {
        let lists = fork::split(rows, |part| {
            let found = self.keys.find(keys, part);
            found.map(|key| self.list(key)).collect()
        });
        let lists: Vec<List> = fork::concat(lists);
        let count = lists.iter().map(|list| list.len).sum();
        budget.check_rows(count, columns)?;
        let parts = fork::split(rows, |part| {
            let lists = &lists[part.clone()];
            let count = lists.iter().map(|list| list.len).sum();
            let (mut left, mut right) = (Vec::with_capacity(count), Vec::with_capacity(count));
            for (row, list) in (part.start as u32..).zip(lists) {
                left.extend(std::iter::repeat_n(row, list.len));
                right.extend_from_slice(&self.rows[list.start..list.start + list.len]);
            }
            (left, right)
        });
        let (left, right) = parts.into_iter().unzip();
        Ok((fork::concat(left), fork::concat(right)))
    }

    fn list(&self, key: Option<u32>) -> List {
        let list = key.and_then(|key| self.lists.get(key as usize));
        list.copied().unwrap_or_default()
    }
}

/// Numbers of keys: of each column's cells, and of each pair of a number so far and the next.
struct Keys {
    cells: Vec<Nodes>,
    pairs: Vec<Nodes>,
}

impl Keys {
    fn new(columns: usize) -> Keys {
        let nodes = |count: usize| (0..count).map(|_| Nodes::default()).collect();
        Keys {
            cells: nodes(columns),
            pairs: nodes(columns.saturating_sub(1)),
        }
    }

    /// The number of each row's key; those that are new get the next.
    fn number(&mut self, keys: &[&Column], rows: usize) -> Vec<u32> {
        let mut columns = self.cells.iter_mut().zip(keys);
        let first = columns.next();
        let mut numbers = first.map_or(vec![0; rows], |(cells, column)| cells.number(column));
        for ((cells, column), pairs) in columns.zip(&mut self.pairs) {
            for (number, next) in numbers.iter_mut().zip(cells.number(column)) {
                *number = pairs.number_of(pair(*number, next));
            }
        }
        numbers
    }

    /// The number of each row's key, if it has one.
    fn find(&self, keys: &[&Column], rows: Range<usize>) -> impl Iterator<Item = Option<u32>> {
        let of_row = move |row: usize| {
            let mut columns = self.cells.iter().zip(keys);
            let Some((cells, column)) = columns.next() else {
                return Some(0);
            };
            let mut number = cells.find(column.cell(row))?;
            for ((cells, column), pairs) in columns.zip(&self.pairs) {
                number = pairs.find(pair(number, cells.find(column.cell(row))?))?;
            }
            Some(number)
        };
        rows.map(of_row)
    }
}

fn pair(a: u32, b: u32) -> Cell {
    Cell::long((i64::from(a) << u32::BITS) | i64::from(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keys of no, one and two columns; rows of a key in order, however many come.
    #[test]
    fn the_rows_of_a_key_are_found() {
        let rows = 300usize;
        let a = Column::longs(&(0..rows as i64).map(|n| n % 3).collect::<Vec<_>>());
        let b = Column::from_cells((0..rows).map(|n| Cell::bool(n % 2 == 0)));
        let asked = [
            Column::longs(&[2, 5]),
            Column::from_cells([Cell::bool(true); 2]),
        ];
        let asked = asked.each_ref();
        for (width, step) in [(0, 1), (1, 3), (2, 6)] {
            let mut index = KeyIndex::new(width);
            let found = |index: &KeyIndex| {
                let pairs = index.pairs((&asked[..width], 1), 2, &Budget::default());
                let (left, right) = pairs.unwrap();
                assert_eq!(left, vec![0; right.len()]);
                right
            };
            assert!(found(&index).is_empty());
            for start in (0..rows).step_by(100) {
                let part = [a.slice(start, 100), b.slice(start, 100)];
                index.extend(&part.each_ref()[..width], 100);
            }
            assert_eq!(index.len(), rows);
            let expected = (0..rows as u32).filter(|row| step == 1 || row % step == 2);
            assert_eq!(found(&index), expected.collect::<Vec<_>>());
        }
    }
}
