//! Clojure's `=` and the hash that goes with it.
//!
//! Numbers are equal within a category: integers of any size, decimals, ratios, floats. Floats
//! hash by their value as doubles; `0.0` equals `-0.0`; `NaN` equals itself here, so that a set
//! can hold it once.

use std::hash::{Hash, Hasher};
use std::mem::discriminant;
use std::sync::Arc;

use num_traits::ToPrimitive;

use super::Value;
use super::stable::stable_hash_of;

impl PartialEq for Value {
    fn eq(&self, other: &Value) -> bool {
        use Value as V;
        match (self, other) {
            (V::Nil, V::Nil) => true,
            (V::Bool(a), V::Bool(b)) => a == b,
            (V::Long(a), V::Long(b)) => a == b,
            (V::Long(a), V::BigInt(b)) | (V::BigInt(b), V::Long(a)) => b.to_i64() == Some(*a),
            (V::BigInt(a), V::BigInt(b)) => a == b,
            (V::Double(a), V::Double(b)) => same_float(*a, *b),
            (V::Double(a), V::Float(b)) | (V::Float(b), V::Double(a)) => {
                same_float(*a, f64::from(*b))
            }
            (V::Float(a), V::Float(b)) => same_float(f64::from(*a), f64::from(*b)),
            (V::BigDec(a), V::BigDec(b)) => a == b,
            (V::Ratio(a), V::Ratio(b)) => a == b,
            (V::Char(a), V::Char(b)) => a == b,
            (V::Str(a), V::Str(b)) => a == b,
            (V::Keyword(a), V::Keyword(b)) => a == b,
            (V::Symbol(a), V::Symbol(b)) => a == b,
            (V::Uuid(a), V::Uuid(b)) => a == b,
            (V::Instant(a), V::Instant(b)) => a == b,
            (V::Bytes(a), V::Bytes(b)) => a == b,
            (V::FloatArray(a), V::FloatArray(b)) => {
                a.len() == b.len()
                    && a.iter()
                        .zip(b.iter())
                        .all(|(x, y)| x.to_bits() == y.to_bits())
            }
            (V::DoubleArray(a), V::DoubleArray(b)) => {
                a.len() == b.len()
                    && a.iter()
                        .zip(b.iter())
                        .all(|(x, y)| x.to_bits() == y.to_bits())
            }
            (V::List(a) | V::Vector(a), V::List(b) | V::Vector(b)) => a == b,
            (V::Map(a), V::Map(b)) => a == b,
            (V::Set(a), V::Set(b)) => a == b,
            (V::Tagged(a), V::Tagged(b)) => a == b,
            (V::Regex(a), V::Regex(b)) => a.as_str() == b.as_str(),
            _ => false,
        }
    }
}

impl Eq for Value {}

fn same_float(a: f64, b: f64) -> bool {
    a == b || (a.is_nan() && b.is_nan())
}

fn hash_float<H: Hasher>(x: f64, state: &mut H) {
    let bits = if x == 0.0 {
        0
    } else if x.is_nan() {
        f64::NAN.to_bits()
    } else {
        x.to_bits()
    };
    (3u8, bits).hash(state);
}

impl Hash for Value {
    fn hash<H: Hasher>(&self, state: &mut H) {
        use Value as V;
        match self {
            V::Nil => 0u8.hash(state),
            V::Bool(b) => (1u8, b).hash(state),
            V::Long(n) => (2u8, n).hash(state),
            V::BigInt(n) => match n.to_i64() {
                Some(n) => (2u8, n).hash(state),
                None => (2u8, n).hash(state),
            },
            V::Double(x) => hash_float(*x, state),
            V::Float(x) => hash_float(f64::from(*x), state),
            // `BigDecimal` hashes its digits written out: `1E+999999999M` would take a gigabyte.
            V::BigDec(d) => (5u8, d.normalized().as_bigint_and_exponent()).hash(state),
            V::Ratio(r) => (6u8, r).hash(state),
            V::Char(c) => (7u8, c).hash(state),
            V::Str(s) => (8u8, s).hash(state),
            V::Keyword(k) => (9u8, k).hash(state),
            V::Symbol(s) => (10u8, s).hash(state),
            V::Uuid(u) => (11u8, u).hash(state),
            V::Instant(ms) => (12u8, ms).hash(state),
            V::Bytes(b) => (13u8, b).hash(state),
            V::FloatArray(xs) => {
                14u8.hash(state);
                xs.iter().for_each(|x| x.to_bits().hash(state));
            }
            V::DoubleArray(xs) => {
                15u8.hash(state);
                xs.iter().for_each(|x| x.to_bits().hash(state));
            }
            V::List(items) | V::Vector(items) => (16u8, &items[..]).hash(state),
            V::Map(map) => {
                let sum = map
                    .iter()
                    .fold(0u64, |sum, entry| sum.wrapping_add(stable_hash_of(entry)));
                (17u8, map.len(), sum).hash(state);
            }
            V::Set(set) => {
                let sum = set
                    .iter()
                    .fold(0u64, |sum, item| sum.wrapping_add(stable_hash_of(item)));
                (18u8, set.len(), sum).hash(state);
            }
            V::Tagged(tagged) => (19u8, &tagged.0, &tagged.1).hash(state),
            V::Regex(r) => (20u8, r.as_str()).hash(state),
        }
    }
}

/// Whether two values were written alike: unlike `=` this tells a list from a vector and `1` from
/// `1N`, which mean different things in a query. Entries must come in the same order.
pub fn is_same_form(a: &Value, b: &Value) -> bool {
    let all = |a: &[Value], b: &[Value]| {
        a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_same_form(a, b))
    };
    match (a, b) {
        (Value::List(a), Value::List(b)) | (Value::Vector(a), Value::Vector(b)) => {
            Arc::ptr_eq(a, b) || all(a, b)
        }
        (Value::Map(a), Value::Map(b)) => {
            let entries = || a.iter().zip(b.iter());
            let is_same_entry = |((k, v), (l, w)): ((&Value, &Value), (&Value, &Value))| {
                is_same_form(k, l) && is_same_form(v, w)
            };
            Arc::ptr_eq(a, b) || a.len() == b.len() && entries().all(is_same_entry)
        }
        (Value::Set(a), Value::Set(b)) => {
            let mut items = a.iter().zip(b.iter());
            Arc::ptr_eq(a, b) || a.len() == b.len() && items.all(|(a, b)| is_same_form(a, b))
        }
        (Value::Tagged(a), Value::Tagged(b)) => a.0 == b.0 && is_same_form(&a.1, &b.1),
        _ => discriminant(a) == discriminant(b) && a == b,
    }
}
