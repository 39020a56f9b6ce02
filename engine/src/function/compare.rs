//! Equality and order: Clojure's `=`, `==` and `compare`, and Datahike's `<` over more than numbers.

use std::cmp::Ordering;
use std::sync::Arc;

use super::failure::{Cause, class_name, not_a};
use super::number::Number;
use super::seq;
use crate::error::{Error, Result};
use crate::value::Value;

pub(super) fn equal(args: &[Value]) -> Result<Value> {
    Ok(Value::Bool(args.windows(2).all(|pair| pair[0] == pair[1])))
}

pub(super) fn not_equal(args: &[Value]) -> Result<Value> {
    Ok(Value::Bool(!args.windows(2).all(|pair| pair[0] == pair[1])))
}

pub(super) fn same_number(args: &[Value]) -> Result<Value> {
    all_pairs(args, |a, b| {
        Ok(Number::of(a)?.order(&Number::of(b)?)? == Some(Ordering::Equal))
    })
}

pub(super) fn less(args: &[Value]) -> Result<Value> {
    ordered(args, Ordering::is_lt)
}

pub(super) fn less_or_equal(args: &[Value]) -> Result<Value> {
    ordered(args, Ordering::is_le)
}

pub(super) fn greater(args: &[Value]) -> Result<Value> {
    ordered(args, Ordering::is_gt)
}

pub(super) fn greater_or_equal(args: &[Value]) -> Result<Value> {
    ordered(args, Ordering::is_ge)
}

pub(super) fn compare(args: &[Value]) -> Result<Value> {
    difference(&args[0], &args[1]).map(Value::Long)
}

pub(super) fn identical(args: &[Value]) -> Result<Value> {
    use Value as V;
    Ok(Value::Bool(match (&args[0], &args[1]) {
        (V::Str(a), V::Str(b)) => a == b,
        (V::List(a), V::List(b)) | (V::Vector(a), V::Vector(b)) => Arc::ptr_eq(a, b),
        (V::Map(a), V::Map(b)) => Arc::ptr_eq(a, b),
        (V::Set(a), V::Set(b)) => Arc::ptr_eq(a, b),
        (V::Double(a), V::Double(b)) => a.to_bits() == b.to_bits(),
        (a, b) => std::mem::discriminant(a) == std::mem::discriminant(b) && a == b,
    }))
}

/// Whether the first half of the arguments differs from the second.
pub(super) fn differ(args: &[Value]) -> Result<Value> {
    let (left, right) = args.split_at(args.len().div_ceil(2));
    Ok(Value::Bool(left != right))
}

/// The first argument decides, as Datahike's protocol does: numbers against numbers, instants
/// against instants, anything else by `compare`.
fn ordered(args: &[Value], holds: fn(Ordering) -> bool) -> Result<Value> {
    match &args[0] {
        Value::Nil => Err(Cause::IllegalArgument.error("cannot order nil")),
        Value::Instant(_) => all_pairs(args, |a, b| Ok(holds(instant(a)?.cmp(&instant(b)?)))),
        first if is_number(first) => all_pairs(args, |a, b| {
            if let (Value::Long(a), Value::Long(b)) = (a, b) {
                return Ok(holds(a.cmp(b)));
            }
            Ok(Number::of(a)?.order(&Number::of(b)?)?.is_some_and(holds))
        }),
        _ => all_pairs(args, |a, b| Ok(holds(order(a, b)?))),
    }
}

fn all_pairs(
    args: &[Value],
    mut holds: impl FnMut(&Value, &Value) -> Result<bool>,
) -> Result<Value> {
    for pair in args.windows(2) {
        if !holds(&pair[0], &pair[1])? {
            return Ok(Value::Bool(false));
        }
    }
    Ok(Value::Bool(true))
}

fn instant(value: &Value) -> Result<i64> {
    match value {
        Value::Instant(ms) => Ok(*ms),
        other => Err(not_a("an instant", other)),
    }
}

/// Whether arithmetic takes it.
pub(super) fn is_number(value: &Value) -> bool {
    use Value as V;
    matches!(
        value,
        V::Long(_) | V::Double(_) | V::Float(_) | V::BigInt(_) | V::BigDec(_) | V::Ratio(_)
    )
}

/// Clojure's `compare` as an order; an error where the two have none.
pub(super) fn order(a: &Value, b: &Value) -> Result<Ordering> {
    difference(a, b).map(|n| n.cmp(&0))
}

/// Clojure's `compare` as the very number Java returns.
fn difference(a: &Value, b: &Value) -> Result<i64> {
    use Value as V;
    Ok(match (a, b) {
        (V::Nil, V::Nil) => 0,
        (V::Nil, _) => -1,
        (_, V::Nil) => 1,
        (V::Long(a), V::Long(b)) => sign(a.cmp(b)),
        (V::Str(a), V::Str(b)) => text_difference(a, b),
        (V::Char(a), V::Char(b)) => i64::from(u32::from(*a)) - i64::from(u32::from(*b)),
        (V::Keyword(a), V::Keyword(b)) => {
            name_difference((a.namespace(), a.name()), (b.namespace(), b.name()))
        }
        (V::Symbol(a), V::Symbol(b)) => {
            name_difference((a.namespace(), a.name()), (b.namespace(), b.name()))
        }
        (V::Vector(a), V::Vector(b)) => {
            if a.len() != b.len() {
                return Ok(sign(a.len().cmp(&b.len())));
            }
            for (x, y) in a.iter().zip(b.iter()) {
                let n = difference(x, y)?;
                if n != 0 {
                    return Ok(n);
                }
            }
            0
        }
        (V::Bool(_), V::Bool(_))
        | (V::Uuid(_), V::Uuid(_))
        | (V::Instant(_), V::Instant(_))
        | (V::Bytes(_), V::Bytes(_))
        | (V::FloatArray(_), V::FloatArray(_))
        | (V::DoubleArray(_), V::DoubleArray(_)) => sign(crate::value::compare(a, b)),
        _ if is_number(a) && is_number(b) => match Number::of(a)?.order(&Number::of(b)?)? {
            Some(order) => sign(order),
            None => sign(crate::value::compare(a, b)),
        },
        _ => return Err(incomparable(a, b)),
    })
}

fn incomparable(a: &Value, b: &Value) -> Error {
    let (a, b) = (class_name(a), class_name(b));
    Cause::ClassCast.error(format!("cannot compare {a} with {b}"))
}

fn sign(order: Ordering) -> i64 {
    order as i64
}

fn text_difference(a: &str, b: &str) -> i64 {
    for (x, y) in a.encode_utf16().zip(b.encode_utf16()) {
        if x != y {
            return i64::from(x) - i64::from(y);
        }
    }
    seq::utf16_len(a) as i64 - seq::utf16_len(b) as i64
}

fn name_difference(a: (Option<&str>, &str), b: (Option<&str>, &str)) -> i64 {
    match (a.0, b.0) {
        (None, Some(_)) => -1,
        (Some(_), None) => 1,
        (Some(x), Some(y)) if x != y => text_difference(x, y),
        _ => text_difference(a.1, b.1),
    }
}

/// A stable merge sort. The standard one may panic under an order that is not total, and the order
/// here may be a caller's function.
pub(super) fn sort_with<T: Clone>(
    items: &[T],
    order: &mut dyn FnMut(&T, &T) -> Result<Ordering>,
) -> Result<Vec<T>> {
    let mut sorted = items.to_vec();
    let mut width = 1;
    while width < sorted.len() {
        let mut next = Vec::with_capacity(sorted.len());
        for run in sorted.chunks(width * 2) {
            let (left, right) = run.split_at(width.min(run.len()));
            merge(left, right, &mut next, order)?;
        }
        sorted = next;
        width *= 2;
    }
    Ok(sorted)
}

fn merge<T: Clone>(
    left: &[T],
    right: &[T],
    out: &mut Vec<T>,
    order: &mut dyn FnMut(&T, &T) -> Result<Ordering>,
) -> Result<()> {
    let (mut i, mut j) = (0, 0);
    while i < left.len() && j < right.len() {
        if order(&left[i], &right[j])?.is_gt() {
            out.push(right[j].clone());
            j += 1;
        } else {
            out.push(left[i].clone());
            i += 1;
        }
    }
    out.extend_from_slice(&left[i..]);
    out.extend_from_slice(&right[j..]);
    Ok(())
}
