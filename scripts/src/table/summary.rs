//! Tables about tables: a description of each column, and values spread over columns.

use arrow_array::{ArrayRef, Float64Array};
use datalith_engine::Value;

use super::column::{Column, Kind};
use super::group::{Groups, Measured, distinct_cells, grouped};
use super::measure::{Measure, deviation, mean, numbers, quantile};
use super::order::sorted_cells;
use super::rows::{Table, unique};
use super::show::plain;
use crate::fault::Done;

/// What each row of a description says, behind the column's name and kind.
const SAID: [&str; 10] = [
    "count", "nulls", "distinct", "mean", "std", "min", "q25", "median", "q75", "max",
];

/// A row for each column: how many cells, nulls and distinct values, and how its numbers lie.
pub(super) fn described(table: &Table) -> Done<Table> {
    let mut rows = Vec::new();
    for (name, column) in table.names().iter().zip(table.columns()) {
        let mut row = vec![Value::str(name), Value::from(column.kind().to_string())];
        row.push(Measure::Count.of(column)?);
        row.push(Value::from(column.null_count()));
        row.push(Measure::CountDistinct.of(column)?);
        let numbers = match column.kind() {
            Kind::Long | Kind::Double => numbers(column, "describe")?,
            _ => Float64Array::new_null(0),
        };
        let double = |x: Option<f64>| x.map_or(Value::Nil, Value::Double);
        row.extend([double(mean(&numbers)), double(deviation(&numbers))]);
        row.push(Measure::Min.of(column)?);
        row.extend([0.25, 0.5, 0.75].map(|share| double(quantile(&numbers, share))));
        row.push(Measure::Max.of(column)?);
        rows.push(row);
    }
    let names = ["column", "kind"].iter().chain(&SAID);
    Ok(Table::from_rows(
        names.map(|name| (*name).to_owned()).collect(),
        rows,
    ))
}

/// What is spread, and over what.
pub(super) struct Pivot {
    /// Columns whose values make the rows.
    pub(super) rows: Vec<String>,
    /// The column whose values name the new columns.
    pub(super) columns: String,
    /// The column whose values fill the cells.
    pub(super) values: String,
    /// What several values for one cell come to.
    pub(super) measure: Measure,
}

/// A row for each combination of some columns, a column for each value of another, in their order.
pub(super) fn pivoted(table: &Table, pivot: &Pivot) -> Done<Table> {
    let keys: Vec<String> = pivot.rows.iter().chain([&pivot.columns]).cloned().collect();
    let measured = Measured {
        name: "pivot of values".to_owned(),
        measure: pivot.measure,
        of: Some(pivot.values.clone()),
    };
    let long = grouped(table, &keys, &[measured])?;
    let heads = sorted_cells(&distinct_cells(long.column(&pivot.columns)?)?, false)?;
    let sides = long.select(&pivot.rows)?;
    let arrays: Vec<ArrayRef> = sides.columns().iter().map(Column::keys).collect();
    let groups = Groups::of(&arrays, long.len())?;
    let mut cells = vec![vec![Value::Nil; groups.len()]; heads.len()];
    let places: std::collections::HashMap<Value, usize> = heads
        .values()
        .enumerate()
        .map(|(at, head)| (head, at))
        .collect();
    let (over, filled) = (long.column(&pivot.columns)?, long.columns().len() - 1);
    for (row, group) in groups.of_rows().iter().enumerate() {
        let column = places[&over.value(row)];
        cells[column][*group as usize] = long.value(row, filled);
    }
    let sides = sides.take(&groups.firsts())?;
    let heads = heads.values().map(|head| match head.is_nil() {
        true => "null".to_owned(),
        false => plain(&head),
    });
    let names = unique(sides.names().iter().cloned().chain(heads));
    let columns = sides.columns().iter().cloned();
    let columns = columns.chain(cells.into_iter().map(Column::from_values));
    Ok(Table::of_columns(names, columns.collect(), groups.len()))
}
