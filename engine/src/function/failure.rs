//! What a function answers when it cannot answer: an [`Error`] that keeps Clojure's kind.

use crate::error::{Code, Error};
use crate::value::Value;

/// What Clojure would have thrown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// `ClassCastException`: an argument of a wrong type.
    ClassCast,
    /// `IllegalArgumentException`: an argument the function does not take.
    IllegalArgument,
    /// `NumberFormatException`: text that is no number.
    NumberFormat,
    /// `ArithmeticException`: overflow, division by zero.
    Arithmetic,
    /// `ArityException`: a wrong number of arguments.
    Arity,
    /// `IndexOutOfBoundsException`.
    Index,
    /// `NullPointerException`: `nil` where a value is needed.
    Null,
    /// `UnsupportedOperationException`.
    Unsupported,
    /// `PatternSyntaxException`: a regular expression that cannot be read.
    Pattern,
}

impl Cause {
    /// The keyword under `:cause`, without its colon.
    pub fn keyword(self) -> &'static str {
        match self {
            Cause::ClassCast => "class-cast",
            Cause::IllegalArgument => "illegal-argument",
            Cause::NumberFormat => "number-format",
            Cause::Arithmetic => "arithmetic",
            Cause::Arity => "arity",
            Cause::Index => "index",
            Cause::Null => "null-pointer",
            Cause::Unsupported => "unsupported-operation",
            Cause::Pattern => "pattern-syntax",
        }
    }

    /// The error with one sentence.
    pub(super) fn error(self, message: impl Into<String>) -> Error {
        Error::new(Code::QueryFunction, message).with("cause", Value::keyword(self.keyword()))
    }
}

/// Whether a predicate of a query takes this error for `false`: Datahike swallows
/// `ClassCastException` and `IllegalArgumentException`, so that `(< ?x 3)` skips a string.
///
/// A wrong number of arguments is an `IllegalArgumentException` too, but never depends on the data,
/// so it is not swallowed here.
pub fn is_swallowed(error: &Error) -> bool {
    const SWALLOWED: [Cause; 3] = [
        Cause::ClassCast,
        Cause::IllegalArgument,
        Cause::NumberFormat,
    ];
    error.code() == Code::QueryFunction
        && error.data().iter().any(|(key, value)| {
            *key == "cause"
                && value
                    .as_keyword()
                    .is_some_and(|k| SWALLOWED.iter().any(|cause| cause.keyword() == k.as_str()))
        })
}

/// `value` is not a `wanted`; for `nil` Clojure has another exception.
pub(super) fn not_a(wanted: &str, value: &Value) -> Error {
    match value {
        Value::Nil => Cause::Null.error(format!("expected {wanted}, got nil")),
        _ => Cause::ClassCast
            .error(format!("expected {wanted}, got {}", class_name(value)))
            .with("value", value.clone()),
    }
}

/// A result over the limit called `limit` in [`crate::limits`].
pub(super) fn over_limit(limit: &'static str, bound: usize) -> Error {
    Error::new(
        Code::Limit,
        format!("a function's result is over the limit {limit} of {bound}"),
    )
    .with("limit", Value::keyword(limit))
}

/// The Java class a Clojure program would see.
pub(super) fn class_name(value: &Value) -> &'static str {
    match value {
        Value::Nil => "nil",
        Value::Bool(_) => "java.lang.Boolean",
        Value::Long(_) => "java.lang.Long",
        Value::Double(_) => "java.lang.Double",
        Value::Float(_) => "java.lang.Float",
        Value::BigInt(_) => "clojure.lang.BigInt",
        Value::BigDec(_) => "java.math.BigDecimal",
        Value::Ratio(_) => "clojure.lang.Ratio",
        Value::Char(_) => "java.lang.Character",
        Value::Str(_) => "java.lang.String",
        Value::Keyword(_) => "clojure.lang.Keyword",
        Value::Symbol(_) => "clojure.lang.Symbol",
        Value::Uuid(_) => "java.util.UUID",
        Value::Instant(_) => "java.util.Date",
        Value::Bytes(_) => "[B",
        Value::FloatArray(_) => "[F",
        Value::DoubleArray(_) => "[D",
        Value::List(_) => "clojure.lang.PersistentList",
        Value::Vector(_) => "clojure.lang.PersistentVector",
        Value::Map(map) if map.len() <= 8 => "clojure.lang.PersistentArrayMap",
        Value::Map(_) => "clojure.lang.PersistentHashMap",
        Value::Set(_) => "clojure.lang.PersistentHashSet",
        Value::Tagged(_) => "clojure.lang.TaggedLiteral",
        Value::Regex(_) => "java.util.regex.Pattern",
    }
}
