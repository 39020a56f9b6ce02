//! Values that clients send for parameters.

use std::sync::Arc;

use bigdecimal::BigDecimal;
use bigdecimal::num_bigint::BigInt;
use datafusion::arrow::array::timezone::Tz;
use datafusion::arrow::compute::kernels::cast_utils::string_to_datetime;
use datalith_engine::Value;

use super::binary::{BASE_DIGITS, EPOCH_DAYS, EPOCH_US, NEGATIVE};
use super::column::{Form, item_of, oid};
use super::message::{Parts, utf8};
use super::refusal::{PROTOCOL, Refusal, TEXT_FORM, UNSUPPORTED};
use super::scalar::Scalar;
use super::text;

/// The value of a parameter.
///
/// - `of`: the number of its type. Of a type that is not known here the text is taken.
/// - Times keep their milliseconds; dates, times of day and UUIDs are texts.
/// - Errors: 22P02 and 22P03 for what is no such value, 0A000 for a type that is not read from bytes.
pub(super) fn value(of: u32, form: Form, bytes: &[u8]) -> Result<Value, Refusal> {
    match (item_of(of), form) {
        (Some(item), Form::Text) => list_from_text(item, utf8(bytes)?),
        (Some(item), Form::Binary) => list_from_bytes(item, Parts(bytes)),
        (None, Form::Text) => from_text(of, utf8(bytes)?),
        (None, Form::Binary) => from_bytes(of, bytes),
    }
}

fn from_text(of: u32, text: &str) -> Result<Value, Refusal> {
    let wrong = || Refusal::new(TEXT_FORM, format!("{text:?} is no value of the type {of}"));
    let trimmed = text.trim();
    Ok(match of {
        oid::INT2 | oid::INT4 | oid::INT8 | oid::OID => {
            Value::Long(trimmed.parse().map_err(|_| wrong())?)
        }
        oid::FLOAT4 => Value::Float(trimmed.parse().map_err(|_| wrong())?),
        oid::FLOAT8 => Value::Double(trimmed.parse().map_err(|_| wrong())?),
        oid::BOOL => match trimmed.to_ascii_lowercase().as_str() {
            "t" | "true" | "y" | "yes" | "on" | "1" => Value::Bool(true),
            "f" | "false" | "n" | "no" | "off" | "0" => Value::Bool(false),
            _ => return Err(wrong()),
        },
        oid::NUMERIC => decimal(trimmed.parse().map_err(|_| wrong())?),
        oid::TIMESTAMP | oid::TIMESTAMPTZ => instant(trimmed).ok_or_else(wrong)?,
        oid::BYTEA => Value::Bytes(unescaped(text).ok_or_else(wrong)?.into()),
        _ => Value::str(text),
    })
}

fn from_bytes(of: u32, bytes: &[u8]) -> Result<Value, Refusal> {
    let mut parts = Parts(bytes);
    let value = match of {
        oid::INT2 => Value::Long(parts.short()?.into()),
        oid::INT4 => Value::Long(parts.int()?.into()),
        oid::OID => Value::Long(i64::from(parts.int()? as u32)),
        oid::INT8 => Value::Long(parts.long()?),
        oid::FLOAT4 => Value::Float(f32::from_bits(parts.int()? as u32)),
        oid::FLOAT8 => Value::Double(f64::from_bits(parts.long()? as u64)),
        oid::BOOL => Value::Bool(parts.byte()? != 0),
        oid::NUMERIC => numeric(&mut parts)?,
        oid::TIMESTAMP | oid::TIMESTAMPTZ => {
            let us = parts.long()?.checked_add(EPOCH_US);
            let us = us.ok_or_else(|| Refusal::new("22008", "a time lies too far away"))?;
            Value::Instant(us.div_euclid(1000))
        }
        oid::DATE => written(&Scalar::Date(i64::from(parts.int()?) + EPOCH_DAYS))?,
        oid::TIME => written(&Scalar::Time(parts.long()?))?,
        oid::UUID => {
            let bytes = parts.bytes(16)?.iter().map(|byte| format!("{byte:02x}"));
            let hex: String = bytes.collect();
            let groups = [
                &hex[..8],
                &hex[8..12],
                &hex[12..16],
                &hex[16..20],
                &hex[20..],
            ];
            Value::from(groups.join("-"))
        }
        oid::BYTEA => return Ok(Value::Bytes(bytes.into())),
        oid::INTERVAL => {
            let message = "an interval is no value for a parameter: write it, or send its text";
            return Err(Refusal::new(UNSUPPORTED, message));
        }
        _ => return Ok(Value::str(utf8(bytes)?)),
    };
    match parts.0 {
        [] => Ok(value),
        _ => Err(Refusal::new(
            "22P03",
            format!("{} bytes are no value of the type {of}", bytes.len()),
        )),
    }
}

/// A value whose text is what statements take.
fn written(scalar: &Scalar<'_>) -> Result<Value, Refusal> {
    let mut out = Vec::new();
    text::write(scalar, &mut out)?;
    Ok(Value::str(utf8(&out)?))
}

/// A whole number as such, so that it fits columns of whole numbers.
fn decimal(n: BigDecimal) -> Value {
    if n.fractional_digit_count() <= 0 {
        return Value::BigInt(Arc::new(n.with_scale(0).into_bigint_and_exponent().0));
    }
    Value::BigDec(Arc::new(n))
}

fn numeric(parts: &mut Parts<'_>) -> Result<Value, Refusal> {
    let count = parts.count()?;
    let weight = i64::from(parts.short()?);
    let sign = parts.short()? as u16;
    let scale = i64::from(parts.short()?);
    if sign != 0 && sign != NEGATIVE {
        return Err(Refusal::new(
            "22003",
            "NaN and infinity are no decimals here",
        ));
    }
    let mut digits = BigInt::from(0);
    for _ in 0..count {
        digits = digits * 10_000 + parts.short()?;
    }
    let digits = if sign == NEGATIVE { -digits } else { digits };
    let exponent = (count as i64 - 1 - weight) * BASE_DIGITS as i64;
    Ok(decimal(BigDecimal::new(digits, exponent).with_scale(scale)))
}

/// A time; one without a zone is of UTC.
fn instant(text: &str) -> Option<Value> {
    let utc: Tz = "+00:00".parse().ok()?;
    let at = string_to_datetime(&utc, text).ok()?;
    Some(Value::Instant(at.timestamp_millis()))
}

/// Bytes as texts have them: `\x00ff`, or with `\\` and `\377`.
fn unescaped(text: &str) -> Option<Vec<u8>> {
    if let Some(hex) = text.strip_prefix("\\x") {
        let pairs = hex.as_bytes().chunks(2);
        let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
        return (hex.len() % 2 == 0).then(|| pairs.map(byte).collect())?;
    }
    let mut out = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        if *first != b'\\' {
            out.push(*first);
        } else if let [b'\\', after @ ..] = rest {
            out.push(b'\\');
            rest = after;
        } else {
            let (octal, after) = rest.split_at_checked(3)?;
            out.push(u8::from_str_radix(std::str::from_utf8(octal).ok()?, 8).ok()?);
            rest = after;
        }
    }
    Some(out)
}

fn list_from_bytes(item: u32, mut parts: Parts<'_>) -> Result<Value, Refusal> {
    let dimensions = parts.int()?;
    parts.bytes(8)?;
    if dimensions == 0 {
        return Ok(Value::vector([]));
    }
    let length = parts.int()?;
    parts.bytes(4)?;
    if dimensions != 1 {
        return Err(nested());
    }
    let items = (0..length).map(|_| match parts.sized()? {
        None => Ok(Value::Nil),
        Some(bytes) => from_bytes(item, bytes),
    });
    Ok(Value::vector(items.collect::<Result<Vec<_>, Refusal>>()?))
}

fn nested() -> Refusal {
    Refusal::new(
        UNSUPPORTED,
        "an array of arrays is no value for a parameter",
    )
}

/// An array as text: `{1,NULL,"a \"b\""}`.
fn list_from_text(item: u32, text: &str) -> Result<Value, Refusal> {
    let wrong = || Refusal::new(TEXT_FORM, format!("{text:?} is no array"));
    let inner = text
        .trim()
        .strip_prefix('{')
        .and_then(|text| text.strip_suffix('}'));
    let mut rest = inner.ok_or_else(wrong)?.chars().peekable();
    let mut items = Vec::new();
    while rest.peek().is_some() {
        let mut word = String::new();
        let mut is_quoted = false;
        let mut is_open = false;
        while let Some(c) = rest.next_if(|c| is_open || *c != ',') {
            match c {
                '"' => {
                    is_open = !is_open;
                    is_quoted = true;
                }
                '\\' => word.push(rest.next().ok_or_else(wrong)?),
                '{' | '}' if !is_open => return Err(nested()),
                c => word.push(c),
            }
        }
        if is_open {
            return Err(wrong());
        }
        items.push(match word {
            word if !is_quoted && word.trim().eq_ignore_ascii_case("null") => Value::Nil,
            word => from_text(item, &word)?,
        });
        if rest.next().is_some() && rest.peek().is_none() {
            return Err(wrong());
        }
    }
    Ok(Value::vector(items))
}

/// How the parts of a message are written: one code for each, one for all, or none for text.
pub(super) fn forms(parts: &mut Parts<'_>) -> Result<Vec<Form>, Refusal> {
    let forms = (0..parts.count()?).map(|_| match parts.short()? {
        0 => Ok(Form::Text),
        1 => Ok(Form::Binary),
        other => Err(Refusal::new(PROTOCOL, format!("there is no form {other}"))),
    });
    forms.collect()
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::Decimal128Array;

    use super::super::binary;
    use super::super::scalar::Zone;
    use super::*;

    fn read(of: u32, text: &str) -> String {
        match value(of, Form::Text, text.as_bytes()) {
            Ok(value) => value.to_string(),
            Err(refusal) => refusal.state.to_owned(),
        }
    }

    #[test]
    fn texts_are_values() {
        assert_eq!(read(oid::INT4, "-7"), "-7");
        assert_eq!(read(oid::INT4, "x"), "22P02");
        assert_eq!(read(oid::NUMERIC, "1.50"), "1.50M");
        assert_eq!(read(oid::NUMERIC, "150"), "150N");
        assert_eq!(read(oid::BOOL, "t"), "true");
        assert_eq!(read(oid::FLOAT8, "0.5"), "0.5");
        let at = "#inst \"2026-01-31T11:00:00.123-00:00\"";
        assert_eq!(read(oid::TIMESTAMPTZ, "2026-01-31 12:00:00.123456+01"), at);
        assert_eq!(read(oid::TIMESTAMPTZ, "tomorrow"), "22P02");
        assert_eq!(unescaped("\\x00fF"), Some(vec![0, 255]));
        assert_eq!(unescaped("a\\\\\\377"), Some(vec![b'a', b'\\', 255]));
        assert_eq!(unescaped("\\x0"), None);
    }

    #[test]
    fn arrays_are_vectors() {
        assert_eq!(read(1016, "{}"), "[]");
        assert_eq!(read(1016, "{1,NULL,3}"), "[1 nil 3]");
        assert_eq!(
            read(1009, r#"{a,"NULL","b \"c\", d"}"#),
            r#"["a" "NULL" "b \"c\", d"]"#
        );
        assert_eq!(read(1016, "{1,}"), "22P02");
        assert_eq!(read(1016, "{{1}}"), "0A000");
        assert_eq!(read(1016, "1"), "22P02");
    }

    #[test]
    fn bytes_are_what_was_written() {
        for (units, scale) in [
            (0, 2),
            (-1_234_567, 4),
            (5, 38),
            (i128::MAX / 2, 0),
            (10, 1),
        ] {
            let array = Decimal128Array::from(vec![units]);
            let array = array.with_precision_and_scale(38, scale).unwrap();
            let mut bytes = Vec::new();
            binary::write(&Scalar::of(&array, 0).unwrap(), &mut bytes).unwrap();
            let back = value(oid::NUMERIC, Form::Binary, &bytes).unwrap();
            assert_eq!(back, crate::value(&array, 0));
        }
        let at = Scalar::Timestamp {
            us: -1,
            zone: Zone::Utc,
        };
        let mut bytes = Vec::new();
        binary::write(&at, &mut bytes).unwrap();
        let back = value(oid::TIMESTAMPTZ, Form::Binary, &bytes).unwrap();
        assert_eq!(back, Value::Instant(-1));
        assert_eq!(
            value(oid::INT8, Form::Binary, &[0; 9]).unwrap_err().state,
            "22P03"
        );
        assert_eq!(
            value(oid::INT8, Form::Binary, &[0; 7]).unwrap_err().state,
            "08P01"
        );
    }
}
