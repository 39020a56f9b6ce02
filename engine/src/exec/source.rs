//! Where patterns look: database values and collections of tuples.

use std::collections::HashMap;
use std::sync::Arc;

use crate::db::Db;
use crate::error::{Code, Error, Result};
use crate::index::{Cell, Column, Interner, Kinds};
use crate::plan::Statistics;
use crate::query::ast::SourceName;
use crate::script::Finder;
use crate::value::Value;

/// One source of a query.
pub(super) enum Source {
    Db(DbSource),
    Tuples(Tuples, Value),
    /// A value that no pattern can look into; functions may still take it.
    Value(Value),
}

/// A collection of tuples, one column per position; short tuples leave gaps.
#[derive(Default)]
pub(super) struct Tuples {
    pub(super) columns: Vec<Column>,
    pub(super) rows: usize,
    /// How many items each tuple has.
    pub(super) widths: Vec<u32>,
}

/// A database value, and how its dictionary relates to the query's.
pub(super) struct DbSource {
    pub(super) db: Db,
    /// Whether its dictionary ids are the query's.
    native: bool,
    to_query: HashMap<u64, u64>,
}

impl DbSource {
    pub(super) fn new(db: Db, interner: &Interner) -> DbSource {
        let native = db.dictionary().is_same(interner.base());
        DbSource {
            db,
            native,
            to_query: HashMap::new(),
        }
    }

    /// Whether its dictionary is the one that the query's starts from.
    pub(super) fn is_native(&self) -> bool {
        self.native
    }

    /// A column of the database, in the query's dictionary.
    pub(super) fn import(&mut self, column: Column, interner: &mut Interner) -> Column {
        let is_inline = column.kind().is_some_and(|kind| !kind.is_interned());
        if self.native || is_inline {
            return column;
        }
        let db = &self.db;
        let mut id = |bits: u64| {
            *self
                .to_query
                .entry(bits)
                .or_insert_with(|| u64::from(interner.intern(db.dictionary().interned(bits))))
        };
        match column.kinds() {
            Kinds::All(kind) => Column::uniform(
                *kind,
                column
                    .bits()
                    .iter()
                    .map(|&bits| id(bits))
                    .collect::<Vec<_>>(),
            ),
            Kinds::Each(_) => Column::from_cells(column.cells().map(|cell| {
                if cell.kind.is_interned() {
                    Cell {
                        bits: id(cell.bits),
                        ..cell
                    }
                } else {
                    cell
                }
            })),
        }
    }

    /// A cell of the query in the database's dictionary; none if the database has no such value.
    pub(super) fn export(&self, cell: Cell, interner: &Interner) -> Option<Cell> {
        if !cell.kind.is_interned() {
            return Some(cell);
        }
        if self.native {
            return (cell.bits < u64::from(self.db.dictionary().len())).then_some(cell);
        }
        self.db.dictionary().cell(interner.interned(cell.bits))
    }
}

/// All sources of a query, by position.
pub(super) struct Sources {
    pub(super) names: Vec<SourceName>,
    pub(super) sources: Vec<Source>,
}

impl Sources {
    pub(super) fn db(&self, at: usize, form: &Value) -> Result<&DbSource> {
        match &self.sources[at] {
            Source::Db(source) => Ok(source),
            _ => Err(Error::new(
                Code::QueryWhere,
                format!("Expected a database as {} in {form}", self.names[at]),
            )
            .with("form", form.clone())),
        }
    }
}

impl Sources {
    /// The position of what `$` means.
    pub(super) fn default(&self) -> usize {
        let mut names = self.names.iter();
        names
            .position(|name| name.0.as_str() == "$")
            .unwrap_or_default()
    }

    /// Where functions that users wrote are found: in what `$` means.
    pub(super) fn functions(&self) -> Finder {
        Finder::new(self.db_at(self.default()).cloned())
    }

    /// The database at a position, if it is one.
    pub(super) fn db_at(&self, at: usize) -> Option<&Db> {
        Statistics::db(self, at)
    }
}

impl Statistics for Sources {
    fn db(&self, source: usize) -> Option<&Db> {
        match &self.sources[source] {
            Source::Db(source) => Some(&source.db),
            _ => None,
        }
    }

    fn tuples(&self, source: usize) -> usize {
        match &self.sources[source] {
            Source::Tuples(tuples, _) => tuples.rows,
            _ => 0,
        }
    }
}

impl Tuples {
    /// From a collection: tuples are vectors, lists or, in a map, its entries.
    pub(super) fn from_value(value: &Value, interner: &mut Interner) -> Option<Tuples> {
        let rows: Vec<Arc<[Value]>> = match value {
            Value::List(items) | Value::Vector(items) => {
                items.iter().map(tuple_items).collect::<Option<_>>()?
            }
            Value::Set(items) => items.iter().map(tuple_items).collect::<Option<_>>()?,
            Value::Map(entries) => entries
                .iter()
                .map(|(k, v)| Arc::from([k.clone(), v.clone()]))
                .collect(),
            Value::Nil => Vec::new(),
            _ => return None,
        };
        let width = rows.iter().map(|row| row.len()).max().unwrap_or(0);
        let column = |at: usize, interner: &mut Interner| {
            let cell = |row: &Arc<[Value]>| row.get(at).map_or(Cell::NIL, |v| interner.cell(v));
            Column::from_cells(rows.iter().map(cell))
        };
        let columns = (0..width).map(|at| column(at, interner)).collect();
        let widths = rows.iter().map(|row| row.len() as u32).collect();
        Some(Tuples {
            columns,
            rows: rows.len(),
            widths,
        })
    }
}

fn tuple_items(value: &Value) -> Option<Arc<[Value]>> {
    match value {
        Value::List(items) | Value::Vector(items) => Some(Arc::clone(items)),
        _ => None,
    }
}
