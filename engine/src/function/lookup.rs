//! What a collection holds: under a key, at an index, along a path.

use num_traits::ToPrimitive;

use super::failure::{Cause, class_name};
use super::seq::{self, entry, items};
use crate::error::Result;
use crate::value::Value;

pub(super) fn contains(args: &[Value]) -> Result<Value> {
    let (place, key) = (&args[0], &args[1]);
    let length = match place {
        Value::Nil => return Ok(Value::Bool(false)),
        Value::Map(map) => return Ok(Value::Bool(map.contains_key(key))),
        Value::Set(set) => return Ok(Value::Bool(set.contains(key))),
        Value::Vector(items) => {
            return Ok(Value::Bool(index_in(key, items.len()).is_some()));
        }
        Value::Str(text) => seq::utf16_len(text),
        Value::Bytes(bytes) => bytes.len(),
        Value::FloatArray(xs) => xs.len(),
        Value::DoubleArray(xs) => xs.len(),
        other => {
            let class = class_name(other);
            return Err(
                Cause::IllegalArgument.error(format!("contains? not supported on type: {class}"))
            );
        }
    };
    match key {
        Value::Long(_) => Ok(Value::Bool(index_in(key, length).is_some())),
        _ => Err(Cause::IllegalArgument.error("contains? of text or an array needs an index")),
    }
}

fn index_in(key: &Value, length: usize) -> Option<usize> {
    let index = match key {
        Value::Long(n) => usize::try_from(*n).ok(),
        Value::BigInt(n) => n.to_usize(),
        _ => None,
    };
    index.filter(|n| *n < length)
}

pub(super) fn get(args: &[Value]) -> Result<Value> {
    let key = &args[1];
    let found = match &args[0] {
        Value::Map(map) => map.get(key).cloned(),
        Value::Set(set) => set.get(key).cloned(),
        Value::Vector(items) => index_in(key, items.len()).map(|n| items[n].clone()),
        Value::Str(text) => index_in(key, text.len())
            .and_then(|n| text.chars().nth(n))
            .map(Value::Char),
        array @ (Value::Bytes(_) | Value::FloatArray(_) | Value::DoubleArray(_)) => {
            let items = items(array)?;
            index_in(key, items.len()).map(|n| items[n].clone())
        }
        _ => None,
    };
    Ok(found.or_else(|| args.get(2).cloned()).unwrap_or_default())
}

pub(super) fn get_in(args: &[Value]) -> Result<Value> {
    let mut place = args[0].clone();
    for key in items(&args[1])?.iter() {
        let present = match &place {
            Value::Nil => false,
            Value::Map(_) | Value::Set(_) | Value::Vector(_) | Value::Str(_) => {
                contains(&[place.clone(), key.clone()]).is_ok_and(|found| found.is_truthy())
            }
            _ => false,
        };
        if !present {
            return Ok(args.get(2).cloned().unwrap_or_default());
        }
        place = get(&[place, key.clone()])?;
    }
    Ok(place)
}

pub(super) fn find(args: &[Value]) -> Result<Value> {
    let (place, key) = (&args[0], &args[1]);
    match place {
        Value::Nil => Ok(Value::Nil),
        Value::Map(map) => Ok(map
            .get_key_value(key)
            .map(|(key, value)| entry(key.clone(), value.clone()))
            .unwrap_or_default()),
        Value::Vector(items) => Ok(index_in(key, items.len())
            .map(|n| entry(key.clone(), items[n].clone()))
            .unwrap_or_default()),
        other => Err(Cause::IllegalArgument
            .error(format!("find not supported on type: {}", class_name(other)))),
    }
}

pub(super) fn nth(args: &[Value]) -> Result<Value> {
    let index = super::number::index(&args[1])?;
    let all = match &args[0] {
        Value::Nil => return Ok(args.get(2).cloned().unwrap_or_default()),
        Value::Map(_) | Value::Set(_) => {
            let class = class_name(&args[0]);
            return Err(
                Cause::Unsupported.error(format!("nth not supported on this type: {class}"))
            );
        }
        other => items(other).map_err(|_| {
            let class = class_name(other);
            Cause::Unsupported.error(format!("nth not supported on this type: {class}"))
        })?,
    };
    match usize::try_from(index)
        .ok()
        .and_then(|n| all.get(n))
        .or(args.get(2))
    {
        Some(item) => Ok(item.clone()),
        None => Err(Cause::Index.error(format!("index {index} out of bounds"))),
    }
}
