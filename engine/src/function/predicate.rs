//! Yes-or-no questions about one value, and the logic that joins answers.

use super::arithmetic::parity;
use super::compare::is_number;
use super::failure::{Cause, class_name};
use super::number::Number;
use super::seq;
use crate::error::Result;
use crate::value::{Set, Value};

macro_rules! type_predicates {
    ($($name:ident: $pattern:pat,)*) => {
        $(pub(super) fn $name(args: &[Value]) -> Result<Value> {
            Ok(Value::Bool(matches!(&args[0], $pattern)))
        })*
    };
}

type_predicates! {
    is_nil: Value::Nil,
    is_true: Value::Bool(true),
    is_false: Value::Bool(false),
    is_boolean: Value::Bool(_),
    is_string: Value::Str(_),
    is_char: Value::Char(_),
    is_keyword: Value::Keyword(_),
    is_symbol: Value::Symbol(_),
    is_ident: Value::Keyword(_) | Value::Symbol(_),
    is_uuid: Value::Uuid(_),
    is_inst: Value::Instant(_),
    is_bytes: Value::Bytes(_),
    is_fixed_integer: Value::Long(_),
    is_integer: Value::Long(_) | Value::BigInt(_),
    is_float: Value::Double(_) | Value::Float(_),
    is_double: Value::Double(_),
    is_decimal: Value::BigDec(_),
    is_ratio: Value::Ratio(_),
    is_rational: Value::Long(_) | Value::BigInt(_) | Value::Ratio(_) | Value::BigDec(_),
    is_vector: Value::Vector(_),
    is_list: Value::List(_),
    is_map: Value::Map(_),
    is_set: Value::Set(_),
    is_sequential: Value::List(_) | Value::Vector(_),
    is_collection: Value::List(_) | Value::Vector(_) | Value::Map(_) | Value::Set(_),
    is_associative: Value::Vector(_) | Value::Map(_),
    is_counted: Value::List(_) | Value::Vector(_) | Value::Map(_) | Value::Set(_),
    is_reversible: Value::Vector(_),
    is_callable: Value::Keyword(_) | Value::Symbol(_) | Value::Map(_) | Value::Set(_) | Value::Vector(_),
    is_tagged_literal: Value::Tagged(_),
}

pub(super) fn never(_: &[Value]) -> Result<Value> {
    Ok(Value::Bool(false))
}

pub(super) fn any(_: &[Value]) -> Result<Value> {
    Ok(Value::Bool(true))
}

pub(super) fn is_some(args: &[Value]) -> Result<Value> {
    Ok(Value::Bool(!args[0].is_nil()))
}

pub(super) fn is_numeric(args: &[Value]) -> Result<Value> {
    Ok(Value::Bool(is_number(&args[0])))
}

pub(super) fn is_positive_int(args: &[Value]) -> Result<Value> {
    Ok(Value::Bool(matches!(args[0], Value::Long(n) if n > 0)))
}

pub(super) fn is_negative_int(args: &[Value]) -> Result<Value> {
    Ok(Value::Bool(matches!(args[0], Value::Long(n) if n < 0)))
}

pub(super) fn is_natural_int(args: &[Value]) -> Result<Value> {
    Ok(Value::Bool(matches!(args[0], Value::Long(n) if n >= 0)))
}

pub(super) fn is_nan(args: &[Value]) -> Result<Value> {
    Ok(Value::Bool(Number::of(&args[0])?.is_nan()))
}

pub(super) fn is_infinite(args: &[Value]) -> Result<Value> {
    let number = Number::of(&args[0])?;
    Ok(Value::Bool(
        matches!(number, Number::Double(x) if x.is_infinite()),
    ))
}

pub(super) fn is_zero(args: &[Value]) -> Result<Value> {
    Ok(Value::Bool(Number::of(&args[0])?.is_zero()))
}

pub(super) fn is_positive(args: &[Value]) -> Result<Value> {
    Ok(Value::Bool(Number::of(&args[0])?.sign() > 0))
}

pub(super) fn is_negative(args: &[Value]) -> Result<Value> {
    Ok(Value::Bool(Number::of(&args[0])?.sign() < 0))
}

pub(super) fn is_even(args: &[Value]) -> Result<Value> {
    odd(&args[0]).map(|odd| Value::Bool(!odd))
}

pub(super) fn is_odd(args: &[Value]) -> Result<Value> {
    odd(&args[0]).map(Value::Bool)
}

fn odd(value: &Value) -> Result<bool> {
    parity(value).ok_or_else(|| {
        Cause::IllegalArgument
            .error(format!(
                "Argument must be an integer: {}",
                class_name(value)
            ))
            .with("value", value.clone())
    })
}

pub(super) fn is_simple(args: &[Value]) -> Result<Value> {
    Ok(Value::Bool(named(&args[0], false)))
}

pub(super) fn is_qualified(args: &[Value]) -> Result<Value> {
    Ok(Value::Bool(named(&args[0], true)))
}

pub(super) fn is_simple_keyword(args: &[Value]) -> Result<Value> {
    Ok(Value::Bool(
        args[0]
            .as_keyword()
            .is_some_and(|k| k.namespace().is_none()),
    ))
}

pub(super) fn is_qualified_keyword(args: &[Value]) -> Result<Value> {
    Ok(Value::Bool(
        args[0]
            .as_keyword()
            .is_some_and(|k| k.namespace().is_some()),
    ))
}

pub(super) fn is_simple_symbol(args: &[Value]) -> Result<Value> {
    Ok(Value::Bool(
        args[0].as_symbol().is_some_and(|s| s.namespace().is_none()),
    ))
}

pub(super) fn is_qualified_symbol(args: &[Value]) -> Result<Value> {
    Ok(Value::Bool(
        args[0].as_symbol().is_some_and(|s| s.namespace().is_some()),
    ))
}

fn named(value: &Value, qualified: bool) -> bool {
    match value {
        Value::Keyword(k) => k.namespace().is_some() == qualified,
        Value::Symbol(s) => s.namespace().is_some() == qualified,
        _ => false,
    }
}

pub(super) fn is_seqable(args: &[Value]) -> Result<Value> {
    Ok(Value::Bool(seq::items(&args[0]).is_ok()))
}

pub(super) fn is_empty(args: &[Value]) -> Result<Value> {
    Ok(Value::Bool(seq::items(&args[0])?.is_empty()))
}

pub(super) fn is_distinct(args: &[Value]) -> Result<Value> {
    let distinct: Set = args.iter().cloned().collect();
    Ok(Value::Bool(distinct.len() == args.len()))
}

pub(super) fn not(args: &[Value]) -> Result<Value> {
    Ok(Value::Bool(!args[0].is_truthy()))
}

pub(super) fn and(args: &[Value]) -> Result<Value> {
    let end = args.iter().find(|arg| !arg.is_truthy()).or(args.last());
    Ok(end.cloned().unwrap_or(Value::Bool(true)))
}

pub(super) fn or(args: &[Value]) -> Result<Value> {
    let end = args.iter().find(|arg| arg.is_truthy()).or(args.last());
    Ok(end.cloned().unwrap_or_default())
}
