//! Sets of tuples that grow while rules are evaluated.
//!
//! A [`Table`] keeps each tuple once, in order of insertion, so that what is new since a time is a
//! slice of it, and finds tuples by some of their cells where somebody asks.

use std::ops::Range;

use super::budget::Budget;
use super::key_index::KeyIndex;
use super::tuple_set::TupleSet;
use crate::error::Result;
use crate::index::{Column, ColumnBuilder};

/// Tuples in order of insertion, each once.
pub(super) struct Table {
    columns: Vec<ColumnBuilder>,
    rows: usize,
    set: TupleSet,
    /// Tuples that were pushed on: the others are news.
    told: usize,
    /// Told tuples by some of their columns.
    indexes: Vec<(Vec<usize>, KeyIndex)>,
}

impl Table {
    pub(super) fn new(width: usize) -> Table {
        Table {
            columns: vec![ColumnBuilder::default(); width],
            rows: 0,
            set: TupleSet::default(),
            told: 0,
            indexes: Vec::new(),
        }
    }

    /// Tuples.
    pub(super) fn len(&self) -> usize {
        self.rows
    }

    /// Bytes held.
    pub(super) fn bytes(&self) -> usize {
        let indexes = self.indexes.iter().map(|(_, index)| index.bytes());
        let columns = self.columns.iter().map(ColumnBuilder::bytes);
        self.set.bytes() + indexes.sum::<usize>() + columns.sum::<usize>()
    }

    /// Adds the tuples that are new; answers their rows.
    pub(super) fn extend(&mut self, columns: &[Column], rows: usize) -> Range<usize> {
        let before = self.rows;
        let refs: Vec<&Column> = columns.iter().collect();
        let new = self.set.add(&refs, rows, &self.columns);
        self.rows += new.len();
        for (mine, column) in self.columns.iter_mut().zip(columns) {
            if new.len() == rows {
                mine.extend(column);
            } else {
                mine.extend(&column.gather(&new));
            }
        }
        before..self.rows
    }

    /// Tuples that were pushed on.
    pub(super) fn told(&self) -> usize {
        self.told
    }

    /// Whether there is news.
    pub(super) fn has_news(&self) -> bool {
        self.told < self.rows
    }

    /// The rows of the news, so many at most.
    pub(super) fn news(&self, most: usize) -> Range<usize> {
        self.told..self.rows.min(self.told + most)
    }

    /// From here on the tuples before a row are no news.
    pub(super) fn tell(&mut self, end: usize) {
        self.told = end;
    }

    /// Some rows.
    pub(super) fn part(&self, rows: Range<usize>) -> Vec<Column> {
        let part = |column: &ColumnBuilder| column.part(rows.clone());
        self.columns.iter().map(part).collect()
    }

    /// The cells of one column in the given rows.
    pub(super) fn gather(&self, column: usize, rows: &[u32]) -> Column {
        self.columns[column].gather(rows)
    }

    /// Pairs of rows of others and told rows that agree with them in some columns.
    ///
    /// - `columns`: that the pairs are to make, for the budget.
    pub(super) fn pairs(
        &mut self,
        key: &[usize],
        others: (&[&Column], usize),
        columns: usize,
        budget: &Budget,
    ) -> Result<(Vec<u32>, Vec<u32>)> {
        self.index(key).pairs(others, columns, budget)
    }

    /// The index of told rows by some columns, made when first asked for.
    fn index(&mut self, key: &[usize]) -> &KeyIndex {
        let at = self.indexes.iter().position(|(known, _)| known == key);
        let at = at.unwrap_or_else(|| {
            self.indexes.push((key.to_vec(), KeyIndex::new(key.len())));
            self.indexes.len() - 1
        });
        let (_, index) = &mut self.indexes[at];
        let rows = index.len()..self.told;
        if !rows.is_empty() {
            let part = |&at: &usize| self.columns[at].part(rows.clone());
            let keys: Vec<Column> = key.iter().map(part).collect();
            index.extend(&keys.iter().collect::<Vec<_>>(), rows.len());
        }
        index
    }

    /// All tuples.
    pub(super) fn into_columns(self) -> Vec<Column> {
        self.columns
            .into_iter()
            .map(ColumnBuilder::finish)
            .collect()
    }
}
