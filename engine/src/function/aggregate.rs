//! Aggregates: one value from the values of a group.
//!
//! `avg`, `median`, `quantile`, `variance` and `stddev` answer doubles, the last two over the
//! population;
//! `sum`, `min` and `max` keep the type of what they meet. `min` and `max` go by the order of the
//! indexes, in which everything compares.

use std::cmp::Ordering;

use super::Builtin;
use super::arithmetic::{plus, zero_divide};
use super::compare::{is_number, sort_with};
use super::failure::{Cause, not_a};
use super::number::Number;
use super::seq::{check_count, items, not_seqable};
use super::{kernel, random};
use crate::error::{Code, Error, Result};
use crate::limits;
use crate::value::{Set, Value, compare};

/// An aggregate of a `:find`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aggregate {
    /// The mean, a double.
    Avg,
    /// The middle value, a double.
    Median,
    /// The value below which a part of the values lie, a double: `(quantile 0.9 ?x)`.
    Quantile,
    /// As `Quantile` for several parts, a vector: `(quantiles [0.5 0.9] ?x)`.
    Quantiles,
    /// The population variance, a double.
    Variance,
    /// The population standard deviation, a double.
    Stddev,
    /// The sum.
    Sum,
    /// How many values.
    Count,
    /// How many different values.
    CountDistinct,
    /// The set of values.
    Distinct,
    /// The least value, or with a constant the n least as a vector.
    Min,
    /// The greatest value, or with a constant the n greatest as a vector, ascending.
    Max,
    /// A random value, or with a constant a vector of n, repeats allowed.
    Rand,
    /// A vector of n different rows' values, chosen at random.
    Sample,
    /// A function of the table, applied to the list of the values.
    Custom(Builtin),
}

/// The built-in aggregates by name.
pub const AGGREGATES: &[(&str, Aggregate)] = &[
    ("avg", Aggregate::Avg),
    ("median", Aggregate::Median),
    ("quantile", Aggregate::Quantile),
    ("quantiles", Aggregate::Quantiles),
    ("variance", Aggregate::Variance),
    ("stddev", Aggregate::Stddev),
    ("sum", Aggregate::Sum),
    ("count", Aggregate::Count),
    ("count-distinct", Aggregate::CountDistinct),
    ("distinct", Aggregate::Distinct),
    ("min", Aggregate::Min),
    ("max", Aggregate::Max),
    ("rand", Aggregate::Rand),
    ("sample", Aggregate::Sample),
];

impl Aggregate {
    /// A built-in aggregate, or else a function of the table as a custom one.
    pub fn lookup(name: &str) -> Option<Aggregate> {
        let found = AGGREGATES.iter().find(|(known, _)| *known == name);
        found
            .map(|(_, aggregate)| *aggregate)
            .or_else(|| super::lookup(name).map(Aggregate::Custom))
    }

    /// Its name as a query writes it.
    pub fn name(self) -> &'static str {
        match self {
            Aggregate::Custom(builtin) => builtin.name(),
            known => AGGREGATES
                .iter()
                .find(|(_, a)| *a == known)
                .map_or("", |(name, _)| *name),
        }
    }

    /// The answer for one group: `constants` are the arguments before the last, `values` what the
    /// last one takes in each row of the group.
    pub fn apply(self, constants: &[Value], values: &[Value]) -> Result<Value> {
        if let Aggregate::Custom(builtin) = self {
            let mut args = constants.to_vec();
            args.push(Value::list(values.iter().cloned()));
            return builtin.call(&args);
        }
        match constants {
            [parts] if matches!(self, Aggregate::Quantile | Aggregate::Quantiles) => {
                self.apply_quantiles(parts, values)
            }
            [] => self.apply_alone(values),
            [n] => self.apply_counted(n, values),
            _ => Err(self.wrong_arity(constants.len() + 1)),
        }
    }

    /// As [`Aggregate::apply`], for a group of integers that has some; none where nothing is gained
    /// by knowing that they are. May change their order.
    pub fn of_longs(self, constants: &[Value], column: &mut [i64]) -> Option<Result<Value>> {
        Some(match (self, constants) {
            (Aggregate::Median, []) => Ok(Value::Double(kernel::median_longs(column))),
            (Aggregate::Quantile | Aggregate::Quantiles, [parts]) => {
                self.of_parts(parts, |parts| kernel::quantiles_longs(column, parts))
            }
            (Aggregate::Min | Aggregate::Max, [n]) => count_of(n).map(|n| {
                let kept = match self {
                    Aggregate::Min => kernel::least_longs(column, n),
                    _ => kernel::greatest_longs(column, n),
                };
                Value::vector(kept.iter().copied().map(Value::Long))
            }),
            _ => return None,
        })
    }

    /// As [`Aggregate::of_longs`], for a group of doubles.
    pub fn of_doubles(self, constants: &[Value], column: &mut [f64]) -> Option<Result<Value>> {
        Some(match (self, constants) {
            (Aggregate::Median, []) => Ok(Value::Double(kernel::median_doubles(column))),
            (Aggregate::Quantile | Aggregate::Quantiles, [parts]) => {
                self.of_parts(parts, |parts| kernel::quantiles_doubles(column, parts))
            }
            (Aggregate::Min | Aggregate::Max, [n]) => count_of(n).map(|n| {
                kernel::sort_doubles(column);
                let skipped = match self {
                    Aggregate::Min => 0,
                    _ => column.len().saturating_sub(n),
                };
                Value::vector(
                    column
                        .iter()
                        .skip(skipped)
                        .take(n)
                        .copied()
                        .map(Value::Double),
                )
            }),
            _ => return None,
        })
    }

    fn apply_quantiles(self, parts: &Value, values: &[Value]) -> Result<Value> {
        if values.is_empty() {
            return Err(Cause::Index.error(format!("{} of nothing", self.name())));
        }
        if let Some(mut column) = longs(values) {
            return self.of_parts(parts, |parts| kernel::quantiles_longs(&mut column, parts));
        }
        let column = values.iter().map(|value| match value {
            value if is_number(value) => Ok(Number::of(value)?.to_double()),
            other => Err(not_a("a number", other)),
        });
        let mut column: Vec<f64> = column.collect::<Result<_>>()?;
        self.of_parts(parts, |parts| kernel::quantiles_doubles(&mut column, parts))
    }

    /// One quantile by itself, several as a vector.
    fn of_parts(self, parts: &Value, of: impl FnOnce(&[f64]) -> Vec<f64>) -> Result<Value> {
        if self == Aggregate::Quantile {
            let found = of(&[part(parts)?]);
            return Ok(found.first().copied().map_or(Value::Nil, Value::Double));
        }
        let parts = parts
            .as_sequential()
            .ok_or_else(|| not_a("a vector of numbers from 0 to 1", parts))?;
        if parts.len() > limits::QUANTILES {
            let message = format!(
                "quantiles takes {} numbers at most (QUANTILES)",
                limits::QUANTILES
            );
            return Err(Error::new(Code::Limit, message).with("limit", limits::QUANTILES));
        }
        let parts: Vec<f64> = parts.iter().map(part).collect::<Result<_>>()?;
        Ok(Value::vector(of(&parts).into_iter().map(Value::Double)))
    }

    fn apply_alone(self, values: &[Value]) -> Result<Value> {
        match self {
            Aggregate::Count => Ok(Value::from(values.len())),
            Aggregate::CountDistinct => Ok(Value::from(distinct(values).len())),
            Aggregate::Distinct => Ok(Value::set(values.iter().cloned())),
            Aggregate::Min => Ok(extreme(values, Ordering::is_lt)),
            Aggregate::Max => Ok(extreme(values, Ordering::is_gt)),
            Aggregate::Sum => sum(values),
            Aggregate::Median => median(values),
            Aggregate::Avg => avg(values).map(Value::Double),
            Aggregate::Variance => variance(values).map(Value::Double),
            Aggregate::Stddev => variance(values).map(|x| Value::Double(x.sqrt())),
            Aggregate::Rand if values.is_empty() => Ok(Value::Nil),
            Aggregate::Rand => Ok(values[random::below(values.len())].clone()),
            Aggregate::Quantile
            | Aggregate::Quantiles
            | Aggregate::Sample
            | Aggregate::Custom(_) => Err(self.wrong_arity(1)),
        }
    }

    fn apply_counted(self, n: &Value, values: &[Value]) -> Result<Value> {
        let n = count_of(n)?;
        match self {
            Aggregate::Min => {
                let sorted = sort_with(values, &mut |a, b| Ok(compare(a, b)))?;
                Ok(Value::vector(sorted.into_iter().take(n)))
            }
            Aggregate::Max => {
                let sorted = sort_with(values, &mut |a, b| Ok(compare(a, b)))?;
                let skipped = sorted.len().saturating_sub(n);
                Ok(Value::vector(sorted.into_iter().skip(skipped)))
            }
            Aggregate::Rand if values.is_empty() => Ok(Value::vector([])),
            Aggregate::Rand => {
                check_count(n)?;
                Ok(Value::vector(
                    (0..n).map(|_| values[random::below(values.len())].clone()),
                ))
            }
            Aggregate::Sample => {
                let picked = random::sample(values.len(), n);
                Ok(Value::vector(
                    picked.into_iter().map(|row| values[row].clone()),
                ))
            }
            _ => Err(self.wrong_arity(2)),
        }
    }

    fn wrong_arity(self, given: usize) -> crate::Error {
        let name = self.name();
        Cause::Arity.error(format!(
            "Wrong number of args ({given}) passed to the aggregate {name}"
        ))
    }
}

/// How many values `min` and its kin are asked for.
fn count_of(n: &Value) -> Result<usize> {
    if !is_number(n) {
        return Err(not_a("a number", n));
    }
    Ok(Number::of(n)?.to_double().max(0.0).ceil() as usize)
}

/// Which part of the values is to lie below a quantile.
fn part(value: &Value) -> Result<f64> {
    if !is_number(value) {
        return Err(not_a("a number from 0 to 1", value));
    }
    let part = Number::of(value)?.to_double();
    if (0.0..=1.0).contains(&part) {
        return Ok(part);
    }
    let message = format!("expected a number from 0 to 1, got {value}");
    Err(Cause::IllegalArgument
        .error(message)
        .with("value", value.clone()))
}

fn distinct(values: &[Value]) -> Set {
    values.iter().cloned().collect()
}

/// The first of the values that no other beats; `nil` for none.
fn extreme(values: &[Value], beats: fn(Ordering) -> bool) -> Value {
    let best = values
        .iter()
        .reduce(|best, x| if beats(compare(x, best)) { x } else { best });
    best.cloned().unwrap_or_default()
}

fn longs(values: &[Value]) -> Option<Vec<i64>> {
    values.iter().map(Value::as_long).collect()
}

fn doubles(values: &[Value]) -> Option<Vec<f64>> {
    values
        .iter()
        .map(|v| {
            if let Value::Double(x) = v {
                Some(*x)
            } else {
                None
            }
        })
        .collect()
}

fn sum(values: &[Value]) -> Result<Value> {
    if let Some(column) = longs(values) {
        return kernel::sum_longs(&column).map(Value::Long);
    }
    if let Some(column) = doubles(values) {
        return Ok(Value::Double(kernel::sum_doubles(&column)));
    }
    values
        .iter()
        .try_fold(Value::Long(0), |total, value| plus(&total, value))
}

fn avg(values: &[Value]) -> Result<f64> {
    if values.is_empty() {
        return Err(zero_divide());
    }
    if let Some(column) = longs(values) {
        return kernel::avg_longs(&column);
    }
    Ok(Number::of(&sum(values)?)?.to_double() / values.len() as f64)
}

fn variance(values: &[Value]) -> Result<f64> {
    let mean = avg(values)?;
    if let Some(column) = longs(values) {
        return kernel::variance_longs(&column);
    }
    let mut total = 0.0;
    for value in values {
        let deviation = Number::of(value)?.to_double() - mean;
        total += deviation * deviation;
    }
    Ok(total / values.len() as f64)
}

fn median(values: &[Value]) -> Result<Value> {
    if let Some(mut column) = longs(values).filter(|column| !column.is_empty()) {
        return Ok(Value::Double(kernel::median_longs(&mut column)));
    }
    if let Some(mut column) = doubles(values).filter(|column| !column.is_empty()) {
        return Ok(Value::Double(kernel::median_doubles(&mut column)));
    }
    let sorted = sort_with(values, &mut super::compare::order)?;
    let middle = sorted.len() / 2;
    let upper = sorted
        .get(middle)
        .ok_or_else(|| Cause::Index.error("median of nothing"))?;
    if sorted.len() % 2 == 1 {
        return Ok(if is_number(upper) {
            Value::Double(Number::of(upper)?.to_double())
        } else {
            upper.clone()
        });
    }
    let total = plus(upper, &sorted[middle - 1])?;
    Ok(Value::Double(Number::of(&total)?.to_double() / 2.0))
}

/// `max` and `min` as functions: of a collection, of a count and a collection, or of numbers.
///
/// Datahike knows the first two only; numbers are an error there.
pub(super) fn greatest(args: &[Value]) -> Result<Value> {
    extreme_of(args, Aggregate::Max)
}

/// See [`greatest`].
pub(super) fn least(args: &[Value]) -> Result<Value> {
    extreme_of(args, Aggregate::Min)
}

fn extreme_of(args: &[Value], which: Aggregate) -> Result<Value> {
    if args.iter().all(is_number) {
        let wins = if which == Aggregate::Max {
            Ordering::is_gt
        } else {
            Ordering::is_lt
        };
        let mut best = &args[0];
        for arg in &args[1..] {
            let order = Number::of(arg)?.order(&Number::of(best)?)?;
            if order.is_none_or(wins) && !Number::of(best)?.is_nan() {
                best = arg;
            }
        }
        return Ok(best.clone());
    }
    match args {
        [all] => which.apply(&[], &items(all)?),
        [n, all] => which.apply(std::slice::from_ref(n), &items(all)?),
        _ => Err(not_seqable(&args[0])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(aggregate: &str, constants: &str, values: &str, expected: &str) {
        let read = |text: &str| match crate::edn::read(text).unwrap() {
            Value::Vector(items) => items.to_vec(),
            other => vec![other],
        };
        let answer = match Aggregate::lookup(aggregate)
            .unwrap()
            .apply(&read(constants), &read(values))
        {
            Ok(value) => value.to_string(),
            Err(error) => error.message().to_owned(),
        };
        assert_eq!(answer, expected, "({aggregate} {constants} {values})");
    }

    #[test]
    fn numbers() {
        check("avg", "[]", "[10 15 20 35 75]", "31.0");
        check("avg", "[]", "[1 2.5 3]", "2.1666666666666665");
        check("avg", "[]", "[1/2 3/2]", "1.0");
        check("variance", "[]", "[10 20 30 12]", "62.0");
        check("stddev", "[]", "[10 15 20 35 75]", "23.53720459187964");
        check("stddev", "[]", "[7]", "0.0");
        check("median", "[]", "[10 20 30 12]", "16.0");
        check("median", "[]", "[3 1 2]", "2.0");
        check(
            "median",
            "[]",
            "[9223372036854775807 9223372036854775807]",
            "9.223372036854776E18",
        );
        check("median", "[]", "[1 2.5]", "1.75");
        check("quantile", "[0.5]", "[10 20 30 12]", "16.0");
        check("quantile", "[1/4]", "[1 2.5 3M]", "1.75");
        check(
            "quantiles",
            "[[0 0.9 1]]",
            "[75 20 10 35 15]",
            "[10.0 59.0 75.0]",
        );
        check("quantiles", "[[]]", "[1]", "[]");
        let refused = "expected a number from 0 to 1, got 1.5";
        check("quantile", "[1.5]", "[1]", refused);
        check(
            "quantile",
            "[0.5]",
            "[:a]",
            "expected a number, got clojure.lang.Keyword",
        );
        check("sum", "[]", "[2.5 10]", "12.5");
        check("sum", "[]", "[1N 2]", "3N");
        check("sum", "[]", "[9223372036854775807 1]", "integer overflow");
        check(
            "sum",
            "[]",
            "[\"a\"]",
            "expected a number, got java.lang.String",
        );
    }

    #[test]
    fn any_values() {
        check("count", "[]", "[1 1 2]", "3");
        check("count-distinct", "[]", "[1 1 2 1.0]", "3");
        check("distinct", "[]", "[1 1 2]", "#{1 2}");
        check("min", "[]", "[:a-/b :a/b]", ":a/b");
        check("max", "[]", "[1.0 ##NaN 2.0]", "##NaN");
        check("min", "[]", "[]", "nil");
        check("min", "[2]", "[:a/b :a-/b :a/c]", "[:a/b :a/c]");
        check("max", "[3]", "[1 2 3 4 5]", "[3 4 5]");
        check("max", "[0]", "[1 2]", "[]");
        check("sample", "[0]", "[1 2]", "[]");
        check("rand", "[2]", "[7]", "[7 7]");
        check("rand", "[]", "[7]", "7");
        check(
            "sample",
            "[]",
            "[7]",
            "Wrong number of args (1) passed to the aggregate sample",
        );
        check("sort", "[]", "[3 1 2]", "(1 2 3)");
        check("reduce", "[+]", "[3 1 2]", "6");
    }

    /// The kernels and the aggregates over values are two doors to one answer.
    #[test]
    fn columns_give_the_bits_that_values_give() {
        let column = [0.1, 2.5, -0.0, 1e300, 0.1, 7.25, 0.0];
        let values: Vec<Value> = column.iter().map(|x| Value::Double(*x)).collect();
        let same = |aggregate: Aggregate, kernel: f64| match aggregate.apply(&[], &values) {
            Ok(Value::Double(x)) => assert_eq!(x.to_bits(), kernel.to_bits(), "{aggregate:?}"),
            other => panic!("{other:?}"),
        };
        same(Aggregate::Sum, kernel::sum_doubles(&column));
        same(Aggregate::Avg, kernel::avg_doubles(&column));
        same(Aggregate::Variance, kernel::variance_doubles(&column));
        same(Aggregate::Stddev, kernel::stddev_doubles(&column));
        same(
            Aggregate::Median,
            kernel::median_doubles(&mut column.clone()),
        );
        same(Aggregate::Min, kernel::min_doubles(&column).unwrap());
        same(Aggregate::Max, kernel::max_doubles(&column).unwrap());
        assert_eq!(
            kernel::count_distinct_doubles(&column),
            distinct(&values).len()
        );
    }
}
