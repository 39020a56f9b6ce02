//! Search by graphs, and row by row for what came after them.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashSet;
use std::sync::Arc;

use datalith_vector::{Ask, Bitmap, Neighbour, Scratch, Segment};

use super::exact::{score, shown_rows};
use super::space::Space;
use super::{Hit, Reach, Wanted, within_reach};
use crate::datom::{AttrId, EntityId};
use crate::db::{Db, FreshRows};
use crate::error::Result;
use crate::index::{Cell, Kind, Row, Run, SortOrder};
use crate::segment::VectorGraph;
use crate::store::Mapped;

thread_local! {
    /// Kept from search to search: what it holds is as large as the largest graph.
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// How many times as many rows as there are entities a graph has where each is looked up rather than
/// all passed over.
const FEW_OF: usize = 16;
/// The part of a graph's rows that the view must show for hits to be checked one by one.
const SHOWN_MOST: f64 = 0.75;
/// How many times more hits are asked for when too many of those before are not shown.
const GROWTH: usize = 4;

/// The hits of an attribute by its graphs; none if it has no graph to be asked.
pub(super) fn hits(
    db: &Db,
    space: &Space,
    attribute: AttrId,
    wanted: &Wanted<'_>,
    check: &(dyn Fn() -> Result<()> + Sync),
) -> Result<Option<Vec<Hit>>> {
    let Some(index) = space.index.filter(|_| !wanted.exact) else {
        return Ok(None);
    };
    let graphs: Vec<_> = db.graphs_of(index, attribute).collect();
    let Some(last) = graphs.last() else {
        return Ok(None);
    };
    let Some(run) = db.run(attribute, SortOrder::ByEntity) else {
        return Ok(Some(Vec::new()));
    };
    let fresh = fresh_rows(db, &run, attribute, last.cover().upto)?;
    let looked_at: Cow<'_, [(i64, Cell)]> = match wanted.among {
        None => Cow::Borrowed(&fresh),
        Some(among) => {
            let is_wanted = |(e, _): &&(i64, Cell)| among.binary_search(e).is_ok();
            fresh.iter().filter(is_wanted).copied().collect()
        }
    };
    let mut hits = score(db, space, attribute, wanted, &looked_at, check)?;
    let held: usize = graphs.iter().map(|graph| graph.len()).sum();
    let view = Viewed {
        db,
        run: &run,
        attribute,
        shown: run.len().saturating_sub(fresh.len()) as f64 / held.max(1) as f64,
    };
    for graph in graphs {
        check()?;
        hits.extend(view.search(graph, wanted, wanted.ef.unwrap_or(space.ef))?);
    }
    Ok(Some(nearest_of_each(hits, wanted.reach)))
}

/// The rows of a view that came after the last graph.
fn fresh_rows(db: &Db, run: &Run, attribute: AttrId, upto: i64) -> Result<FreshRows> {
    db.fresh_rows((attribute, upto), || {
        let mut rows = Vec::new();
        for chunk in run.chunks() {
            if chunk.tx.iter().all(|&tx| tx <= upto) {
                continue;
            }
            let late = (0..chunk.len()).filter(|&at| chunk.tx[at] > upto);
            let late = late.map(|at| chunk.row(at));
            rows.extend(
                late.filter(|row| is_assertion(db, row))
                    .map(|row| (row.e, row.v)),
            );
        }
        Ok(rows.into())
    })
}

fn is_assertion(db: &Db, row: &Row) -> bool {
    !db.view().history || row.extra == 1
}

/// Each entity once, with its nearest vector; those within reach.
fn nearest_of_each(mut hits: Vec<Hit>, reach: Reach) -> Vec<Hit> {
    hits.sort_unstable_by(|a, b| {
        let by_entity = a.entity.cmp(&b.entity);
        by_entity.then(a.distance.total_cmp(&b.distance))
    });
    hits.dedup_by_key(|hit| hit.entity);
    within_reach(hits, reach)
}

/// The rows of a graph that may be found.
#[derive(Clone, Copy)]
struct Filter<'f> {
    /// Which; all if there are none.
    rows: Option<&'f Bitmap>,
    /// Whether the view shows every one of them.
    are_shown: bool,
}

/// The rows that a graph has of some entities, which ascend.
fn rows_of(graph: &VectorGraph, among: &[i64]) -> Result<Bitmap> {
    let by_entity = graph.by_entity()?;
    let mut marked = Bitmap::empty(graph.len());
    for row in by_entity.rows_of(among) {
        marked.insert(row);
    }
    Ok(marked)
}

/// An attribute's rows as a view shows them, beside its graphs.
struct Viewed<'d> {
    db: &'d Db,
    run: &'d Run,
    attribute: AttrId,
    /// The part of the graphs' rows that it shows, roughly.
    shown: f64,
}

impl Viewed<'_> {
    fn search(&self, graph: &VectorGraph, wanted: &Wanted<'_>, ef: usize) -> Result<Vec<Hit>> {
        let are_shown = self.shown < SHOWN_MOST;
        let filter = match wanted.among {
            Some(among) if are_shown => Some(Arc::new(self.among(graph, among)?)),
            // Nearly all rows that it has of them are so: that is asked of each hit.
            Some(among) => Some(Arc::new(rows_of(graph, among)?)),
            None if are_shown => {
                let made = || self.shown_by(graph);
                Some(self.db.shown_rows(graph.cover(), made)?)
            }
            None => None,
        };
        let filter = Filter {
            rows: filter.as_deref(),
            are_shown,
        };
        match wanted.reach {
            Reach::Radius(radius) => {
                let found = walk(graph, |segment, scratch| {
                    segment.within(wanted.vector, radius, filter.rows, scratch)
                })?;
                self.shown_hits(graph, &found, are_shown)
            }
            Reach::Count(count) => self.nearest(graph, wanted.vector, count, ef, filter),
        }
    }

    /// So many different entities that the view shows, if there are as many.
    fn nearest(
        &self,
        graph: &VectorGraph,
        vector: &[f32],
        count: usize,
        ef: usize,
        filter: Filter<'_>,
    ) -> Result<Vec<Hit>> {
        let mut k = match filter.are_shown {
            true => count,
            false => (count as f64 / self.shown.clamp(SHOWN_MOST, 1.0)).ceil() as usize,
        };
        loop {
            let asked = k.clamp(1, graph.len().max(1));
            let ask = Ask {
                k: asked,
                ef: ef.max(asked),
                filter: filter.rows,
            };
            let found = walk(graph, |segment, scratch| {
                segment.search(vector, &ask, scratch)
            })?;
            let hits = self.shown_hits(graph, &found, filter.are_shown)?;
            let entities: HashSet<EntityId> = hits.iter().map(|hit| hit.entity).collect();
            if entities.len() >= count || found.len() < asked || asked == graph.len() {
                return Ok(hits);
            }
            k = asked.saturating_mul(GROWTH);
        }
    }

    /// The hits of rows that the view shows.
    fn shown_hits(
        &self,
        graph: &VectorGraph,
        found: &[Neighbour],
        are_shown: bool,
    ) -> Result<Vec<Hit>> {
        let mut hits = Vec::with_capacity(found.len());
        for neighbour in found {
            let (e, cell) = graph.read(|segment| segment.key(neighbour.row).map(row_of))?;
            if are_shown || self.shows(e, cell) {
                hits.push(Hit {
                    entity: EntityId(e),
                    attribute: self.attribute,
                    distance: neighbour.distance,
                });
            }
        }
        Ok(hits)
    }

    fn shows(&self, e: i64, cell: Cell) -> bool {
        let mut rows = self.run.rows_in(self.run.entity_range(e));
        rows.any(|row| row.v == cell && is_assertion(self.db, &row))
    }

    /// The rows of a graph that the view shows.
    fn shown_by(&self, graph: &VectorGraph) -> Result<Bitmap> {
        self.marked(graph, &shown_rows(self.db, self.run, None))
    }

    /// The same of some entities.
    fn among(&self, graph: &VectorGraph, among: &[i64]) -> Result<Bitmap> {
        self.marked(graph, &shown_rows(self.db, self.run, Some(among)))
    }

    /// The rows of a graph that are among some rows, which are in order of entity.
    fn marked(&self, graph: &VectorGraph, rows: &[(i64, Cell)]) -> Result<Bitmap> {
        graph.read(|segment| {
            let mut marked = Bitmap::empty(segment.len());
            if rows.len() < segment.len() / FEW_OF {
                let mut found = Vec::new();
                for &(e, cell) in rows {
                    found.clear();
                    segment.rows_of(e as u64, &mut found)?;
                    let same = found.iter().filter(|(key, _)| row_of(*key).1 == cell);
                    same.for_each(|(_, row)| {
                        marked.insert(*row);
                    });
                }
                return Ok(marked);
            }
            let mut keys = segment.by_key()?.peekable();
            for same in rows.chunk_by(|a, b| a.0 == b.0) {
                let e = same[0].0;
                while keys.next_if(|(key, _)| row_of(*key).0 < e).is_some() {}
                while let Some((key, at)) = keys.next_if(|(key, _)| row_of(*key).0 == e) {
                    let cell = row_of(key).1;
                    if same.iter().any(|(_, v)| *v == cell) {
                        marked.insert(at);
                    }
                }
            }
            Ok(marked)
        })
    }
}

fn walk(
    graph: &VectorGraph,
    walk: impl FnOnce(&Segment<Mapped>, &mut Scratch) -> datalith_vector::Result<Vec<Neighbour>>,
) -> Result<Vec<Neighbour>> {
    SCRATCH.with_borrow_mut(|scratch| graph.read(|segment| walk(segment, scratch)))
}

/// What a graph knows a row by: entity, and the number of its value with its kind. Keys are in the
/// order of entities, which are not negative.
pub(super) fn key_of(e: i64, cell: Cell) -> [u64; 2] {
    [e as u64, cell.bits << 8 | cell.kind as u64]
}

pub(super) fn row_of([e, value]: [u64; 2]) -> (i64, Cell) {
    let kind = Kind::from_number(value as u8).unwrap_or(Kind::Nil);
    let cell = Cell {
        kind,
        bits: value >> 8,
    };
    (e as i64, cell)
}
