//! Aggregates of a column by group without decoding it: sums and extremes in one pass over the
//! rows, medians and quantiles by selection.
//!
//! Doubles are added in the order of the rows, so that an answer has the bits which
//! [`kernel`](crate::function::kernel) gives for each group by itself.

use super::key::group_rows;
use crate::function::{Aggregate, kernel};
use crate::index::{Column, Interner, Kind};
use crate::value::Value;

/// A column and the group of each of its rows.
pub(super) struct Tally<'a> {
    pub(super) column: &'a Column,
    /// The group of each row.
    pub(super) of_row: &'a [u32],
    /// How many groups there are; none is empty.
    pub(super) groups: usize,
}

impl Tally<'_> {
    /// The answer for each group in one pass; none where the values must be looked at.
    pub(super) fn one_pass(&self, aggregate: Aggregate) -> Option<Vec<Value>> {
        if aggregate == Aggregate::Count {
            return Some(self.counts().into_iter().map(Value::Long).collect());
        }
        match (aggregate, self.column.kind()?) {
            (Aggregate::Sum, Kind::Long) => {
                Some(self.long_sums()?.into_iter().map(Value::Long).collect())
            }
            (Aggregate::Min, Kind::Long) => Some(self.long_extremes(|new, best| new < best)),
            (Aggregate::Max, Kind::Long) => Some(self.long_extremes(|new, best| new > best)),
            (Aggregate::Sum, Kind::Double) => Some(doubles(self.double_sums())),
            (Aggregate::Min, Kind::Double) => Some(self.double_extremes(kernel::before)),
            (Aggregate::Max, Kind::Double) => {
                Some(self.double_extremes(|new, best| kernel::before(best, new)))
            }
            (Aggregate::Avg, Kind::Long | Kind::Double) => Some(doubles(self.means()?)),
            (Aggregate::Variance, Kind::Long | Kind::Double) => Some(doubles(self.variances()?)),
            (Aggregate::Stddev, Kind::Long | Kind::Double) => {
                let variances = self.variances()?.into_iter();
                Some(variances.map(|x| Value::Double(x.sqrt())).collect())
            }
            (Aggregate::CountDistinct, kind) if tells_apart(kind) => {
                let mut counts = vec![0i64; self.groups];
                for row in self.distinct_rows() {
                    counts[self.of_row[row as usize] as usize] += 1;
                }
                Some(counts.into_iter().map(Value::Long).collect())
            }
            _ => None,
        }
    }

    /// For each group its different values, in order of their first rows; none where values that
    /// are equal may differ in their cells.
    pub(super) fn distinct_values(&self, interner: &Interner) -> Option<Vec<Vec<Value>>> {
        if !self.column.kind().is_some_and(tells_apart) {
            return None;
        }
        let mut values = vec![Vec::new(); self.groups];
        for row in self.distinct_rows() {
            let value = interner.value(self.column.cell(row as usize));
            values[self.of_row[row as usize] as usize].push(value);
        }
        Some(values)
    }

    /// The first row of each group with each of its values.
    fn distinct_rows(&self) -> Vec<u32> {
        let groups = self.of_row.iter().map(|&group| u64::from(group));
        let groups = Column::uniform(Kind::Long, groups.collect::<Vec<_>>());
        let normal;
        let column = match self.column.kind() {
            Some(kind @ Kind::Double) => {
                let bits = self.column.bits().iter();
                let bits = bits.map(|&bits| kernel::distinct_bits(f64::from_bits(bits)));
                normal = Column::uniform(kind, bits.collect::<Vec<_>>());
                &normal
            }
            _ => self.column,
        };
        let rows = self.of_row.len();
        match self.groups {
            1 => group_rows(&[column], rows).1,
            _ => group_rows(&[&groups, column], rows).1,
        }
    }

    fn counts(&self) -> Vec<i64> {
        let mut counts = vec![0i64; self.groups];
        for &group in self.of_row {
            counts[group as usize] += 1;
        }
        counts
    }

    fn longs(&self) -> impl Iterator<Item = (usize, i64)> {
        let bits = self.column.bits().iter().map(|&bits| bits as i64);
        self.of_row.iter().map(|&group| group as usize).zip(bits)
    }

    fn doubles(&self) -> impl Iterator<Item = (usize, f64)> {
        let bits = self.column.bits().iter().map(|&bits| f64::from_bits(bits));
        self.of_row.iter().map(|&group| group as usize).zip(bits)
    }

    /// None on overflow, of which the general way says what Clojure says.
    fn long_sums(&self) -> Option<Vec<i64>> {
        let mut sums = vec![0i64; self.groups];
        for (group, n) in self.longs() {
            sums[group] = sums[group].checked_add(n)?;
        }
        Some(sums)
    }

    fn double_sums(&self) -> Vec<f64> {
        let mut sums = vec![0.0; self.groups];
        self.doubles().for_each(|(group, x)| sums[group] += x);
        sums
    }

    fn means(&self) -> Option<Vec<f64>> {
        let mean = |sum: f64, count: i64| sum / count as f64;
        let counts = self.counts().into_iter();
        Some(match self.column.kind()? {
            Kind::Long => {
                let sums = self.long_sums()?.into_iter().zip(counts);
                sums.map(|(sum, count)| mean(sum as f64, count)).collect()
            }
            _ => {
                let sums = self.double_sums().into_iter().zip(counts);
                sums.map(|(sum, count)| mean(sum, count)).collect()
            }
        })
    }

    fn variances(&self) -> Option<Vec<f64>> {
        let means = self.means()?;
        let mut squares = vec![0.0; self.groups];
        let mut add = |(group, x): (usize, f64)| {
            let deviation = x - means[group];
            squares[group] += deviation * deviation;
        };
        match self.column.kind()? {
            Kind::Long => self.longs().for_each(|(group, n)| add((group, n as f64))),
            _ => self.doubles().for_each(add),
        }
        let counts = self.counts().into_iter();
        let squares = squares.into_iter().zip(counts);
        Some(squares.map(|(sum, count)| sum / count as f64).collect())
    }

    fn long_extremes(&self, beats: impl Fn(i64, i64) -> bool) -> Vec<Value> {
        let best = extremes(self.longs(), self.groups, beats);
        best.map(|n| n.map_or(Value::Nil, Value::Long)).collect()
    }

    fn double_extremes(&self, beats: impl Fn(f64, f64) -> bool) -> Vec<Value> {
        let best = extremes(self.doubles(), self.groups, beats);
        best.map(|x| x.map_or(Value::Nil, Value::Double)).collect()
    }
}

/// The first value of each group that no other beats.
fn extremes<T: Copy>(
    values: impl Iterator<Item = (usize, T)>,
    groups: usize,
    beats: impl Fn(T, T) -> bool,
) -> impl Iterator<Item = Option<T>> {
    let mut best: Vec<Option<T>> = vec![None; groups];
    for (group, value) in values {
        if best[group].is_none_or(|old| beats(value, old)) {
            best[group] = Some(value);
        }
    }
    best.into_iter()
}

fn doubles(values: Vec<f64>) -> Vec<Value> {
    values.into_iter().map(Value::Double).collect()
}

/// Whether values of a kind are equal just when their bits are, doubles once they are normal.
fn tells_apart(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Bool
            | Kind::Long
            | Kind::Double
            | Kind::Instant
            | Kind::Char
            | Kind::Keyword
            | Kind::Symbol
            | Kind::Str
            | Kind::Uuid
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One pass over all groups, and the aggregate of each group's values, are one answer.
    #[test]
    fn groups_have_what_their_values_give() {
        let of_row = [0, 1, 0, 2, 1, 0, 0, 1];
        let longs = [3, -7, 3, i64::MAX, 12, 4, 0, 12].map(Value::Long);
        let numbers = [0.1, f64::NAN, -0.0, 1e300, 2.5, 0.0, 0.1, 2.5];
        for values in [longs, numbers.map(Value::Double)] {
            let mut interner = Interner::default();
            let column = Column::from_cells(values.iter().map(|value| interner.cell(value)));
            let tally = Tally {
                column: &column,
                of_row: &of_row,
                groups: 3,
            };
            for name in [
                "count",
                "sum",
                "avg",
                "min",
                "max",
                "variance",
                "stddev",
                "count-distinct",
            ] {
                let aggregate = Aggregate::lookup(name).unwrap();
                let found = tally.one_pass(aggregate).unwrap();
                for (group, found) in found.iter().enumerate() {
                    let rows = (0..values.len()).filter(|row| of_row[*row] as usize == group);
                    let values: Vec<Value> = rows.map(|row| values[row].clone()).collect();
                    let expected = aggregate.apply(&[], &values).unwrap();
                    assert_eq!(found.to_string(), expected.to_string(), "{name} {values:?}");
                }
            }
        }
    }
}
