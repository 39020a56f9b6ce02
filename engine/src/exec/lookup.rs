//! Which rows of an index go with which rows of a relation.
//!
//! The access path is chosen by what is known of entity and value and by how many rows either
//! side has: a range by binary search, probes, a sweep with a direct-address table, or a hash join.

use std::ops::Range;

use super::access::AccessPath;
use super::budget::Budget;
use super::join::{Pairs, product};
use super::key::RowMap;
use super::matches::{Matches, RowRef, cell_at};
use super::merge::{Always, Entities, Integers, SameValue, merge};
use crate::error::{Code, Error, Result};
use crate::index::{Cell, Chunk, Column, Dictionary, Kind, Position, Run, SortOrder};

/// What is known of the entity or the value of a pattern's rows.
pub(super) enum Access {
    /// Nothing.
    Free,
    /// It is this.
    Const(Cell),
    /// It is what the relation's column says, row by row.
    Column(Column),
    /// As `Column`, but resolved from lookup refs, idents or another dictionary: the index's own
    /// rows say something else than the relation's column.
    Resolved(Column),
}

/// What equals no cell of an index.
pub(super) const UNKNOWN: Cell = Cell {
    kind: Kind::Other,
    bits: u64::MAX,
};

impl Access {
    pub(super) fn column(&self) -> Option<&Column> {
        match self {
            Access::Column(column) | Access::Resolved(column) => Some(column),
            _ => None,
        }
    }

    /// The column of a path that goes by one.
    pub(super) fn known(&self) -> Result<&Column> {
        let missing = || Error::new(Code::Internal, "an access path goes by what is not known");
        self.column().ok_or_else(missing)
    }

    pub(super) fn constant(&self) -> Option<Cell> {
        match self {
            Access::Const(cell) => Some(*cell),
            _ => None,
        }
    }
}

/// Pairs the rows of a relation with the rows of an index that have its entities and values.
///
/// - `by_entity`, `by_value`: the index in either order; by value only where kept.
/// - `path`: how they are found.
/// - `rows`: rows of the relation; columns of `e` and `v` have that many.
/// - `once`: which of the matching rows a row goes with does not matter, one will do; there may be
///   more.
/// - Pairs come in the order of the relation's rows or, where the index is swept, in its own.
pub(super) fn match_rows(
    (by_entity, by_value): (&Run, Option<&Run>),
    (e, v): (&Access, &Access),
    (path, rows, once): (AccessPath, usize, bool),
    dictionary: &Dictionary,
    budget: &Budget,
) -> Result<Matches> {
    check_numbers(by_entity)?;
    let found = match (path, by_value) {
        (AccessPath::Range(SortOrder::ByEntity), _) => {
            let e = e.constant().and_then(|e| e.as_long());
            let range = e.map_or(0..0, |e| by_entity.entity_range(e));
            return among(by_entity, range, v, rows, budget);
        }
        (AccessPath::Range(SortOrder::ByValue), Some(run)) => {
            let range = v
                .constant()
                .map_or(0..0, |v| run.value_range(v, dictionary));
            return Ok(among(run, range, &Access::Free, rows, budget)?.of_run(true));
        }
        (AccessPath::Merge(SortOrder::ByEntity), _) => {
            merge_entities(by_entity, e.known()?, v, once, budget)
        }
        (AccessPath::Merge(SortOrder::ByValue), Some(run)) => {
            let keys = Integers(dictionary);
            let pairs = merge((run, &keys), v.known()?.bits(), &Always, once, budget)?;
            return Ok(Matches::of_pairs(pairs).of_run(true));
        }
        (AccessPath::Probe(SortOrder::ByEntity), _) => {
            probe_entities(by_entity, e.known()?, v, budget)
        }
        (AccessPath::Probe(SortOrder::ByValue), Some(run)) => {
            let pairs = probe_values(run, v.known()?, dictionary, budget)?;
            return Ok(Matches::of_pairs(pairs).of_run(true));
        }
        (AccessPath::Sweep, _) => sweep_entities(by_entity, e.known()?, v, budget),
        (AccessPath::Hash, _) if rows <= by_entity.len() || once => {
            hash_values(by_entity, v.known()?, once, budget)
        }
        _ => match v {
            Access::Const(v) => {
                let refs = refs_where(by_entity, |chunk, out| equal_rows(chunk, *v, out));
                return times(refs, rows, budget);
            }
            _ => return among(by_entity, 0..by_entity.len(), v, rows, budget),
        },
    };
    found.map(Matches::of_pairs)
}

/// Fails if a run has more rows than can be numbered.
fn check_numbers(run: &Run) -> Result<()> {
    if run.end_chunk() <= RowRef::CHUNKS {
        return Ok(());
    }
    let message = "an attribute has more rows than a query can number";
    Err(Error::new(Code::Limit, message).with("limit", "run-leaves"))
}

/// The rows of a range of a run by value, in the order of their entities, for a relation of one row.
pub(super) fn in_range(run: &Run, range: Range<usize>) -> Result<Matches> {
    check_numbers(run)?;
    let refs = refs_of_range(run, range).into_iter();
    let mut rows: Vec<(i64, u32)> = refs
        .map(|at| (run.chunk(at.chunk()).e[at.row()], at.0))
        .collect();
    rows.sort_unstable();
    let refs: Vec<RowRef> = rows.into_iter().map(|(_, at)| RowRef(at)).collect();
    Ok(Matches::of_refs(vec![0; refs.len()], refs).of_run(true))
}

/// Every row of the relation with every row of a range whose value agrees.
fn among(
    run: &Run,
    range: Range<usize>,
    v: &Access,
    rows: usize,
    budget: &Budget,
) -> Result<Matches> {
    if rows == 1 && matches!(v, Access::Free) {
        return Ok(Matches::of_range(range));
    }
    let refs = refs_of_range(run, range);
    match (v.constant(), v.column()) {
        (Some(cell), _) => {
            let refs = refs
                .into_iter()
                .filter(|&at| cell_at(run, at) == cell)
                .collect();
            times(refs, rows, budget)
        }
        (None, None) => times(refs, rows, budget),
        (None, Some(column)) => {
            let values = Column::from_cells(refs.iter().map(|&at| cell_at(run, at)));
            let map = RowMap::new(&[&values], refs.len());
            let columns = [column];
            let probe = map.probe(&columns, rows);
            let pairs = Pairs::of_tasks(rows, (2, budget), |part, pairs| {
                for row in part {
                    for at in probe.matches(row) {
                        pairs.push(row as u32, refs[at as usize].0)?;
                    }
                }
                Ok(())
            })?;
            Ok(Matches::of_pairs(pairs))
        }
    }
}

/// Every row of the relation with every given row of the run.
fn times(refs: Vec<RowRef>, rows: usize, budget: &Budget) -> Result<Matches> {
    if rows == 1 {
        return Ok(Matches::of_refs(vec![0; refs.len()], refs));
    }
    budget.check_rows(refs.len().saturating_mul(rows), 2)?;
    let (left, all) = product(rows, &refs, budget)?;
    Ok(Matches::of_refs(left, all))
}

/// Rows whose entity is the relation's, both in order.
fn merge_entities<'b>(
    run: &Run,
    entities: &Column,
    v: &Access,
    once: bool,
    budget: &'b Budget,
) -> Result<Pairs<'b>> {
    let (at, keys) = ((run, &Entities), entities.bits());
    match v {
        Access::Free => merge(at, keys, &Always, once, budget),
        Access::Const(v) => {
            let agrees = |_: usize, chunk: &Chunk, row: usize| {
                chunk.v.bits()[row] == v.bits && chunk.v.cell(row) == *v
            };
            merge(at, keys, &agrees, once, budget)
        }
        Access::Column(v) | Access::Resolved(v) => merge(at, keys, &SameValue(v), once, budget),
    }
}

/// Whether a row of the run has the value that a row of the relation asks for.
fn has_value(run: &Run, at: RowRef, v: &Access, row: usize) -> bool {
    match v {
        Access::Free => true,
        Access::Const(cell) => cell_at(run, at) == *cell,
        Access::Column(column) | Access::Resolved(column) => cell_at(run, at) == column.cell(row),
    }
}

/// Rows whose entity is the relation's, each searched for.
fn probe_entities<'b>(
    run: &Run,
    entities: &Column,
    v: &Access,
    budget: &'b Budget,
) -> Result<Pairs<'b>> {
    let mut pairs = Pairs::new(2, budget);
    for row in (0..entities.len()).filter(|&row| entities.kind_at(row) == Kind::Long) {
        for at in refs_of_range(run, run.entity_range(entities.bits()[row] as i64)) {
            if has_value(run, at, v, row) {
                pairs.push(row as u32, at.0)?;
            }
        }
    }
    Ok(pairs)
}

/// Rows whose entity is the relation's, by a table of the first row of each.
fn sweep_entities<'b>(
    run: &Run,
    entities: &Column,
    v: &Access,
    budget: &'b Budget,
) -> Result<Pairs<'b>> {
    let firsts = Firsts::new(run);
    Pairs::of_tasks(entities.len(), (2, budget), |part, pairs| {
        firsts.sweep((run, part), (entities, v), pairs)
    })
}

/// The first row of each entity of a run.
pub(super) struct Firsts {
    min: i64,
    /// By entity less the smallest; none where entities lie too far apart and are searched for.
    rows: Option<Vec<u32>>,
}

const NO_ROW: u32 = u32::MAX;

impl Firsts {
    pub(super) fn new(run: &Run) -> Firsts {
        let (Some(first), Some(last)) = (run.first(), run.last()) else {
            return Firsts { min: 0, rows: None };
        };
        let (min, max) = (first.e, last.e);
        let span = max.abs_diff(min);
        if span > 8 * run.len() as u64 + 1024 {
            return Firsts { min, rows: None };
        }
        let mut rows = vec![NO_ROW; span as usize + 1];
        for (at, chunk) in run.numbered_chunks().rev() {
            for row in (0..chunk.len()).rev() {
                rows[(chunk.e[row] - min) as usize] = RowRef::new(at, row).0;
            }
        }
        Firsts {
            min,
            rows: Some(rows),
        }
    }

    fn find(&self, run: &Run, e: i64) -> Option<RowRef> {
        match &self.rows {
            Some(rows) => {
                let at = usize::try_from(e.checked_sub(self.min)?).ok()?;
                rows.get(at)
                    .copied()
                    .filter(|&row| row != NO_ROW)
                    .map(RowRef)
            }
            None => {
                let range = run.entity_range(e);
                (!range.is_empty()).then(|| {
                    let at = run.position(range.start);
                    RowRef::new(at.chunk, at.row)
                })
            }
        }
    }

    /// Pairs some rows of a relation with the rows of the run that have their entities and values.
    pub(super) fn sweep(
        &self,
        (run, mut part): (&Run, Range<usize>),
        (entities, v): (&Column, &Access),
        pairs: &mut Pairs<'_>,
    ) -> Result<()> {
        part.try_for_each(|row| {
            if entities.kind_at(row) != Kind::Long {
                return Ok(());
            }
            let e = entities.bits()[row] as i64;
            let mut next = self.find(run, e);
            while let Some(at) = next {
                let chunk = run.chunk(at.chunk());
                if chunk.e[at.row()] != e {
                    break;
                }
                if has_value(run, at, v, row) {
                    pairs.push(row as u32, at.0)?;
                }
                next = if at.row() + 1 < chunk.len() {
                    Some(RowRef(at.0 + 1))
                } else {
                    let next = run.next_chunk(at.chunk());
                    (next < run.end_chunk()).then(|| RowRef::new(next, 0))
                };
            }
            Ok(())
        })
    }
}

/// Rows whose value is the relation's, each searched for in the run by value.
fn probe_values<'b>(
    run: &Run,
    values: &Column,
    dictionary: &Dictionary,
    budget: &'b Budget,
) -> Result<Pairs<'b>> {
    let mut pairs = Pairs::new(2, budget);
    for (row, cell) in values.cells().enumerate() {
        if cell == UNKNOWN {
            continue;
        }
        for at in refs_of_range(run, run.value_range(cell, dictionary)) {
            pairs.push(row as u32, at.0)?;
        }
    }
    Ok(pairs)
}

/// Rows whose value is the relation's, by a table of the relation's; in the order of the run.
fn hash_values<'b>(
    by_entity: &Run,
    values: &Column,
    once: bool,
    budget: &'b Budget,
) -> Result<Pairs<'b>> {
    let rows = values.len();
    let mut pairs = Pairs::new(2, budget);
    let map = RowMap::new(&[values], rows);
    if once {
        let mut is_met = vec![false; rows];
        for (at, chunk) in by_entity.numbered_chunks() {
            let values = [&chunk.v];
            let probe = map.probe(&values, chunk.len());
            for row in 0..chunk.len() {
                for left in probe.matches(row) {
                    if !std::mem::replace(&mut is_met[left as usize], true) {
                        pairs.push(left, RowRef::new(at, row).0)?;
                    }
                }
            }
        }
    } else {
        pairs = Pairs::of_tasks(by_entity.len(), (2, budget), |part, pairs| {
            sweep(by_entity, part, &map, pairs)
        })?;
    }
    Ok(pairs)
}

/// Pairs the rows of a part of a run with those of the map that have their value.
fn sweep(run: &Run, part: Range<usize>, map: &RowMap, pairs: &mut Pairs<'_>) -> Result<()> {
    let (mut at, mut left) = (run.position(part.start), part.len());
    while left > 0 {
        let chunk = run.chunk(at.chunk);
        let values = [&chunk.v];
        let probe = map.probe(&values, chunk.len());
        let rows = at.row..chunk.len().min(at.row + left);
        left -= rows.len();
        for row in rows {
            for other in probe.matches(row) {
                pairs.push(other, RowRef::new(at.chunk, row).0)?;
            }
        }
        at = Position {
            chunk: run.next_chunk(at.chunk),
            row: 0,
        };
    }
    Ok(())
}

fn refs_of_range(run: &Run, range: Range<usize>) -> Vec<RowRef> {
    let mut at = run.position(range.start);
    let mut refs = Vec::with_capacity(range.len());
    for _ in range {
        refs.push(RowRef::new(at.chunk, at.row));
        at = run.next(at);
    }
    refs
}

fn refs_where(run: &Run, select: impl Fn(&Chunk, &mut Vec<u32>)) -> Vec<RowRef> {
    let mut refs = Vec::new();
    let mut rows = Vec::new();
    for (at, chunk) in run.numbered_chunks() {
        rows.clear();
        select(chunk, &mut rows);
        refs.extend(rows.iter().map(|&row| RowRef::new(at, row as usize)));
    }
    refs
}

/// Rows of a chunk with this value.
fn equal_rows(chunk: &Chunk, v: Cell, out: &mut Vec<u32>) {
    match chunk.v.kind() {
        Some(kind) if kind != v.kind => {}
        Some(_) => {
            let bits = chunk.v.bits().iter().enumerate();
            out.extend(
                bits.filter(|(_, bits)| **bits == v.bits)
                    .map(|(row, _)| row as u32),
            );
        }
        None => {
            out.extend((0..chunk.len() as u32).filter(|&row| chunk.v.cell(row as usize) == v));
        }
    }
}
