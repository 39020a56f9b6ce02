//! Who follows whom.

use super::Pace;
use crate::error::Result;

/// Links as pairs of nodes, in any order.
#[derive(Default)]
pub(crate) struct Pairs {
    /// Where each starts.
    pub(crate) from: Vec<u32>,
    /// Where each ends.
    pub(crate) to: Vec<u32>,
    /// What each weighs; empty where all weigh the same. Numbers as bits that order as they do.
    pub(crate) weights: Vec<u64>,
}

/// The nodes that follow each node: rising, none twice.
pub(crate) struct Links {
    /// Where the followers of each node start; one more than there are nodes.
    starts: Vec<u32>,
    followers: Vec<u32>,
    /// One for each follower, or none at all.
    weights: Vec<u64>,
}

impl Links {
    /// From pairs; of those alike the lightest stays.
    ///
    /// Cost: O(nodes + pairs).
    pub(crate) fn new(nodes: usize, pairs: Pairs) -> Links {
        let Pairs { from, to, weights } = pairs;
        let in_order = |at: usize| (from[at - 1], to[at - 1]) < (from[at], to[at]);
        if (1..from.len()).all(in_order) {
            return Links {
                starts: starts(nodes, &from),
                followers: to,
                weights,
            };
        }
        let all: Vec<u32> = (0..to.len() as u32).collect();
        let order = sorted_by(&from, nodes, &sorted_by(&to, nodes, &all));
        drop(all);
        let mut kept = Pairs::default();
        for &pair in &order {
            let pair = pair as usize;
            let is_known =
                (kept.from.last(), kept.to.last()) == (Some(&from[pair]), Some(&to[pair]));
            match (is_known, weights.get(pair), kept.weights.last_mut()) {
                (true, Some(weight), Some(least)) => *least = (*least).min(*weight),
                (true, ..) => {}
                (false, weight, _) => {
                    kept.from.push(from[pair]);
                    kept.to.push(to[pair]);
                    kept.weights.extend(weight);
                }
            }
        }
        Links {
            starts: starts(nodes, &kept.from),
            followers: kept.to,
            weights: kept.weights,
        }
    }

    /// How many nodes there are.
    pub(crate) fn nodes(&self) -> usize {
        self.starts.len() - 1
    }

    /// How many links there are.
    pub(crate) fn len(&self) -> usize {
        self.followers.len()
    }

    /// The followers of a node.
    pub(crate) fn of(&self, node: u32) -> &[u32] {
        let node = node as usize;
        &self.followers[self.starts[node] as usize..self.starts[node + 1] as usize]
    }

    /// What the links to the followers of a node weigh; nothing where all weigh the same.
    pub(crate) fn weights_of(&self, node: u32) -> &[u64] {
        let node = node as usize;
        let range = self.starts[node] as usize..self.starts[node + 1] as usize;
        self.weights.get(range).unwrap_or(&[])
    }

    /// Each node with each of its followers.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (u32, u32)> + '_ {
        let nodes = 0..self.nodes() as u32;
        nodes.flat_map(|node| self.of(node).iter().map(move |&next| (node, next)))
    }

    /// The same links, from their ends to their starts; weights are left out.
    pub(crate) fn reversed(&self, pace: &mut Pace<'_>) -> Result<Links> {
        pace.spend(self.len())?;
        let mut ends = starts(self.nodes(), &self.followers);
        let reversed = ends.clone();
        let mut followers = vec![0; self.len()];
        for (node, next) in self.pairs() {
            let at = &mut ends[next as usize];
            followers[*at as usize] = node;
            *at += 1;
        }
        Ok(Links {
            starts: reversed,
            followers,
            weights: Vec::new(),
        })
    }

    /// The links and their reverse together, without weights.
    pub(crate) fn both_ways(&self, pace: &mut Pace<'_>) -> Result<Links> {
        pace.spend(self.len())?;
        let mut pairs = Pairs::default();
        for (node, next) in self.pairs() {
            pairs.from.extend([node, next]);
            pairs.to.extend([next, node]);
        }
        Ok(Links::new(self.nodes(), pairs))
    }
}

/// Where the pairs of each node start, if they were sorted by node.
fn starts(nodes: usize, from: &[u32]) -> Vec<u32> {
    let mut starts = vec![0u32; nodes + 1];
    from.iter().for_each(|&node| starts[node as usize + 1] += 1);
    for node in 1..starts.len() {
        starts[node] += starts[node - 1];
    }
    starts
}

/// Rows by their keys; rows of equal keys stay in their order.
fn sorted_by(keys: &[u32], nodes: usize, rows: &[u32]) -> Vec<u32> {
    let mut ends = starts(nodes, keys);
    let mut sorted = vec![0; rows.len()];
    for &row in rows {
        let at = &mut ends[keys[row as usize] as usize];
        sorted[*at as usize] = row;
        *at += 1;
    }
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn links(pairs: &[(u32, u32, u64)]) -> Links {
        let pairs = Pairs {
            from: pairs.iter().map(|pair| pair.0).collect(),
            to: pairs.iter().map(|pair| pair.1).collect(),
            weights: pairs.iter().map(|pair| pair.2).collect(),
        };
        Links::new(4, pairs)
    }

    #[test]
    fn followers_rise_and_the_lightest_of_equal_links_stays() {
        let links = links(&[(3, 1, 9), (0, 2, 5), (3, 0, 4), (3, 1, 7), (3, 1, 8)]);
        let followers: Vec<&[u32]> = (0..4).map(|node| links.of(node)).collect();
        assert_eq!(followers, [&[2][..], &[], &[], &[0, 1]]);
        assert_eq!(links.weights_of(3), [4, 7]);
        assert_eq!((links.len(), links.nodes()), (3, 4));
        let mut pace = Pace::new(&|| Ok(()));
        let reversed = links.reversed(&mut pace).unwrap();
        let back: Vec<(u32, u32)> = reversed.pairs().collect();
        assert_eq!(back, [(0, 3), (1, 3), (2, 0)]);
        assert_eq!(links.both_ways(&mut pace).unwrap().len(), 6);
    }
}
