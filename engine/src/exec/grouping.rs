//! Groups that grow as rows come: a number for each different key, by first appearance.

use hashbrown::HashTable;

use super::graph::Nodes;
use super::key::hash_rows;
use crate::index::{Column, ColumnBuilder};

/// The keys so far and their numbers.
pub(super) enum Grouping {
    /// Without a key all rows are one group, once there are rows.
    One { has_rows: bool },
    /// Keys of one column.
    Cells(Nodes),
    /// Keys of several columns.
    Tuples {
        keys: Vec<ColumnBuilder>,
        heads: HashTable<(u64, u32)>,
    },
}

impl Grouping {
    /// For keys of so many columns.
    pub(super) fn new(columns: usize) -> Grouping {
        match columns {
            0 => Grouping::One { has_rows: false },
            1 => Grouping::Cells(Nodes::default()),
            _ => Grouping::Tuples {
                keys: vec![ColumnBuilder::default(); columns],
                heads: HashTable::new(),
            },
        }
    }

    /// Groups so far.
    pub(super) fn len(&self) -> usize {
        match self {
            Grouping::One { has_rows } => usize::from(*has_rows),
            Grouping::Cells(nodes) => nodes.len(),
            Grouping::Tuples { keys, .. } => keys[0].len(),
        }
    }

    /// The keys, by the numbers of their groups.
    pub(super) fn keys(&self) -> Vec<Column> {
        match self {
            Grouping::One { .. } => Vec::new(),
            Grouping::Cells(nodes) => vec![nodes.all()],
            Grouping::Tuples { keys, .. } => keys.iter().map(|key| key.since(0)).collect(),
        }
    }

    /// The group of each of some rows; none where there is but one.
    pub(super) fn number(&mut self, columns: &[&Column], rows: usize) -> Option<Vec<u32>> {
        match self {
            Grouping::One { has_rows } => {
                *has_rows |= rows > 0;
                None
            }
            Grouping::Cells(nodes) => Some(nodes.number(columns[0])),
            Grouping::Tuples { keys, heads } => {
                let hashes = hash_rows(columns, rows);
                let mut groups = Vec::with_capacity(rows);
                for (row, &hash) in hashes.iter().enumerate() {
                    let same = |&(other_hash, group): &(u64, u32)| {
                        let mut cells = keys.iter().zip(columns);
                        other_hash == hash
                            && cells
                                .all(|(key, column)| key.cell(group as usize) == column.cell(row))
                    };
                    let found = heads.find(hash, same).map(|&(_, group)| group);
                    groups.push(found.unwrap_or_else(|| {
                        let group = keys[0].len() as u32;
                        heads.insert_unique(hash, (hash, group), |&(hash, _)| hash);
                        for (key, column) in keys.iter_mut().zip(columns) {
                            key.push(column.cell(row));
                        }
                        group
                    }));
                }
                Some(groups)
            }
        }
    }
}
