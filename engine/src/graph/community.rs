//! Communities: nodes that are linked among themselves more than with others.

use super::{Links, Pace};
use crate::error::Result;

/// Gives each node the label that most of its neighbours have, until no label changes or rounds
/// are up. Labels start as the nodes themselves. A node keeps its label while no other is more
/// frequent; of those equally frequent the least wins.
///
/// Cost: O(rounds · links). Source: Raghavan, Albert & Kumara, "Near linear time algorithm to detect
/// community structures in large-scale networks", 2007, with nodes in order instead of shuffled.
pub(crate) fn propagate_labels(
    links: &Links,
    rounds: u32,
    pace: &mut Pace<'_>,
) -> Result<Vec<u32>> {
    let links = links.both_ways(pace)?;
    let nodes = links.nodes();
    let mut labels: Vec<u32> = (0..nodes as u32).collect();
    let mut counts = vec![0u32; nodes];
    for _ in 0..rounds {
        let mut has_changed = false;
        for node in 0..nodes as u32 {
            let neighbours = links.of(node);
            pace.spend(neighbours.len() + 1)?;
            for &neighbour in neighbours {
                counts[labels[neighbour as usize] as usize] += 1;
            }
            let own = labels[node as usize];
            let mut best = (counts[own as usize], own);
            for &neighbour in neighbours {
                let label = labels[neighbour as usize];
                let count = counts[label as usize];
                if count > best.0 || (count == best.0 && best.1 != own && label < best.1) {
                    best = (count, label);
                }
            }
            for &neighbour in neighbours {
                counts[labels[neighbour as usize] as usize] = 0;
            }
            has_changed |= best.1 != own;
            labels[node as usize] = best.1;
        }
        if !has_changed {
            break;
        }
    }
    Ok(labels)
}
