//! One cell: what type it looks like, and the value it is under a type.

use std::borrow::Cow;
use std::sync::Arc;

use datalith_engine::schema::{ValueType, value_matches};
use datalith_engine::{Keyword, Symbol, Value, edn};

/// What a row holds in one column.
#[derive(Clone, Debug)]
pub(super) enum Cell<'a> {
    /// Text that may stand for another type.
    Text(Cow<'a, str>),
    /// A value whose type the file says.
    Value(Value),
    /// Several.
    Many(Vec<Cell<'a>>),
}

impl Cell<'static> {
    /// From JSON; `null` is no cell.
    pub(super) fn of_json(value: serde_json::Value) -> Result<Option<Cell<'static>>, String> {
        use serde_json::Value as Json;
        Ok(Some(match value {
            Json::Null => return Ok(None),
            Json::Bool(b) => Cell::Value(Value::Bool(b)),
            Json::Number(number) => {
                let text = number.to_string();
                let value = match number.as_f64() {
                    _ if number.is_i64() => edn::parse_number(&text),
                    _ if number.is_u64() => edn::parse_number(&format!("{text}N")),
                    Some(x) => Ok(Value::Double(x)),
                    None => edn::parse_number(&text),
                };
                Cell::Value(value.map_err(|error| error.message().to_owned())?)
            }
            Json::String(text) => Cell::Value(Value::from(text)),
            Json::Array(items) => {
                let mut cells = Vec::with_capacity(items.len());
                for item in items {
                    match Cell::of_json(item)? {
                        Some(Cell::Many(_)) => return Err(EXPECTED.to_owned()),
                        cell => cells.extend(cell),
                    }
                }
                Cell::Many(cells)
            }
            Json::Object(_) => return Err(EXPECTED.to_owned()),
        }))
    }
}

impl Cell<'_> {
    /// The cells of a text that holds several.
    pub(super) fn split(&self, separator: &str) -> Cell<'_> {
        let text = match self {
            Cell::Text(text) => &**text,
            Cell::Value(Value::Str(text)) => text,
            other => return other.clone(),
        };
        let parts = text
            .split(separator)
            .map(str::trim)
            .filter(|part| !part.is_empty());
        Cell::Many(parts.map(|part| Cell::Text(part.into())).collect())
    }

    /// The scalar cells.
    pub(super) fn parts(&self) -> &[Self] {
        match self {
            Cell::Many(parts) => parts,
            one => std::slice::from_ref(one),
        }
    }

    /// The type it looks like.
    pub(super) fn looks_like(&self) -> Option<ValueType> {
        Some(match self {
            Cell::Text(text) => text_looks_like(text),
            Cell::Value(Value::Bool(_)) => ValueType::Boolean,
            Cell::Value(Value::Long(_)) => ValueType::Long,
            Cell::Value(Value::BigInt(_)) => ValueType::BigInt,
            Cell::Value(Value::Double(_)) => ValueType::Double,
            Cell::Value(Value::FloatArray(_)) => ValueType::FloatArray,
            Cell::Value(Value::DoubleArray(_)) => ValueType::DoubleArray,
            Cell::Value(value) => scalar_type(value),
            Cell::Many(_) => return None,
        })
    }

    /// Its value under a type.
    pub(super) fn to_value(&self, value_type: ValueType) -> Result<Value, String> {
        match self {
            Cell::Value(value) if value_matches(value_type, value) => Ok(value.clone()),
            Cell::Value(Value::Long(n)) if value_type == ValueType::Double => {
                Ok(Value::Double(*n as f64))
            }
            Cell::Value(Value::Float(x)) if value_type == ValueType::Double => {
                Ok(Value::Double(f64::from(*x)))
            }
            Cell::Value(value) => of_text(&edn::display_str(value), value_type),
            Cell::Text(text) => of_text(text, value_type),
            Cell::Many(_) => Err("several values where one is expected".to_owned()),
        }
    }
}

impl Cell<'_> {
    /// An array of its numbers: a list of them, or a text that lists them, in brackets or not.
    pub(super) fn to_array(&self, value_type: ValueType) -> Result<Value, String> {
        if let Cell::Value(value) = self
            && value_matches(value_type, value)
        {
            return Ok(value.clone());
        }
        let mut numbers = Vec::new();
        for part in self.parts() {
            match part {
                Cell::Value(Value::Str(text)) => read_numbers(text, &mut numbers)?,
                Cell::Text(text) => read_numbers(text, &mut numbers)?,
                part => match part.to_value(ValueType::Double)? {
                    Value::Double(x) => numbers.push(x),
                    other => return Err(format!("{other} is no number")),
                },
            }
        }
        Ok(match value_type {
            ValueType::DoubleArray => Value::DoubleArray(numbers.into()),
            _ => Value::FloatArray(numbers.into_iter().map(|x| x as f32).collect()),
        })
    }
}

fn read_numbers(text: &str, numbers: &mut Vec<f64>) -> Result<(), String> {
    let listed = text.trim().trim_start_matches('[').trim_end_matches(']');
    let parts = listed.split(|c: char| c == ',' || c == ';' || c.is_whitespace());
    for part in parts.filter(|part| !part.is_empty()) {
        let number = part.parse().map_err(|_| format!("{part:?} is no number"))?;
        numbers.push(number);
    }
    Ok(())
}

const EXPECTED: &str = "expected a scalar or a list of scalars";

/// The type of a value that a file says the type of.
fn scalar_type(value: &Value) -> ValueType {
    const TYPES: [ValueType; 8] = [
        ValueType::String,
        ValueType::Instant,
        ValueType::Keyword,
        ValueType::Symbol,
        ValueType::Uuid,
        ValueType::BigDec,
        ValueType::Bytes,
        ValueType::Float,
    ];
    let mut types = TYPES.into_iter();
    let found = types.find(|value_type| value_matches(*value_type, value));
    found.unwrap_or(match value {
        Value::Vector(_) => ValueType::Tuple,
        _ => ValueType::String,
    })
}

/// The type that takes what looks like either.
pub(super) fn wider(a: ValueType, b: ValueType) -> ValueType {
    use ValueType::{BigInt, Double, Long, String};
    match (a, b) {
        (a, b) if a == b => a,
        (Long, Double) | (Double, Long) => Double,
        (Long, BigInt) | (BigInt, Long) => BigInt,
        _ => String,
    }
}

fn text_looks_like(text: &str) -> ValueType {
    if text == "true" || text == "false" {
        return ValueType::Boolean;
    }
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_number = digits.starts_with(|c: char| c.is_ascii_digit())
        && digits
            .bytes()
            .all(|b| matches!(b, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-'));
    // `007` is a name made of digits, not seven.
    let is_padded =
        digits.len() > 1 && digits.starts_with('0') && digits.as_bytes()[1].is_ascii_digit();
    if is_number && !is_padded {
        if text.parse::<i64>().is_ok() {
            return ValueType::Long;
        }
        let is_whole = digits.bytes().all(|byte| byte.is_ascii_digit());
        if !is_whole && text.parse::<f64>().is_ok_and(f64::is_finite) {
            return ValueType::Double;
        }
    }
    if text.len() == 36 && edn::parse_uuid(text).is_some() {
        return ValueType::Uuid;
    }
    let is_dated = text.len() >= 10
        && text
            .bytes()
            .take(10)
            .enumerate()
            .all(|(at, byte)| match at {
                4 | 7 => byte == b'-',
                _ => byte.is_ascii_digit(),
            });
    if is_dated && instant(text).is_ok() {
        return ValueType::Instant;
    }
    ValueType::String
}

fn instant(text: &str) -> Result<Value, String> {
    let with_t = text.trim().replacen(' ', "T", 1);
    edn::parse_instant(&with_t)
        .map(Value::Instant)
        .map_err(|error| error.message().to_owned())
}

/// The value that a text is under a type.
pub(super) fn of_text(text: &str, value_type: ValueType) -> Result<Value, String> {
    let trimmed = text.trim();
    let number = |suffix: &str| edn::parse_number(&format!("{trimmed}{suffix}")).ok();
    let value = match value_type {
        ValueType::String => Some(Value::str(text)),
        ValueType::Long => trimmed.parse().ok().map(Value::Long),
        ValueType::Double | ValueType::Float => trimmed.parse().ok().map(Value::Double),
        ValueType::Number => number(""),
        ValueType::BigInt => number("N"),
        ValueType::BigDec => number("M"),
        ValueType::Boolean => match trimmed.to_ascii_lowercase().as_str() {
            "true" => Some(Value::Bool(true)),
            "false" => Some(Value::Bool(false)),
            _ => None,
        },
        ValueType::Instant => instant(trimmed).ok(),
        ValueType::Keyword => {
            let name = trimmed.strip_prefix(':').unwrap_or(trimmed);
            (!name.is_empty()).then(|| Value::Keyword(Keyword::new(name)))
        }
        ValueType::Symbol => (!trimmed.is_empty()).then(|| Value::Symbol(Symbol::new(trimmed))),
        ValueType::Uuid => edn::parse_uuid(trimmed).map(Value::Uuid),
        ValueType::Bytes => {
            edn::base64::decode(trimmed).map(|bytes| Value::Bytes(Arc::from(bytes)))
        }
        // Entity ids, idents and lookup refs, as EDN has them.
        _ => edn::read(trimmed).ok(),
    };
    let name = value_type.ident().trim_start_matches("db.type/");
    value.ok_or_else(|| format!("{text:?} is no {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_look_like_types() {
        let check = |value_type, texts: &[&str]| {
            for text in texts {
                assert_eq!(text_looks_like(text), value_type, "{text}");
            }
        };
        check(ValueType::Long, &["0", "-7", "9223372036854775807"]);
        check(ValueType::Double, &["0.5", "-1e9", "33.6367"]);
        check(ValueType::Boolean, &["true", "false"]);
        check(
            ValueType::Instant,
            &["2026-01-31", "2026-01-31T10:00:00Z", "2026-01-31 10:00:00"],
        );
        check(ValueType::Uuid, &["550e8400-e29b-41d4-a716-446655440000"]);
        let strings = [
            "007",
            "9223372036854775808",
            "1.2.3",
            "-",
            "nan",
            "inf",
            "2026-13-01",
            "+1",
            "",
        ];
        check(ValueType::String, &strings);
    }

    #[test]
    fn arrays_are_lists_of_numbers() {
        let array = |cell: Cell<'_>| match cell.to_array(ValueType::FloatArray) {
            Ok(value) => value.to_string(),
            Err(message) => message,
        };
        for text in ["0.5 1", "[0.5, 1.0]", "0.5;1"] {
            assert_eq!(array(Cell::Text(text.into())), "#datalith/floats [0.5 1.0]");
        }
        let json = Cell::of_json(serde_json::json!([0.5, 1])).unwrap().unwrap();
        assert_eq!(array(json), "#datalith/floats [0.5 1.0]");
        assert_eq!(array(Cell::Text("0.5 x".into())), "\"x\" is no number");
    }

    #[test]
    fn texts_become_values() {
        let check = |text: &str, value_type, expected: &str| {
            let value = Cell::Text(text.into()).to_value(value_type);
            assert_eq!(
                value.map_or_else(|message| message, |value| value.to_string()),
                expected
            );
        };
        check("7", ValueType::Double, "7.0");
        check("1.50", ValueType::BigDec, "1.50M");
        check("12", ValueType::BigInt, "12N");
        check(":a/b", ValueType::Keyword, ":a/b");
        check("a", ValueType::Keyword, ":a");
        check("TRUE", ValueType::Boolean, "true");
        check("[:a/b 1]", ValueType::Ref, "[:a/b 1]");
        check("x7", ValueType::Long, "\"x7\" is no long");
    }
}
