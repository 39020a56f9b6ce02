//! The algorithms against slow and simple ones, on random graphs; and on graphs that are deep.

use super::*;
use crate::error::{Code, Error, Result};

const FAR: u64 = u64::MAX / 4;

/// A random graph, each link with a weight below 5.
fn random(seed: u64, nodes: u64, links: u64) -> Vec<(u32, u32, u64)> {
    let mut state = seed;
    let mut below = |end: u64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % end
    };
    let link = |_| (below(nodes) as u32, below(nodes) as u32, below(5));
    (0..links).map(link).collect()
}

fn links(nodes: usize, pairs: &[(u32, u32, u64)]) -> Links {
    let pairs = Pairs {
        from: pairs.iter().map(|pair| pair.0).collect(),
        to: pairs.iter().map(|pair| pair.1).collect(),
        weights: pairs.iter().map(|pair| pair.2).collect(),
    };
    Links::new(nodes, pairs)
}

/// Costs of the lightest ways between all nodes, by Floyd and Warshall; `FAR` where there is none.
fn costs(nodes: usize, pairs: &[(u32, u32, u64)]) -> Vec<Vec<u64>> {
    let mut costs = vec![vec![FAR; nodes]; nodes];
    for &(from, to, weight) in pairs {
        let cost = &mut costs[from as usize][to as usize];
        *cost = weight.min(*cost);
    }
    for via in 0..nodes {
        for from in 0..nodes {
            for to in 0..nodes {
                let cost = costs[from][via] + costs[via][to];
                costs[from][to] = costs[from][to].min(cost);
            }
        }
    }
    costs
}

/// Runs a check on graphs thin and dense: their nodes, their links, and the links counted as 1.
fn on_graphs(check: impl Fn(usize, &[(u32, u32, u64)], &[(u32, u32, u64)])) {
    for seed in 0..40 {
        let (nodes, count) = (3 + seed as usize % 9, seed % 23);
        let pairs = random(seed + 1, nodes as u64, count);
        let steps: Vec<_> = pairs.iter().map(|&(a, b, _)| (a, b, 1)).collect();
        check(nodes, &pairs, &steps);
    }
}

fn endless() -> Pace<'static> {
    Pace::new(&|| Ok(()))
}

#[test]
fn walks_know_the_first_of_the_shortest_ways() {
    on_graphs(|nodes, pairs, steps| {
        let (links, costs) = (links(nodes, pairs), costs(nodes, steps));
        let mut walker = Walker::new(nodes);
        for start in 0..nodes as u32 {
            walker
                .walk(&links, start, (u32::MAX, &[]), &mut endless())
                .unwrap();
            for end in 0..nodes as u32 {
                let cost = costs[start as usize][end as usize];
                assert_eq!(walker.leads_to(end), cost < FAR);
                let cost = if start == end { 0 } else { cost };
                let distance = walker.distance(end).map_or(FAR, u64::from);
                assert_eq!(distance, cost, "{start} {end} in {pairs:?}");
                let Some(path) = walker.path_to(end) else {
                    continue;
                };
                let mut first = vec![start];
                while first.len() as u64 <= cost {
                    let here = first[first.len() - 1];
                    let left = cost - first.len() as u64;
                    let away = |next: u32| {
                        if next == end {
                            0
                        } else {
                            costs[next as usize][end as usize]
                        }
                    };
                    first.extend(links.of(here).iter().find(|next| away(**next) == left));
                }
                assert_eq!(path, first, "{pairs:?}");
            }
            let near = walker
                .reached()
                .iter()
                .filter(|node| walker.distance(**node) < Some(3));
            let near: Vec<u32> = near.copied().collect();
            walker
                .walk(&links, start, (2, &[]), &mut endless())
                .unwrap();
            assert_eq!(walker.reached(), near);
        }
    });
}

#[test]
fn walks_and_searches_end_once_they_know() {
    on_graphs(|nodes, pairs, steps| {
        let (links, steps) = (links(nodes, pairs), costs(nodes, steps));
        let costs = costs(nodes, pairs);
        let (mut walker, mut router) = (Walker::new(nodes), Router::new(nodes));
        let add: fn(u64, u64) -> u64 = |a, b| a + b;
        for start in 0..nodes as u32 {
            let targets: Vec<u32> = (0..nodes as u32)
                .filter(|end| end % 3 == start % 3)
                .collect();
            walker
                .walk(&links, start, (u32::MAX, &targets), &mut endless())
                .unwrap();
            router
                .search(&links, (start, &targets), (add, 1), &mut endless())
                .unwrap();
            for &end in &targets {
                let (from, to) = (start as usize, end as usize);
                assert_eq!(walker.leads_to(end), steps[from][to] < FAR);
                let way = router.way_to(end);
                let cost = if start == end { 0 } else { costs[from][to] };
                assert_eq!(way.as_ref().map_or(FAR, |way| way.1), cost, "{pairs:?}");
                let Some((path, cost)) = way else { continue };
                let weight = |pair: &[u32]| {
                    let at = links.of(pair[0]).binary_search(&pair[1]).unwrap();
                    links.weights_of(pair[0])[at]
                };
                assert_eq!(path.windows(2).map(weight).sum::<u64>(), cost);
                assert_eq!((path[0], path[path.len() - 1]), (start, end));
            }
        }
    });
}

#[test]
fn components_and_orders_follow_from_who_reaches_whom() {
    on_graphs(|nodes, pairs, steps| {
        let links = links(nodes, pairs);
        let costs_of = |pairs: &[(u32, u32, u64)]| costs(nodes, pairs);
        let reach = costs_of(steps);
        let back = steps.iter().map(|&(a, b, _)| (b, a, 1));
        let both = costs_of(&steps.iter().copied().chain(back).collect::<Vec<_>>());
        let least = |is_same: &dyn Fn(usize, usize) -> bool| -> Vec<u32> {
            let first = |a| (0..nodes).find(|&b| a == b || is_same(a, b)).unwrap() as u32;
            (0..nodes).map(first).collect()
        };
        let weak = least(&|a, b| both[a][b] < FAR);
        let strong = least(&|a, b| reach[a][b] < FAR && reach[b][a] < FAR);
        assert_eq!(connected(&links, &mut endless()).unwrap(), weak);
        assert_eq!(strongly_connected(&links, &mut endless()).unwrap(), strong);
        let order = topological_order(&links, &mut endless()).unwrap();
        if (0..nodes).any(|node| reach[node][node] < FAR) {
            assert_eq!(order, None);
            return;
        }
        let mut first: Vec<u32> = Vec::new();
        while first.len() < nodes {
            let is_free = |node: &u32| {
                let mut leaders = steps.iter().filter(|step| step.1 == *node);
                !first.contains(node) && leaders.all(|step| first.contains(&step.0))
            };
            let next = (0..nodes as u32).find(is_free).unwrap();
            first.push(next);
        }
        assert_eq!(order, Some(first));
    });
}

#[test]
fn ranks_and_centralities_are_what_their_definitions_say() {
    on_graphs(|nodes, pairs, steps| {
        let links = links(nodes, pairs);
        let options = RankOptions {
            tolerance: 0.0,
            ..RankOptions::default()
        };
        let mut ranks = vec![1.0 / nodes as f64; nodes];
        for _ in 0..options.iterations {
            let mut next = vec![(1.0 - options.damping) / nodes as f64; nodes];
            for (node, rank) in ranks.iter().enumerate() {
                let followers = links.of(node as u32);
                let all: Vec<u32> = (0..nodes as u32).collect();
                let heirs = if followers.is_empty() {
                    &all[..]
                } else {
                    followers
                };
                for &heir in heirs {
                    next[heir as usize] += options.damping * rank / heirs.len() as f64;
                }
            }
            ranks = next;
        }
        assert_close(&page_rank(&links, options, &mut endless()).unwrap(), &ranks);

        let back = steps.iter().map(|&(a, b, _)| (b, a, 1));
        let both: Vec<_> = steps.iter().copied().chain(back).collect();
        let (linked, costs) = (self::links(nodes, &both), costs(nodes, &both));
        let away = |a: usize, b: usize| if a == b { 0 } else { costs[a][b] };
        let ways = |from: usize, to: usize| count_ways(&linked, &away, (from, to));
        let others = |node: usize| (0..nodes).filter(move |&other| other != node);
        let near = |node: usize| {
            let reached: Vec<u64> = others(node)
                .map(|b| away(node, b))
                .filter(|d| *d < FAR)
                .collect();
            let count = reached.len() as f64;
            count * count / (nodes - 1) as f64 / reached.iter().sum::<u64>().max(1) as f64
        };
        let between = |node: usize| {
            let mut share = 0.0;
            for a in others(node) {
                for b in others(node).filter(|&b| a != b && away(a, b) < FAR) {
                    if away(a, node) + away(node, b) == away(a, b) {
                        share += ways(a, node) * ways(node, b) / ways(a, b);
                    }
                }
            }
            share / ((nodes - 1) * (nodes - 2)) as f64
        };
        let nears: Vec<f64> = (0..nodes).map(near).collect();
        let betweens: Vec<f64> = (0..nodes).map(between).collect();
        assert_close(&closeness(&links, &mut endless()).unwrap().unwrap(), &nears);
        assert_close(
            &betweenness(&links, &mut endless()).unwrap().unwrap(),
            &betweens,
        );
    });
}

/// Shortest ways between two nodes.
fn count_ways(
    links: &Links,
    away: &dyn Fn(usize, usize) -> u64,
    (from, to): (usize, usize),
) -> f64 {
    if from == to {
        return 1.0;
    }
    let next = links.of(from as u32).iter().map(|&next| next as usize);
    let nearer = next.filter(|&next| away(next, to) + 1 == away(from, to));
    nearer.map(|next| count_ways(links, away, (next, to))).sum()
}

fn assert_close(found: &[f64], expected: &[f64]) {
    let is_close = |(a, b): (&f64, &f64)| (a - b).abs() < 1e-9;
    assert!(
        found.iter().zip(expected).all(is_close),
        "{found:?} {expected:?}"
    );
}

/// A chain so long that a function calling itself for each node would not survive it.
fn chain() -> Links {
    const NODES: u32 = 1_000_000;
    let pairs = Pairs {
        from: (0..NODES - 1).collect(),
        to: (1..NODES).collect(),
        weights: Vec::new(),
    };
    Links::new(NODES as usize, pairs)
}

#[test]
fn a_chain_of_a_million_nodes_is_no_danger() {
    let links = chain();
    let (nodes, last) = (links.nodes(), links.nodes() as u32 - 1);
    let mut walker = Walker::new(nodes);
    walker
        .walk(&links, 0, (u32::MAX, &[last]), &mut endless())
        .unwrap();
    assert_eq!(walker.path_to(last).unwrap().len(), nodes);
    let mut router = Router::new(nodes);
    router
        .search(&links, (0, &[last]), (|a, b| a + b, 1), &mut endless())
        .unwrap();
    assert_eq!(router.way_to(last).unwrap().1, u64::from(last));
    assert_eq!(connected(&links, &mut endless()).unwrap()[last as usize], 0);
    assert_eq!(strongly_connected(&links, &mut endless()).unwrap()[5], 5);
    assert_eq!(
        topological_order(&links, &mut endless()).unwrap().unwrap()[9],
        9
    );
}

#[test]
fn whatever_takes_long_can_be_ended() {
    let links = chain();
    let checks = std::cell::Cell::new(0);
    let check = || -> Result<()> {
        checks.set(checks.get() + 1);
        match checks.get() {
            1 => Ok(()),
            _ => Err(Error::new(Code::QueryCanceled, "ended")),
        }
    };
    let ends = |run: &dyn Fn(&mut Pace<'_>) -> Result<()>| {
        checks.set(0);
        let error = run(&mut Pace::new(&check)).unwrap_err();
        assert_eq!(error.code(), Code::QueryCanceled);
    };
    let options = RankOptions::default();
    ends(&|pace| Walker::new(links.nodes()).walk(&links, 0, (u32::MAX, &[]), pace));
    ends(&|pace| {
        let mut router = Router::new(links.nodes());
        router.search(&links, (0, &[999_999]), (|a, b| a + b, 1), pace)
    });
    ends(&|pace| connected(&links, pace).map(drop));
    ends(&|pace| strongly_connected(&links, pace).map(drop));
    ends(&|pace| topological_order(&links, pace).map(drop));
    ends(&|pace| page_rank(&links, options, pace).map(drop));
    ends(&|pace| closeness(&links, pace).map(drop));
    ends(&|pace| betweenness(&links, pace).map(drop));
    ends(&|pace| propagate_labels(&links, 10, pace).map(drop));
}
