//! How central nodes are, whichever way links are followed.

use super::{Links, Pace, Walker};
use crate::error::Result;

/// For each node the reciprocal of its mean distance to the nodes it reaches, times the part of all
/// others that it reaches; none for fewer than two nodes.
///
/// Cost: O(nodes · links). Source: Wasserman & Faust, "Social network analysis", 1994, section 5.2.
pub(crate) fn closeness(links: &Links, pace: &mut Pace<'_>) -> Result<Option<Vec<f64>>> {
    let nodes = links.nodes();
    if nodes < 2 {
        return Ok(None);
    }
    let links = links.both_ways(pace)?;
    let mut walker = Walker::new(nodes);
    let mut scores = Vec::with_capacity(nodes);
    for node in 0..nodes as u32 {
        walker.walk(&links, node, (u32::MAX, &[]), pace)?;
        let distances = walker.reached().iter().map(|&other| walker.distance(other));
        let total: u64 = distances.flatten().map(u64::from).sum();
        let reached = (walker.reached().len() - 1) as f64;
        scores.push(if total > 0 {
            (reached / (nodes - 1) as f64) * (reached / total as f64)
        } else {
            0.0
        });
    }
    Ok(Some(scores))
}

/// For each node the part of shortest ways between two others that lead through it; none for fewer
/// than three nodes.
///
/// Cost: O(nodes · links). Source: Brandes, "A faster algorithm for betweenness centrality", 2001,
/// algorithm 1.
pub(crate) fn betweenness(links: &Links, pace: &mut Pace<'_>) -> Result<Option<Vec<f64>>> {
    let nodes = links.nodes();
    if nodes < 3 {
        return Ok(None);
    }
    let links = links.both_ways(pace)?;
    let mut walker = Walker::new(nodes);
    let mut scores = vec![0.0; nodes];
    // Of a start: shortest ways to each node, and what depends on each.
    let (mut ways, mut dependencies) = (vec![0.0; nodes], vec![0.0; nodes]);
    for start in 0..nodes as u32 {
        walker.walk(&links, start, (u32::MAX, &[]), pace)?;
        let order = walker.reached();
        for &node in order {
            ways[node as usize] = f64::from(u8::from(node == start));
            dependencies[node as usize] = 0.0;
        }
        let is_next = |node: u32, other: u32| {
            walker.distance(node).map(|steps| steps + 1) == walker.distance(other)
        };
        for &node in order {
            let followers = links.of(node).iter();
            for &follower in followers.filter(|other| is_next(node, **other)) {
                ways[follower as usize] += ways[node as usize];
            }
        }
        for &node in order.iter().rev() {
            let followers = links.of(node);
            pace.spend(followers.len() + 1)?;
            for &follower in followers.iter().filter(|other| is_next(node, **other)) {
                let share = ways[node as usize] / ways[follower as usize];
                dependencies[node as usize] += share * (1.0 + dependencies[follower as usize]);
            }
            if node != start {
                scores[node as usize] += dependencies[node as usize];
            }
        }
    }
    let pairs = (nodes - 1) as f64 * (nodes - 2) as f64;
    scores.iter_mut().for_each(|score| *score /= pairs);
    Ok(Some(scores))
}
