//! Functions over functions: a symbol names one of the table, a keyword, map, set or vector looks up.

use std::cell::Cell;
use std::cmp::Ordering;

use super::collection;
use super::compare::{order, sort_with};
use super::failure::{Cause, not_a, over_limit};
use super::lookup;
use super::number::Number;
use super::seq::{self, Items, items};
use crate::error::Result;
use crate::limits;
use crate::value::{Map, Value};

thread_local! {
    /// Calls within calls, and the items they made, since the outermost one.
    static NESTED: Cell<Nested> = const { Cell::new(Nested { depth: 0, work: 0 }) };
}

#[derive(Clone, Copy)]
struct Nested {
    depth: usize,
    work: usize,
}

/// Starts the count of work anew unless one function is calling another.
pub(super) fn start() {
    NESTED.with(|cell| {
        if cell.get().depth == 0 {
            cell.set(Nested { depth: 0, work: 0 });
        }
    });
}

/// Calls what stands for a function. Depth and the sum of what nested calls make are bounded, for
/// `(apply apply [apply …])` and `(reduce conj [] …)` are short texts with long answers.
pub(super) fn call(function: &Value, args: &[Value]) -> Result<Value> {
    let _level = Level::enter()?;
    let result = call_unbounded(function, args)?;
    let mut nested = NESTED.get();
    nested.work += 1 + args.len() + size(&result);
    NESTED.set(nested);
    if nested.work > limits::FUNCTION_WORK {
        return Err(over_limit("function-work", limits::FUNCTION_WORK));
    }
    Ok(result)
}

/// One call within another; ends when dropped, whatever happens in between.
struct Level;

impl Level {
    fn enter() -> Result<Level> {
        let mut nested = NESTED.get();
        if nested.depth >= limits::FUNCTION_CALL_DEPTH {
            return Err(over_limit(
                "function-call-depth",
                limits::FUNCTION_CALL_DEPTH,
            ));
        }
        nested.depth += 1;
        NESTED.set(nested);
        Ok(Level)
    }
}

impl Drop for Level {
    fn drop(&mut self) {
        let mut nested = NESTED.get();
        nested.depth -= 1;
        NESTED.set(nested);
    }
}

fn size(value: &Value) -> usize {
    match value {
        Value::List(items) | Value::Vector(items) => items.len(),
        Value::Map(map) => map.len(),
        Value::Set(set) => set.len(),
        Value::Str(text) => text.len() / 16,
        _ => 0,
    }
}

fn call_unbounded(function: &Value, args: &[Value]) -> Result<Value> {
    match function {
        Value::Symbol(symbol) => match super::lookup(symbol.as_str()) {
            Some(builtin) => builtin.call(args),
            None => Err(Cause::IllegalArgument.error(format!("there is no function {symbol}"))),
        },
        Value::Keyword(_) if matches!(args.len(), 1 | 2) => {
            let mut swapped = vec![args[0].clone(), function.clone()];
            swapped.extend_from_slice(&args[1..]);
            lookup::get(&swapped)
        }
        Value::Map(_) if matches!(args.len(), 1 | 2) => {
            let mut all = vec![function.clone()];
            all.extend_from_slice(args);
            lookup::get(&all)
        }
        Value::Set(_) if args.len() == 1 => lookup::get(&[function.clone(), args[0].clone()]),
        Value::Vector(_) if args.len() == 1 => lookup::nth(&[function.clone(), args[0].clone()]),
        Value::Keyword(_) | Value::Map(_) | Value::Set(_) | Value::Vector(_) => {
            Err(Cause::Arity.error(format!("wrong number of arguments ({})", args.len())))
        }
        other => Err(not_a("a function", other)),
    }
}

pub(super) fn apply(args: &[Value]) -> Result<Value> {
    let (last, spread) = args[1..].split_last().unwrap_or((&Value::Nil, &[]));
    let mut all = Items::default();
    all.extend(spread)?;
    all.extend(&items(last)?)?;
    call(&args[0], &all.into_vec())
}

pub(super) fn map(args: &[Value]) -> Result<Value> {
    mapped(args).map(Items::into_list)
}

pub(super) fn mapv(args: &[Value]) -> Result<Value> {
    mapped(args).map(|items| Value::from(items.into_vec()))
}

fn mapped(args: &[Value]) -> Result<Items> {
    let columns = args[1..].iter().map(items).collect::<Result<Vec<_>>>()?;
    let rows = columns.iter().map(|column| column.len()).min().unwrap_or(0);
    let mut out = Items::default();
    for row in 0..rows {
        let arguments: Vec<Value> = columns.iter().map(|column| column[row].clone()).collect();
        out.push(call(&args[0], &arguments)?)?;
    }
    Ok(out)
}

pub(super) fn map_indexed(args: &[Value]) -> Result<Value> {
    let mut out = Items::default();
    for (index, item) in items(&args[1])?.iter().enumerate() {
        out.push(call(&args[0], &[Value::from(index), item.clone()])?)?;
    }
    Ok(out.into_list())
}

pub(super) fn mapcat(args: &[Value]) -> Result<Value> {
    let mut out = Items::default();
    for part in mapped(args)?.into_vec() {
        out.extend(&items(&part)?)?;
    }
    Ok(out.into_list())
}

pub(super) fn keep(args: &[Value]) -> Result<Value> {
    let mut out = Items::default();
    for item in items(&args[1])?.iter() {
        let value = call(&args[0], std::slice::from_ref(item))?;
        if !value.is_nil() {
            out.push(value)?;
        }
    }
    Ok(out.into_list())
}

pub(super) fn filter(args: &[Value]) -> Result<Value> {
    chosen(args, true).map(Value::list)
}

pub(super) fn filterv(args: &[Value]) -> Result<Value> {
    chosen(args, true).map(Value::vector)
}

pub(super) fn remove(args: &[Value]) -> Result<Value> {
    chosen(args, false).map(Value::list)
}

fn chosen(args: &[Value], wanted: bool) -> Result<Vec<Value>> {
    let mut out = Vec::new();
    for item in items(&args[1])?.iter() {
        if holds(&args[0], item)? == wanted {
            out.push(item.clone());
        }
    }
    Ok(out)
}

fn holds(predicate: &Value, item: &Value) -> Result<bool> {
    call(predicate, std::slice::from_ref(item)).map(|value| value.is_truthy())
}

pub(super) fn take_while(args: &[Value]) -> Result<Value> {
    let all = items(&args[1])?;
    Ok(Value::list(all[..prefix(&args[0], &all)?].iter().cloned()))
}

pub(super) fn drop_while(args: &[Value]) -> Result<Value> {
    let all = items(&args[1])?;
    Ok(Value::list(all[prefix(&args[0], &all)?..].iter().cloned()))
}

pub(super) fn split_with(args: &[Value]) -> Result<Value> {
    Ok(Value::vector([take_while(args)?, drop_while(args)?]))
}

/// How many items at the start satisfy the predicate.
fn prefix(predicate: &Value, all: &[Value]) -> Result<usize> {
    for (index, item) in all.iter().enumerate() {
        if !holds(predicate, item)? {
            return Ok(index);
        }
    }
    Ok(all.len())
}

pub(super) fn reduce(args: &[Value]) -> Result<Value> {
    let all = items(&args[args.len() - 1])?;
    let (mut total, rest) = match (args, &all[..]) {
        ([function, _], []) => return call(function, &[]),
        ([_, _], [first, rest @ ..]) => (first.clone(), rest),
        (_, all) => (args[1].clone(), all),
    };
    for item in rest {
        total = call(&args[0], &[total, item.clone()])?;
    }
    Ok(total)
}

pub(super) fn some(args: &[Value]) -> Result<Value> {
    for item in items(&args[1])?.iter() {
        let value = call(&args[0], std::slice::from_ref(item))?;
        if value.is_truthy() {
            return Ok(value);
        }
    }
    Ok(Value::Nil)
}

pub(super) fn every(args: &[Value]) -> Result<Value> {
    let all = items(&args[1])?;
    Ok(Value::Bool(prefix(&args[0], &all)? == all.len()))
}

pub(super) fn not_every(args: &[Value]) -> Result<Value> {
    Ok(Value::Bool(!every(args)?.is_truthy()))
}

pub(super) fn not_any(args: &[Value]) -> Result<Value> {
    Ok(Value::Bool(!some(args)?.is_truthy()))
}

pub(super) fn sort(args: &[Value]) -> Result<Value> {
    let all = items(&args[args.len() - 1])?;
    let sorted = match args {
        [_] => sort_with(&all, &mut order)?,
        _ => sort_with(&all, &mut |a, b| order_by(&args[0], a, b))?,
    };
    Ok(Value::list(sorted))
}

pub(super) fn sort_by(args: &[Value]) -> Result<Value> {
    let mut keyed = Vec::new();
    for item in items(&args[args.len() - 1])?.iter() {
        keyed.push((call(&args[0], std::slice::from_ref(item))?, item.clone()));
    }
    let sorted = match args {
        [_, _] => sort_with(&keyed, &mut |a, b| order(&a.0, &b.0))?,
        _ => sort_with(&keyed, &mut |a, b| order_by(&args[1], &a.0, &b.0))?,
    };
    Ok(Value::list(sorted.into_iter().map(|(_, item)| item)))
}

/// The order a comparator gives: a number by its sign, a truth value as "comes before".
fn order_by(comparator: &Value, a: &Value, b: &Value) -> Result<Ordering> {
    Ok(match call(comparator, &[a.clone(), b.clone()])? {
        Value::Bool(true) => Ordering::Less,
        Value::Bool(false) => {
            if call(comparator, &[b.clone(), a.clone()])?.is_truthy() {
                Ordering::Greater
            } else {
                Ordering::Equal
            }
        }
        number => Number::of(&number)?.sign().cmp(&0),
    })
}

pub(super) fn group_by(args: &[Value]) -> Result<Value> {
    let mut groups: indexmap::IndexMap<Value, Vec<Value>> = indexmap::IndexMap::new();
    for item in items(&args[1])?.iter() {
        let key = call(&args[0], std::slice::from_ref(item))?;
        groups.entry(key).or_default().push(item.clone());
    }
    Ok(Value::map(
        groups
            .into_iter()
            .map(|(key, group)| (key, Value::from(group))),
    ))
}

pub(super) fn partition_by(args: &[Value]) -> Result<Value> {
    let mut runs: Vec<(Value, Vec<Value>)> = Vec::new();
    for item in items(&args[1])?.iter() {
        let key = call(&args[0], std::slice::from_ref(item))?;
        match runs.last_mut() {
            Some((last, run)) if *last == key => run.push(item.clone()),
            _ => runs.push((key, vec![item.clone()])),
        }
    }
    Ok(Value::list(
        runs.into_iter().map(|(_, run)| Value::list(run)),
    ))
}

pub(super) fn max_key(args: &[Value]) -> Result<Value> {
    extreme(args, Ordering::is_ge)
}

pub(super) fn min_key(args: &[Value]) -> Result<Value> {
    extreme(args, Ordering::is_le)
}

fn extreme(args: &[Value], wins: fn(Ordering) -> bool) -> Result<Value> {
    let mut best: Option<(Value, &Value)> = None;
    for item in &args[1..] {
        let key = call(&args[0], std::slice::from_ref(item))?;
        let better = match &best {
            Some((held, _)) => {
                let order = Number::of(&key)?.order(&Number::of(held)?)?;
                order.is_none_or(wins)
            }
            None => true,
        };
        if better {
            best = Some((key, item));
        }
    }
    Ok(best.map(|(_, item)| item.clone()).unwrap_or_default())
}

pub(super) fn update(args: &[Value]) -> Result<Value> {
    let held = lookup::get(&args[..2])?;
    let mut call_args = vec![held];
    call_args.extend_from_slice(&args[3..]);
    let value = call(&args[2], &call_args)?;
    collection::assoc(&[args[0].clone(), args[1].clone(), value])
}

pub(super) fn update_vals(args: &[Value]) -> Result<Value> {
    let mut out = Map::default();
    for (key, value) in collection::entries(&args[0])? {
        out.insert(key, call(&args[1], &[value])?);
    }
    Ok(Value::from(out))
}

pub(super) fn update_keys(args: &[Value]) -> Result<Value> {
    let mut out = Map::default();
    for (key, value) in collection::entries(&args[0])? {
        out.insert(call(&args[1], &[key])?, value);
    }
    Ok(Value::from(out))
}

pub(super) fn merge_with(args: &[Value]) -> Result<Value> {
    let mut out = Map::default();
    for map in &args[1..] {
        for (key, value) in collection::entries(map)? {
            let merged = match out.get(&key) {
                Some(held) => call(&args[0], &[held.clone(), value])?,
                None => value,
            };
            out.insert(key, merged);
        }
        seq::check_count(out.len())?;
    }
    Ok(if args[1..].iter().all(Value::is_nil) {
        Value::Nil
    } else {
        Value::from(out)
    })
}
