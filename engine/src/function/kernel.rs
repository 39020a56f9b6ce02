//! The numeric aggregates over whole columns of one type.
//!
//! The aggregates over values hand columns of longs or doubles to these, so both give the same
//! bits. Doubles are added in the order they come. Every kernel but the sums and the counts asks
//! for at least one row.

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

/// The least value.
pub fn min_longs(column: &[i64]) -> Option<i64> {
    column.iter().copied().min()
}

/// The greatest value.
pub fn max_longs(column: &[i64]) -> Option<i64> {
    column.iter().copied().max()
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

fn before(a: f64, b: f64) -> bool {
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
    let bits = |x: &f64| match x {
        x if x.is_nan() => f64::NAN.to_bits(),
        x if *x == 0.0 => 0,
        x => x.to_bits(),
    };
    column
        .iter()
        .map(bits)
        .collect::<HashSet<_, foldhash::fast::FixedState>>()
        .len()
}
