//! Graphs of cells: nodes numbered from 0, and who follows whom.

use std::collections::HashMap;

use foldhash::fast::FixedState;

pub(super) use crate::graph::Marks;
use crate::index::{Cell, Column, ColumnBuilder, Kind};

/// Cells whose numbers share a page.
const PAGE: usize = 4096;
/// Bits below have their number in a page, others in a hash table.
const PAGED_MAX: u64 = 1 << 32;
const NONE: u32 = u32::MAX;

/// Nodes in order of discovery.
#[derive(Default)]
pub(super) struct Nodes {
    cells: ColumnBuilder,
    /// Numbers of cells with small bits, by kind.
    paged: Vec<(Kind, Pages)>,
    others: HashMap<Cell, u32, FixedState>,
}

/// Numbers by the bits of cells, in pages that are made when they are needed.
#[derive(Default)]
struct Pages(Vec<Option<Box<[u32; PAGE]>>>);

impl Pages {
    fn get(&self, bits: u64) -> Option<u32> {
        let page = self.0.get(bits as usize / PAGE)?.as_ref()?;
        Some(page[bits as usize % PAGE])
    }

    fn slot(&mut self, bits: u64) -> &mut u32 {
        let page = bits as usize / PAGE;
        if page >= self.0.len() {
            self.0.resize_with(page + 1, || None);
        }
        let page = self.0[page].get_or_insert_with(|| Box::new([NONE; PAGE]));
        &mut page[bits as usize % PAGE]
    }
}

impl Nodes {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.cells.len()
    }

    /// The number of each cell of a column; those that are new get the next.
    pub(super) fn number(&mut self, column: &Column) -> Vec<u32> {
        let Some(kind) = column.kind() else {
            return column.cells().map(|cell| self.number_of(cell)).collect();
        };
        let at = self.pages_of(kind);
        let mut numbers = Vec::with_capacity(column.len());
        for &bits in column.bits() {
            let known = self.paged[at].1.get(bits).unwrap_or(NONE);
            numbers.push(match known {
                NONE => self.number_of(Cell { kind, bits }),
                known => known,
            });
        }
        numbers
    }

    /// Where the pages of a kind are.
    fn pages_of(&mut self, kind: Kind) -> usize {
        let known = self.paged.iter().position(|(other, _)| *other == kind);
        known.unwrap_or_else(|| {
            self.paged.push((kind, Pages::default()));
            self.paged.len() - 1
        })
    }

    /// The number of a cell; one that is new gets the next.
    pub(super) fn number_of(&mut self, cell: Cell) -> u32 {
        let next = self.cells.len() as u32;
        let slot = if cell.bits < PAGED_MAX {
            let at = self.pages_of(cell.kind);
            self.paged[at].1.slot(cell.bits)
        } else {
            self.others.entry(cell).or_insert(NONE)
        };
        if *slot == NONE {
            *slot = next;
            self.cells.push(cell);
        }
        *slot
    }

    /// The number of a cell, if it is a node.
    pub(super) fn find(&self, cell: Cell) -> Option<u32> {
        let number = if cell.bits < PAGED_MAX {
            let mut paged = self.paged.iter();
            paged
                .find(|(kind, _)| *kind == cell.kind)?
                .1
                .get(cell.bits)?
        } else {
            *self.others.get(&cell)?
        };
        (number != NONE).then_some(number)
    }

    /// The cells of some nodes.
    pub(super) fn cells(&self, nodes: &[u32]) -> Column {
        Column::from_cells(nodes.iter().map(|&node| self.cells.cell(node as usize)))
    }

    /// The nodes from a number on that may name an entity: lookup refs and idents.
    pub(super) fn names_since(&self, start: usize) -> Vec<u32> {
        let nodes = start as u32..self.len() as u32;
        match self.cells.kind() {
            Some(kind) if !is_name(kind) => Vec::new(),
            _ => nodes
                .filter(|&node| is_name(self.cells.cell(node as usize).kind))
                .collect(),
        }
    }

    /// The cells of all nodes, by number.
    pub(super) fn all(&self) -> Column {
        self.cells.part(0..self.cells.len())
    }
}

/// Whether values of a kind may name an entity.
pub(super) fn is_name(kind: Kind) -> bool {
    matches!(kind, Kind::Tuple | Kind::Keyword)
}

/// The nodes that follow each node.
#[derive(Default)]
pub(super) struct Adjacency {
    /// Where the followers of each node start; one more than there are nodes.
    starts: Vec<u32>,
    followers: Vec<u32>,
}

impl Adjacency {
    /// From pairs of a node and a follower. Cost: O(nodes + pairs).
    pub(super) fn new(nodes: usize, from: &[u32], to: &[u32]) -> Adjacency {
        let mut starts = vec![0u32; nodes + 2];
        from.iter().for_each(|&node| starts[node as usize + 2] += 1);
        for node in 2..starts.len() {
            starts[node] += starts[node - 1];
        }
        let mut followers = vec![0; to.len()];
        for (&node, &follower) in from.iter().zip(to) {
            let at = &mut starts[node as usize + 1];
            followers[*at as usize] = follower;
            *at += 1;
        }
        starts.pop();
        Adjacency { starts, followers }
    }

    /// The followers of a node.
    pub(super) fn of(&self, node: u32) -> &[u32] {
        let node = node as usize;
        &self.followers[self.starts[node] as usize..self.starts[node + 1] as usize]
    }

    /// Pairs.
    pub(super) fn len(&self) -> usize {
        self.followers.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_keep_the_order_of_discovery() {
        let mut nodes = Nodes::default();
        let cells = [7, -1, 7, i64::MAX, 1 << 40].map(Cell::long);
        let mixed = [Cell::bool(true), Cell::NIL, Cell::bool(true)];
        assert_eq!(nodes.number(&Column::from_cells(cells)), [0, 1, 0, 2, 3]);
        assert_eq!(nodes.number(&Column::from_cells(mixed)), [4, 5, 4]);
        assert_eq!(nodes.find(Cell::long(1 << 40)), Some(3));
        assert_eq!(nodes.find(Cell::long(8)), None);
        assert_eq!(nodes.all().cell(4), Cell::bool(true));
    }

    #[test]
    fn followers_are_found_by_their_node() {
        let pairs = Adjacency::new(4, &[3, 0, 3], &[1, 2, 0]);
        let followers: Vec<&[u32]> = (0..4).map(|node| pairs.of(node)).collect();
        assert_eq!(followers, [&[2][..], &[], &[], &[1, 0]]);
    }
}
