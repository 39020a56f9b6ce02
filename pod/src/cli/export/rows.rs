//! Rows to write, some at a time: entities of a namespace, or the answer of a query.

use std::iter::Peekable;

use datalith_engine::datom::AttrId;
use datalith_engine::db::Flexibility;
use datalith_engine::exec::Answer;
use datalith_engine::index::{Cell, Kind, Row, Run, SortOrder, array_of};
use datalith_engine::schema::TupleKind;
use datalith_engine::{Db, Value};
use datalith_scripts::table::readable_names;

use super::column::Column;
use crate::cli::fault::Fault;
use crate::cli::import::ID_COLUMN;

/// Rows of a batch.
pub(super) const BATCH_ROWS: usize = 8 * 1024;

/// Cells by column.
pub(super) type Cells = Vec<Vec<Value>>;

/// The attributes of a namespace.
pub(super) struct Namespace {
    db: Db,
    pub(super) columns: Vec<Column>,
    runs: Vec<Run>,
}

impl Namespace {
    /// Fails if no attribute of the namespace was ever used.
    pub(super) fn new(db: &Db, name: &str) -> Result<Namespace, Fault> {
        let name = name.trim_start_matches(':');
        let prefix = format!("{name}/");
        let mut found: Vec<(i64, String, AttrId, Run)> = Vec::new();
        for a in db.attribute_ids() {
            let declared = db.attribute(a);
            let ident = db.ident(a).as_keyword();
            let short = ident.and_then(|ident| ident.as_str().strip_prefix(&prefix));
            // What follows from other attributes is refused when it is loaded.
            let follows =
                declared.is_some_and(|known| matches!(known.tuple, Some(TupleKind::Composite(_))));
            let run = db.run(a, SortOrder::ByEntity);
            if let (Some(short), false, Some(run)) = (short, follows, run) {
                let entity = declared.and_then(|known| known.entity);
                let entity = entity.map_or(i64::MAX, |entity| entity.0);
                found.push((entity, short.to_owned(), a, run));
            }
        }
        if found.is_empty() {
            return Err(Fault::Usage(format!(
                "--table {name}: no entity has an attribute named :{name}/…"
            )));
        }
        found.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
        let mut columns = vec![Column::of_ids(ID_COLUMN)];
        columns.extend(
            found
                .iter()
                .map(|(_, name, a, run)| column(db, name, *a, run)),
        );
        Ok(Namespace {
            db: db.clone(),
            columns,
            runs: found.into_iter().map(|(_, _, _, run)| run).collect(),
        })
    }

    /// Fewest rows there can be.
    pub(super) fn rows_min(&self) -> usize {
        self.runs.iter().map(Run::len).max().unwrap_or(0)
    }

    /// Calls `take` with the cells of entity after entity, a batch at a time.
    pub(super) fn each_batch(
        &self,
        take: &mut dyn FnMut(&Cells) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let rows = self
            .runs
            .iter()
            .map(|run| run.rows_in(0..run.len()).peekable());
        let mut rows: Vec<_> = rows.collect();
        let mut cells: Cells = vec![Vec::new(); self.columns.len()];
        while let Some(e) = rows
            .iter_mut()
            .filter_map(|rows| Some(rows.peek()?.e))
            .min()
        {
            cells[0].push(Value::Long(e));
            let columns = self.columns[1..].iter().zip(&mut rows);
            for ((column, rows), cells) in columns.zip(&mut cells[1..]) {
                cells.push(self.cell(e, column, rows));
            }
            if cells[0].len() == BATCH_ROWS {
                take(&cells)?;
                cells.iter_mut().for_each(Vec::clear);
            }
        }
        match cells[0].is_empty() {
            true => Ok(()),
            false => take(&cells),
        }
    }

    /// What an entity has in a column.
    fn cell(
        &self,
        e: i64,
        column: &Column,
        rows: &mut Peekable<impl Iterator<Item = Row>>,
    ) -> Value {
        let Some(first) = rows.next_if(|row| row.e == e) else {
            return Value::Nil;
        };
        let first = self.value(column, first.v);
        if !column.is_many {
            return first;
        }
        let mut values = vec![first];
        while let Some(row) = rows.next_if(|row| row.e == e) {
            values.push(self.value(column, row.v));
        }
        Value::from(values)
    }

    /// A value as it was transacted: of an array that is kept aside, the array.
    fn value(&self, column: &Column, v: Cell) -> Value {
        let dictionary = self.db.dictionary();
        let array = column.is_aside.then(|| array_of(dictionary, v)).flatten();
        array.cloned().unwrap_or_else(|| dictionary.value(v))
    }
}

fn column(db: &Db, name: &str, a: AttrId, run: &Run) -> Column {
    let declared = db.attribute(a);
    let is_aside = declared.is_some_and(|known| known.aside);
    let typed = declared.filter(|known| known.value_type.is_some());
    match typed {
        Some(known) if db.options().flexibility == Flexibility::Write => {
            Column::of_attribute(name, known)
        }
        _ => {
            let kinds = run.chunks().flat_map(|chunk| match chunk.v.kind() {
                Some(kind) => vec![kind],
                None => (0..chunk.len()).map(|row| chunk.v.kind_at(row)).collect(),
            });
            let mut column = Column::of_kinds(name, kinds);
            column.is_many = declared.is_some_and(|known| known.is_many());
            if is_aside {
                column = column.of_arrays();
            }
            column
        }
    }
}

/// The columns of an answer; its values are made a batch at a time.
pub(super) fn columns_of(answer: &Answer, headings: &[String]) -> Vec<Column> {
    let names = readable_names(headings);
    let columns = names.iter().enumerate().map(|(at, name)| {
        let kinds = (0..answer.len()).map(|row| Kind::of(&answer.value(at, row)));
        Column::of_kinds(name, kinds)
    });
    columns.collect()
}

/// Calls `take` with the rows of an answer, a batch at a time.
pub(super) fn each_batch_of(
    answer: &Answer,
    take: &mut dyn FnMut(&Cells) -> Result<(), Fault>,
) -> Result<(), Fault> {
    for start in (0..answer.len()).step_by(BATCH_ROWS) {
        let rows = start..answer.len().min(start + BATCH_ROWS);
        let column = |at| rows.clone().map(|row| answer.value(at, row)).collect();
        take(&(0..answer.columns().len()).map(column).collect())?;
    }
    Ok(())
}
