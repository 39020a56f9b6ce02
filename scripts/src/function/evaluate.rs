//! A formula worked out for many rows at once, to what rhai gives for each of them.
//!
//! Integers are checked as rhai checks them. Where one row fails, or kinds do not fit, there is no
//! result: the rows are then called one by one, and the error is rhai's.

use std::borrow::Cow;

use datalith_engine::script::{ScriptColumn, ScriptResult};

use super::formula::{Binary, Formula, Unary};

/// Values of a part of the formula.
enum Part<'a> {
    Longs(Cow<'a, [i64]>),
    Doubles(Cow<'a, [f64]>),
    Bools(Vec<bool>),
    Long(i64),
    Double(f64),
    Bool(bool),
}

/// The values of a formula for all rows; none if rhai must be asked.
pub(super) fn evaluate(
    formula: &Formula,
    args: &[ScriptColumn<'_>],
    rows: usize,
) -> Option<ScriptResult> {
    Some(match part(formula, args)? {
        Part::Longs(longs) => ScriptResult::Longs(longs.into_owned()),
        Part::Doubles(doubles) => ScriptResult::Doubles(doubles.into_owned()),
        Part::Bools(bools) => ScriptResult::Bools(bools),
        Part::Long(n) => ScriptResult::Longs(vec![n; rows]),
        Part::Double(x) => ScriptResult::Doubles(vec![x; rows]),
        Part::Bool(b) => ScriptResult::Bools(vec![b; rows]),
    })
}

fn part<'a>(formula: &Formula, args: &[ScriptColumn<'a>]) -> Option<Part<'a>> {
    Some(match formula {
        Formula::Param(at) => match *args.get(*at)? {
            ScriptColumn::Longs(longs) => Part::Longs(Cow::Borrowed(longs)),
            ScriptColumn::Doubles(doubles) => Part::Doubles(Cow::Borrowed(doubles)),
            ScriptColumn::Long(n) => Part::Long(n),
            ScriptColumn::Double(x) => Part::Double(x),
        },
        Formula::Long(n) => Part::Long(*n),
        Formula::Double(x) => Part::Double(*x),
        Formula::Bool(b) => Part::Bool(*b),
        Formula::Unary(operator, of) => unary(*operator, part(of, args)?)?,
        Formula::Binary(operator, left, right) => {
            binary(*operator, part(left, args)?, part(right, args)?)?
        }
        Formula::If(parts) => {
            let [condition, then, otherwise] = &**parts;
            choice(
                part(condition, args)?,
                part(then, args)?,
                part(otherwise, args)?,
            )?
        }
    })
}

fn unary<'a>(operator: Unary, of: Part<'a>) -> Option<Part<'a>> {
    let doubles = |of: &[f64], f: fn(f64) -> f64| Part::Doubles(of.iter().map(|&x| f(x)).collect());
    let f: fn(f64) -> f64 = match operator {
        Unary::Minus => |x| -x,
        Unary::Abs => f64::abs,
        Unary::Sqrt => f64::sqrt,
        Unary::Floor => f64::floor,
        Unary::Ceiling => f64::ceil,
        Unary::ToFloat => |x| x,
        Unary::Not => {
            return match of {
                Part::Bool(b) => Some(Part::Bool(!b)),
                Part::Bools(bools) => Some(Part::Bools(bools.iter().map(|b| !b).collect())),
                _ => None,
            };
        }
    };
    Some(match (of, operator) {
        (Part::Double(x), _) => Part::Double(f(x)),
        (Part::Doubles(of), _) => doubles(&of, f),
        (Part::Long(n), Unary::Minus) => Part::Long(n.checked_neg()?),
        (Part::Long(n), Unary::Abs) => Part::Long(n.checked_abs()?),
        (Part::Long(n), Unary::ToFloat) => Part::Double(n as f64),
        (Part::Longs(of), Unary::Minus) => {
            Part::Longs(checked(of.iter().map(|n| n.checked_neg()))?)
        }
        (Part::Longs(of), Unary::Abs) => Part::Longs(checked(of.iter().map(|n| n.checked_abs()))?),
        (Part::Longs(of), Unary::ToFloat) => Part::Doubles(of.iter().map(|&n| n as f64).collect()),
        _ => return None,
    })
}

fn checked<'a>(values: impl Iterator<Item = Option<i64>>) -> Option<Cow<'a, [i64]>> {
    values.collect::<Option<Vec<i64>>>().map(Cow::Owned)
}

fn binary<'a>(operator: Binary, left: Part<'a>, right: Part<'a>) -> Option<Part<'a>> {
    use Part::{Bool, Bools, Double, Doubles, Long, Longs};
    if matches!(left, Bool(_) | Bools(_)) || matches!(right, Bool(_) | Bools(_)) {
        return truths(operator, &left, &right);
    }
    match (left, right) {
        (Long(a), Long(b)) => of_longs(operator, [a].into_iter(), [b].into_iter()).map(single),
        (Longs(a), Long(b)) => {
            let rows = a.len();
            of_longs(operator, a.iter().copied(), std::iter::repeat_n(b, rows))
        }
        (Long(a), Longs(b)) => {
            of_longs(operator, std::iter::repeat_n(a, b.len()), b.iter().copied())
        }
        (Longs(a), Longs(b)) => of_longs(operator, a.iter().copied(), b.iter().copied()),
        (left, right) => {
            // rhai makes a float of an integer that meets one.
            let (left, right) = (floats(left)?, floats(right)?);
            match (left, right) {
                (Double(a), Double(b)) => {
                    of_doubles(operator, [a].into_iter(), [b].into_iter()).map(single)
                }
                (Doubles(a), Double(b)) => {
                    let rows = a.len();
                    of_doubles(operator, a.iter().copied(), std::iter::repeat_n(b, rows))
                }
                (Double(a), Doubles(b)) => {
                    of_doubles(operator, std::iter::repeat_n(a, b.len()), b.iter().copied())
                }
                (Doubles(a), Doubles(b)) => {
                    of_doubles(operator, a.iter().copied(), b.iter().copied())
                }
                _ => None,
            }
        }
    }
}

/// One row as what all rows share.
fn single(part: Part<'_>) -> Part<'_> {
    match part {
        Part::Longs(longs) => Part::Long(longs[0]),
        Part::Doubles(doubles) => Part::Double(doubles[0]),
        Part::Bools(bools) => Part::Bool(bools[0]),
        shared => shared,
    }
}

fn floats(part: Part<'_>) -> Option<Part<'_>> {
    Some(match part {
        Part::Long(n) => Part::Double(n as f64),
        Part::Longs(longs) => Part::Doubles(longs.iter().map(|&n| n as f64).collect()),
        Part::Double(_) | Part::Doubles(_) => part,
        Part::Bool(_) | Part::Bools(_) => return None,
    })
}

fn of_longs<'a>(
    operator: Binary,
    left: impl Iterator<Item = i64>,
    right: impl Iterator<Item = i64>,
) -> Option<Part<'a>> {
    let pairs = left.zip(right);
    Some(match operator {
        Binary::Add => Part::Longs(checked(pairs.map(|(a, b)| a.checked_add(b)))?),
        Binary::Subtract => Part::Longs(checked(pairs.map(|(a, b)| a.checked_sub(b)))?),
        Binary::Multiply => Part::Longs(checked(pairs.map(|(a, b)| a.checked_mul(b)))?),
        Binary::Divide => Part::Longs(checked(pairs.map(|(a, b)| a.checked_div(b)))?),
        Binary::Remainder => Part::Longs(checked(pairs.map(|(a, b)| a.checked_rem(b)))?),
        Binary::Equal => Part::Bools(pairs.map(|(a, b)| a == b).collect()),
        Binary::NotEqual => Part::Bools(pairs.map(|(a, b)| a != b).collect()),
        Binary::Less => Part::Bools(pairs.map(|(a, b)| a < b).collect()),
        Binary::LessOrEqual => Part::Bools(pairs.map(|(a, b)| a <= b).collect()),
        Binary::Greater => Part::Bools(pairs.map(|(a, b)| a > b).collect()),
        Binary::GreaterOrEqual => Part::Bools(pairs.map(|(a, b)| a >= b).collect()),
        Binary::And | Binary::Or => return None,
    })
}

fn of_doubles<'a>(
    operator: Binary,
    left: impl Iterator<Item = f64>,
    right: impl Iterator<Item = f64>,
) -> Option<Part<'a>> {
    let pairs = left.zip(right);
    Some(match operator {
        Binary::Add => Part::Doubles(pairs.map(|(a, b)| a + b).collect()),
        Binary::Subtract => Part::Doubles(pairs.map(|(a, b)| a - b).collect()),
        Binary::Multiply => Part::Doubles(pairs.map(|(a, b)| a * b).collect()),
        Binary::Divide => Part::Doubles(pairs.map(|(a, b)| a / b).collect()),
        Binary::Remainder => Part::Doubles(pairs.map(|(a, b)| a % b).collect()),
        Binary::Equal => Part::Bools(
            pairs
                .map(|(a, b)| distance(a, b).abs() <= f64::EPSILON)
                .collect(),
        ),
        Binary::NotEqual => Part::Bools(
            pairs
                .map(|(a, b)| distance(a, b).abs() > f64::EPSILON)
                .collect(),
        ),
        Binary::Less => Part::Bools(pairs.map(|(a, b)| distance(b, a) > f64::EPSILON).collect()),
        Binary::LessOrEqual => {
            Part::Bools(pairs.map(|(a, b)| distance(b, a) > -f64::EPSILON).collect())
        }
        Binary::Greater => Part::Bools(pairs.map(|(a, b)| distance(a, b) > f64::EPSILON).collect()),
        Binary::GreaterOrEqual => {
            Part::Bools(pairs.map(|(a, b)| distance(a, b) > -f64::EPSILON).collect())
        }
        Binary::And | Binary::Or => return None,
    })
}

/// How far floats are apart, as rhai compares them: relative to the larger, unless one is zero.
fn distance(a: f64, b: f64) -> f64 {
    let scale = if a * b == 0.0 {
        1.0
    } else {
        a.abs().max(b.abs())
    };
    if scale == 0.0 { 0.0 } else { (a - b) / scale }
}

fn truths<'a>(operator: Binary, left: &Part<'_>, right: &Part<'_>) -> Option<Part<'a>> {
    let of = |a: bool, b: bool| match operator {
        Binary::And => Some(a && b),
        Binary::Or => Some(a || b),
        Binary::Equal => Some(a == b),
        Binary::NotEqual => Some(a != b),
        _ => None,
    };
    of(true, true)?;
    let of = |a, b| of(a, b).unwrap_or_default();
    Some(match (left, right) {
        (Part::Bool(a), Part::Bool(b)) => Part::Bool(of(*a, *b)),
        (Part::Bools(a), Part::Bool(b)) => Part::Bools(a.iter().map(|&a| of(a, *b)).collect()),
        (Part::Bool(a), Part::Bools(b)) => Part::Bools(b.iter().map(|&b| of(*a, b)).collect()),
        (Part::Bools(a), Part::Bools(b)) => {
            Part::Bools(a.iter().zip(b).map(|(&a, &b)| of(a, b)).collect())
        }
        _ => return None,
    })
}

fn choice<'a>(condition: Part<'_>, then: Part<'a>, otherwise: Part<'a>) -> Option<Part<'a>> {
    let mask = match condition {
        Part::Bool(b) => return Some(if b { then } else { otherwise }),
        Part::Bools(mask) => mask,
        _ => return None,
    };
    // A row's kind must not depend on the row.
    let rows = mask.len();
    Some(match (then, otherwise) {
        (a @ (Part::Long(_) | Part::Longs(_)), b @ (Part::Long(_) | Part::Longs(_))) => {
            let (a, b) = (spread_longs(a, rows)?, spread_longs(b, rows)?);
            Part::Longs(
                (0..rows)
                    .map(|row| if mask[row] { a[row] } else { b[row] })
                    .collect(),
            )
        }
        (a @ (Part::Double(_) | Part::Doubles(_)), b @ (Part::Double(_) | Part::Doubles(_))) => {
            let (a, b) = (spread_doubles(a, rows)?, spread_doubles(b, rows)?);
            Part::Doubles(
                (0..rows)
                    .map(|row| if mask[row] { a[row] } else { b[row] })
                    .collect(),
            )
        }
        (a @ (Part::Bool(_) | Part::Bools(_)), b @ (Part::Bool(_) | Part::Bools(_))) => {
            let (a, b) = (spread_bools(a, rows)?, spread_bools(b, rows)?);
            Part::Bools(
                (0..rows)
                    .map(|row| if mask[row] { a[row] } else { b[row] })
                    .collect(),
            )
        }
        _ => return None,
    })
}

fn spread_longs(part: Part<'_>, rows: usize) -> Option<Cow<'_, [i64]>> {
    match part {
        Part::Longs(longs) => Some(longs),
        Part::Long(n) => Some(Cow::Owned(vec![n; rows])),
        _ => None,
    }
}

fn spread_doubles(part: Part<'_>, rows: usize) -> Option<Cow<'_, [f64]>> {
    match part {
        Part::Doubles(doubles) => Some(doubles),
        Part::Double(x) => Some(Cow::Owned(vec![x; rows])),
        _ => None,
    }
}

fn spread_bools(part: Part<'_>, rows: usize) -> Option<Vec<bool>> {
    match part {
        Part::Bools(bools) => Some(bools),
        Part::Bool(b) => Some(vec![b; rows]),
        _ => None,
    }
}
