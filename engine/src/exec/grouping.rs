//! Groups that grow as rows come, and how many rows each has.

use hashbrown::HashTable;

use super::graph::Nodes;
use super::key::hash_rows;
use crate::index::{Column, ColumnBuilder, Kind};

/// The groups so far. Groups without rows may lie between them.
pub(super) struct Grouping {
    keys: Keys,
    /// Rows of each group, by its number.
    counts: Vec<u64>,
    rows: usize,
}

/// How groups are numbered.
enum Keys {
    /// Without a key all rows are one group.
    None,
    /// By the bits of keys of one kind that are small, as ids and entities are.
    Bits { kind: Kind, order: Vec<u32> },
    /// Keys of one column, by first appearance.
    Cells(Nodes),
    /// Keys of several columns, by first appearance.
    Tuples {
        columns: Vec<ColumnBuilder>,
        heads: HashTable<(u64, u32)>,
    },
}

/// Numbers that may lie between groups for each row, and that may do so anyway.
const BITS_PER_ROW: usize = 8;
const BITS_FREE: usize = 1 << 20;

impl Grouping {
    /// For keys of so many columns.
    pub(super) fn new(columns: usize) -> Grouping {
        let keys = match columns {
            0 => Keys::None,
            1 => Keys::Bits {
                kind: Kind::Nil,
                order: Vec::new(),
            },
            _ => Keys::Tuples {
                columns: vec![ColumnBuilder::default(); columns],
                heads: HashTable::new(),
            },
        };
        Grouping {
            keys,
            counts: Vec::new(),
            rows: 0,
        }
    }

    /// One above the largest number of a group.
    pub(super) fn len(&self) -> usize {
        self.counts.len()
    }

    /// Rows of each group, by its number.
    pub(super) fn counts(&self) -> &[u64] {
        &self.counts
    }

    /// Adds rows and answers the group of each; none where there is but one.
    ///
    /// - `renumber`: is told the old numbers in the order of the new ones, when numbers change.
    pub(super) fn add(
        &mut self,
        columns: &[&Column],
        rows: usize,
        renumber: impl FnOnce(&[u32]),
    ) -> Option<Vec<u32>> {
        self.rows += rows;
        if let Keys::None = self.keys {
            self.counts.resize(1, 0);
            self.counts[0] += rows as u64;
            return None;
        }
        if let Some(largest) = self.bits_of(columns) {
            self.counts.resize(self.counts.len().max(largest + 1), 0);
            return Some(self.add_bits(columns[0].bits()));
        }
        if let Keys::Bits { .. } = self.keys {
            renumber(&self.compact());
        }
        let groups = match &mut self.keys {
            Keys::Cells(nodes) => nodes.number(columns[0]),
            Keys::Tuples {
                columns: keys,
                heads,
            } => number_tuples((keys, heads), columns, rows),
            Keys::None | Keys::Bits { .. } => Vec::new(),
        };
        let groups_max = groups.iter().max().map_or(0, |&group| group as usize + 1);
        self.counts.resize(self.counts.len().max(groups_max), 0);
        for &group in &groups {
            self.counts[group as usize] += 1;
        }
        Some(groups)
    }

    /// The largest of the keys' bits, if groups can go by them.
    fn bits_of(&mut self, columns: &[&Column]) -> Option<usize> {
        let Keys::Bits { kind, order } = &mut self.keys else {
            return None;
        };
        let (of, bits) = (columns[0].kind()?, columns[0].bits());
        if order.is_empty() {
            *kind = of;
        }
        let largest = bits.iter().fold(0, |largest, &bits| largest.max(bits));
        let most = BITS_FREE.max(BITS_PER_ROW.saturating_mul(self.rows));
        (of == *kind && largest < most.min(u32::MAX as usize) as u64).then_some(largest as usize)
    }

    fn add_bits(&mut self, bits: &[u64]) -> Vec<u32> {
        let mut groups = Vec::with_capacity(bits.len());
        let Keys::Bits { order, .. } = &mut self.keys else {
            return groups;
        };
        for &bits in bits {
            let count = &mut self.counts[bits as usize];
            if *count == 0 {
                order.push(bits as u32);
            }
            *count += 1;
            groups.push(bits as u32);
        }
        groups
    }

    /// Numbers groups by first appearance; the old numbers in the order of the new ones.
    pub(super) fn compact(&mut self) -> Vec<u32> {
        let Keys::Bits { kind, order } = &mut self.keys else {
            return (0..self.counts.len() as u32).collect();
        };
        let order = std::mem::take(order);
        let bits = order.iter().map(|&bits| u64::from(bits));
        let mut nodes = Nodes::default();
        nodes.number(&Column::uniform(*kind, bits.collect::<Vec<_>>()));
        self.keys = Keys::Cells(nodes);
        self.counts = order.iter().map(|&at| self.counts[at as usize]).collect();
        order
    }

    /// Adds what was found in rows that come after; the number here of each group there.
    ///
    /// - `renumber`: as for [`Grouping::add`].
    pub(super) fn join(&mut self, later: &Grouping, renumber: impl FnOnce(&[u32])) -> Vec<u32> {
        if later.len() == 0 {
            return Vec::new();
        }
        let keys = later.keys();
        let keys: Vec<&Column> = keys.iter().collect();
        let groups = self.add(&keys, later.len(), renumber);
        let groups = groups.unwrap_or_else(|| vec![0; later.len()]);
        for (&group, count) in groups.iter().zip(&later.counts) {
            // One was counted for each group.
            self.counts[group as usize] += count - 1;
        }
        groups
    }

    /// The keys of compacted groups, by their numbers.
    pub(super) fn keys(&self) -> Vec<Column> {
        match &self.keys {
            Keys::None | Keys::Bits { .. } => Vec::new(),
            Keys::Cells(nodes) => vec![nodes.all()],
            Keys::Tuples { columns, .. } => {
                columns.iter().map(|key| key.part(0..key.len())).collect()
            }
        }
    }
}

/// The group of each of some rows, by keys of several columns.
fn number_tuples(
    (keys, heads): (&mut [ColumnBuilder], &mut HashTable<(u64, u32)>),
    columns: &[&Column],
    rows: usize,
) -> Vec<u32> {
    let hashes = hash_rows(columns, rows);
    let mut groups = Vec::with_capacity(rows);
    for (row, &hash) in hashes.iter().enumerate() {
        let same = |&(other_hash, group): &(u64, u32)| {
            let mut cells = keys.iter().zip(columns);
            other_hash == hash
                && cells.all(|(key, column)| key.cell(group as usize) == column.cell(row))
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
    groups
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::Cell;

    /// Small keys, then large ones and other kinds: groups keep their rows and their order.
    #[test]
    fn groups_keep_their_order_whatever_their_keys() {
        let morsels = [vec![5, 3, 5], vec![3, 9, 1 << 40], vec![5, 2, 9]];
        let mut sums: Vec<i64> = Vec::new();
        let mut grouping = Grouping::new(1);
        for morsel in &morsels {
            let column = Column::longs(morsel);
            let renumber = |old: &[u32]| sums = old.iter().map(|&at| sums[at as usize]).collect();
            let groups = grouping.add(&[&column], morsel.len(), renumber).unwrap();
            sums.resize(grouping.len(), 0);
            for (group, n) in groups.iter().zip(morsel) {
                sums[*group as usize] += n;
            }
        }
        let order = grouping.compact();
        let sums: Vec<i64> = order.iter().map(|&at| sums[at as usize]).collect();
        let keys = grouping.keys();
        let keys: Vec<Option<i64>> = keys[0].cells().map(Cell::as_long).collect();
        assert_eq!(keys, [5, 3, 9, 1 << 40, 2].map(Some));
        assert_eq!(grouping.counts(), [3, 2, 2, 1, 1]);
        assert_eq!(sums, [15, 6, 18, 1 << 40, 2]);
    }

    #[test]
    fn groups_of_later_rows_join_those_before() {
        let grouping = |keys: &[i64]| {
            let mut grouping = Grouping::new(1);
            let keys = Column::longs(keys);
            grouping.add(&[&keys], keys.len(), |_| ());
            grouping
        };
        let mut all = grouping(&[4, 4, 8]);
        let mut later = grouping(&[1, 8, 1, 8, 1]);
        later.compact();
        assert_eq!(all.join(&later, |_| ()), [1, 8]);
        assert_eq!(all.compact(), [4, 8, 1]);
        assert_eq!(all.counts(), [2, 3, 3]);
    }
}
