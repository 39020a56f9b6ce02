//! The total order of the indexes: Datahike's `compare-value`.
//!
//! Numbers compare across their types; names, strings, instants, booleans by their own order;
//! vectors shorter first, then item by item with `nil` first; UUIDs as two signed 64-bit numbers,
//! as Java does; what cannot be compared goes by the name of its Java class.

use std::cmp::Ordering;

use bigdecimal::BigDecimal;
use num_bigint::BigInt;
use num_traits::ToPrimitive;

use super::{Value, clojure_hash};

/// A value with the order of [`compare`], for sorted collections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order(pub Value);

impl Ord for Order {
    fn cmp(&self, other: &Order) -> Ordering {
        compare(&self.0, &other.0)
    }
}

impl PartialOrd for Order {
    fn partial_cmp(&self, other: &Order) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Orders two values as the indexes do. Equal only if no index can tell them apart: `1` and `1.0`
/// compare equal here though they are not `=`.
pub fn compare(a: &Value, b: &Value) -> Ordering {
    use Value as V;
    match (a, b) {
        (V::Nil, V::Nil) => Ordering::Equal,
        (V::Nil, _) => Ordering::Less,
        (_, V::Nil) => Ordering::Greater,
        (V::Long(a), V::Long(b)) => a.cmp(b),
        (V::Bool(a), V::Bool(b)) => a.cmp(b),
        (V::Char(a), V::Char(b)) => a.cmp(b),
        (V::Str(a), V::Str(b)) => compare_text(a, b),
        (V::Keyword(a), V::Keyword(b)) => {
            compare_names((a.namespace(), a.name()), (b.namespace(), b.name()))
        }
        (V::Symbol(a), V::Symbol(b)) => {
            compare_names((a.namespace(), a.name()), (b.namespace(), b.name()))
        }
        (V::Uuid(a), V::Uuid(b)) => {
            let (a, b) = (a.as_u64_pair(), b.as_u64_pair());
            (a.0 as i64, a.1 as i64).cmp(&(b.0 as i64, b.1 as i64))
        }
        (V::Instant(a), V::Instant(b)) => a.cmp(b),
        (V::Bytes(a), V::Bytes(b)) => a
            .len()
            .cmp(&b.len())
            .then_with(|| a.iter().map(|x| *x as i8).cmp(b.iter().map(|x| *x as i8))),
        (V::FloatArray(a), V::FloatArray(b)) => a
            .len()
            .cmp(&b.len())
            .then_with(|| compare_items(a.iter().zip(b.iter()), |x, y| x.total_cmp(y))),
        (V::DoubleArray(a), V::DoubleArray(b)) => a
            .len()
            .cmp(&b.len())
            .then_with(|| compare_items(a.iter().zip(b.iter()), |x, y| x.total_cmp(y))),
        (V::List(a) | V::Vector(a), V::List(b) | V::Vector(b)) => a
            .len()
            .cmp(&b.len())
            .then_with(|| compare_items(a.iter().zip(b.iter()), compare)),
        _ => match (Number::of(a), Number::of(b)) {
            (Some(x), Some(y)) => x.compare(&y),
            _ => class_rank(a)
                .cmp(&class_rank(b))
                .then_with(|| unordered(a, b)),
        },
    }
}

fn compare_items<T>(
    pairs: impl Iterator<Item = (T, T)>,
    order: impl Fn(T, T) -> Ordering,
) -> Ordering {
    pairs
        .map(|(x, y)| order(x, y))
        .find(|o| o.is_ne())
        .unwrap_or(Ordering::Equal)
}

/// UTF-16 order, as Java compares strings. It differs from byte order only above the BMP.
fn compare_text(a: &str, b: &str) -> Ordering {
    if a.is_ascii() || b.is_ascii() {
        return a.as_bytes().cmp(b.as_bytes());
    }
    a.encode_utf16().cmp(b.encode_utf16())
}

/// A name without a namespace comes first; else by namespace, then name.
fn compare_names(a: (Option<&str>, &str), b: (Option<&str>, &str)) -> Ordering {
    a.0.cmp(&b.0).then_with(|| a.1.cmp(b.1))
}

/// Maps, sets, tags and patterns have no order of their own: Clojure's hash, then the printed form,
/// so that the order is total.
fn unordered(a: &Value, b: &Value) -> Ordering {
    if a == b {
        Ordering::Equal
    } else {
        let by_hash = clojure_hash(a).cmp(&clojure_hash(b));
        by_hash.then_with(|| format!("{a:?}").cmp(&format!("{b:?}")))
    }
}

/// Rank by the Java class name Datahike would see.
fn class_rank(value: &Value) -> u8 {
    match value {
        Value::Nil => 0,
        Value::Bytes(_) => 1,       // [B
        Value::DoubleArray(_) => 2, // [D
        Value::FloatArray(_) => 3,  // [F
        Value::Keyword(_) => 5,     // clojure.lang.Keyword
        Value::Map(_) => 6,         // clojure.lang.PersistentArrayMap
        Value::Set(_) => 7,         // clojure.lang.PersistentHashSet
        Value::List(_) => 8,        // clojure.lang.PersistentList
        Value::Vector(_) => 8,      // clojure.lang.PersistentVector
        Value::Symbol(_) => 10,     // clojure.lang.Symbol
        Value::Tagged(_) => 11,     // clojure.lang.TaggedLiteral
        Value::Bool(_) => 12,       // java.lang.Boolean
        Value::Char(_) => 13,       // java.lang.Character
        // java.lang.Long, for all numbers: they compare by value across their types, so a class of
        // others between two of them would make a circle of the order.
        Value::Long(_)
        | Value::Double(_)
        | Value::Float(_)
        | Value::BigInt(_)
        | Value::BigDec(_)
        | Value::Ratio(_) => 16,
        Value::Str(_) => 17,     // java.lang.String
        Value::Instant(_) => 19, // java.util.Date
        Value::Uuid(_) => 20,    // java.util.UUID
        Value::Regex(_) => 21,   // java.util.regex.Pattern
    }
}

enum Number {
    Int(i64),
    Float(f64),
    Exact(BigDecimal),
}

impl Number {
    fn of(value: &Value) -> Option<Number> {
        Some(match value {
            Value::Long(n) => Number::Int(*n),
            Value::Double(x) => Number::Float(*x),
            Value::Float(x) => Number::Float(f64::from(*x)),
            Value::BigInt(n) => Number::Exact(BigDecimal::from(BigInt::clone(n))),
            Value::BigDec(d) => Number::Exact(BigDecimal::clone(d)),
            Value::Ratio(r) => Number::Float(r.to_f64().unwrap_or(f64::NAN)),
            _ => return None,
        })
    }

    fn compare(&self, other: &Number) -> Ordering {
        match (self, other) {
            (Number::Int(a), Number::Int(b)) => a.cmp(b),
            (Number::Exact(a), Number::Exact(b)) => a.cmp(b),
            (Number::Int(a), Number::Exact(b)) => BigDecimal::from(*a).cmp(b),
            (Number::Exact(a), Number::Int(b)) => a.cmp(&BigDecimal::from(*b)),
            _ => {
                let (a, b) = (self.float(), other.float());
                a.partial_cmp(&b)
                    .unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
            }
        }
    }

    fn float(&self) -> f64 {
        match self {
            Number::Int(n) => *n as f64,
            Number::Float(x) => *x,
            Number::Exact(d) => d.to_f64().unwrap_or(f64::NAN),
        }
    }
}
