//! Where the nodes of a graph are drawn: forces that push nodes apart and pull linked ones together.

use super::plot::Names;
use crate::fault::{Done, refused};
use crate::table::Column;

/// Most nodes that are placed: each pushes each other one.
const NODES: usize = 2_000;
/// Pushes of one node by another, at most, of a whole layout.
const PUSHES: usize = 60_000_000;
/// Rounds of a layout, few and many nodes.
const ROUNDS: (usize, usize) = (30, 400);
/// How strongly the middle pulls, so that what is not linked does not fly away.
const GRAVITY: f64 = 0.06;

/// Nodes with places from 0 to 1 across and down, and links between their numbers.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) nodes: Vec<Node>,
    /// From and to, each pair once.
    pub(super) links: Vec<(usize, usize)>,
}

/// A node and its place.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) name: String,
    pub(super) x: f64,
    pub(super) y: f64,
    /// Links from and to it.
    pub(super) links: usize,
}

/// The nodes that two columns name and the links that their rows are, always in the same places.
///
/// Source: Fruchterman and Reingold 1991, from a circle, with a pull to the middle.
pub(super) fn layout(from: &Column, to: &Column) -> Done<Layout> {
    let mut names = Names::default();
    let mut links: indexmap::IndexSet<(usize, usize)> = indexmap::IndexSet::new();
    for row in 0..from.len() {
        if !from.is_null(row) && !to.is_null(row) {
            links.insert((names.number(from, row), names.number(to, row)));
        }
    }
    let names = names.into_names();
    if names.len() > NODES {
        return Err(refused(format!(
            "a graph of {} nodes, a chart shows at most {NODES}: filter the rows first",
            names.len()
        )));
    }
    let links: Vec<(usize, usize)> = links.into_iter().collect();
    let places = placed(names.len(), &links);
    let mut degree = vec![0; names.len()];
    for (from, to) in &links {
        degree[*from] += 1;
        degree[*to] += usize::from(from != to);
    }
    let nodes = names.into_iter().zip(places).zip(degree);
    let nodes = nodes.map(|((name, (x, y)), links)| Node { name, x, y, links });
    Ok(Layout {
        nodes: nodes.collect(),
        links,
    })
}

fn placed(count: usize, links: &[(usize, usize)]) -> Vec<(f64, f64)> {
    let turn = |node: usize| node as f64 / count as f64 * std::f64::consts::TAU;
    // Radii that differ a little: a perfect circle is a balance that forces never leave.
    let radius = |node: usize| 0.4 + 0.1 * (node as f64 * 0.618).fract();
    let start = |node| {
        (
            radius(node) * turn(node).cos(),
            radius(node) * turn(node).sin(),
        )
    };
    let mut places: Vec<(f64, f64)> = (0..count).map(start).collect();
    let rounds = (PUSHES / (count * count).max(1)).clamp(ROUNDS.0, ROUNDS.1);
    let ideal = (1.0 / count.max(1) as f64).sqrt();
    for round in 0..rounds {
        let heat = 0.12 * (1.0 - round as f64 / rounds as f64) + 0.001;
        let moves = forces(&places, links, ideal);
        for (place, (dx, dy)) in places.iter_mut().zip(moves) {
            let size = dx.hypot(dy).max(1e-9);
            let step = size.min(heat) / size;
            *place = (place.0 + dx * step, place.1 + dy * step);
        }
    }
    within_unit(places)
}

fn forces(places: &[(f64, f64)], links: &[(usize, usize)], ideal: f64) -> Vec<(f64, f64)> {
    let mut moves: Vec<(f64, f64)> = places
        .iter()
        .map(|(x, y)| (-x * GRAVITY, -y * GRAVITY))
        .collect();
    for a in 0..places.len() {
        for b in a + 1..places.len() {
            let (dx, dy) = (places[a].0 - places[b].0, places[a].1 - places[b].1);
            let push = ideal * ideal / (dx * dx + dy * dy).max(1e-6);
            moves[a] = (moves[a].0 + dx * push, moves[a].1 + dy * push);
            moves[b] = (moves[b].0 - dx * push, moves[b].1 - dy * push);
        }
    }
    for (from, to) in links {
        let (dx, dy) = (
            places[*from].0 - places[*to].0,
            places[*from].1 - places[*to].1,
        );
        let pull = dx.hypot(dy) / ideal;
        moves[*from] = (moves[*from].0 - dx * pull, moves[*from].1 - dy * pull);
        moves[*to] = (moves[*to].0 + dx * pull, moves[*to].1 + dy * pull);
    }
    moves
}

/// The same places stretched to fill 0 to 1 both ways.
fn within_unit(mut places: Vec<(f64, f64)>) -> Vec<(f64, f64)> {
    let across = span(places.iter().map(|place| place.0));
    let down = span(places.iter().map(|place| place.1));
    let share = |x: f64, (low, high): (f64, f64)| match high > low {
        true => (x - low) / (high - low),
        false => 0.5,
    };
    for place in &mut places {
        *place = (share(place.0, across), share(place.1, down));
    }
    places
}

fn span(numbers: impl Iterator<Item = f64>) -> (f64, f64) {
    numbers.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| {
        (low.min(x), high.max(x))
    })
}
