//! Numbers: which tokens are numbers, and how Java prints floats and decimals.

use std::fmt::{self, Write};
use std::sync::Arc;

use bigdecimal::BigDecimal;
use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::{ToPrimitive, Zero};

use super::reader::{over, wrong};
use crate::error::{Error, Result};
use crate::limits;
use crate::value::Value;

/// Reads a number as Clojure does: `1 -1 017 0x1F 36rZZ 1N 1.5 1e3 1.50M 1/2`.
///
/// - Integers beyond 64 bits become bigints; `4/2` is `2`.
/// - Errors: `EdnSyntax` for what is no number or a double beyond 64 bits, `EdnLimit` for more
///   than [`limits::EDN_DIGITS`] characters or a decimal with so large a scale.
pub fn parse_number(text: &str) -> Result<Value> {
    let (negative, digits) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    if let Some(n) = small_decimal(digits.as_bytes()) {
        return Ok(Value::Long(if negative { -n } else { n }));
    }
    if text.len() > limits::EDN_DIGITS {
        return Err(over("digits", limits::EDN_DIGITS, "The length of a number"));
    }
    let whole = integer(digits, Sign(negative))
        .or_else(|| float(text, digits, Sign(negative)))
        .or_else(|| ratio(digits, Sign(negative)));
    whole.unwrap_or_else(|| Err(no_number(text)))
}

fn no_number(text: &str) -> Error {
    let end = text
        .char_indices()
        .nth(80)
        .map_or(text.len(), |(end, _)| end);
    wrong(format!("Invalid number: {}", &text[..end]))
}

/// Whether a minus stands before the digits.
#[derive(Clone, Copy)]
struct Sign(bool);

impl Sign {
    fn apply(self, n: BigInt) -> BigInt {
        if self.0 { -n } else { n }
    }
}

/// Up to 18 decimal digits without a leading zero: nearly every number of nearly every text.
fn small_decimal(digits: &[u8]) -> Option<i64> {
    if digits.is_empty() || digits.len() > 18 || (digits[0] == b'0' && digits.len() > 1) {
        return None;
    }
    let mut n = 0i64;
    for byte in digits {
        n = match byte {
            b'0'..=b'9' => n * 10 + i64::from(byte - b'0'),
            _ => return None,
        };
    }
    Some(n)
}

fn are_digits(text: &str, radix: u32) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_digit(radix))
}

/// None if the digits do not look like an integer; an error if they do but are none.
fn integer(digits: &str, sign: Sign) -> Option<Result<Value>> {
    let big = digits.ends_with('N');
    let body = digits.strip_suffix('N').unwrap_or(digits);
    let (text, radix, big) = if let Some(hex) = body.strip_prefix("0x").or(body.strip_prefix("0X"))
    {
        (are_digits(hex, 16).then_some(hex)?, 16, big)
    } else if are_digits(body, 10) {
        match body.strip_prefix('0') {
            Some("") | None => (body, 10, big),
            Some(octal) if are_digits(octal, 8) => (octal, 8, big),
            Some(_) => return Some(Err(no_number(digits))),
        }
    } else {
        let (radix, text) = digits.split_once(['r', 'R'])?;
        let is_radix = radix.len() <= 2 && are_digits(radix, 10) && !radix.starts_with('0');
        // An `N` at the end is a digit here.
        let radix = if is_radix {
            radix.parse().ok()?
        } else {
            return None;
        };
        if !(2..=36).contains(&radix) || !are_digits(text, radix) {
            return Some(Err(no_number(digits)));
        }
        (text, radix, false)
    };
    let n = sign.apply(BigInt::parse_bytes(text.as_bytes(), radix)?);
    Some(Ok(match n.to_i64() {
        Some(n) if !big => Value::Long(n),
        _ => Value::BigInt(Arc::new(n)),
    }))
}

/// `digits[.digits][e[+-]digits][M]`
fn float(text: &str, digits: &str, sign: Sign) -> Option<Result<Value>> {
    let body = digits.strip_suffix('M').unwrap_or(digits);
    let (mantissa, exponent) = match body.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (body, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let power = exponent.map_or("0", |text| text.strip_prefix(['+', '-']).unwrap_or(text));
    if !are_digits(whole, 10)
        || !(fraction.is_empty() || are_digits(fraction, 10))
        || !are_digits(power, 10)
    {
        return None;
    }
    if body.len() < digits.len() {
        return Some(decimal(whole, fraction, exponent.unwrap_or("0"), sign));
    }
    let x: f64 = text.parse().ok()?;
    if x.is_infinite() {
        return Some(Err(wrong(format!(
            "The number {text} does not fit a double"
        ))));
    }
    Some(Ok(Value::Double(x)))
}

fn decimal(whole: &str, fraction: &str, exponent: &str, sign: Sign) -> Result<Value> {
    let max = limits::EDN_DIGITS as i64;
    let scale = exponent
        .parse::<i64>()
        .ok()
        .and_then(|e| (fraction.len() as i64).checked_sub(e));
    let Some(scale) = scale.filter(|scale| (-max..=max).contains(scale)) else {
        return Err(over("digits", limits::EDN_DIGITS, "The scale of a decimal"));
    };
    let digits = format!("{whole}{fraction}");
    let Some(unscaled) = BigInt::parse_bytes(digits.as_bytes(), 10) else {
        return Err(no_number(&digits));
    };
    Ok(Value::BigDec(Arc::new(BigDecimal::new(
        sign.apply(unscaled),
        scale,
    ))))
}

fn ratio(digits: &str, sign: Sign) -> Option<Result<Value>> {
    let (numerator, denominator) = digits.split_once('/')?;
    if !are_digits(numerator, 10) || !are_digits(denominator, 10) {
        return None;
    }
    let numerator = sign.apply(BigInt::parse_bytes(numerator.as_bytes(), 10)?);
    let denominator = BigInt::parse_bytes(denominator.as_bytes(), 10)?;
    if denominator.is_zero() {
        return Some(Err(wrong("Divide by zero in a ratio")));
    }
    // Clojure keeps what two longs give a long, and what a bigint took part in a bigint.
    let small = numerator.to_i64().and(denominator.to_i64()).is_some();
    let ratio = BigRational::new(numerator, denominator);
    Some(Ok(match ratio.is_integer().then(|| ratio.numer()) {
        Some(n) => match n.to_i64() {
            Some(n) if small => Value::Long(n),
            _ => Value::BigInt(Arc::new(n.clone())),
        },
        None => Value::Ratio(Arc::new(ratio)),
    }))
}

/// A double as Java's `Double.toString` since version 19: the shortest digits that read back.
pub fn double_text(x: f64) -> String {
    let mut out = String::new();
    // Writing to a string never fails.
    let _ = write_java(
        &mut out,
        x.is_sign_negative(),
        &format!("{:e}", x.abs()),
        || {
            let two = format!("{:.1e}", x.abs());
            (x.abs() < 1e-322 && two.parse() == Ok(x.abs())).then_some(two)
        },
    );
    out
}

/// Writes a double as a form.
pub(super) fn write_double(f: &mut impl Write, x: f64) -> fmt::Result {
    match symbolic(x) {
        Some(text) => f.write_str(text),
        None => f.write_str(&double_text(x)),
    }
}

/// Writes a 32-bit float as a form: the shortest digits that give the same 32 bits.
pub(super) fn write_float(f: &mut impl Write, x: f32) -> fmt::Result {
    match symbolic(f64::from(x)) {
        Some(text) => f.write_str(text),
        None => write_java(f, x.is_sign_negative(), &format!("{:e}", x.abs()), || {
            let two = format!("{:.1e}", x.abs());
            (x.abs() < 1e-43 && two.parse() == Ok(x.abs())).then_some(two)
        }),
    }
}

fn symbolic(x: f64) -> Option<&'static str> {
    if x.is_nan() {
        Some("##NaN")
    } else if x == f64::INFINITY {
        Some("##Inf")
    } else if x == f64::NEG_INFINITY {
        Some("##-Inf")
    } else {
        None
    }
}

/// Writes `digits`, as in `1.25e-7`, in Java's form: plain from 10⁻³ to 10⁷, else with `E`.
/// Where one digit would do, Java prefers two that come closer, as in 4.9E-324.
fn write_java(
    f: &mut impl Write,
    negative: bool,
    digits: &str,
    two_digits: impl FnOnce() -> Option<String>,
) -> fmt::Result {
    if negative {
        f.write_char('-')?;
    }
    let closer = (digits.find('e') == Some(1)).then(two_digits).flatten();
    let digits = closer.as_deref().unwrap_or(digits);
    let Some((mantissa, exponent)) = digits.split_once('e') else {
        return f.write_str(match digits {
            "inf" => "Infinity",
            _ => "NaN",
        });
    };
    let (head, tail) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let exponent: i32 = exponent.parse().map_err(|_| fmt::Error)?;
    match exponent {
        0..7 => {
            let places = exponent as usize;
            let (whole, fraction) = tail.split_at(places.min(tail.len()));
            write!(f, "{head}{whole:0<places$}.")?;
            f.write_str(if fraction.is_empty() { "0" } else { fraction })
        }
        -3..0 => {
            let tail = tail.trim_end_matches('0');
            write!(f, "0.{:0>1$}{head}{tail}", "", (-exponent - 1) as usize)
        }
        _ => write!(
            f,
            "{head}.{}E{exponent}",
            if tail.is_empty() { "0" } else { tail }
        ),
    }
}

/// Writes a decimal as Java's `BigDecimal.toString`.
pub(super) fn write_decimal(f: &mut impl Write, decimal: &BigDecimal) -> fmt::Result {
    let (unscaled, scale) = decimal.as_bigint_and_exponent();
    let (sign, digits) = unscaled.into_parts();
    let digits = digits.to_string();
    if sign == num_bigint::Sign::Minus {
        f.write_char('-')?;
    }
    let adjusted = digits.len() as i64 - 1 - scale;
    if scale < 0 || adjusted < -6 {
        let (head, tail) = digits.split_at(1);
        let point = if tail.is_empty() { "" } else { "." };
        write!(f, "{head}{point}{tail}")?;
        return if adjusted == 0 {
            Ok(())
        } else {
            write!(f, "E{adjusted:+}")
        };
    }
    let places = scale as usize;
    match places {
        0 => f.write_str(&digits),
        _ if digits.len() > places => {
            let (whole, fraction) = digits.split_at(digits.len() - places);
            write!(f, "{whole}.{fraction}")
        }
        _ => write!(f, "0.{digits:0>places$}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_in_clojure() {
        for (text, printed) in [
            ("0", "0"),
            ("-0", "0"),
            ("+1", "1"),
            ("010", "8"),
            ("-0x1F", "-31"),
            ("36rZZ", "1295"),
            ("2r101", "5"),
            ("1N", "1N"),
            ("0N", "0N"),
            ("010N", "8N"),
            ("0xFFN", "255N"),
            ("9223372036854775807", "9223372036854775807"),
            ("9223372036854775808", "9223372036854775808N"),
            ("-9223372036854775808", "-9223372036854775808"),
            ("1.", "1.0"),
            ("08.5", "8.5"),
            ("1e5", "100000.0"),
            ("1E10", "1.0E10"),
            ("-0.0", "-0.0"),
            ("1e-400", "0.0"),
            ("1M", "1M"),
            ("1.50M", "1.50M"),
            ("1E5M", "1E+5M"),
            ("12e-9M", "1.2E-8M"),
            ("-0.00M", "0.00M"),
            ("4/2", "2"),
            ("-6/4", "-3/2"),
            ("010/3", "10/3"),
            ("100000000000000000000/100000000000000000000", "1N"),
        ] {
            assert_eq!(parse_number(text).unwrap().to_string(), printed, "{text}");
        }
    }

    #[test]
    fn what_is_no_number_says_so() {
        for text in [
            "08", "0x", "1r0", "37rA", "2r2", "16rFFN", "1/0", "1/-2", "1e", "1e400", "1.5N", "1a",
            "--1", "1_0",
        ] {
            assert!(parse_number(text).is_err(), "{text}");
        }
        let nines = "9".repeat(limits::EDN_DIGITS + 1);
        assert_eq!(
            parse_number(&nines).unwrap_err().code(),
            crate::Code::EdnLimit
        );
        assert_eq!(
            parse_number("1E99999M").unwrap_err().code(),
            crate::Code::EdnLimit
        );
    }

    #[test]
    fn doubles_print_as_in_java() {
        for (x, text) in [
            (1.0, "1.0"),
            (0.1, "0.1"),
            (100.5, "100.5"),
            (9_999_999.0, "9999999.0"),
            (1e7, "1.0E7"),
            (1.25e-3, "0.00125"),
            (9.99e-4, "9.99E-4"),
            (1e-5, "1.0E-5"),
            (123_456_789.125, "1.23456789125E8"),
            (f64::MAX, "1.7976931348623157E308"),
            (5e-324, "4.9E-324"),
            (-0.0, "-0.0"),
            (f64::NEG_INFINITY, "-Infinity"),
        ] {
            assert_eq!(double_text(x), text);
        }
    }
}
