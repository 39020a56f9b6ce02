//! The table: columns of one length, each with a name.

use std::sync::Arc;

use arrow_array::{BooleanArray, UInt32Array};
use datalith_engine::Value;
use rhai::{Dynamic, Map};

use super::column::Column;
use crate::fault::{Done, refused};
use crate::limits::TABLE_ROWS;

/// Rows with named columns. Immutable; clones share everything.
#[derive(Clone, Debug)]
pub struct Table(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    names: Vec<String>,
    columns: Vec<Column>,
    rows: usize,
}

impl Table {
    /// A table of columns of one length, their names unique.
    pub(crate) fn of_columns(names: Vec<String>, columns: Vec<Column>, rows: usize) -> Table {
        assert!(columns.iter().all(|column| column.len() == rows));
        assert_eq!(names.len(), columns.len());
        Table(Arc::new(Parts {
            names,
            columns,
            rows,
        }))
    }

    /// A table of rows, as many values in each as there are names; a name given twice gets a number.
    pub fn from_rows(names: Vec<String>, rows: Vec<Vec<Value>>) -> Table {
        let count = rows.len();
        let mut columns: Vec<Vec<Value>> = names.iter().map(|_| Vec::new()).collect();
        for row in rows {
            let mut row = row.into_iter();
            for column in &mut columns {
                column.push(row.next().unwrap_or_default());
            }
        }
        let columns = columns.into_iter().map(Column::from_values).collect();
        Table::of_columns(unique(names.into_iter()), columns, count)
    }

    /// Rows.
    pub fn len(&self) -> usize {
        self.0.rows
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What the columns are called.
    pub fn names(&self) -> &[String] {
        &self.0.names
    }

    /// The columns, in the order of their names.
    pub fn columns(&self) -> &[Column] {
        &self.0.columns
    }

    /// One value; null is `nil`.
    pub fn value(&self, row: usize, column: usize) -> Value {
        self.0.columns[column].value(row)
    }

    /// The rows as vectors: what a query takes as a relation.
    pub fn to_value(&self) -> Value {
        let row = |row| Value::vector(self.columns().iter().map(|column| column.value(row)));
        Value::vector((0..self.len()).map(row))
    }

    /// Where a column is.
    pub(crate) fn position(&self, name: &str) -> Done<usize> {
        let found = self.names().iter().position(|other| other == name);
        found.ok_or_else(|| match self.names() {
            [] => refused(format!("no column {name}; there are none")),
            names => refused(format!("no column {name}; there are {}", names.join(", "))),
        })
    }

    /// A column by its name.
    pub fn column(&self, name: &str) -> Done<&Column> {
        Ok(&self.columns()[self.position(name)?])
    }

    /// A row as a script sees it.
    pub(super) fn row(&self, row: usize) -> Map {
        let cells = self.names().iter().zip(self.columns());
        cells
            .map(|(name, column)| (name.as_str().into(), column.dynamic(row)))
            .collect()
    }

    /// Bytes that the cells take, about.
    pub(super) fn bytes(&self) -> usize {
        self.columns().iter().map(Column::bytes).sum()
    }

    /// Bytes of a row, on average and rounded up.
    pub(super) fn row_bytes(&self) -> usize {
        self.columns().iter().map(Column::cell_bytes).sum()
    }

    fn with_columns(&self, rows: usize, change: impl Fn(&Column) -> Done<Column>) -> Done<Table> {
        let columns = self.columns().iter().map(change).collect::<Done<_>>()?;
        Ok(Table::of_columns(self.names().to_vec(), columns, rows))
    }

    /// The given rows, in the given order.
    pub(super) fn take(&self, rows: &UInt32Array) -> Done<Table> {
        self.with_columns(rows.len(), |column| column.take(rows))
    }

    /// The rows where a mask is true.
    pub(super) fn filter(&self, mask: &BooleanArray) -> Done<Table> {
        if mask.len() != self.len() {
            let (mask, rows) = (mask.len(), self.len());
            return Err(refused(format!(
                "the mask has {mask} cells, the table {rows} rows"
            )));
        }
        let rows = mask.iter().filter(|keep| *keep == Some(true)).count();
        self.with_columns(rows, |column| column.filter(mask))
    }

    /// Rows from `start`, at most `len`, shared.
    pub(super) fn slice(&self, start: usize, len: usize) -> Table {
        let start = start.min(self.len());
        let len = len.min(self.len() - start);
        let columns = self.columns().iter().map(|c| c.slice(start, len)).collect();
        Table::of_columns(self.names().to_vec(), columns, len)
    }

    /// The named columns, in the order of the names.
    pub(super) fn select(&self, names: &[String]) -> Done<Table> {
        let columns = names.iter().map(|name| self.column(name).cloned());
        let columns = columns.collect::<Done<_>>()?;
        Ok(Table::of_columns(
            unique(names.iter().cloned()),
            columns,
            self.len(),
        ))
    }

    /// All columns but the named ones.
    pub(super) fn without(&self, names: &[String]) -> Done<Table> {
        for name in names {
            self.position(name)?;
        }
        let kept = self.names().iter().filter(|name| !names.contains(name));
        self.select(&kept.cloned().collect::<Vec<_>>())
    }

    /// The same columns under other names, given as old and new.
    pub(super) fn renamed(&self, renamed: &[(String, String)]) -> Done<Table> {
        let mut names = self.names().to_vec();
        for (old, new) in renamed {
            names[self.position(old)?].clone_from(new);
        }
        if let Some(twice) = (1..names.len()).find(|&at| names[..at].contains(&names[at])) {
            return Err(refused(format!("two columns named {}", names[twice])));
        }
        Ok(Table::of_columns(
            names,
            self.columns().to_vec(),
            self.len(),
        ))
    }

    /// With a column of this name: replaced if there is one, else added at the end.
    pub(super) fn with(&self, name: &str, column: Column) -> Done<Table> {
        let (cells, rows) = (column.len(), self.len());
        if cells != rows && !self.columns().is_empty() {
            return Err(refused(format!(
                "column {name} has {cells} cells, the table {rows} rows"
            )));
        }
        let (mut names, mut columns) = (self.names().to_vec(), self.columns().to_vec());
        match self.position(name) {
            Ok(at) => columns[at] = column,
            Err(_) => {
                names.push(name.to_owned());
                columns.push(column);
            }
        }
        Ok(Table::of_columns(names, columns, cells))
    }

    /// The rows of both, columns matched by name; what one lacks is null.
    pub(super) fn concat(&self, other: &Table) -> Done<Table> {
        if self.len() + other.len() > TABLE_ROWS {
            return Err(refused(format!("a table has at most {TABLE_ROWS} rows")));
        }
        let mut names = self.names().to_vec();
        let more = other
            .names()
            .iter()
            .filter(|name| !self.names().contains(name));
        names.extend(more.cloned());
        let part = |table: &Table, name: &str| match table.column(name) {
            Ok(column) => column.clone(),
            Err(_) => Column::Any(vec![Value::Nil; table.len()].into()),
        };
        let columns = names
            .iter()
            .map(|name| part(self, name).concat(&part(other, name)));
        let columns = columns.collect::<Done<_>>()?;
        Ok(Table::of_columns(names, columns, self.len() + other.len()))
    }
}

impl IntoIterator for Table {
    type Item = Dynamic;
    type IntoIter = Box<dyn Iterator<Item = Dynamic>>;

    /// The rows as scripts see them.
    fn into_iter(self) -> Self::IntoIter {
        Box::new((0..self.len()).map(move |row| Dynamic::from_map(self.row(row))))
    }
}

/// Names of which none is like one before it: a number is added where need be.
pub(super) fn unique(names: impl Iterator<Item = String>) -> Vec<String> {
    let mut unique: Vec<String> = Vec::new();
    for name in names {
        let mut tried = name.clone();
        let mut number = 2;
        while unique.contains(&tried) {
            tried = format!("{name}_{number}");
            number += 1;
        }
        unique.push(tried);
    }
    unique
}
