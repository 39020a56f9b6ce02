//! Sequences cut, joined and counted. What is lazy in Clojure is a finished list here.

use indexmap::IndexMap;

use super::arithmetic::plus;
use super::compare::is_number;
use super::failure::{Cause, not_a, over_limit};
use super::number::Number;
use super::random;
use super::seq::{Items, check_count, items, seq_or_nil};
use crate::error::Result;
use crate::limits;
use crate::value::{Set, Value};

pub(super) fn range(args: &[Value]) -> Result<Value> {
    let (start, end, step) = match args {
        [] => {
            return Err(Cause::Unsupported.error("(range) has no end: give it one, (range 10)"));
        }
        [end] => (Value::Long(0), end, Value::Long(1)),
        [start, end] => (start.clone(), end, Value::Long(1)),
        [start, end, step, ..] => (start.clone(), end, step.clone()),
    };
    let (last, by) = (Number::of(end)?, Number::of(&step)?.sign());
    let mut out = Items::default();
    let mut next = start;
    loop {
        let before = Number::of(&next)?.order(&last)?;
        let inside = if by < 0 {
            before.is_some_and(|o| o.is_gt())
        } else {
            before.is_some_and(|o| o.is_lt())
        };
        if !inside {
            return Ok(out.into_list());
        }
        if by == 0 {
            return Err(over_limit("function-items", limits::FUNCTION_ITEMS));
        }
        out.push(next.clone())?;
        next = plus(&next, &step)?;
    }
}

pub(super) fn repeat(args: &[Value]) -> Result<Value> {
    let [times, value] = args else {
        return Err(
            Cause::Unsupported.error("(repeat x) has no end: give it a count, (repeat 3 x)")
        );
    };
    let times = size(times)?;
    check_count(times)?;
    Ok(Value::list(std::iter::repeat_n(value.clone(), times)))
}

/// A count given as a number; below zero is zero.
fn size(value: &Value) -> Result<usize> {
    if !is_number(value) {
        return Err(not_a("a number", value));
    }
    let number = Number::of(value)?;
    if number.sign() <= 0 {
        return Ok(0);
    }
    let whole = number.to_double().ceil();
    Ok(if whole >= usize::MAX as f64 {
        usize::MAX
    } else {
        whole as usize
    })
}

pub(super) fn seq(args: &[Value]) -> Result<Value> {
    Ok(seq_or_nil(&items(&args[0])?))
}

pub(super) fn first(args: &[Value]) -> Result<Value> {
    if let Value::Str(text) = &args[0] {
        return Ok(text.chars().next().map(Value::Char).unwrap_or_default());
    }
    Ok(items(&args[0])?.first().cloned().unwrap_or_default())
}

pub(super) fn second(args: &[Value]) -> Result<Value> {
    Ok(items(&args[0])?.get(1).cloned().unwrap_or_default())
}

pub(super) fn last(args: &[Value]) -> Result<Value> {
    Ok(items(&args[0])?.last().cloned().unwrap_or_default())
}

pub(super) fn rest(args: &[Value]) -> Result<Value> {
    let all = items(&args[0])?;
    Ok(Value::list(all.iter().skip(1).cloned()))
}

pub(super) fn next(args: &[Value]) -> Result<Value> {
    let all = items(&args[0])?;
    Ok(seq_or_nil(all.get(1..).unwrap_or(&[])))
}

pub(super) fn first_of_first(args: &[Value]) -> Result<Value> {
    first(&[first(args)?])
}

pub(super) fn next_of_first(args: &[Value]) -> Result<Value> {
    next(&[first(args)?])
}

pub(super) fn next_of_next(args: &[Value]) -> Result<Value> {
    next(&[next(args)?])
}

pub(super) fn butlast(args: &[Value]) -> Result<Value> {
    let all = items(&args[0])?;
    Ok(seq_or_nil(&all[..all.len().saturating_sub(1)]))
}

pub(super) fn take(args: &[Value]) -> Result<Value> {
    let all = items(&args[1])?;
    Ok(Value::list(all.iter().take(size(&args[0])?).cloned()))
}

pub(super) fn drop(args: &[Value]) -> Result<Value> {
    let all = items(&args[1])?;
    Ok(Value::list(all.iter().skip(size(&args[0])?).cloned()))
}

pub(super) fn take_last(args: &[Value]) -> Result<Value> {
    let all = items(&args[1])?;
    let from = all.len().saturating_sub(size(&args[0])?);
    Ok(seq_or_nil(&all[from..]))
}

pub(super) fn drop_last(args: &[Value]) -> Result<Value> {
    let (n, place) = match args {
        [place] => (1, place),
        _ => (size(&args[0])?, &args[1]),
    };
    let all = items(place)?;
    Ok(Value::list(
        all[..all.len().saturating_sub(n)].iter().cloned(),
    ))
}

pub(super) fn nth_rest(args: &[Value]) -> Result<Value> {
    drop(&[args[1].clone(), args[0].clone()])
}

pub(super) fn nth_next(args: &[Value]) -> Result<Value> {
    let all = items(&args[0])?;
    Ok(seq_or_nil(all.get(size(&args[1])?..).unwrap_or(&[])))
}

pub(super) fn take_nth(args: &[Value]) -> Result<Value> {
    let step = size(&args[0])?;
    if step == 0 {
        return Err(over_limit("function-items", limits::FUNCTION_ITEMS));
    }
    Ok(Value::list(items(&args[1])?.iter().step_by(step).cloned()))
}

pub(super) fn split_at(args: &[Value]) -> Result<Value> {
    Ok(Value::vector([take(args)?, drop(args)?]))
}

pub(super) fn concat(args: &[Value]) -> Result<Value> {
    let mut out = Items::default();
    for arg in args {
        out.extend(&items(arg)?)?;
    }
    Ok(out.into_list())
}

pub(super) fn cons(args: &[Value]) -> Result<Value> {
    let mut out = Items::default();
    out.push(args[0].clone())?;
    out.extend(&items(&args[1])?)?;
    Ok(out.into_list())
}

pub(super) fn list_star(args: &[Value]) -> Result<Value> {
    let Some((last, front)) = args.split_last() else {
        return Ok(Value::Nil);
    };
    let mut out = Items::default();
    out.extend(front)?;
    out.extend(&items(last)?)?;
    Ok(seq_or_nil(&out.into_vec()))
}

pub(super) fn reverse(args: &[Value]) -> Result<Value> {
    Ok(Value::list(items(&args[0])?.iter().rev().cloned()))
}

pub(super) fn rseq(args: &[Value]) -> Result<Value> {
    match &args[0] {
        Value::Vector(held) => Ok(seq_or_nil(&held.iter().rev().cloned().collect::<Vec<_>>())),
        other => Err(not_a("a vector", other)),
    }
}

pub(super) fn distinct(args: &[Value]) -> Result<Value> {
    let seen: Set = items(&args[0])?.iter().cloned().collect();
    Ok(Value::list(seen))
}

pub(super) fn dedupe(args: &[Value]) -> Result<Value> {
    let mut all = items(&args[0])?.into_owned();
    all.dedup();
    Ok(Value::list(all))
}

pub(super) fn frequencies(args: &[Value]) -> Result<Value> {
    let mut counts: IndexMap<Value, i64> = IndexMap::new();
    for item in items(&args[0])?.iter() {
        *counts.entry(item.clone()).or_default() += 1;
    }
    Ok(Value::map(
        counts.into_iter().map(|(item, n)| (item, Value::Long(n))),
    ))
}

pub(super) fn flatten(args: &[Value]) -> Result<Value> {
    let mut out = Items::default();
    if let Some(all) = args[0].as_sequential() {
        flatten_into(all, &mut out)?;
    }
    Ok(out.into_list())
}

/// Depth is that of a value, which the reader and [`super::seq::check_result`] bound.
fn flatten_into(all: &[Value], out: &mut Items) -> Result<()> {
    for item in all {
        match item.as_sequential() {
            Some(inner) => flatten_into(inner, out)?,
            None => out.push(item.clone())?,
        }
    }
    Ok(())
}

pub(super) fn interleave(args: &[Value]) -> Result<Value> {
    let columns = args.iter().map(items).collect::<Result<Vec<_>>>()?;
    let rows = columns.iter().map(|column| column.len()).min().unwrap_or(0);
    let mut out = Items::default();
    for row in 0..rows {
        for column in &columns {
            out.push(column[row].clone())?;
        }
    }
    Ok(out.into_list())
}

pub(super) fn interpose(args: &[Value]) -> Result<Value> {
    let mut out = Items::default();
    for item in items(&args[1])?.iter() {
        if out.len() > 0 {
            out.push(args[0].clone())?;
        }
        out.push(item.clone())?;
    }
    Ok(out.into_list())
}

pub(super) fn partition(args: &[Value]) -> Result<Value> {
    let n = size(&args[0])?;
    let step = if args.len() > 2 { size(&args[1])? } else { n };
    let all = items(&args[args.len() - 1])?;
    let pad = if args.len() == 4 {
        Some(items(&args[2])?)
    } else {
        None
    };
    windows(&all, n, step, |part| match &pad {
        _ if part.len() >= n => Cut::Whole(part),
        None => Cut::End,
        Some(pad) => Cut::Last(part.iter().chain(pad.iter()).take(n).cloned().collect()),
    })
}

pub(super) fn partition_all(args: &[Value]) -> Result<Value> {
    let n = size(&args[0])?;
    let step = if args.len() > 2 { size(&args[1])? } else { n };
    let all = items(&args[args.len() - 1])?;
    windows(&all, n, step, |part| Cut::Whole(part))
}

/// What becomes of a window.
enum Cut<'a> {
    Whole(&'a [Value]),
    Last(Vec<Value>),
    End,
}

fn windows(
    all: &[Value],
    n: usize,
    step: usize,
    cut: impl for<'a> Fn(&'a [Value]) -> Cut<'a>,
) -> Result<Value> {
    if step == 0 && !all.is_empty() {
        return Err(over_limit("function-items", limits::FUNCTION_ITEMS));
    }
    let mut out = Items::default();
    let (mut from, mut held) = (0, 0);
    while from < all.len() {
        let part = &all[from..all.len().min(from.saturating_add(n))];
        match cut(part) {
            Cut::Whole(part) => {
                held += part.len();
                check_count(held)?;
                out.push(Value::list(part.iter().cloned()))?;
            }
            Cut::Last(part) => {
                out.push(Value::list(part))?;
                break;
            }
            Cut::End => break,
        }
        from = from.saturating_add(step);
    }
    Ok(out.into_list())
}

pub(super) fn replace(args: &[Value]) -> Result<Value> {
    let mut out = Items::default();
    for item in items(&args[1])?.iter() {
        let found = super::lookup::find(&[args[0].clone(), item.clone()])?;
        out.push(
            found
                .as_sequential()
                .map_or_else(|| item.clone(), |pair| pair[1].clone()),
        )?;
    }
    Ok(match args[1] {
        Value::Vector(_) => out.into_vec().into(),
        _ => out.into_list(),
    })
}

pub(super) fn shuffle(args: &[Value]) -> Result<Value> {
    let all = items(&args[0])?;
    let picked = random::sample(all.len(), all.len());
    Ok(Value::vector(picked.into_iter().map(|n| all[n].clone())))
}

pub(super) fn rand_nth(args: &[Value]) -> Result<Value> {
    let all = items(&args[0])?;
    if all.is_empty() {
        return match args[0] {
            Value::Nil => Ok(Value::Nil),
            _ => Err(Cause::Index.error("rand-nth of nothing")),
        };
    }
    Ok(all[random::below(all.len())].clone())
}

pub(super) fn bounded_count(args: &[Value]) -> Result<Value> {
    super::collection::count(&args[1..])
}
