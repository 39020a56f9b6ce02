//! What archived records say by reference: values of datoms as the rows of the database have them.
//!
//! A row says which transaction made it so, a past row also which one ended that. So of a datom of a
//! transaction only entity, attribute and operation need to be kept, and where the transaction did
//! that to several values of an entity, which of them in their order.

use std::collections::HashMap;
use std::ops::ControlFlow;

use foldhash::fast::FixedState;

use crate::bytes::malformed;
use crate::datom::{AttrId, Op, TxId};
use crate::db::{Db, IndexDatom};
use crate::error::Result;
use crate::index::{Cell, Pass, Row};

/// Fewest datoms of an attribute that a record leaves to the rows: to read one small transaction,
/// no chunk of rows needs to be read.
pub(super) const REFERRED_DATOMS_MIN: usize = 64;

/// Most rows to be looked at to find a datom, so that reading all records is not much dearer than
/// reading all rows: where the rows of a transaction lie scattered among many others, its record
/// has the values.
const ROWS_PER_DATOM_MAX: u64 = 8;

/// Rows to be looked at however few datoms there are: those of some chunks in memory.
const ROWS_MIN: u64 = 8_192;

/// The rows that records refer to: of the root that has the records in its archive.
pub(super) struct Rows<'d> {
    db: &'d Db,
    passes: HashMap<AttrId, [Pass; 2], FixedState>,
    found: Found,
}

/// The values of an entity that a transaction made so, and those it made no longer so: each once,
/// in an order that is the same wherever the rows lie.
#[derive(Default)]
struct Found {
    asserted: Vec<Cell>,
    retracted: Vec<Cell>,
}

/// How the rows tell the values of some datoms.
pub(super) enum Told {
    /// Each is the only one, or the first.
    First,
    /// By their places among those of the same entity and operation.
    Ranks(Vec<u32>),
}

impl<'d> Rows<'d> {
    /// Those of a database value.
    pub(super) fn of(db: &'d Db) -> Rows<'d> {
        Rows {
            db,
            passes: HashMap::default(),
            found: Found::default(),
        }
    }

    /// How the rows tell the values of one attribute's datoms in a transaction; none if they do
    /// not, or not for good, or at too high a price.
    pub(super) fn tell(&mut self, tx: TxId, group: &[IndexDatom]) -> Option<Told> {
        let a = group.first()?.a;
        let options = self.db.options();
        let declared = self.db.schema().attribute(a);
        let keeps_past =
            options.keep_history && !declared.is_some_and(|attribute| attribute.no_history);
        if !keeps_past || group.len() < REFERRED_DATOMS_MIN {
            return None;
        }
        let mut ranks = vec![0u32; group.len()];
        let rows_max = ROWS_MIN + ROWS_PER_DATOM_MAX * group.len() as u64;
        let mut tell = |at: usize, cells: &[Cell]| {
            let rank = cells.iter().position(|cell| *cell == group[at].v)?;
            ranks[at] = rank as u32;
            Some(())
        };
        self.each(tx, group, rows_max, &mut tell)?;
        Some(match ranks.iter().all(|rank| *rank == 0) {
            true => Told::First,
            false => Told::Ranks(ranks),
        })
    }

    /// Gives the datoms of one attribute in a transaction the values they had when the rows told
    /// them. Fails with [`Code::CorruptLog`](crate::error::Code::CorruptLog) if the rows tell nothing.
    pub(super) fn settle(&mut self, tx: TxId, group: &mut [IndexDatom], told: &Told) -> Result<()> {
        let mut cells_of = vec![Cell::NIL; group.len()];
        let mut take = |at: usize, cells: &[Cell]| {
            let rank = match told {
                Told::First => 0,
                Told::Ranks(ranks) => *ranks.get(at)? as usize,
            };
            cells_of[at] = *cells.get(rank)?;
            Some(())
        };
        let settled = self.each(tx, group, u64::MAX, &mut take);
        settled.ok_or_else(|| malformed("it refers to rows that are not there"))?;
        for (datom, cell) in group.iter_mut().zip(cells_of) {
            datom.v = cell;
        }
        Ok(())
    }

    /// Visits the datoms of one attribute, each with the values it may mean, until one gives none.
    fn each(
        &mut self,
        tx: TxId,
        group: &[IndexDatom],
        rows_max: u64,
        visit: &mut dyn FnMut(usize, &[Cell]) -> Option<()>,
    ) -> Option<()> {
        let a = group.first()?.a;
        let index = self.db.index(a)?;
        let passes = self.passes.entry(a);
        let [current, past] =
            passes.or_insert_with(|| [Pass::over(index.current()), Pass::over(index.past())]);
        let before = current.looked_at() + past.looked_at();
        let mut order: Vec<usize> = Vec::new();
        if !group.is_sorted_by_key(|datom| datom.e) {
            order.extend(0..group.len());
            order.sort_by_key(|at| group[*at].e);
        }
        let found = &mut self.found;
        let mut last = None;
        for at in 0..group.len() {
            let at = order.get(at).copied().unwrap_or(at);
            let IndexDatom { e, op, .. } = group[at];
            if last.replace(e) != Some(e) {
                let spent = current.looked_at() + past.looked_at() - before;
                found.look(e.0, tx, (current, past), rows_max.checked_sub(spent)?)?;
            }
            match op {
                Op::Assert => visit(at, &found.asserted)?,
                Op::Retract => visit(at, &found.retracted)?,
            }
        }
        Some(())
    }
}

impl Found {
    /// Looks an entity up; none if it has more rows than `rows_max`.
    fn look(
        &mut self,
        e: i64,
        TxId(tx): TxId,
        (current, past): (&mut Pass, &mut Pass),
        rows_max: u64,
    ) -> Option<()> {
        let (asserted, retracted) = (&mut self.asserted, &mut self.retracted);
        asserted.clear();
        retracted.clear();
        let mut left = rows_max;
        let mut take = |row: Row, is_past: bool| {
            if row.tx == tx {
                asserted.push(row.v);
            }
            if is_past && row.extra == tx {
                retracted.push(row.v);
            }
            match left.checked_sub(1) {
                Some(less) => left = less,
                None => return ControlFlow::Break(()),
            }
            ControlFlow::Continue(())
        };
        let mut whole = true;
        for (pass, is_past) in [(current, false), (past, true)] {
            pass.visit(e, |row| {
                let taken = take(row, is_past);
                whole &= taken.is_continue();
                taken
            });
        }
        for cells in [asserted, retracted] {
            cells.sort_unstable_by_key(|cell| (cell.kind as u8, cell.bits));
            cells.dedup();
        }
        whole.then_some(())
    }
}
