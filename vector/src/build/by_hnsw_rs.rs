//! Rows to the bytes of a segment whose links the crate `hnsw_rs` made.
//!
//! Its graph is held whole in memory, then its lists become those of a draft: copies of rows, rows that no link leads
//! to, bytes and checksums are handled as in [`build`](super::build). It sees only what it cannot fail on: its
//! assertions are about distances below zero or none, and more links than it has room for end the process.

use std::ops::ControlFlow;
use std::sync::Arc;

use hnsw_rs::anndists::dist::distances::Distance as Measured;
use hnsw_rs::hnsw::{Hnsw, Point};

use super::check;
use super::draft::Draft;
use super::freeze;
use super::order::{Order, unlike};
use crate::ask::{Key, Parameters};
use crate::codes::scaling;
use crate::distance::Distance;
use crate::error::{Error, Result};
use crate::simd;

/// Most links in an upper layer: it keeps the bound in eight bits.
const M_MAX: usize = u8::MAX as usize;
/// Layers of a graph, the lowest included.
const LAYERS: usize = 16;
/// Rows that are inserted between two looks at the watch.
const BATCH_ROWS: usize = 1024;

/// Builds the graph of rows by the crate `hnsw_rs` and gives the bytes of their segment.
///
/// Takes, answers and fails as [`build`](super::build) does, but:
/// - The bytes depend on the threads of the pool and their luck: it inserts in parallel and locks row by row.
/// - `m` is at most 255, `parameters.seed` changes nothing.
/// - Cost: memory for the rows twice and for one list of links on each of 16 layers a row.
/// - Its locks are taken in no order that rules out that threads wait for each other for ever; on one thread they cannot.
pub fn build_by_hnsw_rs(
    rows: &[f32],
    keys: &[Key],
    parameters: &Parameters,
    watch: &(dyn Fn(usize) -> ControlFlow<()> + Sync),
) -> Result<Vec<u8>> {
    check(rows, keys, parameters)?;
    if parameters.m > M_MAX {
        return Err(Error::Parameter {
            name: "m",
            value: parameters.m,
            most: M_MAX,
        });
    }
    let (originals, copies) = unlike(rows, parameters.dim);
    let graph = linked(rows, &originals, parameters, watch)?;
    let points = by_level(&graph);
    let levelled: Vec<(u32, u8)> = points
        .iter()
        .map(|point| (point.get_origin_id() as u32, point.get_point_id().0))
        .collect();
    let order = Order::of_levels(&levelled, &copies);
    let mut places = vec![0; keys.len()];
    for (place, row) in order.rows.iter().enumerate() {
        places[*row as usize] = place as u32;
    }
    let mut draft = Draft::of_rows(rows, parameters, &order);
    draft.take_links(|row| lists(&points[row as usize], row, &places, parameters.m));
    drop((points, graph));
    draft.finish(&order);
    freeze::freeze(rows, keys, parameters, &order, &draft)
}

/// The graph of the rows named, as `hnsw_rs` links them.
fn linked<'a>(
    rows: &[f32],
    originals: &[u32],
    parameters: &Parameters,
    watch: &(dyn Fn(usize) -> ControlFlow<()> + Sync),
) -> Result<Hnsw<'a, f32, NotNegative>> {
    let Parameters { dim, distance, .. } = *parameters;
    let graph = Hnsw::new(
        // The level of a row is drawn by the logarithm of `m`: that of one would be infinite.
        parameters.m.max(2),
        originals.len(),
        LAYERS,
        // It allocates room for as many candidates at once.
        parameters.ef_construction.min(originals.len()),
        NotNegative::of_rows(rows, parameters),
    );
    let mut inserted = 0;
    while inserted < originals.len() {
        if watch(inserted).is_break() {
            return Err(Error::Cancelled);
        }
        // The first alone: rows inserted beside it would find no row to be linked with.
        let most = if inserted == 0 { 1 } else { BATCH_ROWS };
        let end = originals.len().min(inserted + most);
        let batch = &originals[inserted..end];
        let mut numbers = Vec::with_capacity(dim * batch.len());
        for row in batch {
            let row = &rows[dim * *row as usize..][..dim];
            let factor = scaling(distance, row);
            numbers.extend(row.iter().map(|x| x * factor));
        }
        let numbered = batch.iter().map(|row| *row as usize);
        let given: Vec<(&[f32], usize)> = numbers.chunks_exact(dim).zip(numbered).collect();
        graph.parallel_insert_slice(&given);
        inserted = end;
    }
    Ok(graph)
}

/// The rows of a graph, those of higher layers first.
fn by_level<'a>(graph: &Hnsw<'a, f32, NotNegative>) -> Vec<Arc<Point<'a, f32>>> {
    let layers = (0..LAYERS).rev();
    layers
        .flat_map(|layer| graph.get_point_indexation().get_layer_iterator(layer))
        .collect()
}

/// The neighbours of a row on each of its layers, from the lowest up.
///
/// The lists of `hnsw_rs` also have layers that the row is not on, and rows that are not on the layer: where it came in.
fn lists(point: &Point<f32>, row: u32, places: &[u32], m: usize) -> Vec<Vec<u32>> {
    let level = point.get_point_id().0;
    let given = point.get_neighborhood_id().into_iter();
    let of_layer = |(layer, list): (u8, Vec<hnsw_rs::hnsw::Neighbour>)| {
        let most = if layer == 0 { 2 * m } else { m };
        let on = list.into_iter().filter(|one| one.p_id.0 >= layer);
        on.map(|one| places[one.d_id])
            .filter(|to| *to != row)
            .take(most)
            .collect()
    };
    (0..=level).zip(given).map(of_layer).collect()
}

/// Distances in the order of [`Distance`], with none below zero.
struct NotNegative {
    distance: Distance,
    /// No product of two rows is above it.
    most: f32,
}

impl NotNegative {
    fn of_rows(rows: &[f32], parameters: &Parameters) -> NotNegative {
        let distance = parameters.distance;
        let mut most = 1.0_f32;
        if distance == Distance::InnerProduct {
            for row in rows.chunks_exact(parameters.dim) {
                most = most.max(simd::dot(row, simd::bytes_of(row)));
            }
        }
        NotNegative { distance, most }
    }
}

impl Measured<f32> for NotNegative {
    fn eval(&self, a: &[f32], b: &[f32]) -> f32 {
        let there = simd::bytes_of(b);
        let apart = match self.distance {
            Distance::Euclidean => simd::squared(a, there),
            Distance::Cosine | Distance::InnerProduct => self.most - simd::dot(a, there),
        };
        // Zero also where rows are so long that there is no number for it.
        apart.max(0.0)
    }
}
