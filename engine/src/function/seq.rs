//! Any value seen as a sequence, and new sequences kept within their limits.

use std::borrow::Cow;

use super::failure::{Cause, class_name, over_limit};
use crate::error::{Error, Result};
use crate::limits;
use crate::value::Value;

/// The items of anything `seq` takes: collections, maps as entries, text as characters, arrays.
pub(super) fn items(value: &Value) -> Result<Cow<'_, [Value]>> {
    Ok(match value {
        Value::Nil => Cow::Borrowed(&[]),
        Value::List(items) | Value::Vector(items) => Cow::Borrowed(items),
        Value::Map(map) => Cow::Owned(
            map.iter()
                .map(|(key, value)| entry(key.clone(), value.clone()))
                .collect(),
        ),
        Value::Set(set) => Cow::Owned(set.iter().cloned().collect()),
        Value::Str(text) => Cow::Owned(text.chars().map(Value::Char).collect()),
        Value::Bytes(bytes) => Cow::Owned(
            bytes
                .iter()
                .map(|b| Value::Long(i64::from(*b as i8)))
                .collect(),
        ),
        Value::FloatArray(xs) => Cow::Owned(xs.iter().map(|x| Value::Float(*x)).collect()),
        Value::DoubleArray(xs) => Cow::Owned(xs.iter().map(|x| Value::Double(*x)).collect()),
        other => return Err(not_seqable(other)),
    })
}

/// Clojure's error for `seq` of a scalar.
pub(super) fn not_seqable(value: &Value) -> Error {
    Cause::IllegalArgument
        .error(format!(
            "Don't know how to create ISeq from: {}",
            class_name(value)
        ))
        .with("value", value.clone())
}

/// A map entry: a vector of two.
pub(super) fn entry(key: Value, value: Value) -> Value {
    Value::vector([key, value])
}

/// How many UTF-16 units, which is what Java counts and indexes.
pub(super) fn utf16_len(text: &str) -> usize {
    if text.is_ascii() {
        text.len()
    } else {
        text.encode_utf16().count()
    }
}

/// A list of `items`, or `nil` for none: what `seq` gives.
pub(super) fn seq_or_nil(items: &[Value]) -> Value {
    if items.is_empty() {
        Value::Nil
    } else {
        Value::list(items.iter().cloned())
    }
}

/// Items collected up to [`limits::FUNCTION_ITEMS`].
#[derive(Default)]
pub(super) struct Items(Vec<Value>);

impl Items {
    pub(super) fn push(&mut self, value: Value) -> Result<()> {
        check_count(self.0.len() + 1)?;
        self.0.push(value);
        Ok(())
    }

    pub(super) fn extend(&mut self, values: &[Value]) -> Result<()> {
        check_count(self.0.len() + values.len())?;
        self.0.extend_from_slice(values);
        Ok(())
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn into_list(self) -> Value {
        Value::List(self.0.into())
    }

    pub(super) fn into_vec(self) -> Vec<Value> {
        self.0
    }
}

/// An error if a collection of `count` items is more than a function may return.
pub(super) fn check_count(count: usize) -> Result<()> {
    if count > limits::FUNCTION_ITEMS {
        return Err(over_limit("function-items", limits::FUNCTION_ITEMS));
    }
    Ok(())
}

/// An error if a result nests too deep, holds too many items or is too long a text.
pub fn check_result(value: &Value) -> Result<()> {
    match value {
        Value::Str(text) if text.len() > limits::FUNCTION_TEXT_BYTES => Err(over_limit(
            "function-text-bytes",
            limits::FUNCTION_TEXT_BYTES,
        )),
        Value::List(_) | Value::Vector(_) | Value::Map(_) | Value::Set(_) | Value::Tagged(_) => {
            let mut left = limits::FUNCTION_ITEMS;
            walk(value, limits::FUNCTION_DEPTH, &mut left)
        }
        _ => Ok(()),
    }
}

fn walk(value: &Value, depth: usize, left: &mut usize) -> Result<()> {
    let all = |items: &mut dyn Iterator<Item = &Value>, left: &mut usize| -> Result<()> {
        if depth == 0 {
            return Err(over_limit("function-depth", limits::FUNCTION_DEPTH));
        }
        for item in items {
            *left = left
                .checked_sub(1)
                .ok_or_else(|| over_limit("function-items", limits::FUNCTION_ITEMS))?;
            walk(item, depth - 1, left)?;
        }
        Ok(())
    };
    match value {
        Value::List(items) | Value::Vector(items) => all(&mut items.iter(), left),
        Value::Map(map) => all(&mut map.iter().flat_map(|(k, v)| [k, v]), left),
        Value::Set(set) => all(&mut set.iter(), left),
        Value::Tagged(tagged) => all(&mut std::iter::once(&tagged.1), left),
        _ => Ok(()),
    }
}

/// An error if a path of `depth` keys would nest deeper than a function may return.
pub(super) fn check_depth(depth: usize) -> Result<()> {
    if depth > limits::FUNCTION_DEPTH {
        return Err(over_limit("function-depth", limits::FUNCTION_DEPTH));
    }
    Ok(())
}
