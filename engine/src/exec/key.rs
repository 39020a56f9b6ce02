//! Rows as keys: hashing and comparing tuples of cells, column by column.

use hashbrown::HashTable;

use crate::index::{Column, Kinds};

/// Hashes of all rows of some columns. Equal cells hash equally whether their column is uniform
/// or tagged.
pub(super) fn hash_rows(columns: &[&Column], rows: usize) -> Vec<u64> {
    let mut hashes = vec![0x9E37_79B9_7F4A_7C15u64; rows];
    for column in columns {
        match column.kinds() {
            Kinds::All(kind) => {
                let kind = u64::from(*kind as u8);
                for (hash, &bits) in hashes.iter_mut().zip(column.bits()) {
                    *hash = mix(*hash, bits, kind);
                }
            }
            Kinds::Each(kinds) => {
                for ((hash, &bits), &kind) in hashes.iter_mut().zip(column.bits()).zip(kinds.iter())
                {
                    *hash = mix(*hash, bits, u64::from(kind));
                }
            }
        }
    }
    hashes
}

/// One round of folded multiplication, as in wyhash.
fn mix(hash: u64, bits: u64, kind: u64) -> u64 {
    let product = u128::from(hash ^ bits) * u128::from(0xA076_1D64_78BD_642F ^ (kind << 56));
    (product as u64) ^ ((product >> 64) as u64)
}

/// Whether a row of some columns equals a row of others.
pub(super) fn rows_equal(a: &[&Column], row_a: usize, b: &[&Column], row_b: usize) -> bool {
    a.iter()
        .zip(b)
        .all(|(a, b)| a.bits()[row_a] == b.bits()[row_b] && a.kind_at(row_a) == b.kind_at(row_b))
}

const NONE: u32 = u32::MAX;

/// Rows by key: every row of some columns, found by a row of others.
pub(super) struct RowMap<'a> {
    columns: Vec<&'a Column>,
    heads: HashTable<(u64, u32)>,
    /// The next row with the same key.
    next: Vec<u32>,
}

impl<'a> RowMap<'a> {
    /// Indexes all rows.
    pub(super) fn new(columns: Vec<&'a Column>, rows: usize) -> RowMap<'a> {
        let hashes = hash_rows(&columns, rows);
        let mut heads: HashTable<(u64, u32)> = HashTable::with_capacity(rows);
        let mut next = vec![NONE; rows];
        // Backwards, so that each chain lists its rows in order.
        for row in (0..rows).rev() {
            let hash = hashes[row];
            let same = |&(other_hash, other): &(u64, u32)| {
                other_hash == hash && rows_equal(&columns, other as usize, &columns, row)
            };
            match heads.find_mut(hash, same) {
                Some(head) => {
                    next[row] = head.1;
                    head.1 = row as u32;
                }
                None => {
                    heads.insert_unique(hash, (hash, row as u32), |&(hash, _)| hash);
                }
            }
        }
        RowMap {
            columns,
            heads,
            next,
        }
    }

    /// The rows whose key equals a row of other columns, in order.
    pub(super) fn matches<'s>(
        &'s self,
        hash: u64,
        columns: &[&Column],
        row: usize,
    ) -> impl Iterator<Item = u32> + use<'s, 'a> {
        let same = |&(other_hash, other): &(u64, u32)| {
            other_hash == hash && rows_equal(&self.columns, other as usize, columns, row)
        };
        let first = self.heads.find(hash, same).map(|&(_, row)| row);
        std::iter::successors(first, |&row| {
            Some(self.next[row as usize]).filter(|&next| next != NONE)
        })
    }

    /// Whether any row has that key.
    pub(super) fn contains(&self, hash: u64, columns: &[&Column], row: usize) -> bool {
        let same = |&(other_hash, other): &(u64, u32)| {
            other_hash == hash && rows_equal(&self.columns, other as usize, columns, row)
        };
        self.heads.find(hash, same).is_some()
    }
}

/// A growing set of tuples: columns in order of insertion, and their index.
#[derive(Default)]
pub(super) struct RowSet {
    heads: HashTable<(u64, u32)>,
}

impl RowSet {
    /// The first row of each key, in order.
    pub(super) fn distinct_rows(columns: &[Column], rows: usize) -> Vec<u32> {
        let columns: Vec<&Column> = columns.iter().collect();
        let hashes = hash_rows(&columns, rows);
        let mut set = RowSet {
            heads: HashTable::with_capacity(rows.min(1 << 16)),
        };
        let mut out = Vec::new();
        for (row, &hash) in hashes.iter().enumerate() {
            let same = |other: u32| rows_equal(&columns, other as usize, &columns, row);
            if set.insert(hash, row as u32, same) {
                out.push(row as u32);
            }
        }
        out
    }

    /// A group number for each row, numbered by first appearance, and the first row of each.
    pub(super) fn group_rows(columns: &[&Column], rows: usize) -> (Vec<u32>, Vec<u32>) {
        let hashes = hash_rows(columns, rows);
        let mut heads: HashTable<(u64, u32)> = HashTable::new();
        let mut firsts: Vec<u32> = Vec::new();
        let mut groups = Vec::with_capacity(rows);
        for (row, &hash) in hashes.iter().enumerate() {
            let same = |&(other_hash, group): &(u64, u32)| {
                let first = firsts[group as usize] as usize;
                other_hash == hash && rows_equal(columns, first, columns, row)
            };
            let found = heads.find(hash, same).map(|&(_, group)| group);
            let group = found.unwrap_or_else(|| {
                let group = firsts.len() as u32;
                heads.insert_unique(hash, (hash, group), |&(hash, _)| hash);
                group
            });
            if found.is_none() {
                firsts.push(row as u32);
            }
            groups.push(group);
        }
        (groups, firsts)
    }

    /// Inserts a row unless an equal one is there. `same` compares with a row inserted before.
    pub(super) fn insert(&mut self, hash: u64, row: u32, same: impl Fn(u32) -> bool) -> bool {
        let equal = |&(other_hash, other): &(u64, u32)| other_hash == hash && same(other);
        if self.heads.find(hash, equal).is_some() {
            return false;
        }
        self.heads
            .insert_unique(hash, (hash, row), |&(hash, _)| hash);
        true
    }
}
