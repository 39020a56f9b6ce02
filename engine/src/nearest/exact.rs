//! Search row by row: what is asked of few rows, of rows that lie in no graph yet, and the judge of
//! what graphs answer.

use super::space::Space;
use super::{Hit, Wanted};
use crate::datom::{AttrId, EntityId};
use crate::db::Db;
use crate::error::Result;
use crate::fork;
use crate::index::{Cell, Row, Run, SortOrder, floats_of};

/// Rows between two checks.
const CHECK_ROWS: usize = 4096;

/// Every entity of an attribute that may be answered, with its distance, by entity.
pub(super) fn hits(
    db: &Db,
    space: &Space,
    attribute: AttrId,
    wanted: &Wanted<'_>,
    check: &(dyn Fn() -> Result<()> + Sync),
) -> Result<Vec<Hit>> {
    let Some(run) = db.run(attribute, SortOrder::ByEntity) else {
        return Ok(Vec::new());
    };
    let rows = shown_rows(db, &run, wanted.among);
    score(db, space, attribute, wanted, &rows, check)
}

/// The distance of each entity among some rows, by entity.
pub(super) fn score(
    db: &Db,
    space: &Space,
    attribute: AttrId,
    wanted: &Wanted<'_>,
    rows: &[(i64, Cell)],
    check: &(dyn Fn() -> Result<()> + Sync),
) -> Result<Vec<Hit>> {
    let dictionary = db.dictionary();
    let parts = fork::split(rows.len(), |part| {
        let mut hits: Vec<Hit> = Vec::with_capacity(part.len());
        for (at, &(e, cell)) in rows[part].iter().enumerate() {
            if at % CHECK_ROWS == 0 {
                check()?;
            }
            let Some(vector) = floats_of(dictionary, cell) else {
                continue;
            };
            if vector.len() != wanted.vector.len() {
                continue;
            }
            let hit = Hit {
                entity: EntityId(e),
                attribute,
                distance: space.distance.between(wanted.vector, &vector),
            };
            match hits.last_mut() {
                Some(last) if last.entity == hit.entity => {
                    last.distance = last.distance.min(hit.distance);
                }
                _ => hits.push(hit),
            }
        }
        Ok(hits)
    });
    let mut all: Vec<Hit> = Vec::with_capacity(rows.len());
    for part in parts {
        let part = part?;
        // An entity whose rows two parts share.
        if let (Some(last), Some(first)) = (all.last_mut(), part.first())
            && last.entity == first.entity
        {
            last.distance = last.distance.min(first.distance);
            all.extend_from_slice(&part[1..]);
        } else {
            all.extend(part);
        }
    }
    Ok(all)
}

/// Entity and value of the rows that the view shows, by entity; of some entities if given.
pub(super) fn shown_rows(db: &Db, run: &Run, among: Option<&[i64]>) -> Vec<(i64, Cell)> {
    let is_assertion = |row: &Row| !db.view().history || row.extra == 1;
    let pair = |row: Row| (row.e, row.v);
    let Some(among) = among else {
        return run.rows().filter(is_assertion).map(pair).collect();
    };
    if among.len() < run.len() / 16 {
        let rows = among.iter().flat_map(|&e| run.rows_in(run.entity_range(e)));
        return rows.filter(is_assertion).map(pair).collect();
    }
    let mut wanted = among.iter().copied().peekable();
    let is_wanted = |row: &Row| {
        while wanted.next_if(|&e| e < row.e).is_some() {}
        wanted.peek() == Some(&row.e)
    };
    let rows = run.rows().filter(is_assertion);
    rows.filter(is_wanted).map(pair).collect()
}
