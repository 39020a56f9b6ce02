//! Walks from a node, nearest nodes first.

use super::{Links, Marks, Pace};
use crate::error::Result;

/// How a node was reached in the walk of a round.
#[derive(Clone, Copy, Default)]
struct Visit {
    round: u32,
    /// The node before.
    parent: u32,
    /// Steps from the start.
    distance: u32,
}

/// What walks from many starts share: nothing is cleared between them.
///
/// After [`Walker::walk`] it tells of the last walk. Of two ways equally short it knows the one
/// that comes first when compared node by node.
pub(crate) struct Walker {
    visits: Vec<Visit>,
    round: u32,
    /// Nodes in the order they were reached, the start first.
    queue: Vec<u32>,
    wanted: Marks,
    /// Steps after which the start came up again.
    came_back: Option<u32>,
}

impl Walker {
    /// For graphs of that many nodes.
    pub(crate) fn new(nodes: usize) -> Walker {
        Walker {
            visits: vec![Visit::default(); nodes],
            round: 0,
            queue: Vec::new(),
            wanted: Marks::new(nodes),
            came_back: None,
        }
    }

    /// Walks from a start at most `depth_max` steps; where targets are given, until all of them are
    /// reached, the start itself by a step at least.
    ///
    /// Cost: O(nodes and links within reach). Source: breadth-first search, Moore 1959.
    pub(crate) fn walk(
        &mut self,
        links: &Links,
        start: u32,
        (depth_max, targets): (u32, &[u32]),
        pace: &mut Pace<'_>,
    ) -> Result<()> {
        self.begin(start);
        self.wanted.clear();
        let mut missing = 0;
        for &target in targets {
            missing += usize::from(self.wanted.insert(target));
        }
        let mut next = 0;
        while let Some(&node) = self.queue.get(next) {
            next += 1;
            let distance = self.visits[node as usize].distance;
            if distance >= depth_max {
                break;
            }
            let followers = links.of(node);
            pace.spend(followers.len() + 1)?;
            for &follower in followers {
                let visit = &mut self.visits[follower as usize];
                if visit.round != self.round {
                    *visit = Visit {
                        round: self.round,
                        parent: node,
                        distance: distance + 1,
                    };
                    self.queue.push(follower);
                } else if follower == start && self.came_back.is_none() {
                    self.came_back = Some(distance + 1);
                } else {
                    continue;
                }
                if missing > 0 && self.wanted.contains(follower) {
                    missing -= 1;
                    if missing == 0 {
                        return Ok(());
                    }
                }
            }
        }
        Ok(())
    }

    fn begin(&mut self, start: u32) {
        self.round = self.round.wrapping_add(1);
        if self.round == 0 {
            self.visits.fill(Visit::default());
            self.round = 1;
        }
        self.queue.clear();
        self.queue.push(start);
        self.came_back = None;
        self.visits[start as usize] = Visit {
            round: self.round,
            parent: start,
            distance: 0,
        };
    }

    /// The nodes reached, nearest first; the start is the first, at no step.
    pub(crate) fn reached(&self) -> &[u32] {
        &self.queue
    }

    /// The nodes that a step or more lead to: the start only if it was come back to.
    pub(crate) fn followed(&self) -> impl Iterator<Item = u32> + '_ {
        let skipped = usize::from(self.came_back.is_none());
        self.queue.iter().copied().skip(skipped)
    }

    /// Steps to a node; none if it was not reached.
    pub(crate) fn distance(&self, node: u32) -> Option<u32> {
        let visit = &self.visits[node as usize];
        (visit.round == self.round).then_some(visit.distance)
    }

    /// Whether a step or more lead to a node.
    pub(crate) fn leads_to(&self, node: u32) -> bool {
        if self.queue.first() == Some(&node) {
            self.came_back.is_some()
        } else {
            self.distance(node).is_some()
        }
    }

    /// The nodes from the start to a node, both included; none if it was not reached.
    pub(crate) fn path_to(&self, node: u32) -> Option<Vec<u32>> {
        let steps = self.distance(node)?;
        let mut path = vec![node; steps as usize + 1];
        for at in (0..steps as usize).rev() {
            path[at] = self.visits[path[at + 1] as usize].parent;
        }
        Some(path)
    }
}
