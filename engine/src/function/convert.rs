//! One kind of number into another, and text into values.

use std::sync::Arc;

use bigdecimal::BigDecimal;
use num_bigint::BigInt;
use num_traits::ToPrimitive;

use super::failure::{Cause, class_name, not_a};
use super::number::{Number, to_decimal};
use crate::error::{Error, Result};
use crate::limits;
use crate::value::Value;

pub(super) fn long(args: &[Value]) -> Result<Value> {
    whole(&args[0], i64::MIN, i64::MAX, "long")
}

pub(super) fn int(args: &[Value]) -> Result<Value> {
    whole(&args[0], i64::from(i32::MIN), i64::from(i32::MAX), "int")
}

pub(super) fn short(args: &[Value]) -> Result<Value> {
    whole(&args[0], i64::from(i16::MIN), i64::from(i16::MAX), "short")
}

pub(super) fn byte(args: &[Value]) -> Result<Value> {
    whole(&args[0], i64::from(i8::MIN), i64::from(i8::MAX), "byte")
}

fn whole(value: &Value, least: i64, most: i64, kind: &str) -> Result<Value> {
    if let Value::Char(c) = value {
        return Ok(Value::Long(i64::from(u32::from(*c))));
    }
    let number = Number::of(value)?;
    if number.is_nan() && kind != "byte" && kind != "short" {
        return Ok(Value::Long(0));
    }
    let n = number
        .truncate()
        .and_then(|n| n.to_i64())
        .filter(|n| (least..=most).contains(n));
    match (n, kind) {
        (Some(n), _) => Ok(Value::Long(n)),
        (None, "int") => Err(super::arithmetic::overflow()),
        (None, _) => Err(out_of_range(kind, value)),
    }
}

fn out_of_range(kind: &str, value: &Value) -> Error {
    Cause::IllegalArgument
        .error(format!("Value out of range for {kind}"))
        .with("value", value.clone())
}

pub(super) fn double(args: &[Value]) -> Result<Value> {
    Ok(Value::Double(Number::of(&args[0])?.to_double()))
}

pub(super) fn float(args: &[Value]) -> Result<Value> {
    let x = Number::of(&args[0])?.to_double();
    if x.abs() > f64::from(f32::MAX) {
        return Err(out_of_range("float", &args[0]));
    }
    Ok(Value::Float(x as f32))
}

pub(super) fn number(args: &[Value]) -> Result<Value> {
    Number::of(&args[0]).map(|_| args[0].clone())
}

pub(super) fn char(args: &[Value]) -> Result<Value> {
    if let Value::Char(_) = args[0] {
        return Ok(args[0].clone());
    }
    let code = Number::of(&args[0])?.truncate().and_then(|n| n.to_u16());
    match code.and_then(|n| char::from_u32(u32::from(n))) {
        Some(c) => Ok(Value::Char(c)),
        None => Err(out_of_range("char", &args[0])),
    }
}

pub(super) fn boolean(args: &[Value]) -> Result<Value> {
    Ok(Value::Bool(args[0].is_truthy()))
}

pub(super) fn bigint(args: &[Value]) -> Result<Value> {
    if let Value::Str(text) = &args[0] {
        let n = checked_digits(text)?
            .parse::<BigInt>()
            .map_err(|_| no_number(text))?;
        return Number::Big(n).into_value();
    }
    match Number::of(&args[0])? {
        Number::Double(x) => match Number::Double(x).truncate() {
            Some(n) => Number::Big(n).into_value(),
            None => Err(Cause::NumberFormat.error("Infinite or NaN")),
        },
        other => Number::Big(other.truncate().unwrap_or_default()).into_value(),
    }
}

pub(super) fn bigdec(args: &[Value]) -> Result<Value> {
    if let Value::Str(text) = &args[0] {
        let d = checked_digits(text)?
            .parse::<BigDecimal>()
            .map_err(|_| no_number(text))?;
        return Number::Dec(d).into_value();
    }
    Number::Dec(to_decimal(&Number::of(&args[0])?)?).into_value()
}

fn checked_digits(text: &str) -> Result<&str> {
    if text.len() > limits::EDN_DIGITS || text.contains('_') {
        return Err(no_number(text));
    }
    Ok(text)
}

fn no_number(text: &str) -> Error {
    Cause::NumberFormat
        .error("text is no number")
        .with("value", text)
}

pub(super) fn parse_long(args: &[Value]) -> Result<Value> {
    Ok(parsed(&args[0])?
        .parse()
        .map(Value::Long)
        .unwrap_or_default())
}

pub(super) fn parse_double(args: &[Value]) -> Result<Value> {
    let text = parsed(&args[0])?.trim_matches(|c| c <= ' ');
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let number = match unsigned {
        "NaN" => Some(f64::NAN),
        "Infinity" if text.starts_with('-') => Some(f64::NEG_INFINITY),
        "Infinity" => Some(f64::INFINITY),
        _ if unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.') => {
            text.trim_end_matches(['d', 'D', 'f', 'F']).parse().ok()
        }
        _ => None,
    };
    Ok(number.map(Value::Double).unwrap_or_default())
}

pub(super) fn parse_boolean(args: &[Value]) -> Result<Value> {
    Ok(match parsed(&args[0])? {
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        _ => Value::Nil,
    })
}

pub(super) fn parse_uuid(args: &[Value]) -> Result<Value> {
    let text = parsed(&args[0])?;
    let hyphenated = text.len() == 36;
    let uuid = if hyphenated {
        uuid::Uuid::try_parse(text).ok()
    } else {
        None
    };
    Ok(uuid.map(Value::Uuid).unwrap_or_default())
}

fn parsed(value: &Value) -> Result<&str> {
    value.as_str().ok_or_else(|| {
        Cause::IllegalArgument.error(format!("Expected string, got {}", class_name(value)))
    })
}

/// An array of bytes, from numbers.
pub(super) fn byte_array(args: &[Value]) -> Result<Value> {
    let mut bytes = Vec::new();
    for item in super::seq::items(&args[0])?.iter() {
        match whole(item, i64::from(i8::MIN), i64::from(i8::MAX), "byte")? {
            Value::Long(n) => bytes.push(n as u8),
            _ => return Err(not_a("a byte", item)),
        }
    }
    Ok(Value::Bytes(Arc::from(bytes)))
}

pub(super) fn double_array(args: &[Value]) -> Result<Value> {
    let items = super::seq::items(&args[0])?;
    let xs = items
        .iter()
        .map(|x| Ok(Number::of(x)?.to_double()))
        .collect::<Result<Vec<_>>>()?;
    Ok(Value::DoubleArray(Arc::from(xs)))
}

pub(super) fn float_array(args: &[Value]) -> Result<Value> {
    let items = super::seq::items(&args[0])?;
    let xs = items.iter().map(|x| Ok(Number::of(x)?.to_double() as f32));
    Ok(Value::FloatArray(Arc::from(
        xs.collect::<Result<Vec<_>>>()?,
    )))
}
