//! What steps read while many threads run them: sources, dictionary, budget, names of functions; nothing of it changes.

use std::collections::HashMap;

use super::budget::Budget;
use super::lookup::{Access, UNKNOWN};
use super::relation::Relation;
use super::scan::Term;
use super::source::{Source, Sources};
use crate::datom::AttrId;
use crate::db::Db;
use crate::error::Result;
use crate::index::{Cell, Column, Interner, Kind};
use crate::plan::Slot;
use crate::script::Finder;
use crate::value::Value;

/// A running query, as steps that change nothing of it see it.
#[derive(Clone, Copy)]
pub(super) struct Shared<'a> {
    pub(super) sources: &'a Sources,
    pub(super) interner: &'a Interner,
    pub(super) budget: &'a Budget,
    pub(super) functions: &'a Finder,
}

impl Shared<'_> {
    /// What a slot says; none if nothing is as it says.
    ///
    /// - `value_of`: the attribute whose values it is about; none if it is about entities.
    pub(super) fn term(
        self,
        db: &Db,
        slot: Option<&Slot>,
        value_of: Option<AttrId>,
    ) -> Result<Option<Term>> {
        Ok(match (slot, value_of) {
            (None | Some(Slot::Blank), _) => Some(Term::Blank),
            (Some(Slot::Var(var)), _) => Some(Term::Var(*var)),
            (Some(Slot::Const(value)), Some(a)) => db.lookup_cell(a, value).map(Term::Const),
            (Some(Slot::Const(value)), None) => self.entity_cell(db, value)?.map(Term::Const),
        })
    }

    /// How a slot restricts the rows of an index, for the rows of a relation.
    ///
    /// - `is_entity`: whether the slot is an entity or refers to one.
    pub(super) fn access(
        self,
        (db, source): (&Db, usize),
        term: Term,
        is_entity: bool,
        input: &Relation,
    ) -> Result<Access> {
        match term {
            Term::Blank => Ok(Access::Free),
            Term::Const(cell) => Ok(Access::Const(cell)),
            Term::Var(var) => match input.column(var) {
                None => Ok(Access::Free),
                Some(column) => self.column_access((db, source), column, is_entity),
            },
        }
    }

    /// The entity a value names; none if there is none such.
    pub(super) fn entity_cell(self, db: &Db, value: &Value) -> Result<Option<Cell>> {
        Ok(match value {
            Value::Long(_) => Cell::inline(value),
            Value::Keyword(_) | Value::Vector(_) | Value::List(_) => {
                db.entid(value)?.map(|e| Cell::long(e.0))
            }
            _ => None,
        })
    }

    fn column_access(
        self,
        (db, source): (&Db, usize),
        column: &Column,
        is_entity: bool,
    ) -> Result<Access> {
        if column.kind() == Some(Kind::Long) {
            return Ok(Access::Column(column.clone()));
        }
        let mut cells = Vec::with_capacity(column.len());
        // Lookup refs and idents repeat: resolve each once.
        let mut known: HashMap<Cell, Option<Cell>> = HashMap::new();
        for cell in column.cells() {
            let found = match known.get(&cell) {
                Some(found) => *found,
                None => {
                    let found = if is_entity && matches!(cell.kind, Kind::Tuple | Kind::Keyword) {
                        self.entity_cell(db, &self.interner.value(cell))?
                    } else if let Source::Db(source) = &self.sources.sources[source] {
                        source.export(cell, self.interner)
                    } else {
                        Some(cell)
                    };
                    known.insert(cell, found);
                    found
                }
            };
            cells.push(found.unwrap_or(UNKNOWN));
        }
        Ok(Access::Resolved(Column::from_cells(cells)))
    }
}
