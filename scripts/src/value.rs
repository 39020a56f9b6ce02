//! Values of the database as values of scripts, and back.
//!
//! | EDN | rhai |
//! |---|---|
//! | `nil` | `()` |
//! | booleans, longs, doubles, characters, strings | the same |
//! | vectors, lists | arrays |
//! | maps whose keys are all keywords | object maps, keys without their colon |
//! | all else: keywords, symbols, instants, uuids, sets, … | [`Edn`], which prints as EDN |
//!
//! On the way back a map's keys are keywords again. A string stays a string: `kw("red")` makes a keyword.

use datalith_engine::{Keyword, Map as EdnMap, Value};
use rhai::{Array, Blob, Dynamic, FLOAT, INT, ImmutableString, Map};

use crate::fault::{Done, refused};

/// A value that rhai has no type of its own for.
#[derive(Clone, Debug, PartialEq)]
pub struct Edn(pub Value);

impl std::fmt::Display for Edn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A value of the database as a script sees it.
pub fn to_dynamic(value: &Value) -> Dynamic {
    match value {
        Value::Nil => Dynamic::UNIT,
        Value::Bool(b) => Dynamic::from(*b),
        Value::Long(n) => Dynamic::from(*n),
        Value::Double(x) => Dynamic::from(*x),
        Value::Float(x) => Dynamic::from(f64::from(*x)),
        Value::Char(c) => Dynamic::from(*c),
        Value::Str(text) => Dynamic::from(ImmutableString::from(&**text)),
        Value::List(items) | Value::Vector(items) => {
            Dynamic::from_array(items.iter().map(to_dynamic).collect())
        }
        Value::FloatArray(items) => {
            Dynamic::from_array(items.iter().map(|x| Dynamic::from(f64::from(*x))).collect())
        }
        Value::DoubleArray(items) => {
            Dynamic::from_array(items.iter().map(|x| Dynamic::from(*x)).collect())
        }
        Value::Map(map) => match to_map(map) {
            Some(map) => Dynamic::from_map(map),
            None => Dynamic::from(Edn(value.clone())),
        },
        value => Dynamic::from(Edn(value.clone())),
    }
}

/// A map whose keys are all keywords.
fn to_map(map: &EdnMap) -> Option<Map> {
    let entry = |(key, value): (&Value, &Value)| {
        let key = key.as_keyword()?;
        Some((key.as_str().into(), to_dynamic(value)))
    };
    map.iter().map(entry).collect()
}

/// A value of a script as the database takes it.
///
/// Fails for what only scripts know: functions, database values, connections.
pub fn to_value(value: &Dynamic) -> Done<Value> {
    if value.is_shared() {
        return to_value(&value.flatten_clone());
    }
    if value.is_unit() {
        return Ok(Value::Nil);
    }
    if let Ok(b) = value.as_bool() {
        return Ok(Value::Bool(b));
    }
    if let Ok(n) = value.as_int() {
        return Ok(Value::Long(n));
    }
    if let Ok(x) = value.as_float() {
        return Ok(Value::Double(x));
    }
    if let Ok(c) = value.as_char() {
        return Ok(Value::Char(c));
    }
    if let Ok(text) = value.as_immutable_string_ref() {
        return Ok(Value::str(&text));
    }
    if let Some(edn) = value.read_lock::<Edn>() {
        return Ok(edn.0.clone());
    }
    if let Some(items) = value.read_lock::<Array>() {
        let items: Vec<Value> = items.iter().map(to_value).collect::<Done<_>>()?;
        return Ok(Value::from(items));
    }
    if let Some(map) = value.read_lock::<Map>() {
        let entry = |(key, value): (_, &Dynamic)| Ok((key_of(key), to_value(value)?));
        let entries: Vec<(Value, Value)> = map.iter().map(entry).collect::<Done<_>>()?;
        return Ok(Value::map(entries));
    }
    if let Some(bytes) = value.read_lock::<Blob>() {
        return Ok(Value::Bytes(bytes.as_slice().into()));
    }
    crate::table::to_value(value).unwrap_or_else(|| {
        let message = format!(
            "a value of type {} cannot be stored or asked for",
            value.type_name()
        );
        Err(refused(message))
    })
}

/// The keyword that a key of a map stands for, written with its colon or without.
pub(crate) fn key_of(key: impl AsRef<str>) -> Value {
    let key = key.as_ref();
    Value::Keyword(Keyword::new(key.strip_prefix(':').unwrap_or(key)))
}

/// A number of a script, whole or not.
pub(crate) fn number(value: &Dynamic) -> Option<FLOAT> {
    value
        .as_float()
        .ok()
        .or_else(|| value.as_int().ok().map(|n: INT| n as FLOAT))
}

#[cfg(test)]
mod tests {
    use super::*;
    use datalith_engine::edn;

    #[test]
    fn values_come_back_as_they_were() {
        for text in [
            "nil",
            "true",
            "-7",
            "2.5",
            "\\a",
            "\"text\"",
            ":a/b",
            "sym",
            "#inst \"2026-01-31T00:00:00.000-00:00\"",
            "#uuid \"9f3b5c9e-6b1c-4d52-9b3e-3d1f5a2b7c11\"",
            "[1 [2 nil] \"x\"]",
            "{:a 1, :b/c [:d]}",
            "{\"not\" \"keyed\"}",
            "#{1 2}",
            "12345678901234567890N",
            "1.50M",
            "1/3",
        ] {
            let value = edn::read(text).unwrap();
            let back = to_value(&to_dynamic(&value)).unwrap();
            assert_eq!(back, value, "{text}");
        }
    }
}
