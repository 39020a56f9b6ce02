//! The entities whose vectors are nearest to a vector, under a view.
//!
//! Input: a database value, a [`Space`] (attributes and how their vectors are compared) and what is
//! wanted. Output: entities with their distances, nearest first. What lies in graphs is searched
//! there, the rest row by row; either way a row counts only if the view shows it, so the past, a
//! branch and the present are answered by the same graphs.

mod aside;
mod build;
mod exact;
mod options;
mod space;
mod text;
mod walk;

pub(crate) use aside::{aside_graphs, places_of};
pub use build::{Due, build, due};
pub(crate) use options::refused;
pub use options::{SearchOptions, search};
pub use space::Space;
pub use text::text_vector;
pub(crate) use text::{model_of, vector_in};

use crate::datom::{AttrId, EntityId};
use crate::db::Db;
use crate::error::{Code, Error, Result};

/// What is asked of a space.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'w> {
    /// The vector to be near to.
    pub vector: &'w [f32],
    /// How far, or how many.
    pub reach: Reach,
    /// Candidates while searching a graph; the index says if not given.
    pub ef: Option<usize>,
    /// Whether every row is to be looked at.
    pub exact: bool,
    /// The only entities that may be answered, ascending.
    pub among: Option<&'w [i64]>,
}

/// How many entities are wanted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Reach {
    /// So many, the nearest.
    Count(usize),
    /// All nearer than a distance, or as near.
    Radius(f32),
}

/// An entity that was found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hit {
    /// The entity.
    pub entity: EntityId,
    /// The attribute that holds its nearest vector.
    pub attribute: AttrId,
    /// How far that is.
    pub distance: f32,
}

/// Finds the entities nearest to a vector, nearest first, ties by entity; each once.
///
/// - `check`: asked every few thousand rows; its error ends the search.
/// - Errors: [`Code::QueryFunction`] for a vector of another dimension or with a number that is not
///   finite, [`Code::Limit`] for more than [`VECTOR_NEIGHBOURS_MAX`](crate::limits::VECTOR_NEIGHBOURS_MAX)
///   neighbours.
/// - What lies in graphs is found by walks, which miss a few of the nearest; `ef` says how few.
/// - Cost: O(ef · log rows · dim) for rows in graphs, O(rows · dim) for others.
pub fn nearest(
    db: &Db,
    space: &Space,
    wanted: &Wanted<'_>,
    check: &(dyn Fn() -> Result<()> + Sync),
) -> Result<Vec<Hit>> {
    space.check(wanted)?;
    let mut hits = Vec::new();
    for &attribute in &space.attributes {
        hits.extend(match walk::hits(db, space, attribute, wanted, check)? {
            Some(hits) => hits,
            None => exact::hits(db, space, attribute, wanted, check)?,
        });
    }
    if space.attributes.len() > 1 {
        hits.sort_by(|a, b| {
            a.entity
                .cmp(&b.entity)
                .then(a.distance.total_cmp(&b.distance))
        });
        hits.dedup_by_key(|hit| hit.entity);
    }
    Ok(within_reach(hits, wanted.reach))
}

/// The hits that are within reach, nearest first.
fn within_reach(mut hits: Vec<Hit>, reach: Reach) -> Vec<Hit> {
    let nearer = |a: &Hit, b: &Hit| {
        let by_distance = a.distance.total_cmp(&b.distance);
        by_distance.then(a.entity.cmp(&b.entity))
    };
    match reach {
        Reach::Count(0) => hits.clear(),
        Reach::Count(count) if count < hits.len() => {
            hits.select_nth_unstable_by(count - 1, nearer);
            hits.truncate(count);
        }
        Reach::Count(_) => {}
        Reach::Radius(radius) => hits.retain(|hit| hit.distance <= radius),
    }
    hits.sort_unstable_by(nearer);
    hits
}

/// The error of a search that cannot be made.
fn unsearchable(message: String) -> Error {
    Error::new(Code::QueryFunction, message)
}
