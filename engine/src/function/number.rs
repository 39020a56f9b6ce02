//! Clojure's numeric tower: long, big integer, ratio, decimal, double, each absorbing those before.

use std::cmp::Ordering;
use std::sync::Arc;

use bigdecimal::BigDecimal;
use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::{One, Signed, ToPrimitive, Zero};

use super::failure::{Cause, not_a, over_limit};
use crate::error::Result;
use crate::limits;
use crate::value::Value;

/// A number taken out of a [`Value`]; 32-bit floats are doubles here, as in Clojure's arithmetic.
#[derive(Clone, Debug)]
pub(super) enum Number {
    /// 64 bits, overflow is an error.
    Long(i64),
    /// Any size.
    Big(BigInt),
    /// In lowest terms, denominator above one.
    Ratio(BigRational),
    /// With a scale within the limit.
    Dec(BigDecimal),
    /// IEEE 754.
    Double(f64),
}

/// Two numbers lifted to the higher of their two levels.
pub(super) enum Pair {
    Long(i64, i64),
    Big(BigInt, BigInt),
    Ratio(BigRational, BigRational),
    Dec(BigDecimal, BigDecimal),
    Double(f64, f64),
}

impl Number {
    /// The number in `value`; none if it is something else.
    pub(super) fn try_of(value: &Value) -> Option<Result<Number>> {
        Some(Ok(match value {
            Value::Long(n) => Number::Long(*n),
            Value::Double(x) => Number::Double(*x),
            Value::Float(x) => Number::Double(f64::from(*x)),
            Value::BigInt(n) => Number::Big(BigInt::clone(n)),
            Value::Ratio(r) => Number::Ratio(BigRational::clone(r)),
            Value::BigDec(d) => {
                let d = BigDecimal::clone(d);
                return Some(check_scale(&d).map(|()| Number::Dec(d)));
            }
            _ => return None,
        }))
    }

    /// The number in `value`, or the error Clojure's arithmetic raises.
    pub(super) fn of(value: &Value) -> Result<Number> {
        Number::try_of(value).unwrap_or_else(|| Err(not_a("a number", value)))
    }

    /// The value, unless it is larger than a function may return.
    pub(super) fn into_value(self) -> Result<Value> {
        Ok(match self {
            Number::Long(n) => Value::Long(n),
            Number::Double(x) => Value::Double(x),
            Number::Big(n) => {
                check_bits(&n)?;
                Value::BigInt(Arc::new(n))
            }
            Number::Ratio(r) => {
                check_bits(r.numer())?;
                check_bits(r.denom())?;
                Value::Ratio(Arc::new(r))
            }
            Number::Dec(d) => {
                check_bits(&d.as_bigint_and_exponent().0)?;
                check_scale(&d)?;
                Value::BigDec(Arc::new(d))
            }
        })
    }

    /// A quotient in lowest terms: a big integer where it is whole.
    pub(super) fn of_ratio(ratio: BigRational) -> Number {
        if ratio.denom().is_one() {
            Number::Big(ratio.numer().clone())
        } else {
            Number::Ratio(ratio)
        }
    }

    /// The closest double.
    pub(super) fn to_double(&self) -> f64 {
        match self {
            Number::Long(n) => *n as f64,
            Number::Big(n) => n.to_f64().unwrap_or(f64::NAN),
            Number::Ratio(r) => r.to_f64().unwrap_or(f64::NAN),
            Number::Dec(d) => d.to_f64().unwrap_or(f64::NAN),
            Number::Double(x) => *x,
        }
    }

    /// The exact ratio; none for NaN and the infinities.
    pub(super) fn to_ratio(&self) -> Option<BigRational> {
        Some(match self {
            Number::Long(n) => BigRational::from(BigInt::from(*n)),
            Number::Big(n) => BigRational::from(n.clone()),
            Number::Ratio(r) => r.clone(),
            Number::Dec(d) => dec_to_ratio(d),
            Number::Double(x) => BigRational::from_float(*x)?,
        })
    }

    /// The integer towards zero; none for NaN and the infinities.
    pub(super) fn truncate(&self) -> Option<BigInt> {
        Some(match self {
            Number::Long(n) => BigInt::from(*n),
            Number::Big(n) => n.clone(),
            other => other.to_ratio()?.to_integer(),
        })
    }

    /// -1, 0 or 1; NaN counts as 0.
    pub(super) fn sign(&self) -> i32 {
        match self {
            Number::Long(n) => n.signum() as i32,
            Number::Big(n) => sign_of(n.is_positive(), n.is_negative()),
            Number::Ratio(r) => sign_of(r.is_positive(), r.is_negative()),
            Number::Dec(d) => sign_of(d.is_positive(), d.is_negative()),
            Number::Double(x) => sign_of(*x > 0.0, *x < 0.0),
        }
    }

    /// Whether it is zero of its kind.
    pub(super) fn is_zero(&self) -> bool {
        self.sign() == 0 && !self.is_nan()
    }

    /// Whether it is a NaN.
    pub(super) fn is_nan(&self) -> bool {
        matches!(self, Number::Double(x) if x.is_nan())
    }

    /// Numeric order over all kinds; none against NaN.
    pub(super) fn order(&self, other: &Number) -> Result<Option<Ordering>> {
        Ok(match pair(self.clone(), other.clone())? {
            Pair::Long(a, b) => Some(a.cmp(&b)),
            Pair::Big(a, b) => Some(a.cmp(&b)),
            Pair::Ratio(a, b) => Some(a.cmp(&b)),
            Pair::Dec(a, b) => Some(a.cmp(&b)),
            Pair::Double(a, b) => a.partial_cmp(&b),
        })
    }
}

/// The integer an index is given as; fractions are cut off, as Java's `intValue` does.
pub(super) fn index(value: &Value) -> Result<i64> {
    match value {
        Value::Long(n) => Ok(*n),
        other => {
            let n = Number::of(other)?.truncate().and_then(|n| n.to_i64());
            n.ok_or_else(|| Cause::IllegalArgument.error("an index out of the range of an int"))
        }
    }
}

fn sign_of(positive: bool, negative: bool) -> i32 {
    i32::from(positive) - i32::from(negative)
}

/// Both numbers at the higher level of the two.
pub(super) fn pair(a: Number, b: Number) -> Result<Pair> {
    use Number as N;
    Ok(match (a, b) {
        (N::Long(a), N::Long(b)) => Pair::Long(a, b),
        (N::Double(a), b) => Pair::Double(a, b.to_double()),
        (a, N::Double(b)) => Pair::Double(a.to_double(), b),
        (N::Dec(a), b) => Pair::Dec(a, to_decimal(&b)?),
        (a, N::Dec(b)) => Pair::Dec(to_decimal(&a)?, b),
        (N::Ratio(a), N::Ratio(b)) => Pair::Ratio(a, b),
        (N::Ratio(a), b) => Pair::Ratio(a, whole(b).into()),
        (a, N::Ratio(b)) => Pair::Ratio(whole(a).into(), b),
        (a, b) => Pair::Big(whole(a), whole(b)),
    })
}

fn whole(number: Number) -> BigInt {
    match number {
        Number::Long(n) => n.into(),
        Number::Big(n) => n,
        other => other.truncate().unwrap_or_default(),
    }
}

/// The exact decimal; an error where none is.
pub(super) fn to_decimal(number: &Number) -> Result<BigDecimal> {
    match number {
        Number::Long(n) => Ok(BigDecimal::from(*n)),
        Number::Big(n) => Ok(BigDecimal::from(n.clone())),
        Number::Dec(d) => Ok(d.clone()),
        Number::Ratio(r) => ratio_to_dec(r, 0),
        // As Java's BigDecimal/valueOf: the digits that print.
        Number::Double(x) => crate::edn::display_str(&Value::Double(*x))
            .parse()
            .map_err(|_| Cause::NumberFormat.error(format!("{x} is no decimal"))),
    }
}

/// The ratio as a decimal of at least `scale`; an error if its expansion does not end.
pub(super) fn ratio_to_dec(ratio: &BigRational, scale: i64) -> Result<BigDecimal> {
    let mut rest = ratio.denom().clone();
    let mut power = |factor: u32| {
        let factor = BigInt::from(factor);
        let mut n = 0i64;
        while (&rest % &factor).is_zero() {
            rest /= &factor;
            n += 1;
        }
        n
    };
    let digits = power(2).max(power(5)).max(scale);
    if !rest.is_one() {
        return Err(Cause::Arithmetic
            .error("Non-terminating decimal expansion; no exact representable decimal result."));
    }
    if digits.abs() > limits::FUNCTION_DECIMAL_SCALE {
        return Err(scale_error());
    }
    let unscaled = if digits >= 0 {
        ratio.numer() * BigInt::from(10).pow(digits as u32) / ratio.denom()
    } else {
        let divisor = BigInt::from(10).pow(digits.unsigned_abs() as u32);
        let unscaled = ratio.numer() / &divisor;
        if &unscaled * &divisor != *ratio.numer() {
            return ratio_to_dec(ratio, digits + 1);
        }
        unscaled
    };
    Ok(BigDecimal::new(unscaled, digits))
}

fn dec_to_ratio(d: &BigDecimal) -> BigRational {
    let (unscaled, scale) = d.as_bigint_and_exponent();
    let power = BigInt::from(10).pow(scale.unsigned_abs().min(u64::from(u32::MAX)) as u32);
    if scale >= 0 {
        BigRational::new(unscaled, power)
    } else {
        BigRational::from(unscaled * power)
    }
}

fn check_scale(d: &BigDecimal) -> Result<()> {
    let scale = d.as_bigint_and_exponent().1;
    let bound = limits::FUNCTION_DECIMAL_SCALE;
    if scale > bound || scale < -bound {
        Err(scale_error())
    } else {
        Ok(())
    }
}

fn scale_error() -> crate::Error {
    over_limit(
        "function-decimal-scale",
        limits::FUNCTION_DECIMAL_SCALE as usize,
    )
}

fn check_bits(n: &BigInt) -> Result<()> {
    if n.bits() > limits::FUNCTION_NUMBER_BITS {
        return Err(over_limit(
            "function-number-bits",
            limits::FUNCTION_NUMBER_BITS as usize,
        ));
    }
    Ok(())
}
