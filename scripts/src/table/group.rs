//! Rows that are alike in some columns: groups, what they come to, and distinct rows.

use std::hash::BuildHasher;

use arrow_array::{ArrayRef, UInt32Array};
use arrow_row::{RowConverter, Rows, SortField};
use datalith_engine::Value;
use foldhash::fast::FixedState;
use hashbrown::HashTable;

use super::column::Column;
use super::failed;
use super::measure::Measure;
use super::rows::Table;
use crate::fault::Done;

/// Rows by their keys, in the order in which each key first comes.
pub(super) struct Groups {
    /// The group of each row.
    of_rows: Vec<u32>,
    /// The first row of each group.
    firsts: Vec<u32>,
    table: HashTable<u32>,
    keys: Option<Rows>,
    hasher: FixedState,
}

impl Groups {
    /// The groups of rows whose cells are equal in each of some arrays; null equals null.
    pub(super) fn of(keys: &[ArrayRef], rows: usize) -> Done<Groups> {
        if keys.is_empty() {
            return Ok(Groups {
                of_rows: vec![0; rows],
                firsts: if rows == 0 { vec![] } else { vec![0] },
                table: HashTable::new(),
                keys: None,
                hasher: FixedState::default(),
            });
        }
        let keys = converter(keys)?.convert_columns(keys).map_err(failed)?;
        Ok(Groups::of_keys(keys))
    }

    /// The groups of equal keys.
    pub(super) fn of_keys(keys: Rows) -> Groups {
        let hasher = FixedState::default();
        let hash = |row: usize| hasher.hash_one(keys.row(row).data());
        let mut table: HashTable<u32> = HashTable::new();
        let (mut of_rows, mut firsts) = (Vec::with_capacity(keys.num_rows()), Vec::new());
        for row in 0..keys.num_rows() {
            let is_same = |group: &u32| keys.row(firsts[*group as usize] as usize) == keys.row(row);
            let group = table.find(hash(row), is_same).copied().unwrap_or_else(|| {
                let group = firsts.len() as u32;
                firsts.push(row as u32);
                table.insert_unique(hash(row), group, |group| {
                    hash(firsts[*group as usize] as usize)
                });
                group
            });
            of_rows.push(group);
        }
        Groups {
            of_rows,
            firsts,
            table,
            keys: Some(keys),
            hasher,
        }
    }

    /// How many groups there are.
    pub(super) fn len(&self) -> usize {
        self.firsts.len()
    }

    /// The group of each row.
    pub(super) fn of_rows(&self) -> &[u32] {
        &self.of_rows
    }

    /// The first row of each group.
    pub(super) fn firsts(&self) -> UInt32Array {
        UInt32Array::from(self.firsts.clone())
    }

    /// The group of a key that another table has.
    pub(super) fn find(&self, key: arrow_row::Row<'_>) -> Option<usize> {
        let keys = self.keys.as_ref()?;
        let is_same = |group: &u32| keys.row(self.firsts[*group as usize] as usize) == key;
        let found = self.table.find(self.hasher.hash_one(key.data()), is_same);
        found.map(|group| *group as usize)
    }

    /// All rows, group by group in their order, and where each group starts; one more start than groups.
    pub(super) fn sorted(&self) -> (Vec<u32>, Vec<usize>) {
        let mut starts = vec![0; self.len() + 1];
        for group in &self.of_rows {
            starts[*group as usize + 1] += 1;
        }
        for group in 1..starts.len() {
            starts[group] += starts[group - 1];
        }
        let mut next = starts.clone();
        let mut rows = vec![0; self.of_rows.len()];
        for (row, group) in self.of_rows.iter().enumerate() {
            let place = &mut next[*group as usize];
            rows[*place] = row as u32;
            *place += 1;
        }
        (rows, starts)
    }
}

/// What makes comparable bytes of some arrays.
pub(super) fn converter(keys: &[ArrayRef]) -> Done<RowConverter> {
    let fields = keys
        .iter()
        .map(|key| SortField::new(key.data_type().clone()));
    RowConverter::new(fields.collect()).map_err(failed)
}

/// What is measured of each group, and what that is called.
pub(super) struct Measured {
    /// Name of the new column.
    pub(super) name: String,
    /// What it comes to.
    pub(super) measure: Measure,
    /// Of which column; of the rows themselves if none.
    pub(super) of: Option<String>,
}

/// A row for each group: its keys, then what is measured.
pub(super) fn grouped(table: &Table, names: &[String], measured: &[Measured]) -> Done<Table> {
    let keys = table.select(names)?;
    let arrays: Vec<ArrayRef> = keys.columns().iter().map(Column::keys).collect();
    let groups = Groups::of(&arrays, table.len())?;
    let (rows, starts) = groups.sorted();
    let rows = UInt32Array::from(rows);
    let mut grouped = keys.take(&groups.firsts())?;
    for Measured { name, measure, of } in measured {
        let spans = starts.windows(2);
        let values: Vec<Value> = match of {
            None => spans.map(|span| Value::from(span[1] - span[0])).collect(),
            Some(of) => {
                let column = table.column(of)?.take(&rows)?;
                let of = |span: &[usize]| measure.of(&column.slice(span[0], span[1] - span[0]));
                spans.map(of).collect::<Done<_>>()?
            }
        };
        grouped = grouped.with(name, Column::from_values(values))?;
    }
    Ok(grouped)
}

/// Each row once, where it first comes.
pub(super) fn distinct(table: &Table) -> Done<Table> {
    let arrays: Vec<ArrayRef> = table.columns().iter().map(Column::keys).collect();
    table.take(&Groups::of(&arrays, table.len())?.firsts())
}

/// Each value of a column once, where it first comes.
pub(super) fn distinct_cells(column: &Column) -> Done<Column> {
    column.take(&Groups::of(&[column.keys()], column.len())?.firsts())
}
