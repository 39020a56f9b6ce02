//! The sorted lists of integers that a pattern offers to the rows of a relation.

use std::ops::Range;

use arrow_buffer::ScalarBuffer;

use super::access::is_probed;
use super::block::Context;
use super::key::{RowMap, group_rows};
use super::lookup::{Access, UNKNOWN};
use super::relation::Relation;
use super::source::Source;
use crate::db::Db;
use crate::error::Result;
use crate::index::{Cell, Chunk, Column, Extra, Kind, Run, SortOrder};
use crate::plan::{Pattern, Slot, VarId};

/// Numbers that are copied in the time of one search in a run.
const SEARCH_NUMBERS: usize = 16;

/// The lists that a pattern offers for the rows of a relation.
pub(super) struct Lists {
    db: Db,
    /// The rows that lists are parts of: by entity if they hold values.
    run: Run,
    /// What each list is of: the entity that has its values, or the value of its entities.
    keys: Column,
    lists: Vec<List>,
    /// Which list each row has.
    of_row: Vec<u32>,
    /// The lists that are copied, one after the other.
    numbers: Vec<u64>,
}

/// One list, by where it is.
#[derive(Clone, Debug)]
enum List {
    /// These of the numbers.
    Copied(Range<usize>),
    /// These rows of the run.
    Left(Range<usize>),
}

impl Lists {
    /// Finds the lists of a pattern's values for a variable; none if there is none such in order.
    pub(super) fn new(
        context: &mut Context<'_>,
        pattern: &Pattern,
        var: VarId,
        input: &Relation,
    ) -> Result<Option<Lists>> {
        let Source::Db(source) = &context.sources.sources[pattern.source] else {
            return Ok(None);
        };
        let db = source.db.clone();
        let Some(Slot::Const(name)) = pattern.slots.get(1) else {
            return Ok(None);
        };
        let by_value = pattern.slots[0].var() == Some(var);
        let order = match by_value {
            true => SortOrder::ByValue,
            false => SortOrder::ByEntity,
        };
        let a = db.attr_of(name);
        let run = match a.map(|a| (db.run(a, order), db.index(a))) {
            Some((Some(run), _)) => run,
            Some((None, Some(_))) => return Ok(None),
            _ => Run::empty(order, Extra::Nothing),
        };
        let is_ref = |a| db.attribute(a).is_some_and(|attribute| attribute.is_ref());
        // The attribute whose values the keys are; none if they are entities.
        let value_of = a.filter(|a| by_value && !is_ref(*a));
        let (shared, slot) = (
            context.shared(),
            pattern.slots.get(2 * usize::from(by_value)),
        );
        let term = shared.term(&db, slot, value_of)?;
        let access = match term {
            None => Access::Const(UNKNOWN),
            Some(term) => shared.access((&db, pattern.source), term, value_of.is_none(), input)?,
        };
        let (keys, of_row) = match &access {
            Access::Column(column) | Access::Resolved(column) => {
                let (of_row, firsts) = group_rows(&[column], input.len());
                (column.gather(&firsts), of_row)
            }
            Access::Const(cell) => (Column::constant(*cell, 1), vec![0; input.len()]),
            Access::Free => return Ok(None),
        };
        let mut lists = Lists {
            db,
            run,
            lists: vec![List::Copied(0..0); keys.len()],
            keys,
            of_row,
            numbers: Vec::new(),
        };
        let is_inline = lists.keys.kind().is_some_and(|kind| !kind.is_interned());
        let are_found = if is_probed((lists.keys.len(), is_inline), lists.run.len()) {
            lists.search();
            true
        } else {
            lists.sweep()
        };
        Ok(are_found.then_some(lists))
    }

    /// Finds each list by search, and leaves it where it is.
    fn search(&mut self) {
        let range = |cell: Cell| match (self.run.order(), cell.as_long()) {
            (SortOrder::ByEntity, Some(e)) => self.run.entity_range(e),
            (SortOrder::ByValue, _) if cell != UNKNOWN => {
                self.run.value_range(cell, self.db.dictionary())
            }
            _ => 0..0,
        };
        self.lists = self.keys.cells().map(range).map(List::Left).collect();
    }

    /// Copies all lists in one reading of the run; false if they are not all integers.
    fn sweep(&mut self) -> bool {
        let map = RowMap::new(&[&self.keys], self.keys.len());
        for chunk in self.run.chunks() {
            let entities = entities(chunk);
            let (keys, numbers) = match self.run.order() {
                SortOrder::ByEntity => (&entities, &chunk.v),
                SortOrder::ByValue => (&chunk.v, &entities),
            };
            if numbers.kind() != Some(Kind::Long) {
                return false;
            }
            let columns = [keys];
            let probe = map.probe(&columns, keys.len());
            let mut row = 0;
            while row < keys.len() {
                let key = keys.cell(row);
                let same = keys.bits()[row..].iter().enumerate();
                let same = same.take_while(|(at, bits)| {
                    **bits == key.bits && keys.kind_at(row + at) == key.kind
                });
                let end = row + same.count();
                if let Some(list) = probe.first(row) {
                    self.lists[list as usize].extend(
                        &numbers.bits()[row..end],
                        &mut self.numbers,
                        self.run.extra(),
                    );
                }
                row = end;
            }
        }
        true
    }

    /// Copies the lists that are not much longer than the shortest that their rows have; false if
    /// one is not all integers. The shortest of a row is always copied.
    ///
    /// - `all`: of several patterns, for the same rows.
    pub(super) fn copy_short(all: &mut [Lists], rows: usize) -> bool {
        let is_left = |lists: &Lists| {
            let mut lists = lists.lists.iter();
            lists.any(|list| matches!(list, List::Left(_)))
        };
        if !all.iter().any(is_left) {
            return true;
        }
        let mut read: Vec<Vec<usize>> = all.iter().map(|one| vec![0; one.lists.len()]).collect();
        for row in 0..rows {
            let shortest = all.iter().map(|one| one.list(row).len()).min();
            for (one, read) in all.iter().zip(&mut read) {
                read[one.of_row[row] as usize] += shortest.unwrap_or(0);
            }
        }
        all.iter_mut().zip(&read).all(|(one, read)| one.copy(read))
    }

    /// - `read`: numbers that are read of the shortest lists beside each list, itself included.
    fn copy(&mut self, read: &[usize]) -> bool {
        for (list, read) in self.lists.iter_mut().zip(read) {
            let List::Left(range) = list else { continue };
            if range.len() > SEARCH_NUMBERS * read {
                continue;
            }
            let range = range.clone();
            *list = List::Copied(0..0);
            for piece in self.run.pieces(range) {
                let numbers = match self.run.order() {
                    SortOrder::ByEntity => piece.v,
                    SortOrder::ByValue => entities(&piece),
                };
                if numbers.kind() != Some(Kind::Long) {
                    return false;
                }
                list.extend(numbers.bits(), &mut self.numbers, self.run.extra());
            }
        }
        true
    }

    fn list(&self, row: usize) -> &List {
        &self.lists[self.of_row[row] as usize]
    }

    /// The list of a row, if it is copied.
    pub(super) fn of(&self, row: usize) -> Option<&[u64]> {
        match self.list(row) {
            List::Copied(range) => Some(&self.numbers[range.clone()]),
            List::Left(_) => None,
        }
    }

    /// Whether a number is on the list of a row.
    pub(super) fn has(&self, row: usize, number: u64) -> bool {
        let key = self.keys.cell(self.of_row[row] as usize);
        let number = Cell::long(number as i64);
        let (e, v) = match self.run.order() {
            SortOrder::ByEntity => (key, number),
            SortOrder::ByValue => (number, key),
        };
        let found = e
            .as_long()
            .and_then(|e| self.run.find(e, v, self.db.dictionary()));
        found.is_some()
    }
}

impl List {
    fn len(&self) -> usize {
        match self {
            List::Copied(range) | List::Left(range) => range.len(),
        }
    }

    /// Adds numbers to a list that is copied, and is the last that is or has none yet.
    fn extend(&mut self, more: &[u64], numbers: &mut Vec<u64>, extra: Extra) {
        let start = match self {
            List::Copied(range) if range.start < range.end => range.start,
            _ => numbers.len(),
        };
        if extra == Extra::Added {
            // A history may say the same many times.
            for &n in more {
                if numbers[start..].last() != Some(&n) {
                    numbers.push(n);
                }
            }
        } else {
            numbers.extend_from_slice(more);
        }
        *self = List::Copied(start..numbers.len());
    }
}

/// The entities of a chunk as a column, shared.
fn entities(chunk: &Chunk) -> Column {
    Column::uniform(
        Kind::Long,
        ScalarBuffer::<u64>::from(chunk.e.inner().clone()),
    )
}
