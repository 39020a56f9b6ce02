//! Sets of tuples that grow while rules are evaluated.
//!
//! A [`Table`] keeps each tuple once, in order of insertion, and answers what an addition brought
//! that was new; a [`Keyed`] table finds tuples by some of their parts besides.

use super::block::Context;
use super::key::{RowSet, hash_rows};
use crate::error::Result;
use crate::index::{Cell, Column, ColumnBuilder};

/// Tuples in order of insertion, each once.
pub(super) struct Table {
    columns: Vec<GrowingColumn>,
    rows: usize,
    set: RowSet,
}

/// A column that grows; read as slices of what was added.
#[derive(Default)]
struct GrowingColumn {
    cells: Vec<Cell>,
}

impl Table {
    pub(super) fn new(width: usize) -> Table {
        let columns = (0..width).map(|_| GrowingColumn::default()).collect();
        Table {
            columns,
            rows: 0,
            set: RowSet::default(),
        }
    }

    /// Cells held.
    pub(super) fn cells(&self) -> usize {
        self.rows * self.columns.len().max(1)
    }

    /// Adds the tuples that are new and answers them.
    pub(super) fn extend(&mut self, columns: &[Column], rows: usize) -> (Vec<Column>, usize) {
        let refs: Vec<&Column> = columns.iter().collect();
        let hashes = hash_rows(&refs, rows);
        let mut new: Vec<u32> = Vec::new();
        for (row, &hash) in hashes.iter().enumerate() {
            let mine = &self.columns;
            let same = |other: u32| {
                mine.iter()
                    .zip(&refs)
                    .all(|(mine, column)| mine.cells[other as usize] == column.cell(row))
            };
            if self.set.insert(hash, self.rows as u32, same) {
                for (mine, column) in self.columns.iter_mut().zip(&refs) {
                    mine.cells.push(column.cell(row));
                }
                self.rows += 1;
                new.push(row as u32);
            }
        }
        let added = if new.len() == rows {
            columns.to_vec()
        } else {
            columns.iter().map(|column| column.gather(&new)).collect()
        };
        (added, new.len())
    }

    pub(super) fn all(&self) -> (Vec<Column>, usize) {
        let column = |c: &GrowingColumn| Column::from_cells(c.cells.iter().copied());
        (self.columns.iter().map(column).collect(), self.rows)
    }
}

/// A table and where each key's tuples lie.
pub(super) struct Keyed {
    table: Table,
    key: Vec<usize>,
    index: hashbrown::HashTable<(u64, Vec<u32>)>,
}

impl Keyed {
    pub(super) fn new(width: usize, key: Vec<usize>) -> Keyed {
        Keyed {
            table: Table::new(width),
            key,
            index: hashbrown::HashTable::new(),
        }
    }

    /// Cells held.
    pub(super) fn cells(&self) -> usize {
        self.table.cells()
    }

    /// Adds the tuples that are new and answers them.
    pub(super) fn extend(&mut self, columns: &[Column], rows: usize) -> (Vec<Column>, usize) {
        let before = self.table.rows;
        let added = self.table.extend(columns, rows);
        let keys: Vec<&Column> = self.key.iter().map(|&at| &added.0[at]).collect();
        for (row, &hash) in hash_rows(&keys, added.1).iter().enumerate() {
            let id = (before + row) as u32;
            let same = |(other_hash, ids): &(u64, Vec<u32>)| {
                *other_hash == hash
                    && self.key.iter().zip(&keys).all(|(&at, column)| {
                        self.table.columns[at].cells[ids[0] as usize] == column.cell(row)
                    })
            };
            match self.index.find_mut(hash, same) {
                Some((_, ids)) => ids.push(id),
                None => {
                    self.index
                        .insert_unique(hash, (hash, vec![id]), |(hash, _)| *hash);
                }
            }
        }
        added
    }

    /// Pairs of the given rows and the tuples whose key they have.
    pub(super) fn pairs(
        &self,
        keys: &[&Column],
        rows: usize,
        context: &Context<'_>,
    ) -> Result<(Vec<u32>, Vec<u32>)> {
        let (mut left, mut right) = (Vec::new(), Vec::new());
        for (row, &hash) in hash_rows(keys, rows).iter().enumerate() {
            let same = |(other_hash, ids): &(u64, Vec<u32>)| {
                *other_hash == hash
                    && self.key.iter().zip(keys).all(|(&at, column)| {
                        self.table.columns[at].cells[ids[0] as usize] == column.cell(row)
                    })
            };
            if let Some((_, ids)) = self.index.find(hash, same) {
                left.extend(std::iter::repeat_n(row as u32, ids.len()));
                right.extend_from_slice(ids);
                context.budget.check_rows(left.len(), 2)?;
            }
        }
        Ok((left, right))
    }

    pub(super) fn gather(&self, at: usize, rows: &[u32]) -> Column {
        let mut builder = ColumnBuilder::default();
        rows.iter()
            .for_each(|&row| builder.push(self.table.columns[at].cells[row as usize]));
        builder.finish()
    }

    pub(super) fn all(&self) -> (Vec<Column>, usize) {
        self.table.all()
    }
}
