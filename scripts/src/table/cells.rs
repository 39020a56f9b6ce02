//! Functions of single cells: texts, numbers, nulls, and kinds made of other kinds.

use std::collections::HashSet;

use arrow_array::{Array, BooleanArray, Float64Array, Int64Array, Scalar, StringArray};
use datalith_engine::{Value, edn};
use foldhash::fast::FixedState;
use rhai::Dynamic;

use super::arithmetic::{Operand, joined, mask, nulls};
use super::column::{Column, Kind};
use super::failed;
use super::measure::numbers;
use super::show::plain;
use crate::fault::{Done, refused};

/// Digits behind the point beyond which a double has none.
const FRACTION_DIGITS: i64 = 300;

impl IntoIterator for Column {
    type Item = Dynamic;
    type IntoIter = Box<dyn Iterator<Item = Dynamic>>;

    /// The cells as scripts see them.
    fn into_iter(self) -> Self::IntoIter {
        Box::new((0..self.len()).map(move |row| self.dynamic(row)))
    }
}

/// The texts of a column of strings or keywords.
fn texts<'a>(column: &'a Column, verb: &str) -> Done<std::borrow::Cow<'a, StringArray>> {
    use std::borrow::Cow;
    match column {
        Column::Str(cells) | Column::Keyword(cells) => Ok(Cow::Borrowed(cells)),
        blank if blank.is_blank() => Ok(Cow::Owned(StringArray::new_null(blank.len()))),
        other => Err(refused(format!(
            "{verb} takes strings, this column is of kind {}",
            other.kind()
        ))),
    }
}

/// A mask: which texts pass a test; null for null.
pub(super) fn tested(column: &Column, verb: &str, test: impl Fn(&str) -> bool) -> Done<Column> {
    let mask = texts(column, verb)?
        .iter()
        .map(|text| text.map(&test))
        .collect();
    Ok(Column::Bool(mask))
}

/// Each text changed.
pub(super) fn changed(
    column: &Column,
    verb: &str,
    change: impl Fn(&str) -> String,
) -> Done<Column> {
    let texts = texts(column, verb)?;
    joined(column.len(), |row| {
        (!texts.is_null(row)).then(|| change(texts.value(row)))
    })
}

/// A mask: which cells are among those of another column; null for null.
pub(super) fn among(column: &Column, others: &Column) -> Done<Column> {
    let (column, others) = column.alike(others);
    if column.kind() != others.kind() && column.array().is_some() && others.array().is_some() {
        let (a, b) = (column.kind(), others.kind());
        return Err(refused(format!(
            "a column of kind {a} has none of kind {b}"
        )));
    }
    let known: HashSet<Value, FixedState> = others.values().collect();
    let is_known = |value: Value| (!value.is_nil()).then(|| known.contains(&value));
    Ok(Column::Bool(column.values().map(is_known).collect()))
}

/// The cells where a mask is true.
pub(super) fn kept(column: &Column, by: &Column) -> Done<Column> {
    let mask: BooleanArray = mask(by)?;
    if mask.len() != column.len() {
        let (mask, cells) = (mask.len(), column.len());
        return Err(refused(format!(
            "the mask has {mask} cells, the column {cells}"
        )));
    }
    column.filter(&mask)
}

/// With nulls replaced: by a constant, or by the cells of another column.
pub(super) fn filled(column: &Column, by: &Operand) -> Done<Column> {
    let (Operand::Column(other) | Operand::Constant(other)) = by;
    let is_constant = matches!(by, Operand::Constant(_));
    if !is_constant && other.len() != column.len() {
        let (other, cells) = (other.len(), column.len());
        return Err(refused(format!(
            "columns of {cells} and {other} cells do not go together"
        )));
    }
    let (column, other) = column.alike(other);
    let present = nulls(&column, false);
    if column.array().is_none() || column.kind() != other.kind() {
        let value = |row: usize| match present.value(row) {
            true => column.value(row),
            false => other.value(if is_constant { 0 } else { row }),
        };
        return Ok(Column::from_values((0..column.len()).map(value).collect()));
    }
    let (cells, others) = (column.keys(), other.keys());
    let filled = match is_constant {
        true => arrow_select::zip::zip(&present, &cells, &Scalar::new(others)),
        false => arrow_select::zip::zip(&present, &cells, &others),
    };
    Ok(Column::of_array(column.kind(), &filled.map_err(failed)?))
}

/// Numbers without their sign.
pub(super) fn size(column: &Column) -> Done<Column> {
    match column {
        Column::Long(cells) => {
            let size = |n: i64| {
                let size = n.checked_abs();
                size.ok_or_else(|| arrow_schema::ArrowError::ArithmeticOverflow(String::new()))
            };
            let sizes: Int64Array = cells.try_unary(size).map_err(failed)?;
            Ok(Column::Long(sizes))
        }
        column => Ok(Column::Double(numbers(column, "abs")?.unary(f64::abs))),
    }
}

/// Doubles with so many digits behind the point, halves away from zero; longs as they are.
pub(super) fn rounded(column: &Column, digits: i64) -> Done<Column> {
    if matches!(column, Column::Long(_)) && digits >= 0 {
        return Ok(column.clone());
    }
    let scale = 10f64.powi(digits.clamp(-FRACTION_DIGITS, FRACTION_DIGITS) as i32);
    let round = |x: f64| {
        let rounded = (x * scale).round() / scale;
        if rounded.is_finite() { rounded } else { x }
    };
    Ok(Column::Double(numbers(column, "round")?.unary(round)))
}

/// The same cells as another kind. Doubles lose their fraction on the way to longs; a text that is no
/// number is an error.
pub(super) fn cast(column: &Column, kind: &str) -> Done<Column> {
    match (column, kind) {
        (Column::Str(texts), "double") => {
            let cells = texts.iter().map(|text| text.map(double).transpose());
            Ok(Column::Double(cells.collect::<Done<Float64Array>>()?))
        }
        (Column::Str(texts), "long") => {
            let cells = texts.iter().map(|text| text.map(long).transpose());
            Ok(Column::Long(cells.collect::<Done<Int64Array>>()?))
        }
        (Column::Str(texts), "instant") => {
            let cells = texts.iter().map(|text| text.map(instant).transpose());
            Ok(Column::instants(cells.collect::<Done<Int64Array>>()?))
        }
        (Column::Long(ms), "instant") => Ok(Column::instants(ms.clone())),
        (Column::Instant(cells), "long") => {
            let (_, ms, nulls) = cells.clone().into_parts();
            Ok(Column::Long(Int64Array::new(ms, nulls)))
        }
        (Column::Long(_), "long") | (Column::Instant(_), "instant") => Ok(column.clone()),
        (column, "double") => Ok(Column::Double(numbers(column, "cast")?)),
        (column, "long") => {
            let cells = numbers(column, "cast")?;
            let cells = cells.iter().map(|x| x.map(whole).transpose());
            Ok(Column::Long(cells.collect::<Done<Int64Array>>()?))
        }
        (Column::Keyword(texts), "string") => Ok(Column::Str(texts.clone())),
        (Column::Str(texts), "keyword") => Ok(Column::Keyword(texts.clone())),
        (column, "string") => joined(column.len(), |row| {
            (!column.is_null(row)).then(|| plain(&column.value(row)))
        }),
        (column, "instant" | "keyword") => {
            Err(refused(format!("cannot make {kind} of {}", column.kind())))
        }
        _ => {
            let kinds = [
                Kind::Long,
                Kind::Double,
                Kind::Str,
                Kind::Keyword,
                Kind::Instant,
            ];
            let kinds = kinds.map(|kind| kind.to_string()).join(", ");
            Err(refused(format!("cast makes {kinds}, not {kind}")))
        }
    }
}

fn double(text: &str) -> Done<f64> {
    let number = text.trim().parse();
    number.map_err(|_| refused(format!("{text} is no number")))
}

fn long(text: &str) -> Done<i64> {
    let number = text.trim().parse();
    number.map_err(|_| refused(format!("{text} is no whole number")))
}

fn instant(text: &str) -> Done<i64> {
    edn::parse_instant(text.trim())
        .map_err(|_| refused(format!("{text} is no date such as 2026-01-31")))
}

fn whole(x: f64) -> Done<i64> {
    // The range of an i64, as doubles have it: the upper end itself is too large.
    match (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&x) {
        true => Ok(x as i64),
        false => Err(refused(format!("{x} is no long"))),
    }
}
