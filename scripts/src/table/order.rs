//! Rows in the order of some columns.

use arrow_array::{ArrayRef, UInt32Array};
use arrow_row::{RowConverter, SortField};
use arrow_schema::SortOptions;

use super::column::Column;
use super::failed;
use super::rows::Table;
use crate::fault::Done;

/// The rows in the order of the named columns, the first of them first. A name after `-` is from the
/// greatest down. Rows that are equal stay as they are; nulls come last either way.
pub(super) fn sorted(table: &Table, names: &[String]) -> Done<Table> {
    let mut keys = Vec::new();
    for name in names {
        let key = match (table.column(name), name.strip_prefix('-')) {
            (Ok(column), _) => (column, false),
            (Err(_), Some(name)) => (table.column(name)?, true),
            (Err(missing), None) => return Err(missing),
        };
        keys.push(key);
    }
    table.take(&order(&keys)?)
}

/// The cells of a column in their order, nulls last.
pub(super) fn sorted_cells(column: &Column, is_descending: bool) -> Done<Column> {
    column.take(&order(&[(column, is_descending)])?)
}

/// Row numbers in the order of some columns, each up or, if so said, down.
fn order(keys: &[(&Column, bool)]) -> Done<UInt32Array> {
    let Some((first, _)) = keys.first() else {
        return Ok(UInt32Array::from(Vec::<u32>::new()));
    };
    let mut rows: Vec<u32> = (0..first.len() as u32).collect();
    let arrays: Vec<ArrayRef> = keys.iter().map(|(column, _)| column.ranks()).collect();
    let field = |(array, (_, descending)): (&ArrayRef, &(&Column, bool))| {
        let options = SortOptions {
            descending: *descending,
            nulls_first: false,
        };
        SortField::new_with_options(array.data_type().clone(), options)
    };
    let fields = arrays.iter().zip(keys).map(field).collect();
    let converter = RowConverter::new(fields).map_err(failed)?;
    let encoded = converter.convert_columns(&arrays).map_err(failed)?;
    rows.sort_by(|a, b| encoded.row(*a as usize).cmp(&encoded.row(*b as usize)));
    Ok(UInt32Array::from(rows))
}
