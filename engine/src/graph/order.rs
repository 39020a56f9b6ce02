//! Nodes before those that follow them.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::{Links, Pace};
use crate::error::Result;

/// Every node before its followers, the least first where there is a choice; none if some node
/// leads back to itself.
///
/// Cost: O(links + nodes · log nodes). Source: Kahn 1962.
pub(crate) fn topological_order(links: &Links, pace: &mut Pace<'_>) -> Result<Option<Vec<u32>>> {
    let nodes = links.nodes();
    let mut leaders = vec![0u32; nodes];
    for (_, follower) in links.pairs() {
        leaders[follower as usize] += 1;
    }
    pace.spend(links.len())?;
    let free = (0..nodes as u32).filter(|&node| leaders[node as usize] == 0);
    let mut free: BinaryHeap<Reverse<u32>> = free.map(Reverse).collect();
    let mut order = Vec::with_capacity(nodes);
    while let Some(Reverse(node)) = free.pop() {
        order.push(node);
        let followers = links.of(node);
        pace.spend(followers.len() + 1)?;
        for &follower in followers {
            let left = &mut leaders[follower as usize];
            *left -= 1;
            if *left == 0 {
                free.push(Reverse(follower));
            }
        }
    }
    Ok((order.len() == nodes).then_some(order))
}
