//! What a column comes to: counts, sums, means, extremes, quantiles.

use arrow_arith::aggregate;
use arrow_array::{Array, ArrowNumericType, Float64Array, PrimitiveArray};
use datalith_engine::{Value, value::compare};

use super::column::{Column, doubles};
use super::failed;
use crate::fault::{Done, refused};

/// What a group of cells can come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Measure {
    Count,
    Sum,
    Mean,
    Min,
    Max,
    Median,
    Std,
    CountDistinct,
    First,
    List,
}

impl Measure {
    /// All measures, by name.
    pub(super) const ALL: [(&'static str, Measure); 10] = [
        ("count", Measure::Count),
        ("sum", Measure::Sum),
        ("mean", Measure::Mean),
        ("min", Measure::Min),
        ("max", Measure::Max),
        ("median", Measure::Median),
        ("std", Measure::Std),
        ("count_distinct", Measure::CountDistinct),
        ("first", Measure::First),
        ("list", Measure::List),
    ];

    /// The measure of a name.
    pub(super) fn named(name: &str) -> Done<Measure> {
        let found = Measure::ALL.iter().find(|(other, _)| *other == name);
        found.map(|(_, measure)| *measure).ok_or_else(|| {
            let names: Vec<&str> = Measure::ALL.iter().map(|(name, _)| *name).collect();
            refused(format!("no measure {name}; there are {}", names.join(", ")))
        })
    }

    /// What a column comes to. Nulls count for nothing, except in `first` and `list`.
    pub(super) fn of(self, column: &Column) -> Done<Value> {
        match self {
            Measure::Count => Ok(Value::from(column.len() - column.null_count())),
            Measure::Sum => sum(column),
            Measure::Mean => Ok(double(mean(&numbers(column, "mean")?))),
            Measure::Min => Ok(extreme(column, Extreme::Least)),
            Measure::Max => Ok(extreme(column, Extreme::Greatest)),
            Measure::Median => Ok(double(quantile(&numbers(column, "median")?, 0.5))),
            Measure::Std => Ok(double(deviation(&numbers(column, "std")?))),
            Measure::CountDistinct => Ok(Value::from(distinct_count(column)?)),
            Measure::First if column.is_empty() => Ok(Value::Nil),
            Measure::First => Ok(column.value(0)),
            Measure::List => Ok(Value::vector(column.values())),
        }
    }
}

fn double(x: Option<f64>) -> Value {
    x.map_or(Value::Nil, Value::Double)
}

/// The sum: a long of longs and masks, else a double; 0 of nothing.
fn sum(column: &Column) -> Done<Value> {
    match column {
        Column::Long(cells) => {
            let sum = aggregate::sum_checked(cells).map_err(failed)?;
            Ok(Value::Long(sum.unwrap_or(0)))
        }
        Column::Bool(cells) => Ok(Value::from(cells.true_count())),
        blank if blank.is_blank() => Ok(Value::Long(0)),
        column => {
            let sum = aggregate::sum(&numbers(column, "sum")?);
            Ok(Value::Double(sum.unwrap_or(0.0)))
        }
    }
}

/// The cells as doubles; true is 1 and false is 0.
pub(crate) fn numbers(column: &Column, verb: &str) -> Done<Float64Array> {
    match column {
        Column::Double(cells) => Ok(cells.clone()),
        Column::Long(cells) => Ok(doubles(cells)),
        Column::Bool(cells) => Ok(cells
            .iter()
            .map(|cell| cell.map(|is_true| f64::from(u8::from(is_true))))
            .collect()),
        Column::Any(values) => {
            let number = |value: &Value| match (value, value.to_double()) {
                (Value::Nil, _) => Ok(None),
                (_, Some(x)) => Ok(Some(x)),
                _ => Err(refused(format!("{verb} takes numbers, not {value}"))),
            };
            values.iter().map(number).collect()
        }
        other => Err(refused(format!(
            "{verb} takes numbers, this column is of kind {}",
            other.kind()
        ))),
    }
}

fn present(cells: &Float64Array) -> impl Iterator<Item = f64> + '_ {
    cells.iter().flatten()
}

/// The mean; none of nothing.
pub(super) fn mean(cells: &Float64Array) -> Option<f64> {
    let count = cells.len() - cells.null_count();
    (count > 0).then(|| aggregate::sum(cells).unwrap_or(0.0) / count as f64)
}

/// The standard deviation of a sample, with n - 1 below the line; none of fewer than two numbers.
pub(super) fn deviation(cells: &Float64Array) -> Option<f64> {
    let count = cells.len() - cells.null_count();
    let mean = mean(cells)?;
    let squares: f64 = present(cells).map(|x| (x - mean) * (x - mean)).sum();
    (count > 1).then(|| (squares / (count - 1) as f64).sqrt())
}

/// The number below which a share of the numbers lie, between neighbours in proportion; none of nothing.
pub(super) fn quantile(cells: &Float64Array, share: f64) -> Option<f64> {
    let mut sorted: Vec<f64> = present(cells).collect();
    let last = sorted.len().checked_sub(1)?;
    let at = share.clamp(0.0, 1.0) * last as f64;
    let (below, part) = (at.floor() as usize, at.fract());
    let (_, low, above) = sorted.select_nth_unstable_by(below, f64::total_cmp);
    let low = *low;
    match above.iter().copied().min_by(f64::total_cmp) {
        Some(high) if part > 0.0 => Some(low + (high - low) * part),
        _ => Some(low),
    }
}

/// Which end of an order.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Extreme {
    Least,
    Greatest,
}

/// The least or greatest value; `nil` of nothing.
pub(super) fn extreme(column: &Column, end: Extreme) -> Value {
    match column {
        Column::Long(cells) => primitive(cells, end).map_or(Value::Nil, Value::Long),
        Column::Double(cells) => primitive(cells, end).map_or(Value::Nil, Value::Double),
        Column::Instant(cells) => primitive(cells, end).map_or(Value::Nil, Value::Instant),
        column => {
            let values = column.values().filter(|value| !value.is_nil());
            let found = match end {
                Extreme::Least => values.min_by(compare),
                Extreme::Greatest => values.max_by(compare),
            };
            found.unwrap_or_default()
        }
    }
}

fn primitive<T: ArrowNumericType>(cells: &PrimitiveArray<T>, end: Extreme) -> Option<T::Native> {
    match end {
        Extreme::Least => aggregate::min(cells),
        Extreme::Greatest => aggregate::max(cells),
    }
}

fn distinct_count(column: &Column) -> Done<usize> {
    let groups = super::group::Groups::of(&[column.keys()], column.len())?;
    let nulls = usize::from(column.null_count() > 0);
    Ok(groups.len() - nulls)
}
