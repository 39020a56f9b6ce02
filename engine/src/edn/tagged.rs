//! The tags known here; every other tag is data.

use uuid::Uuid;

use super::base64;
use super::instant::parse_instant;
use super::reader::wrong;
use crate::error::Result;
use crate::value::{Symbol, Value};

/// Tag of bytes, before a string in base64.
pub(super) const BYTES: &str = "datalith/bytes";
/// Tag of a 32-bit float array, before a vector of numbers.
pub(super) const FLOATS: &str = "datalith/floats";
/// Tag of a 64-bit float array, before a vector of numbers.
pub(super) const DOUBLES: &str = "datalith/doubles";
/// Tag of an instant outside the years that `#inst` can write, before its milliseconds.
pub(super) const INSTANT: &str = "datalith/instant";

/// What a tag makes of its value.
pub(super) fn read(tag: &str, value: Value) -> Result<Value> {
    match tag {
        "inst" => parse_instant(text(tag, &value)?).map(Value::Instant),
        "uuid" => {
            let text = text(tag, &value)?;
            parse_uuid(text)
                .map(Value::Uuid)
                .ok_or_else(|| wrong(format!("Invalid UUID: {text}")))
        }
        "bytes" | BYTES => {
            let bytes = base64::decode(text(tag, &value)?);
            bytes
                .map(|bytes| Value::Bytes(bytes.into()))
                .ok_or_else(|| wrong(format!("#{tag} needs base64")))
        }
        FLOATS => {
            let xs = floats(tag, &value)?.into_iter().map(|x| {
                let narrow = x as f32;
                (narrow.is_finite() || !x.is_finite()).then_some(narrow)
            });
            let xs: Option<_> = xs.collect();
            xs.map(Value::FloatArray)
                .ok_or_else(|| wrong("A number does not fit a 32-bit float"))
        }
        DOUBLES => Ok(Value::DoubleArray(floats(tag, &value)?.into())),
        INSTANT => value
            .as_long()
            .map(Value::Instant)
            .ok_or_else(|| wrong(format!("#{tag} needs an integer, found {value}"))),
        _ => Ok(Value::Tagged(std::sync::Arc::new((
            Symbol::new(tag),
            value,
        )))),
    }
}

fn text<'v>(tag: &str, value: &'v Value) -> Result<&'v str> {
    value
        .as_str()
        .ok_or_else(|| wrong(format!("#{tag} needs a string")))
}

fn floats(tag: &str, value: &Value) -> Result<Vec<f64>> {
    let number = |item: &Value| match item {
        Value::Double(x) => Some(*x),
        Value::Long(n) => Some(*n as f64),
        _ => None,
    };
    let floats = value
        .as_sequential()
        .and_then(|items| items.iter().map(number).collect());
    floats.ok_or_else(|| wrong(format!("#{tag} needs a vector of numbers")))
}

/// Reads a UUID as Java does: five groups of hexadecimal digits, of which short ones stand for
/// their number and long ones lose their first digits.
pub fn parse_uuid(text: &str) -> Option<Uuid> {
    if text.len() > 36 {
        return None;
    }
    let mut groups = [0u64; 5];
    let mut parts = text.split('-');
    for group in &mut groups {
        *group = i64::from_str_radix(parts.next()?, 16).ok()? as u64;
    }
    let [a, b, c, d, e] = groups;
    let high = (a & 0xffff_ffff) << 32 | (b & 0xffff) << 16 | (c & 0xffff);
    let low = (d & 0xffff) << 48 | (e & 0xffff_ffff_ffff);
    parts
        .next()
        .is_none()
        .then(|| Uuid::from_u64_pair(high, low))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuids_may_be_short() {
        let read = |text| parse_uuid(text).map(|uuid| uuid.to_string());
        assert_eq!(
            read("1-1-1-1-1").as_deref(),
            Some("00000001-0001-0001-0001-000000000001")
        );
        let full = "123e4567-e89b-12d3-a456-426614174000";
        assert_eq!(read(full).as_deref(), Some(full));
        for wrong in [
            "",
            "1-1-1-1",
            "1-1-1-1-1-1",
            "1--1-1-1",
            "g-1-1-1-1",
            "123e4567-e89b-12d3-a456-4266141740000",
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
