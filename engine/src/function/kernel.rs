//! The numeric aggregates over whole columns of one type.
//!
//! The aggregates over values hand columns of longs or doubles to these, so both give the same
//! bits. Doubles are added in the order they come. Every kernel but the sums and the counts asks
//! for at least one row.

use std::cmp::Ordering;
use std::collections::HashSet;

use super::arithmetic::overflow;
use crate::error::Result;

/// The sum; an error where it outgrows 64 bits on the way, as Clojure's `+` raises.
pub fn sum_longs(column: &[i64]) -> Result<i64> {
    column
        .iter()
        .try_fold(0i64, |sum, n| sum.checked_add(*n))
        .ok_or_else(overflow)
}

/// The sum from left to right.
pub fn sum_doubles(column: &[f64]) -> f64 {
    column.iter().fold(0.0, |sum, x| sum + x)
}

/// The mean; an error where the sum outgrows 64 bits.
pub fn avg_longs(column: &[i64]) -> Result<f64> {
    Ok(sum_longs(column)? as f64 / column.len() as f64)
}

/// The mean.
pub fn avg_doubles(column: &[f64]) -> f64 {
    sum_doubles(column) / column.len() as f64
}

/// The population variance; an error where the sum outgrows 64 bits.
pub fn variance_longs(column: &[i64]) -> Result<f64> {
    let mean = avg_longs(column)?;
    Ok(mean_square(column.iter().map(|n| *n as f64 - mean)))
}

/// The population variance.
pub fn variance_doubles(column: &[f64]) -> f64 {
    let mean = avg_doubles(column);
    mean_square(column.iter().map(|x| x - mean))
}

fn mean_square(deviations: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = deviations.len() as f64;
    deviations.fold(0.0, |sum, deviation| sum + deviation * deviation) / count
}

/// The population standard deviation; an error where the sum outgrows 64 bits.
pub fn stddev_longs(column: &[i64]) -> Result<f64> {
    variance_longs(column).map(f64::sqrt)
}

/// The population standard deviation.
pub fn stddev_doubles(column: &[f64]) -> f64 {
    variance_doubles(column).sqrt()
}

/// The middle value, or the mean of the two in the middle. Reorders the column. O(rows).
pub fn median_longs(column: &mut [i64]) -> f64 {
    let middle = column.len() / 2;
    let even = column.len().is_multiple_of(2);
    let (below, upper, _) = column.select_nth_unstable(middle);
    let lower = below.iter().copied().max().filter(|_| even);
    lower.map_or(*upper as f64, |lower| {
        (i128::from(lower) + i128::from(*upper)) as f64 / 2.0
    })
}

/// The middle value, or the mean of the two in the middle; NaN is the greatest. Reorders the
/// column. O(rows).
pub fn median_doubles(column: &mut [f64]) -> f64 {
    let middle = column.len() / 2;
    let even = column.len().is_multiple_of(2);
    column
        .iter_mut()
        .filter(|x| x.is_nan())
        .for_each(|x| *x = f64::NAN);
    let (below, upper, _) = column.select_nth_unstable_by(middle, f64::total_cmp);
    let lower = below
        .iter()
        .copied()
        .max_by(f64::total_cmp)
        .filter(|_| even);
    lower.map_or(*upper, |lower| (lower + *upper) / 2.0)
}

/// Fewest quantiles for which one sort is cheaper than finding each.
const SORTED_QUANTILES: usize = 4;

/// The values below which these parts of the column lie, each from 0 to 1, in their order. Where
/// one falls between two rows, it is as far between their values: the seventh definition of Hyndman
/// & Fan, "Sample quantiles in statistical packages", The American Statistician 50 (1996), which is
/// NumPy's default. Reorders the column. O(rows) for a few parts, O(rows · log rows) for more.
pub fn quantiles_longs(column: &mut [i64], parts: &[f64]) -> Vec<f64> {
    quantiles(column, parts, i64::cmp, |n| n as f64)
}

/// As [`quantiles_longs`]; NaN is the greatest.
pub fn quantiles_doubles(column: &mut [f64], parts: &[f64]) -> Vec<f64> {
    column
        .iter_mut()
        .filter(|x| x.is_nan())
        .for_each(|x| *x = f64::NAN);
    quantiles(column, parts, f64::total_cmp, |x| x)
}

fn quantiles<T: Copy>(
    column: &mut [T],
    parts: &[f64],
    order: impl Fn(&T, &T) -> Ordering + Copy,
    to_double: impl Fn(T) -> f64,
) -> Vec<f64> {
    let is_sorted = parts.len() >= SORTED_QUANTILES;
    if is_sorted {
        column.sort_unstable_by(order);
    }
    let mut quantile = |part: f64| {
        let place = part * (column.len() - 1) as f64;
        let row = (place as usize).min(column.len() - 1);
        let weight = place - row as f64;
        let (lower, upper) = if is_sorted {
            (column[row], column.get(row + 1).copied())
        } else {
            let (_, lower, above) = column.select_nth_unstable_by(row, order);
            (*lower, above.iter().copied().min_by(order))
        };
        match upper.filter(|_| weight > 0.0) {
            None => to_double(lower),
            Some(upper) => between(to_double(lower), to_double(upper), weight),
        }
    };
    parts.iter().map(|&part| quantile(part)).collect()
}

/// The double that far from one to another; from the nearer end, as NumPy has it, where their
/// distance is a finite double.
fn between(lower: f64, upper: f64, weight: f64) -> f64 {
    let span = upper - lower;
    if lower == upper {
        lower
    } else if !span.is_finite() {
        lower * (1.0 - weight) + upper * weight
    } else if weight < 0.5 {
        lower + span * weight
    } else {
        upper - span * (1.0 - weight)
    }
}

/// The least value.
pub fn min_longs(column: &[i64]) -> Option<i64> {
    column.iter().copied().min()
}

/// The greatest value.
pub fn max_longs(column: &[i64]) -> Option<i64> {
    column.iter().copied().max()
}

/// The least values, ascending: as many as asked for, if there are. Reorders the column.
pub fn least_longs(column: &mut [i64], count: usize) -> &[i64] {
    let count = count.min(column.len());
    if count > 0 && count < column.len() {
        column.select_nth_unstable(count - 1);
    }
    let kept = &mut column[..count];
    kept.sort_unstable();
    kept
}

/// The greatest values, ascending: as many as asked for, if there are. Reorders the column.
pub fn greatest_longs(column: &mut [i64], count: usize) -> &[i64] {
    let start = column.len().saturating_sub(count);
    if start > 0 && start < column.len() {
        column.select_nth_unstable(start);
    }
    let kept = &mut column[start..];
    kept.sort_unstable();
    kept
}

/// Sorts doubles; equals keep their order, NaN is the greatest.
pub fn sort_doubles(column: &mut [f64]) {
    column.sort_by(|a, b| match (before(*a, *b), before(*b, *a)) {
        (true, _) => Ordering::Less,
        (_, true) => Ordering::Greater,
        _ => Ordering::Equal,
    });
}

/// The least value, the first of equals; NaN is the greatest.
pub fn min_doubles(column: &[f64]) -> Option<f64> {
    column
        .iter()
        .copied()
        .reduce(|best, x| if before(x, best) { x } else { best })
}

/// The greatest value, the first of equals; NaN is the greatest.
pub fn max_doubles(column: &[f64]) -> Option<f64> {
    column
        .iter()
        .copied()
        .reduce(|best, x| if before(best, x) { x } else { best })
}

/// Whether one double comes before another; NaN is the greatest.
pub fn before(a: f64, b: f64) -> bool {
    a < b || (b.is_nan() && !a.is_nan())
}

/// How many different values.
pub fn count_distinct_longs(column: &[i64]) -> usize {
    column
        .iter()
        .collect::<HashSet<_, foldhash::fast::FixedState>>()
        .len()
}

/// How many different values; `0.0` is `-0.0`, and NaN is itself.
pub fn count_distinct_doubles(column: &[f64]) -> usize {
    column
        .iter()
        .map(|x| distinct_bits(*x))
        .collect::<HashSet<_, foldhash::fast::FixedState>>()
        .len()
}

/// Bits that are the same for equal doubles: `0.0` is `-0.0`, and NaN is itself.
pub fn distinct_bits(x: f64) -> u64 {
    match x {
        x if x.is_nan() => f64::NAN.to_bits(),
        0.0 => 0,
        x => x.to_bits(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The expected figures are NumPy's.
    #[test]
    fn quantiles_lie_between_rows() {
        let parts = [0.0, 0.1, 0.25, 0.5, 0.9, 1.0];
        let expected = [10.0, 12.0, 15.0, 20.0, 59.0, 75.0];
        assert_eq!(quantiles_longs(&mut [75, 20, 10, 35, 15], &parts), expected);
        let each = parts.map(|part| quantiles_longs(&mut [75, 20, 10, 35, 15], &[part])[0]);
        assert_eq!(each, expected);
        assert_eq!(quantiles_doubles(&mut [7.5], &[0.3]), [7.5]);
        let doubles = &mut [2.0, f64::NAN, 1.0, f64::INFINITY];
        assert_eq!(
            quantiles_doubles(doubles, &[0.0, 0.5]),
            [1.0, f64::INFINITY]
        );
        assert_eq!(quantiles_doubles(&mut [-1e308, 1e308], &[0.5]), [0.0]);
    }
}
