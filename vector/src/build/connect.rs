//! No row that links do not lead to.
//!
//! Pruning may take the last link to a row away. Such a row would never be found.

use super::layer::{Layer, Link};
use crate::format::NO_ROW;

/// Links that lead from the first row to all others.
///
/// - `most`: most links of a row.
/// - Cost: O(links).
pub(crate) fn connect(layer: &mut Layer, most: &dyn Fn(u32) -> usize) {
    let mut tree = Tree {
        parents: vec![NO_ROW; layer.len()],
        met: Vec::with_capacity(layer.len()),
        open: 0,
    };
    for row in 0..layer.len() as u32 {
        if tree.parents[row as usize] == NO_ROW {
            let parent = if row == 0 {
                0
            } else {
                tree.attach(layer, row, most)
            };
            tree.walk(layer, row, parent);
        }
    }
}

/// By which links rows were met.
struct Tree {
    parents: Vec<u32>,
    /// In the order they were met.
    met: Vec<u32>,
    /// Of those met last, how many may have no link to spare, or all of them.
    open: usize,
}

impl Tree {
    /// Meets a row and all that links lead to from it.
    fn walk(&mut self, layer: &Layer, row: u32, parent: u32) {
        let mut next = self.met.len();
        self.parents[row as usize] = parent;
        self.met.push(row);
        while let Some(from) = self.met.get(next).copied() {
            next += 1;
            for to in layer.links(from) {
                if self.parents[*to as usize] == NO_ROW {
                    self.parents[*to as usize] = from;
                    self.met.push(*to);
                }
            }
        }
    }

    /// Gives a row a link from one that was met, if possible from a near one; gives that row.
    fn attach(&mut self, layer: &mut Layer, row: u32, most: &dyn Fn(u32) -> usize) -> u32 {
        let near: Vec<Link> = layer.measured(row).collect();
        for (from, apart) in near {
            let is_met = self.parents[from as usize] != NO_ROW;
            if is_met && self.link(layer, from, (row, apart), most(from)) {
                return from;
            }
        }
        // All rows met have one link to spare at least: a tree has fewer links than rows.
        while let Some(from) = self.met.iter().rev().nth(self.open).copied() {
            if self.link(layer, from, (row, f32::MAX), most(from)) {
                return from;
            }
            self.open += 1;
        }
        0
    }

    /// Adds a link, in place of the last that met no row if there is no room; says whether it did.
    fn link(&self, layer: &mut Layer, from: u32, link: Link, most: usize) -> bool {
        let mut links: Vec<Link> = layer.measured(from).collect();
        if links.len() >= most {
            let is_spare = |link: &Link| self.parents[link.0 as usize] != from;
            match links.iter().rposition(is_spare) {
                Some(at) => links.remove(at),
                None => return false,
            };
        }
        links.push(link);
        layer.set(from, &links);
        true
    }
}
