//! Collections made, read and changed as wholes: lookups, `conj`, `assoc`, maps and sets.

use std::sync::Arc;

use super::compare::{order, sort_with};
use super::failure::{Cause, class_name, not_a};
use super::lookup;
use super::seq::{self, Items, entry, items, not_seqable};
use crate::error::Result;
use crate::value::{Map, Set, Value};

pub(super) fn vector(args: &[Value]) -> Result<Value> {
    Ok(Value::vector(args.iter().cloned()))
}

pub(super) fn list(args: &[Value]) -> Result<Value> {
    Ok(Value::list(args.iter().cloned()))
}

pub(super) fn hash_map(args: &[Value]) -> Result<Value> {
    if let [.., last] = args.chunks(2).last().unwrap_or(&[])
        && args.len() % 2 == 1
    {
        return Err(Cause::IllegalArgument
            .error("No value supplied for key")
            .with("key", last.clone()));
    }
    Ok(Value::map(
        args.chunks_exact(2)
            .map(|pair| (pair[0].clone(), pair[1].clone())),
    ))
}

pub(super) fn sorted_map(args: &[Value]) -> Result<Value> {
    let pairs: Vec<Value> = match hash_map(args)? {
        Value::Map(map) => map
            .iter()
            .map(|(k, v)| entry(k.clone(), v.clone()))
            .collect(),
        _ => Vec::new(),
    };
    let sorted = sort_with(&pairs, &mut |a, b| order(key_of(a), key_of(b)))?;
    Ok(Value::map(sorted.iter().filter_map(pair_of)))
}

pub(super) fn hash_set(args: &[Value]) -> Result<Value> {
    Ok(Value::set(args.iter().cloned()))
}

pub(super) fn sorted_set(args: &[Value]) -> Result<Value> {
    Ok(Value::set(sort_with(args, &mut order)?))
}

pub(super) fn set(args: &[Value]) -> Result<Value> {
    match &args[0] {
        Value::Set(_) => Ok(args[0].clone()),
        other => Ok(Value::set(items(other)?.iter().cloned())),
    }
}

pub(super) fn vec(args: &[Value]) -> Result<Value> {
    match &args[0] {
        Value::Vector(_) => Ok(args[0].clone()),
        other => Ok(Value::vector(items(other)?.iter().cloned())),
    }
}

pub(super) fn map_entry_key(args: &[Value]) -> Result<Value> {
    pair_of(&args[0])
        .map(|(key, _)| key)
        .ok_or_else(|| not_a("a map entry", &args[0]))
}

pub(super) fn map_entry_value(args: &[Value]) -> Result<Value> {
    pair_of(&args[0])
        .map(|(_, value)| value)
        .ok_or_else(|| not_a("a map entry", &args[0]))
}

fn pair_of(value: &Value) -> Option<(Value, Value)> {
    match value {
        Value::Vector(pair) if pair.len() == 2 => Some((pair[0].clone(), pair[1].clone())),
        _ => None,
    }
}

fn key_of(value: &Value) -> &Value {
    value
        .as_sequential()
        .and_then(<[Value]>::first)
        .unwrap_or(value)
}

pub(super) fn count(args: &[Value]) -> Result<Value> {
    Ok(Value::from(match &args[0] {
        Value::Nil => 0,
        Value::Str(text) => seq::utf16_len(text),
        Value::Map(map) => map.len(),
        Value::Set(set) => set.len(),
        other => match items(other) {
            Ok(items) => items.len(),
            Err(_) => {
                let class = class_name(other);
                return Err(
                    Cause::Unsupported.error(format!("count not supported on this type: {class}"))
                );
            }
        },
    }))
}

pub(super) fn empty(args: &[Value]) -> Result<Value> {
    Ok(match &args[0] {
        Value::List(_) => Value::list([]),
        Value::Vector(_) => Value::vector([]),
        Value::Map(_) => Value::map([]),
        Value::Set(_) => Value::set([]),
        _ => Value::Nil,
    })
}

pub(super) fn not_empty(args: &[Value]) -> Result<Value> {
    Ok(if items(&args[0])?.is_empty() {
        Value::Nil
    } else {
        args[0].clone()
    })
}

pub(super) fn conj(args: &[Value]) -> Result<Value> {
    let Some((place, more)) = args.split_first() else {
        return Ok(Value::vector([]));
    };
    if more.is_empty() {
        return Ok(place.clone());
    }
    match place {
        Value::Nil | Value::List(_) => {
            let mut out = Items::default();
            for item in more.iter().rev() {
                out.push(item.clone())?;
            }
            out.extend(&items(place)?)?;
            Ok(out.into_list())
        }
        Value::Vector(held) => Ok(held.iter().chain(more).cloned().collect::<Vec<_>>().into()),
        Value::Set(held) => {
            let mut out = Set::clone(held);
            out.extend(more.iter().cloned());
            Ok(Value::Set(Arc::new(out)))
        }
        Value::Map(held) => {
            let mut out = Map::clone(held);
            for item in more {
                match (item, pair_of(item)) {
                    (_, Some((key, value))) => {
                        out.insert(key, value);
                    }
                    (Value::Map(more), _) => {
                        out.extend(more.iter().map(|(k, v)| (k.clone(), v.clone())));
                    }
                    (Value::Nil, _) => {}
                    (Value::Vector(_), _) => {
                        return Err(
                            Cause::IllegalArgument.error("Vector arg to map conj must be a pair")
                        );
                    }
                    (other, _) if items(other).is_err() => return Err(not_seqable(other)),
                    _ => return Err(not_a("a map entry", item)),
                }
            }
            Ok(Value::from(out))
        }
        other => Err(not_a("a collection", other)),
    }
}

pub(super) fn into(args: &[Value]) -> Result<Value> {
    match args {
        [] => Ok(Value::vector([])),
        [to] => Ok(to.clone()),
        [to, from, ..] => {
            let mut all = vec![to.clone()];
            all.extend_from_slice(&items(from)?);
            conj(&all)
        }
    }
}

pub(super) fn assoc(args: &[Value]) -> Result<Value> {
    if args.len().is_multiple_of(2) {
        return Err(
            Cause::IllegalArgument.error("assoc expects even number of arguments after map")
        );
    }
    let pairs = args[1..].chunks_exact(2);
    match &args[0] {
        Value::Nil => Ok(Value::map(
            pairs.map(|pair| (pair[0].clone(), pair[1].clone())),
        )),
        Value::Map(held) => {
            let mut out = Map::clone(held);
            out.extend(pairs.map(|pair| (pair[0].clone(), pair[1].clone())));
            Ok(Value::from(out))
        }
        Value::Vector(held) => {
            let mut out = held.to_vec();
            for pair in pairs {
                let Value::Long(index) = pair[0] else {
                    return Err(Cause::IllegalArgument.error("Key must be integer"));
                };
                match usize::try_from(index) {
                    Ok(n) if n < out.len() => out[n] = pair[1].clone(),
                    Ok(n) if n == out.len() => out.push(pair[1].clone()),
                    _ => return Err(Cause::Index.error(format!("index {index} out of bounds"))),
                }
            }
            Ok(Value::from(out))
        }
        other => Err(not_a("an associative collection", other)),
    }
}

pub(super) fn assoc_in(args: &[Value]) -> Result<Value> {
    let path = items(&args[1])?;
    put_in(&args[0], &path, &args[2])
}

fn put_in(place: &Value, path: &[Value], value: &Value) -> Result<Value> {
    seq::check_depth(path.len())?;
    let Some((key, rest)) = path.split_first() else {
        return assoc(&[place.clone(), Value::Nil, value.clone()]);
    };
    let inner = if rest.is_empty() {
        value.clone()
    } else {
        put_in(&lookup::get(&[place.clone(), key.clone()])?, rest, value)?
    };
    assoc(&[place.clone(), key.clone(), inner])
}

pub(super) fn dissoc(args: &[Value]) -> Result<Value> {
    match &args[0] {
        Value::Nil => Ok(Value::Nil),
        other if args.len() == 1 => Ok(other.clone()),
        Value::Map(held) => {
            let mut out = Map::clone(held);
            for key in &args[1..] {
                out.shift_remove(key);
            }
            Ok(Value::from(out))
        }
        other => Err(not_a("a map", other)),
    }
}

pub(super) fn disj(args: &[Value]) -> Result<Value> {
    match &args[0] {
        Value::Nil => Ok(Value::Nil),
        other if args.len() == 1 => Ok(other.clone()),
        Value::Set(held) => {
            let mut out = Set::clone(held);
            for item in &args[1..] {
                out.shift_remove(item);
            }
            Ok(Value::Set(Arc::new(out)))
        }
        other => Err(not_a("a set", other)),
    }
}

pub(super) fn keys(args: &[Value]) -> Result<Value> {
    let keys: Vec<Value> = entries(&args[0])?.into_iter().map(|(key, _)| key).collect();
    Ok(seq::seq_or_nil(&keys))
}

pub(super) fn vals(args: &[Value]) -> Result<Value> {
    let values: Vec<Value> = entries(&args[0])?
        .into_iter()
        .map(|(_, value)| value)
        .collect();
    Ok(seq::seq_or_nil(&values))
}

/// The entries of a map, or of a sequence of pairs.
pub(super) fn entries(value: &Value) -> Result<Vec<(Value, Value)>> {
    match value {
        Value::Map(map) => Ok(map.iter().map(|(k, v)| (k.clone(), v.clone())).collect()),
        Value::Nil => Ok(Vec::new()),
        other => items(other)
            .map_err(|_| not_seqable(other))?
            .iter()
            .map(|item| pair_of(item).ok_or_else(|| not_a("a map entry", item)))
            .collect(),
    }
}

pub(super) fn merge(args: &[Value]) -> Result<Value> {
    if args.iter().all(|arg| !arg.is_truthy()) {
        return Ok(Value::Nil);
    }
    let mut total = args[0].clone();
    for map in &args[1..] {
        if total.is_nil() {
            total = Value::map([]);
        }
        total = conj(&[total, map.clone()])?;
    }
    Ok(total)
}

pub(super) fn select_keys(args: &[Value]) -> Result<Value> {
    let mut out = Map::default();
    for key in items(&args[1])?.iter() {
        if let Value::Vector(pair) = lookup::find(&[args[0].clone(), key.clone()])? {
            out.insert(pair[0].clone(), pair[1].clone());
        }
    }
    Ok(Value::from(out))
}

pub(super) fn zipmap(args: &[Value]) -> Result<Value> {
    let (keys, values) = (items(&args[0])?, items(&args[1])?);
    Ok(Value::map(keys.iter().cloned().zip(values.iter().cloned())))
}

pub(super) fn peek(args: &[Value]) -> Result<Value> {
    match &args[0] {
        Value::Nil => Ok(Value::Nil),
        Value::Vector(items) => Ok(items.last().cloned().unwrap_or_default()),
        Value::List(items) => Ok(items.first().cloned().unwrap_or_default()),
        other => Err(not_a("a stack", other)),
    }
}

pub(super) fn pop(args: &[Value]) -> Result<Value> {
    let none = || Cause::Unsupported.error("Can't pop empty collection");
    match &args[0] {
        Value::Nil => Ok(Value::Nil),
        Value::Vector(items) => Ok(Value::vector(
            items.split_last().ok_or_else(none)?.1.iter().cloned(),
        )),
        Value::List(items) => Ok(Value::list(
            items.split_first().ok_or_else(none)?.1.iter().cloned(),
        )),
        other => Err(not_a("a stack", other)),
    }
}

pub(super) fn subvec(args: &[Value]) -> Result<Value> {
    let Value::Vector(items) = &args[0] else {
        return Err(not_a("a vector", &args[0]));
    };
    let end = args.get(2).map_or(Some(items.len()), |v| {
        v.as_long().and_then(|n| n.try_into().ok())
    });
    let start = args[1].as_long().and_then(|n| usize::try_from(n).ok());
    match start
        .zip(end)
        .and_then(|(start, end)| items.get(start..end))
    {
        Some(part) => Ok(Value::vector(part.iter().cloned())),
        None => Err(Cause::Index.error("subvec out of bounds")),
    }
}

pub(super) fn union(args: &[Value]) -> Result<Value> {
    let mut out = Set::default();
    for arg in args {
        out.extend(items(arg)?.iter().cloned());
    }
    let none = !args.is_empty() && args.iter().all(Value::is_nil);
    Ok(if none {
        Value::Nil
    } else {
        Value::Set(Arc::new(out))
    })
}

pub(super) fn intersection(args: &[Value]) -> Result<Value> {
    kept(args, true)
}

pub(super) fn set_difference(args: &[Value]) -> Result<Value> {
    kept(args, false)
}

fn kept(args: &[Value], wanted: bool) -> Result<Value> {
    let mut out: Set = items(&args[0])?.iter().cloned().collect();
    for arg in &args[1..] {
        let other: Set = items(arg)?.iter().cloned().collect();
        out.retain(|item| other.contains(item) == wanted);
    }
    Ok(Value::Set(Arc::new(out)))
}

pub(super) fn is_subset(args: &[Value]) -> Result<Value> {
    let outer: Set = items(&args[1])?.iter().cloned().collect();
    Ok(Value::Bool(
        items(&args[0])?.iter().all(|item| outer.contains(item)),
    ))
}

pub(super) fn is_superset(args: &[Value]) -> Result<Value> {
    is_subset(&[args[1].clone(), args[0].clone()])
}
