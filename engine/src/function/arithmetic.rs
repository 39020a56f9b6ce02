//! Arithmetic: longs overflow loudly, the primed forms promote, `/` makes ratios.

use bigdecimal::BigDecimal;
use num_bigint::BigInt;
use num_integer::Integer;
use num_rational::BigRational;
use num_traits::Zero;

use super::failure::{Cause, not_a};
use super::number::{Number, Pair, pair, ratio_to_dec};
use crate::error::{Error, Result};
use crate::value::Value;

/// What a long does when it outgrows 64 bits.
#[derive(Clone, Copy)]
enum Overflow {
    Fails,
    Promotes,
}

type Operation = fn(Number, Number, Overflow) -> Result<Number>;

pub(super) fn add(args: &[Value]) -> Result<Value> {
    if let [Value::Long(a), Value::Long(b)] = args {
        return a.checked_add(*b).map(Value::Long).ok_or_else(overflow);
    }
    fold(args, Number::Long(0), sum, Overflow::Fails)
}

pub(super) fn add_promoting(args: &[Value]) -> Result<Value> {
    fold(args, Number::Long(0), sum, Overflow::Promotes)
}

pub(super) fn multiply(args: &[Value]) -> Result<Value> {
    if let [Value::Long(a), Value::Long(b)] = args {
        return a.checked_mul(*b).map(Value::Long).ok_or_else(overflow);
    }
    fold(args, Number::Long(1), product, Overflow::Fails)
}

pub(super) fn multiply_promoting(args: &[Value]) -> Result<Value> {
    fold(args, Number::Long(1), product, Overflow::Promotes)
}

pub(super) fn subtract(args: &[Value]) -> Result<Value> {
    if let [Value::Long(a), Value::Long(b)] = args {
        return a.checked_sub(*b).map(Value::Long).ok_or_else(overflow);
    }
    from_first(args, negate, difference, Overflow::Fails)
}

pub(super) fn subtract_promoting(args: &[Value]) -> Result<Value> {
    from_first(args, negate, difference, Overflow::Promotes)
}

pub(super) fn divide(args: &[Value]) -> Result<Value> {
    from_first(
        args,
        |x, how| quotient(Number::Long(1), x, how),
        quotient,
        Overflow::Fails,
    )
}

pub(super) fn inc(args: &[Value]) -> Result<Value> {
    sum(Number::of(&args[0])?, Number::Long(1), Overflow::Fails)?.into_value()
}

pub(super) fn inc_promoting(args: &[Value]) -> Result<Value> {
    sum(Number::of(&args[0])?, Number::Long(1), Overflow::Promotes)?.into_value()
}

pub(super) fn dec(args: &[Value]) -> Result<Value> {
    difference(Number::of(&args[0])?, Number::Long(1), Overflow::Fails)?.into_value()
}

pub(super) fn dec_promoting(args: &[Value]) -> Result<Value> {
    difference(Number::of(&args[0])?, Number::Long(1), Overflow::Promotes)?.into_value()
}

pub(super) fn quot(args: &[Value]) -> Result<Value> {
    let (q, _) = divide_whole(Number::of(&args[0])?, Number::of(&args[1])?)?;
    q.into_value()
}

pub(super) fn rem(args: &[Value]) -> Result<Value> {
    let (_, r) = divide_whole(Number::of(&args[0])?, Number::of(&args[1])?)?;
    r.into_value()
}

pub(super) fn modulo(args: &[Value]) -> Result<Value> {
    let (x, y) = (Number::of(&args[0])?, Number::of(&args[1])?);
    let same_sign = (x.sign() > 0) == (y.sign() > 0);
    let (_, r) = divide_whole(x, y.clone())?;
    if r.is_zero() || same_sign {
        r.into_value()
    } else {
        sum(r, y, Overflow::Fails)?.into_value()
    }
}

pub(super) fn abs(args: &[Value]) -> Result<Value> {
    match Number::of(&args[0])? {
        Number::Long(n) => Ok(Value::Long(n.wrapping_abs())),
        Number::Double(x) => Ok(Value::Double(x.abs())),
        n if n.sign() < 0 => negate(n, Overflow::Fails)?.into_value(),
        _ => Ok(args[0].clone()),
    }
}

/// The sum of two values, as `+` gives it.
pub(super) fn plus(a: &Value, b: &Value) -> Result<Value> {
    sum(Number::of(a)?, Number::of(b)?, Overflow::Fails)?.into_value()
}

fn fold(args: &[Value], unit: Number, op: Operation, how: Overflow) -> Result<Value> {
    match args {
        [] => unit.into_value(),
        [only] => Number::of(only).map(|_| only.clone()),
        [first, rest @ ..] => chain(Number::of(first)?, rest, op, how),
    }
}

fn from_first(
    args: &[Value],
    alone: fn(Number, Overflow) -> Result<Number>,
    op: Operation,
    how: Overflow,
) -> Result<Value> {
    let first = Number::of(&args[0])?;
    match &args[1..] {
        [] => alone(first, how)?.into_value(),
        rest => chain(first, rest, op, how),
    }
}

fn chain(first: Number, rest: &[Value], op: Operation, how: Overflow) -> Result<Value> {
    let mut total = first;
    for arg in rest {
        total = op(total, Number::of(arg)?, how)?;
        if let Number::Big(_) | Number::Ratio(_) | Number::Dec(_) = total {
            total.clone().into_value()?;
        }
    }
    total.into_value()
}

fn sum(a: Number, b: Number, how: Overflow) -> Result<Number> {
    Ok(match pair(a, b)? {
        Pair::Long(a, b) => long(a.checked_add(b), how, || BigInt::from(a) + b)?,
        Pair::Big(a, b) => Number::Big(a + b),
        Pair::Ratio(a, b) => Number::of_ratio(a + b),
        Pair::Dec(a, b) => Number::Dec(a + b),
        Pair::Double(a, b) => Number::Double(a + b),
    })
}

fn difference(a: Number, b: Number, how: Overflow) -> Result<Number> {
    Ok(match pair(a, b)? {
        Pair::Long(a, b) => long(a.checked_sub(b), how, || BigInt::from(a) - b)?,
        Pair::Big(a, b) => Number::Big(a - b),
        Pair::Ratio(a, b) => Number::of_ratio(a - b),
        Pair::Dec(a, b) => Number::Dec(a - b),
        Pair::Double(a, b) => Number::Double(a - b),
    })
}

fn product(a: Number, b: Number, how: Overflow) -> Result<Number> {
    Ok(match pair(a, b)? {
        Pair::Long(a, b) => long(a.checked_mul(b), how, || BigInt::from(a) * b)?,
        Pair::Big(a, b) => Number::Big(a * b),
        Pair::Ratio(a, b) => Number::of_ratio(a * b),
        Pair::Dec(a, b) => Number::Dec(a * b),
        Pair::Double(a, b) => Number::Double(a * b),
    })
}

fn negate(x: Number, how: Overflow) -> Result<Number> {
    Ok(match x {
        Number::Long(n) => long(n.checked_neg(), how, || -BigInt::from(n))?,
        Number::Big(n) => Number::Big(-n),
        Number::Ratio(r) => Number::Ratio(-r),
        Number::Dec(d) => Number::Dec(-d),
        Number::Double(x) => Number::Double(-x),
    })
}

fn quotient(a: Number, b: Number, _: Overflow) -> Result<Number> {
    if a.is_nan() || b.is_nan() {
        return Ok(Number::Double(f64::NAN));
    }
    if b.is_zero() {
        return Err(zero_divide());
    }
    Ok(match pair(a, b)? {
        Pair::Long(a, b) if a.checked_rem(b) == Some(0) => Number::Long(a / b),
        Pair::Long(a, b) => Number::of_ratio(BigRational::new(a.into(), b.into())),
        Pair::Big(a, b) => Number::of_ratio(BigRational::new(a, b)),
        Pair::Ratio(a, b) => Number::of_ratio(a / b),
        Pair::Dec(a, b) => divide_decimals(&a, &b)?,
        Pair::Double(a, b) => Number::Double(a / b),
    })
}

/// As Java: exact, with the scale `a` has over `b` unless more digits are needed.
fn divide_decimals(a: &BigDecimal, b: &BigDecimal) -> Result<Number> {
    let (x, x_scale) = a.as_bigint_and_exponent();
    let (y, y_scale) = b.as_bigint_and_exponent();
    let scale = x_scale - y_scale;
    if x.is_zero() {
        return Ok(Number::Dec(BigDecimal::new(x, scale)));
    }
    let unscaled = ratio_to_dec(&BigRational::new(x, y), 0)?;
    let (digits, extra) = unscaled.as_bigint_and_exponent();
    Ok(Number::Dec(BigDecimal::new(digits, scale + extra)))
}

/// Quotient towards zero, and what remains.
fn divide_whole(a: Number, b: Number) -> Result<(Number, Number)> {
    if b.is_zero() {
        return Err(zero_divide());
    }
    Ok(match pair(a, b)? {
        Pair::Long(a, b) => (
            Number::Long(a.wrapping_div(b)),
            Number::Long(a.wrapping_rem(b)),
        ),
        Pair::Big(a, b) => {
            let (q, r) = a.div_rem(&b);
            (Number::Big(q), Number::Big(r))
        }
        Pair::Ratio(a, b) => {
            let q = (&a / &b).to_integer();
            let r = Number::of_ratio(a - b * BigRational::from(q.clone()));
            (Number::Big(q), r)
        }
        Pair::Dec(a, b) => {
            let exact = Number::Dec(a.clone())
                .to_ratio()
                .zip(Number::Dec(b.clone()).to_ratio());
            let q = exact.map(|(a, b)| (a / b).to_integer()).unwrap_or_default();
            let scale = (a.as_bigint_and_exponent().1 - b.as_bigint_and_exponent().1).max(0);
            let r = a - b * BigDecimal::from(q.clone());
            (
                Number::Dec(BigDecimal::from(q).with_scale(scale)),
                Number::Dec(r),
            )
        }
        Pair::Double(a, b) => {
            let q = (a / b).trunc();
            if !q.is_finite() {
                return Err(Cause::NumberFormat.error("Infinite or NaN"));
            }
            (Number::Double(q), Number::Double(a - q * b))
        }
    })
}

fn long(checked: Option<i64>, how: Overflow, big: impl FnOnce() -> BigInt) -> Result<Number> {
    match (checked, how) {
        (Some(n), _) => Ok(Number::Long(n)),
        (None, Overflow::Promotes) => Ok(Number::Big(big())),
        (None, Overflow::Fails) => Err(overflow()),
    }
}

/// Clojure's error for a long that outgrows 64 bits.
pub(super) fn overflow() -> Error {
    Cause::Arithmetic.error("integer overflow")
}

/// Clojure's error for a division by zero.
pub(super) fn zero_divide() -> Error {
    Cause::Arithmetic.error("Divide by zero")
}

pub(super) fn numerator(args: &[Value]) -> Result<Value> {
    match &args[0] {
        Value::Ratio(r) => Number::Big(r.numer().clone()).into_value(),
        other => Err(not_a("a ratio", other)),
    }
}

pub(super) fn denominator(args: &[Value]) -> Result<Value> {
    match &args[0] {
        Value::Ratio(r) => Number::Big(r.denom().clone()).into_value(),
        other => Err(not_a("a ratio", other)),
    }
}

pub(super) fn rationalize(args: &[Value]) -> Result<Value> {
    let number = Number::of(&args[0])?;
    match number {
        Number::Double(_) | Number::Dec(_) => {
            let decimal = Number::Dec(super::number::to_decimal(&number)?);
            let ratio = decimal
                .to_ratio()
                .ok_or_else(|| Cause::NumberFormat.error("Infinite or NaN"))?;
            Number::of_ratio(ratio).into_value()
        }
        _ => Ok(args[0].clone()),
    }
}

pub(super) fn bit_and(args: &[Value]) -> Result<Value> {
    bits(args, |a, b| a & b)
}

pub(super) fn bit_or(args: &[Value]) -> Result<Value> {
    bits(args, |a, b| a | b)
}

pub(super) fn bit_xor(args: &[Value]) -> Result<Value> {
    bits(args, |a, b| a ^ b)
}

pub(super) fn bit_and_not(args: &[Value]) -> Result<Value> {
    bits(args, |a, b| a & !b)
}

pub(super) fn bit_not(args: &[Value]) -> Result<Value> {
    Ok(Value::Long(!bit_operand(&args[0])?))
}

pub(super) fn bit_shift_left(args: &[Value]) -> Result<Value> {
    bits(args, |a, n| a.wrapping_shl(n as u32))
}

pub(super) fn bit_shift_right(args: &[Value]) -> Result<Value> {
    bits(args, |a, n| a.wrapping_shr(n as u32))
}

pub(super) fn unsigned_bit_shift_right(args: &[Value]) -> Result<Value> {
    bits(args, |a, n| (a as u64).wrapping_shr(n as u32) as i64)
}

pub(super) fn bit_set(args: &[Value]) -> Result<Value> {
    bits(args, |a, n| a | 1i64.wrapping_shl(n as u32))
}

pub(super) fn bit_clear(args: &[Value]) -> Result<Value> {
    bits(args, |a, n| a & !1i64.wrapping_shl(n as u32))
}

pub(super) fn bit_flip(args: &[Value]) -> Result<Value> {
    bits(args, |a, n| a ^ 1i64.wrapping_shl(n as u32))
}

pub(super) fn bit_test(args: &[Value]) -> Result<Value> {
    let (a, n) = (bit_operand(&args[0])?, bit_operand(&args[1])?);
    Ok(Value::Bool(a.wrapping_shr(n as u32) & 1 == 1))
}

fn bits(args: &[Value], op: fn(i64, i64) -> i64) -> Result<Value> {
    let mut total = bit_operand(&args[0])?;
    for arg in &args[1..] {
        total = op(total, bit_operand(arg)?);
    }
    Ok(Value::Long(total))
}

fn bit_operand(value: &Value) -> Result<i64> {
    match value {
        Value::Long(n) => Ok(*n),
        Value::Nil => Err(not_a("a long", value)),
        _ => Err(Cause::IllegalArgument.error("bit operation not supported for this value")),
    }
}

/// The remainder by two, for `even?` and `odd?`; none for what is no integer.
pub(super) fn parity(value: &Value) -> Option<bool> {
    match value {
        Value::Long(n) => Some(n & 1 == 1),
        Value::BigInt(n) => Some(n.is_odd()),
        _ => None,
    }
}

pub(super) fn unchecked_add(args: &[Value]) -> Result<Value> {
    wrapping(args, i64::wrapping_add, add)
}

pub(super) fn unchecked_subtract(args: &[Value]) -> Result<Value> {
    wrapping(args, i64::wrapping_sub, subtract)
}

pub(super) fn unchecked_multiply(args: &[Value]) -> Result<Value> {
    wrapping(args, i64::wrapping_mul, multiply)
}

fn wrapping(
    args: &[Value],
    op: fn(i64, i64) -> i64,
    checked: fn(&[Value]) -> Result<Value>,
) -> Result<Value> {
    match args {
        [Value::Long(a), Value::Long(b)] => Ok(Value::Long(op(*a, *b))),
        _ => checked(args),
    }
}
