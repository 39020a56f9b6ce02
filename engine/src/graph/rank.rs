//! How important nodes are by who leads to them.

use super::{Links, Pace};
use crate::error::Result;

/// How ranks are computed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct RankOptions {
    /// The part of a rank that is passed on to followers.
    pub(crate) damping: f64,
    /// Most rounds.
    pub(crate) iterations: u32,
    /// Rounds end when no rank changes by as much.
    pub(crate) tolerance: f64,
}

impl Default for RankOptions {
    fn default() -> RankOptions {
        RankOptions {
            damping: 0.85,
            iterations: 20,
            tolerance: 1e-6,
        }
    }
}

/// A rank for each node; together they are 1. Nodes that nothing follows pass theirs on to all.
///
/// Cost: O(rounds · (nodes + links)). Source: Page, Brin, Motwani & Winograd, "The PageRank citation
/// ranking", 1999, section 2.
pub(crate) fn page_rank(
    links: &Links,
    options: RankOptions,
    pace: &mut Pace<'_>,
) -> Result<Vec<f64>> {
    let nodes = links.nodes();
    let leaders = links.reversed(pace)?;
    let base = (1.0 - options.damping) / nodes as f64;
    let mut ranks = vec![1.0 / nodes as f64; nodes];
    let mut shares = vec![0.0; nodes];
    for _ in 0..options.iterations {
        let mut unclaimed = 0.0;
        for (node, share) in shares.iter_mut().enumerate() {
            match links.of(node as u32).len() {
                0 => unclaimed += ranks[node],
                followers => *share = ranks[node] / followers as f64,
            }
        }
        let base = base + options.damping * (unclaimed / nodes as f64);
        let mut change: f64 = 0.0;
        for (node, rank) in ranks.iter_mut().enumerate() {
            let leaders = leaders.of(node as u32);
            pace.spend(leaders.len() + 1)?;
            let passed: f64 = leaders.iter().map(|&leader| shares[leader as usize]).sum();
            let next = base + options.damping * passed;
            change = change.max((next - *rank).abs());
            *rank = next;
        }
        if change < options.tolerance {
            break;
        }
    }
    Ok(ranks)
}
