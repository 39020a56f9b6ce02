//! Components: which nodes hang together.

use super::{Links, Pace};
use crate::error::Result;

const NONE: u32 = u32::MAX;

/// The least node of each node's component, whichever way links are followed.
///
/// Cost: O((nodes + links) · log nodes), in practice linear. Source: union by the least node with
/// path halving, Tarjan & van Leeuwen 1984.
pub(crate) fn connected(links: &Links, pace: &mut Pace<'_>) -> Result<Vec<u32>> {
    let mut parents: Vec<u32> = (0..links.nodes() as u32).collect();
    for node in 0..links.nodes() as u32 {
        let followers = links.of(node);
        pace.spend(followers.len() + 1)?;
        for &follower in followers {
            let (a, b) = (root(&mut parents, node), root(&mut parents, follower));
            parents[a.max(b) as usize] = a.min(b);
        }
    }
    // A parent is never above its node: in order, each finds its root one step away.
    for node in 0..parents.len() {
        parents[node] = parents[parents[node] as usize];
    }
    Ok(parents)
}

fn root(parents: &mut [u32], mut node: u32) -> u32 {
    while parents[node as usize] != node {
        let above = parents[parents[node as usize] as usize];
        parents[node as usize] = above;
        node = above;
    }
    node
}

/// The least node of each node's strongly connected component.
///
/// Cost: O(nodes + links), without recursion. Source: Tarjan 1972, with Pearce's one number per
/// node ("A space-efficient algorithm for finding strongly connected components", 2016, section 3).
pub(crate) fn strongly_connected(links: &Links, pace: &mut Pace<'_>) -> Result<Vec<u32>> {
    let nodes = links.nodes();
    // When a node was first met, then the earliest that it leads back to; NONE before.
    let mut ranks = vec![NONE; nodes];
    let mut components = vec![NONE; nodes];
    let mut next_rank = 0;
    let mut stack: Vec<u32> = Vec::new();
    // Nodes on the way here: each with its own rank and how many followers were looked at.
    let mut way: Vec<(u32, u32, u32)> = Vec::new();
    for start in 0..nodes as u32 {
        if ranks[start as usize] != NONE {
            continue;
        }
        way.push((start, next_rank, 0));
        while let Some((node, rank, looked)) = way.last_mut() {
            let (node, rank) = (*node, *rank);
            if *looked == 0 && ranks[node as usize] == NONE {
                ranks[node as usize] = rank;
                next_rank = rank + 1;
                stack.push(node);
                pace.spend(links.of(node).len() + 1)?;
            }
            if let Some(&follower) = links.of(node).get(*looked as usize) {
                *looked += 1;
                if ranks[follower as usize] == NONE {
                    way.push((follower, next_rank, 0));
                } else if components[follower as usize] == NONE {
                    let reached = ranks[follower as usize];
                    ranks[node as usize] = ranks[node as usize].min(reached);
                }
                continue;
            }
            way.pop();
            let earliest = ranks[node as usize];
            if let Some((above, ..)) = way.last() {
                let above = &mut ranks[*above as usize];
                *above = (*above).min(earliest);
            }
            if earliest == rank {
                close(node, &mut stack, &mut components);
            }
        }
    }
    Ok(components)
}

/// Takes a component off the stack, down to the node that was met first.
fn close(first: u32, stack: &mut Vec<u32>, components: &mut [u32]) {
    let start = stack
        .iter()
        .rposition(|&node| node == first)
        .expect("a node stays on the stack until its component is closed");
    let least = stack[start..].iter().copied().min().unwrap_or(first);
    for node in stack.drain(start..) {
        components[node as usize] = least;
    }
}
