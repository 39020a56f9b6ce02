//! Graphs of what came since the last: which are due, and how they are built.

use std::ops::ControlFlow;

use datalith_vector::Parameters;

use super::space::is_disabled;
use super::walk::key_of;
use crate::datom::{AttrId, EntityId};
use crate::db::Db;
use crate::error::{Code, Error, Result};
use crate::index::{Cell, Run, floats_of};
use crate::schema::VectorConfig;
use crate::segment::Cover;
use crate::value::{Keyword, Value};

/// A graph that should be built.
#[derive(Clone, Debug)]
pub struct Due {
    /// What it will cover.
    pub cover: Cover,
    /// How.
    pub config: VectorConfig,
    /// Its index.
    pub name: Keyword,
}

/// Seed of all graphs: the same rows make the same bytes.
const SEED: u64 = 1;

/// The graphs that are due: those of attributes of which at least `rows_min` rows lie in none.
///
/// A new graph takes the place of earlier ones that are at most twice as large, so that there are
/// few and each row is built into a graph a logarithmic number of times.
pub fn due(db: &Db, rows_min: usize) -> Vec<Due> {
    let mut due = Vec::new();
    for index in db.schema().secondary() {
        let Some(config) = index.vectors().filter(|_| !is_disabled(db, index)) else {
            continue;
        };
        for ident in &index.attributes {
            let Some(attribute) = db.attribute_id(ident) else {
                continue;
            };
            let Some(after) = start(db, index.entity, attribute, rows_min) else {
                continue;
            };
            due.push(Due {
                cover: Cover {
                    index: index.entity,
                    attribute,
                    after,
                    upto: db.max_tx().0,
                },
                config: *config,
                name: index.ident.clone(),
            });
        }
    }
    due
}

/// The transaction after which the rows of a new graph begin; none if there are too few of them.
fn start(db: &Db, index: EntityId, attribute: AttrId, rows_min: usize) -> Option<i64> {
    let rows = db.index(attribute)?;
    let graphs: Vec<_> = db.graphs_of(index, attribute).collect();
    let held: usize = graphs.iter().map(|graph| graph.len()).sum();
    let all = rows.current().len() + rows.past().len();
    let mut own = all.saturating_sub(held);
    if own < rows_min.max(1) {
        return None;
    }
    let mut kept = &graphs[..];
    while let Some((last, rest)) = kept.split_last()
        && last.len() <= 2 * own
    {
        own += last.len();
        kept = rest;
    }
    Some(kept.last().map_or(0, |graph| graph.cover().upto))
}

/// Builds a graph in the thread pool it is called in: its bytes, and how many rows it holds. None if
/// there are no rows to hold.
///
/// `watch` hears how many rows are linked, and may end the work: [`Code::QueryCanceled`].
pub fn build(
    db: &Db,
    due: &Due,
    watch: &(dyn Fn(usize) -> ControlFlow<()> + Sync),
) -> Result<Option<(Vec<u8>, usize)>> {
    let Some(index) = db.index(due.cover.attribute) else {
        return Ok(None);
    };
    let mut rows: Vec<(i64, Cell)> = Vec::new();
    let mut add = |run: &Run| {
        let rows_of = run
            .rows()
            .filter(|row| row.tx > due.cover.after && row.tx <= due.cover.upto);
        rows.extend(rows_of.map(|row| (row.e, row.v)));
    };
    add(index.current());
    add(index.past());
    rows.sort_unstable_by_key(|&(e, cell)| key_of(e, cell));
    rows.dedup();
    let (mut floats, mut keys) = (Vec::new(), Vec::new());
    // What is read of it here is read once.
    let dictionary = db.dictionary().apart();
    for (e, cell) in rows {
        let vector = floats_of(&dictionary, cell);
        let fits =
            |vector: &[f32]| vector.len() == due.config.dim && vector.iter().all(|x| x.is_finite());
        if let Some(vector) = vector.filter(|vector| fits(vector)) {
            floats.extend_from_slice(&vector);
            keys.push(key_of(e, cell));
        }
    }
    if keys.is_empty() {
        return Ok(None);
    }
    let parameters = Parameters {
        m: due.config.m,
        ef_construction: due.config.ef_construction,
        encoding: due.config.encoding,
        seed: SEED,
        ..Parameters::of(due.config.dim, due.config.distance)
    };
    let built = datalith_vector::build(&floats, &keys, &parameters, watch);
    let bytes = built.map_err(|error| match error {
        datalith_vector::Error::Cancelled => {
            Error::new(Code::QueryCanceled, "building a graph was cancelled")
        }
        error => {
            let message = format!("the graph of {} cannot be built: {error}", due.name);
            Error::new(Code::Limit, message).with("index", Value::Keyword(due.name.clone()))
        }
    })?;
    Ok(Some((bytes, keys.len())))
}
