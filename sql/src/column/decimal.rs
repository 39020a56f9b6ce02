//! Decimals of the engine as Arrow has them: a whole number and where its point is.

use bigdecimal::num_bigint::BigInt;
use bigdecimal::{BigDecimal, ToPrimitive};
use datalith_engine::Value;

use super::kind::DECIMAL_DIGITS;

/// A number as a whole number of units of the last of `scale` digits after the point; none if digits
/// would be lost.
pub(crate) fn unscaled(value: &Value, scale: i8) -> Option<i128> {
    let decimal = match value {
        Value::BigDec(decimal) => (**decimal).clone(),
        Value::BigInt(n) => BigDecimal::from((**n).clone()),
        Value::Long(n) => BigDecimal::from(*n),
        _ => return None,
    };
    let scaled = decimal.with_scale(i64::from(scale));
    if scaled != decimal {
        return None;
    }
    let (digits, _) = scaled.as_bigint_and_exponent();
    let most = BigInt::from(10).pow(u32::from(DECIMAL_DIGITS));
    (digits < most && -&most < digits).then(|| digits.to_i128())?
}

#[cfg(test)]
mod tests {
    use std::str::FromStr;
    use std::sync::Arc;

    use super::*;

    #[test]
    fn decimals_keep_every_digit_or_are_refused() {
        let decimal = |text: &str| Value::BigDec(Arc::new(BigDecimal::from_str(text).unwrap()));
        assert_eq!(unscaled(&decimal("1.50"), 2), Some(150));
        assert_eq!(unscaled(&decimal("1.5"), 2), Some(150));
        assert_eq!(unscaled(&decimal("1.505"), 2), None);
        assert_eq!(unscaled(&decimal("-1E+3"), 0), Some(-1000));
        assert_eq!(unscaled(&decimal("1E+38"), 0), None);
    }
}
