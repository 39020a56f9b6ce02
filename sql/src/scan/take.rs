//! The values of one attribute for a list of entities.

use datafusion::arrow::buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use datalith_engine::index::{Cell, Column, Run};

/// Rows of a run for each entity wanted, from which on looking each up costs less than walking.
const WALK_ROWS: usize = 16;

/// A value for each of some entities, or nothing.
pub(crate) struct Single {
    /// The cells; what stands where there is nothing means nothing.
    pub(crate) cells: Column,
    /// Where there is something.
    pub(crate) nulls: Option<NullBuffer>,
}

/// Some values for each of some entities.
pub(crate) struct Several {
    /// The cells of all, one entity's after another's.
    pub(crate) cells: Column,
    /// Where those of each begin and end.
    pub(crate) offsets: OffsetBuffer<i32>,
    /// Which entities have any.
    pub(crate) nulls: NullBuffer,
}

/// The value that each entity has; the first of several.
///
/// - `entities`: ascending.
pub(crate) fn single(run: Option<&Run>, entities: &[i64]) -> Single {
    let mut found: Vec<Option<Cell>> = vec![None; entities.len()];
    if let Some(run) = run {
        for_each(run, entities, |at, cell| {
            found[at].get_or_insert(cell);
        });
    }
    let filler = found.iter().flatten().next().copied().unwrap_or(Cell::NIL);
    let is_missing = found.iter().any(Option::is_none);
    Single {
        cells: Column::from_cells(found.iter().map(|cell| cell.unwrap_or(filler))),
        nulls: is_missing.then(|| found.iter().map(Option::is_some).collect()),
    }
}

/// All values that each entity has.
///
/// - `entities`: ascending.
pub(crate) fn several(run: Option<&Run>, entities: &[i64]) -> Several {
    let mut cells = Vec::new();
    let mut counts = vec![0i32; entities.len()];
    if let Some(run) = run {
        for_each(run, entities, |at, cell| {
            counts[at] += 1;
            cells.push(cell);
        });
    }
    let mut offsets = Vec::with_capacity(counts.len() + 1);
    let mut end = 0;
    offsets.push(end);
    for count in &counts {
        end += count;
        offsets.push(end);
    }
    Several {
        cells: Column::from_cells(cells),
        offsets: OffsetBuffer::new(ScalarBuffer::from(offsets)),
        nulls: counts.iter().map(|count| *count > 0).collect(),
    }
}

/// Calls with the place of each entity and a value of it, in order.
fn for_each(run: &Run, entities: &[i64], mut found: impl FnMut(usize, Cell)) {
    let (Some(&first), Some(&last)) = (entities.first(), entities.last()) else {
        return;
    };
    let start = run.offset(run.entity_position(first));
    let end = run.entity_range(last).end;
    if end.saturating_sub(start) > WALK_ROWS * entities.len() {
        for (at, &e) in entities.iter().enumerate() {
            run.rows_in(run.entity_range(e))
                .for_each(|row| found(at, row.v));
        }
        return;
    }
    let mut at = 0;
    for piece in run.pieces(start..end) {
        for (row, &e) in piece.e.iter().enumerate() {
            while at < entities.len() && entities[at] < e {
                at += 1;
            }
            if at < entities.len() && entities[at] == e {
                found(at, piece.v.cell(row));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use datalith_engine::index::{Extra, Row, SortOrder};

    use super::*;

    #[test]
    fn walking_and_looking_up_find_the_same() {
        let rows: Vec<Row> = (0..5000i64)
            .map(|n| Row::new(n / 2 * 3, Cell::long(n), 1))
            .collect();
        let run = Run::from_sorted(SortOrder::ByEntity, Extra::Nothing, &rows);
        for entities in [vec![3, 4, 6, 7499], vec![3, 4, 6], vec![], vec![9000]] {
            let single = single(Some(&run), &entities);
            let several = several(Some(&run), &entities);
            for (at, e) in entities.iter().enumerate() {
                let all: Vec<i64> = rows
                    .iter()
                    .filter(|row| row.e == *e)
                    .map(|row| row.v.bits as i64)
                    .collect();
                let is_null = single.nulls.as_ref().is_some_and(|nulls| nulls.is_null(at));
                assert_eq!(is_null, all.is_empty());
                if let Some(first) = all.first() {
                    assert_eq!(single.cells.cell(at).as_long(), Some(*first));
                }
                let range = several.offsets[at] as usize..several.offsets[at + 1] as usize;
                let found: Vec<i64> = range.map(|at| several.cells.bits()[at] as i64).collect();
                assert_eq!(found, all);
            }
        }
    }
}
