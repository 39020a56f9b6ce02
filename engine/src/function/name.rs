//! Keywords, symbols, and what a value is called.

use super::failure::{Cause, class_name, not_a};
use super::regex::text_of;
use crate::error::Result;
use crate::value::{Keyword, Symbol, Value, clojure_hash};

pub(super) fn identity(args: &[Value]) -> Result<Value> {
    Ok(args[0].clone())
}

/// Values carry no metadata.
pub(super) fn nothing(_: &[Value]) -> Result<Value> {
    Ok(Value::Nil)
}

pub(super) fn name(args: &[Value]) -> Result<Value> {
    match &args[0] {
        Value::Str(_) => Ok(args[0].clone()),
        Value::Keyword(k) => Ok(Value::str(k.name())),
        Value::Symbol(s) => Ok(Value::str(s.name())),
        other => Err(not_a("a name", other)),
    }
}

pub(super) fn namespace(args: &[Value]) -> Result<Value> {
    let namespace = match &args[0] {
        Value::Keyword(k) => k.namespace(),
        Value::Symbol(s) => s.namespace(),
        other => return Err(not_a("a name", other)),
    };
    Ok(namespace.map(Value::str).unwrap_or_default())
}

pub(super) fn keyword(args: &[Value]) -> Result<Value> {
    match args {
        [Value::Keyword(_)] => Ok(args[0].clone()),
        [Value::Symbol(s)] => Ok(Value::Keyword(Keyword::new(s.as_str()))),
        [Value::Str(text)] => Ok(Value::Keyword(Keyword::new(text))),
        [Value::Nil, name] => Ok(Value::Keyword(Keyword::new(text_of(name)?))),
        [space, name] => {
            let text = format!("{}/{}", text_of(space)?, text_of(name)?);
            Ok(Value::Keyword(Keyword::new(&text)))
        }
        _ => Ok(Value::Nil),
    }
}

pub(super) fn symbol(args: &[Value]) -> Result<Value> {
    match args {
        [Value::Symbol(_)] => Ok(args[0].clone()),
        [Value::Keyword(k)] => Ok(Value::Symbol(Symbol::new(k.as_str()))),
        [Value::Str(text)] => Ok(Value::Symbol(Symbol::new(text))),
        [Value::Nil, name] => Ok(Value::Symbol(Symbol::new(text_of(name)?))),
        [space, name] => {
            let text = format!("{}/{}", text_of(space)?, text_of(name)?);
            Ok(Value::Symbol(Symbol::new(&text)))
        }
        _ => Err(Cause::IllegalArgument.error("no conversion to symbol")),
    }
}

/// The name of the class as a symbol: there are no classes to return.
pub(super) fn class(args: &[Value]) -> Result<Value> {
    Ok(match &args[0] {
        Value::Nil => Value::Nil,
        other => Value::symbol(class_name(other)),
    })
}

/// A number that equal values share; stable across runs, but not the number Clojure gives.
pub(super) fn hash(args: &[Value]) -> Result<Value> {
    Ok(Value::Long(i64::from(clojure_hash(&args[0]))))
}

pub(super) fn inst_ms(args: &[Value]) -> Result<Value> {
    match &args[0] {
        Value::Instant(ms) => Ok(Value::Long(*ms)),
        other => Err(Cause::IllegalArgument.error(format!("{} is no instant", class_name(other)))),
    }
}
