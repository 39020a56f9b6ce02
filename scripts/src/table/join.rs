//! Two tables side by side, rows matched by equal keys.

use arrow_array::{Array, ArrayRef, BooleanArray, UInt32Array};
use arrow_row::Rows;

use super::column::Column;
use super::failed;
use super::group::{Groups, converter};
use super::room;
use super::rows::{Table, unique};
use crate::fault::{Done, refused};
use crate::limits::TABLE_ROWS;
use crate::meter::Meter;

/// Which rows a join keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    /// Each pair of rows whose keys are equal.
    Inner,
    /// Those, and rows of the left table that match nothing, with nulls beside them.
    Left,
    /// Rows of the left table that match something, once each.
    Semi,
    /// Rows of the left table that match nothing.
    Anti,
}

impl How {
    /// The kind of join of a name.
    pub(super) fn named(name: &str) -> Done<How> {
        match name {
            "inner" => Ok(How::Inner),
            "left" => Ok(How::Left),
            "semi" => Ok(How::Semi),
            "anti" => Ok(How::Anti),
            _ => Err(refused(format!(
                "no join {name}; there are inner, left, semi, anti"
            ))),
        }
    }
}

/// The columns whose cells have to be equal, one pair after the other.
pub(super) struct Keys {
    /// Columns of the left table.
    pub(super) left: Vec<String>,
    /// Columns of the right table.
    pub(super) right: Vec<String>,
}

/// The columns of the left table, then those of the right but for its keys; a name that is taken gets a
/// number. Null matches nothing. The order is that of the left rows, then of the right.
///
/// Cost: O(left + right + pairs). The pairs are counted before they are made.
pub(super) fn joined(
    (left, right): (&Table, &Table),
    keys: &Keys,
    how: How,
    meter: &Meter,
) -> Done<Table> {
    let sides = encoded(left, right, keys)?;
    let groups = Groups::of_keys(sides.right);
    let (rows, starts) = groups.sorted();
    let is_known = |row: usize| !sides.left_nulls[row];
    let matched = |row: usize| {
        is_known(row)
            .then(|| groups.find(sides.left.row(row)))
            .flatten()
    };
    let mut spans = Vec::with_capacity(left.len());
    let mut pairs: usize = 0;
    for row in 0..left.len() {
        let span = matched(row).map(|group| (starts[group], starts[group + 1]));
        let alone = usize::from(how == How::Left);
        pairs += span.map_or(alone, |(start, end)| end - start);
        spans.push(span);
    }
    if matches!(how, How::Semi | How::Anti) {
        let mask = spans
            .iter()
            .map(|span| span.is_some() == (how == How::Semi));
        return left.filter(&BooleanArray::from(mask.collect::<Vec<_>>()));
    }
    if pairs > TABLE_ROWS {
        return Err(refused(format!(
            "the join has {pairs} rows, a table at most {TABLE_ROWS}"
        )));
    }
    room(
        meter,
        pairs.saturating_mul(left.row_bytes() + right.row_bytes() + 16),
    )?;
    let (mut lefts, mut rights) = (Vec::with_capacity(pairs), Vec::with_capacity(pairs));
    for (row, span) in spans.iter().enumerate() {
        match span {
            Some((start, end)) => {
                lefts.extend(std::iter::repeat_n(row as u32, end - start));
                rights.extend(rows[*start..*end].iter().map(|row| Some(*row)));
            }
            None if how == How::Left => {
                lefts.push(row as u32);
                rights.push(None);
            }
            None => {}
        }
    }
    let left = left.take(&UInt32Array::from(lefts))?;
    let right = right
        .without(&keys.right)?
        .take(&UInt32Array::from(rights))?;
    let names = left.names().iter().chain(right.names()).cloned();
    let columns = left.columns().iter().chain(right.columns()).cloned();
    Ok(Table::of_columns(unique(names), columns.collect(), pairs))
}

/// The keys of both sides as bytes that are equal where the values are.
struct Sides {
    left: Rows,
    right: Rows,
    /// Where the left keys are null, in part at least.
    left_nulls: Vec<bool>,
}

fn encoded(left: &Table, right: &Table, keys: &Keys) -> Done<Sides> {
    let (mut lefts, mut rights): (Vec<ArrayRef>, Vec<ArrayRef>) = (vec![], vec![]);
    for (name, other) in keys.left.iter().zip(&keys.right) {
        let (a, b) = left.column(name)?.alike(right.column(other)?);
        let (a, b) = match (&a, &b) {
            (Column::Any(_), _) | (_, Column::Any(_)) => {
                let all = Column::Any(a.values().chain(b.values()).collect()).keys();
                (all.slice(0, a.len()), all.slice(a.len(), b.len()))
            }
            (a, b) if a.kind() == b.kind() => (a.keys(), b.keys()),
            (a, b) => {
                let (a, b) = (a.kind(), b.kind());
                return Err(refused(format!(
                    "column {name} is of kind {a}, column {other} of kind {b}"
                )));
            }
        };
        lefts.push(a);
        rights.push(b);
    }
    let converter = converter(&lefts)?;
    let is_null = |row: usize| lefts.iter().any(|key| key.is_null(row));
    Ok(Sides {
        left: converter.convert_columns(&lefts).map_err(failed)?,
        right: converter.convert_columns(&rights).map_err(failed)?,
        left_nulls: (0..left.len()).map(is_null).collect(),
    })
}
