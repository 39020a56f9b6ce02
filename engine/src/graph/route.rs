//! Lightest ways from a node.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::{Links, Marks, Pace};
use crate::error::Result;

/// The lightest way to a node that the search of a round knows.
#[derive(Clone, Copy, Default)]
struct Way {
    round: u32,
    /// The node before.
    parent: u32,
    cost: u64,
    is_settled: bool,
}

/// What searches from many starts share: nothing is cleared between them.
pub(crate) struct Router {
    ways: Vec<Way>,
    round: u32,
    open: BinaryHeap<Reverse<(u64, u32)>>,
    wanted: Marks,
}

impl Router {
    /// For graphs of that many nodes.
    pub(crate) fn new(nodes: usize) -> Router {
        Router {
            ways: vec![Way::default(); nodes],
            round: 0,
            open: BinaryHeap::new(),
            wanted: Marks::new(nodes),
        }
    }

    /// Finds the lightest ways from a start to targets.
    ///
    /// - `add`: the cost of a way and the weight of one more link together; it never falls.
    /// - `one`: the weight of a link where links have none.
    /// - Of ways equally light that differ in the last node but one, the lesser node wins.
    /// - Cost: O(links · log links) within reach. Source: Dijkstra 1959, with nodes left in the heap
    ///   that a lighter way made stale.
    pub(crate) fn search(
        &mut self,
        links: &Links,
        (start, targets): (u32, &[u32]),
        (add, one): (fn(u64, u64) -> u64, u64),
        pace: &mut Pace<'_>,
    ) -> Result<()> {
        self.begin(start);
        let mut missing = 0;
        for &target in targets {
            missing += usize::from(self.wanted.insert(target));
        }
        while let Some(Reverse((cost, node))) = self.open.pop() {
            let way = &mut self.ways[node as usize];
            if way.is_settled {
                continue;
            }
            way.is_settled = true;
            missing -= usize::from(self.wanted.contains(node));
            if missing == 0 {
                break;
            }
            let (followers, weights) = (links.of(node), links.weights_of(node));
            pace.spend(followers.len() + 1)?;
            for (at, &follower) in followers.iter().enumerate() {
                let cost = add(cost, weights.get(at).copied().unwrap_or(one));
                self.offer(follower, node, cost);
            }
        }
        Ok(())
    }

    fn begin(&mut self, start: u32) {
        self.round = self.round.wrapping_add(1);
        if self.round == 0 {
            self.ways.fill(Way::default());
            self.round = 1;
        }
        self.wanted.clear();
        self.open.clear();
        self.offer(start, start, 0);
    }

    fn offer(&mut self, node: u32, parent: u32, cost: u64) {
        let way = &mut self.ways[node as usize];
        let is_known = way.round == self.round;
        if is_known && (way.is_settled || (way.cost, way.parent) <= (cost, parent)) {
            return;
        }
        if !is_known || cost < way.cost {
            self.open.push(Reverse((cost, node)));
        }
        *way = Way {
            round: self.round,
            parent,
            cost,
            is_settled: false,
        };
    }

    /// The lightest way to a target, start and target included, and its cost.
    pub(crate) fn way_to(&self, target: u32) -> Option<(Vec<u32>, u64)> {
        let way = &self.ways[target as usize];
        if way.round != self.round || !way.is_settled {
            return None;
        }
        let mut path = vec![target];
        let mut node = target;
        while self.ways[node as usize].parent != node {
            node = self.ways[node as usize].parent;
            path.push(node);
        }
        path.reverse();
        Some((path, way.cost))
    }
}
